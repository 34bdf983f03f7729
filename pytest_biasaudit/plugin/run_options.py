"""The command line and the ini file, read and checked. Only where some option of ours is given, or an audit runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import pytest

from pytest_biasaudit.cache_folder import default_cache
from pytest_biasaudit.plugin.options import INCONCLUSIVE, OPTIONS, Option, on_command_line, value_of


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a run was asked to do: every option checked."""

    models: tuple[str, ...]
    source: str | None
    html: Path | None
    json: Path | None
    insist: bool
    """Report or evidence was asked for on the command line: there must be one. An ini file asks for it where it can be."""
    seed: int
    batch_size: int
    cache: Path | None
    inconclusive: Literal["fail", "warn", "skip"]
    noise_floor: bool
    observe: bool
    offline: bool

    @classmethod
    def of(cls, config: pytest.Config) -> RunOptions:
        """Flag before ini before default; relative files start where pytest was called, the cache at the root folder.

        Raises pytest.UsageError naming the option, what came and what is valid.
        """
        given = {option.name: value_of(config, option) for option in OPTIONS}
        flags = {option.name for option in OPTIONS if on_command_line(config, option)}
        inconclusive = str(given["inconclusive"])
        if inconclusive not in INCONCLUSIVE:
            raise _wrong("inconclusive", inconclusive, f"valid: {', '.join(INCONCLUSIVE)}")
        # A folder named on the command line is wanted, whatever the ini file says of keeping nothing.
        keeps = not given["no-cache"] or ("cache" in flags and "no-cache" not in flags)
        return cls(
            models=tuple(cast("list[str]", given["model"] or [])),
            source=cast("str | None", given["source"] or None),
            html=_file(config, given["html"]),
            json=_file(config, given["json"]),
            insist=bool(flags & {"html", "json"}),
            seed=_whole("seed", given["seed"], least=0),
            batch_size=_whole("batch-size", given["batch-size"], least=1),
            cache=_cache_folder(config, given["cache"]) if keeps else None,
            inconclusive=cast("Literal['fail', 'warn', 'skip']", inconclusive),
            noise_floor=bool(given["noise-floor"]),
            observe=bool(given["observe"]),
            offline=bool(given["offline"]),
        )


def _whole(name: str, value: object, *, least: int) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if number < least:
        raise _wrong(name, value, f"valid: a whole number, at least {least}")
    return number


def _wrong(name: str, value: object, valid: str) -> pytest.UsageError:
    option = Option(name, "")
    return pytest.UsageError(f"{option.flag} (ini {option.ini}) = {value}: {valid}")


def _file(config: pytest.Config, value: object) -> Path | None:
    return config.invocation_params.dir / str(value) if value else None


def _cache_folder(config: pytest.Config, value: object) -> Path:
    if value:
        return config.rootpath / Path(str(value)).expanduser()
    return default_cache(config.rootpath)

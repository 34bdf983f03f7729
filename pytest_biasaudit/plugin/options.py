"""The command line and its ini twins, as one table. Imported by every pytest run: keep it light."""

from __future__ import annotations

from typing import NamedTuple

import pytest


class Option(NamedTuple):
    """One option: flag and ini key say the same thing; the flag wins."""

    name: str
    """"model" for `--biasaudit-model` and `biasaudit_model`."""
    help: str
    default: object = None
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    repeatable: bool = False
    switch: bool = False

    @property
    def flag(self) -> str:
        return f"--biasaudit-{self.name}"

    @property
    def dest(self) -> str:
        return self.ini

    @property
    def ini(self) -> str:
        return f"biasaudit_{self.name.replace('-', '_')}"


INCONCLUSIVE = ("fail", "warn", "skip")

OPTIONS: tuple[Option, ...] = (
    Option(
        "model", "declared model to audit; repeatable; default: every declared model", metavar="NAME", repeatable=True
    ),
    Option(
        "source",
        "audit an undeclared model, named 'cli': hub id, folder, .gguf file or package:PACKAGE/FILE",
        metavar="REF",
    ),
    Option("html", "write the report to FILE", metavar="FILE"),
    Option("json", "write the evidence to FILE", metavar="FILE"),
    Option("seed", "seed of every random draw", default="0", metavar="N"),
    Option("batch-size", "prompts put to a model at once", default="32", metavar="N"),
    Option(
        "cache",
        "folder of the answer journal and of converted models; default: $BIASAUDIT_CACHE, else .biasaudit",
        metavar="DIR",
    ),
    Option("no-cache", "keep nothing between runs", switch=True),
    Option(
        "inconclusive",
        "what an inconclusive verdict does to its test",
        default="fail",
        choices=INCONCLUSIVE,
    ),
    Option(
        "noise-floor",
        "ask the models that limits compare with again, at another batch size, and show what that changes",
        switch=True,
    ),
    Option("observe", "record, show and report verdicts, and fail nothing", switch=True),
    Option("offline", "use no network: hub models must be in the local cache", switch=True),
)


def on_command_line(config: pytest.Config, option: Option) -> bool:
    """Whether its flag was given."""
    return config.getoption(option.dest) not in (None, [])


def value_of(config: pytest.Config, option: Option) -> object:
    """Flag before ini before default. Raises pytest.UsageError where the ini file says neither true nor false, and for
    a flag with nothing after it: an unset variable in a CI script must not choose another model.
    """
    if on_command_line(config, option):
        given = config.getoption(option.dest)
        if given == "":
            raise pytest.UsageError(f"{option.flag} is empty; give {option.metavar}, or leave the flag out")
        return given
    try:
        value = config.getini(option.ini)
    except (ValueError, pytest.UsageError) as error:
        raise pytest.UsageError(f"{option.ini}: {error}; valid: true, false") from None
    return option.default if value in (None, "", []) else value

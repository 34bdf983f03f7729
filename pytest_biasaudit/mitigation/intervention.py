"""What an intervention may be told: its settings, each with a default and what is valid. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar

from pytest_biasaudit.context.spelling import did_you_mean, listed, shown
from pytest_biasaudit.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of an intervention."""

    default: object
    """Where `required`: None, and it must be given."""
    valid: str
    """In words, for messages and the reference: "0 to 1"."""
    accepts: Callable[[object], bool]
    required: bool = False


T = TypeVar("T")


def named(name: str, there: Mapping[str, T], *, on: str) -> T:
    """The intervention of that name. Raises DataError naming those there are.

    on  what they act on, in words
    """
    if name not in there:
        raise DataError(
            f"intervention {name!r}", [f"is none on {on}{did_you_mean(name, there)}; there are {listed(there)}"]
        )
    return there[name]


def complete(settings: Mapping[str, Setting], given: Mapping[str, object], *, name: str) -> dict[str, Any]:
    """The settings with their defaults. Raises DataError with every one that is unknown, missing or not valid."""
    faults = [
        f"there is no setting {key!r}{did_you_mean(key, settings)}; there are {listed(settings)}"
        for key in given
        if key not in settings
    ]
    for key, setting in settings.items():
        value = given.get(key)
        if value is None:
            if setting.required:
                faults.append(f"{key} is missing; valid: {setting.valid}")
        elif not setting.accepts(value):
            faults.append(f"{key} = {shown(value)}; valid: {setting.valid}")
    if faults:
        raise DataError(f"intervention {name!r}", faults)
    return {key: setting.default if given.get(key) is None else given[key] for key, setting in settings.items()}


def text(valid: str, *, default: str | None = None, required: bool = False) -> Setting:
    """Any text but a blank one."""
    return Setting(default=default, valid=valid, accepts=_is_text, required=required)


def word(*words: str, default: str | None = None) -> Setting:
    """One of these words."""
    return Setting(default=default, valid=" or ".join(map(repr, words)), accepts=lambda value: value in words)


def number(valid: str, low: float, high: float, *, default: float | None = None, required: bool = False) -> Setting:
    """A number from `low` to `high`; NaN is none."""

    def accepts(value: object) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high

    return Setting(default=default, valid=valid, accepts=accepts, required=required)


def whole(valid: str, low: int, high: int, *, default: int | None = None) -> Setting:
    """A whole number from `low` to `high`."""

    def accepts(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return Setting(default=default, valid=valid, accepts=accepts)


def flag(valid: str, *, default: bool) -> Setting:
    """True or false."""
    return Setting(default=default, valid=valid, accepts=lambda value: isinstance(value, bool))


def texts(valid: str, *, default: str | None = None, required: bool = False) -> Setting:
    """A text, or a list of texts."""
    return Setting(
        default=default,
        valid=valid,
        accepts=lambda value: _is_text(value) or (is_list(value) and all(map(_is_text, value))),
        required=required,
    )


def word_pairs() -> Setting:
    """A list of word pairs: the name of a bundled one, or pairs."""
    return Setting(
        default="gender",
        valid="the name of a bundled list of word pairs, or a list of pairs",
        accepts=lambda value: (
            _is_text(value)
            or (is_list(value) and all(is_list(one) and len(one) == 2 and all(map(_is_text, one)) for one in value))
        ),
    )


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """A list or tuple with something in it."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and len(value) > 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())

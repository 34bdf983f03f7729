"""Single values as JSON can hold them. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence

Plain = dict[str, object]


def floats(values: Sequence[float] | None) -> list[float | None] | None:
    """Each number as `finite` gives it; None for none at all."""
    return None if values is None else [finite(value) for value in values]


def finite(value: float | None) -> float | None:
    """The number as a plain float; None for none, NaN and the infinities."""
    return None if value is None or not math.isfinite(value) else float(value)


def text(given: str) -> str:
    """The text as UTF-8 can hold it: a lone surrogate becomes its escape."""
    return str(given).encode("utf-8", "backslashreplace").decode("utf-8")


def text_or_none(given: str | None) -> str | None:
    """The text; None stays."""
    return None if given is None else text(given)

"""One figure of a study as text: its value, its interval, and what is said where there is none.

The page, its pictures and the terminal take these words from here. Figures in, text out; imports nothing heavy.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_biasaudit.report import wording
from pytest_biasaudit.report.grid import Shown

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.generalising.rows import Figure


def cell(figure: Figure, *, digits: int = 2) -> Shown:
    """A value with its interval under it; a dash, or "no interval", where there is none (the notes say why)."""
    if figure.value is None:
        return Shown(text=wording.NONE)
    return Shown(text=decimals(figure.value, digits), under=(interval_of(figure, digits=digits),))


def decimals(value: float | None, digits: int = 2) -> str:
    """As in "0.42" and "-0.08", for numbers that stand in one column; zero has no sign."""
    if value is None:
        return wording.NONE
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def interval_of(figure: Figure, *, digits: int = 2) -> str:
    """Both ends; "no interval" without."""
    interval = figure.interval
    if interval is None:
        return "no interval"
    low = decimals(interval.low, digits) if math.isfinite(interval.low) else "below any bound"
    high = decimals(interval.high, digits) if math.isfinite(interval.high) else "above any bound"
    return f"{low} to {high}"


def with_interval(figure: Figure) -> str:
    """As in "0.42 (0.12 to 0.61)", on one line; a dash without a value."""
    return wording.NONE if figure.value is None else f"{decimals(figure.value)} ({interval_of(figure)})"


def perplexity_text(perplexity: float | None) -> str:
    """A number; "infinite" for a model that predicts nothing any more."""
    if perplexity is None:
        return wording.NONE
    return wording.number(perplexity) if math.isfinite(perplexity) else "infinite"


def counted(variations: int, people: int) -> str:
    """As in "10 variations, 64 people"."""
    return f"{variations} variation{'s' * (variations != 1)}, {people} people"

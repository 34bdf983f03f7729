"""Cells of a study as plain, JSON-ready values, and back: for what is kept of a run, and for the evidence. Standard library."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_biasaudit.mitigation.study.result import Figure, StudyCell, UnitFigures
from pytest_biasaudit.stats.interval import Interval

Plain = dict[str, object]
Fitted = Mapping[str, Any]


def cell_to_plain(cell: StudyCell) -> Plain:
    """One cell."""
    return {
        "upstream": _text(cell.upstream),
        "data": _text(cell.data),
        "seed": int(cell.seed),
        "pretrained": bool(cell.pretrained),
        "train_rows": int(cell.train_rows),
        "train_sha256": cell.train_sha256,
        "test_sha256": cell.test_sha256,
        "units": [
            {
                "label": _text(unit.label),
                "group": _text(unit.group),
                "upstream": finite(unit.upstream),
                "prevalence": finite(unit.prevalence),
                "overall": finite(unit.overall),
                "log_odds": finite(unit.log_odds),
                "rows": int(unit.rows),
                "gap": figure_to_plain(unit.gap),
            }
            for unit in cell.units
        ],
        "rms": figure_to_plain(cell.rms),
        "accuracy": figure_to_plain(cell.accuracy),
    }


def cell_from_plain(raw: Fitted, *, level: float) -> StudyCell:
    """The cell back in types."""
    return StudyCell(
        upstream=raw["upstream"],
        data=raw["data"],
        seed=raw["seed"],
        pretrained=raw["pretrained"],
        train_rows=raw["train_rows"],
        train_sha256=raw["train_sha256"],
        test_sha256=raw["test_sha256"],
        units=tuple(
            UnitFigures(
                label=one["label"],
                group=one["group"],
                upstream=one["upstream"],
                prevalence=one["prevalence"],
                overall=one["overall"],
                log_odds=one["log_odds"],
                rows=one["rows"],
                gap=figure_from_plain(one["gap"], level=level),
            )
            for one in raw["units"]
        ),
        rms=figure_from_plain(raw["rms"], level=level),
        accuracy=figure_from_plain(raw["accuracy"], level=level),
    )


def figure_to_plain(figure: Figure) -> Plain:
    """A value with its interval, or the reason it lacks one; an end that JSON cannot say is null."""
    interval = figure.interval
    return {
        "value": finite(figure.value),
        "low": finite(interval.low) if interval else None,
        "high": finite(interval.high) if interval else None,
        "method": _text(interval.method) if interval else None,
        "reason": _text(figure.reason),
    }


def figure_from_plain(raw: Fitted, *, level: float) -> Figure:
    """The figure back in types."""
    interval = None
    if raw["method"] is not None:
        low = -math.inf if raw["low"] is None else raw["low"]
        high = math.inf if raw["high"] is None else raw["high"]
        interval = Interval(low=low, high=high, level=level, method=raw["method"])
    return Figure(value=raw["value"], interval=interval, reason=raw["reason"])


def finite(value: float | None) -> float | None:
    """The number as a plain float; None for none, NaN and the infinities."""
    return None if value is None or not math.isfinite(value) else float(value)


def _text(given: str) -> str:
    return str(given).encode("utf-8", "backslashreplace").decode("utf-8")

"""Rates of a table of scores, which has as many cells as rows: the same as over the cells one by one, from a few of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.metrics.metric import Compared, Shows
from pytest_biasaudit.metrics.registry import METRICS, for_kind
from pytest_biasaudit.metrics.tables import change, confusion, gaps, over_labels, overall, paired_rates, spread
from pytest_biasaudit.metrics.tables.alike import FEW, alike
from pytest_biasaudit.tables.tally import Attribute, Tally

OWN = for_kind(METRICS, "classifier")
GIVEN: dict[str, Any] = {"label": None, "level": 0.95, "seed": 0, "minimum": 5}


def scored(cells: int, *, terms: int = 5) -> Tally:
    """Rows that name some of the terms, each with a score of its own."""
    rng = np.random.default_rng(7)
    truth = rng.integers(-1, 2, cells)
    prediction, earlier = (np.where(rng.random(cells) < 0.8, truth, rng.integers(-1, 2, cells)) for _ in range(2))
    members = rng.random((cells, terms)) < 0.3
    return Tally(
        attributes=(Attribute(name="term", groups=tuple(f"t{at}" for at in range(terms)), overlapping=True),),
        labels=("0", "1"),
        positive="1",
        members=(members,),
        truth=truth,
        prediction=prediction,
        count=np.ones(cells, dtype=np.int64),
        score=rng.random(cells),
        earlier=earlier,
    )


TABLE = scored(FEW + 904)
ONE_BY_ONE: dict[str, tuple[Callable[..., tuple[Compared, ...]], dict[str, Any]]] = {
    "tpr_gap": (gaps.gap, {"rate": "tpr"}),
    "accuracy_gap": (gaps.gap, {"rate": "accuracy"}),
    "rms_tpr_gap": (over_labels.rms_gap, {}),
    "demographic_parity_difference": (spread.largest_difference, {"rates": ("selection",)}),
    "equalized_odds_difference": (spread.largest_difference, {"rates": ("tpr", "fpr")}),
    "impact_ratio": (spread.smallest_ratio, {}),
    "accuracy": (overall.share, {"rate": "accuracy"}),
    "worst_group_tpr": (overall.worst_group, {"rate": "tpr"}),
}


class Both:
    """Two models' answers, counted."""

    tally, obstacle = TABLE, ""


def same(one: tuple[Compared, ...], other: tuple[Compared, ...]) -> None:
    assert len(one) == len(other) > 0
    for found, expected in zip(one, other, strict=True):
        assert found.by_group == expected.by_group
        assert found.groups == expected.groups
        assert found.measured.value is not None
        ends = [
            (each.measured.value, each.measured.interval.low, each.measured.interval.high)
            for each in (found, expected)
            if each.measured.interval is not None
        ]
        assert ends[0] == pytest.approx(ends[1], abs=1e-12)


@pytest.mark.parametrize("name", sorted(ONE_BY_ONE))
def test_a_rate_is_the_same_from_cells_that_are_alike_put_together(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, settings = ONE_BY_ONE[name]
    attributes = ("term",) if OWN[name].by_group else ()
    expected = function(TABLE, attributes=attributes, **settings, **GIVEN)
    sizes: list[int] = []
    monkeypatch.setattr(confusion, "_sums", _sizes(confusion._sums, sizes))
    measure = OWN[name].of_table
    assert measure is not None
    same(measure(TABLE, attributes=attributes, **GIVEN), expected)
    assert max(sizes) <= 2**5 * 3**3  # terms, and truth and two predictions of three kinds


@pytest.mark.parametrize("name", ["tpr_gap", "accuracy"])
def test_so_is_a_change_against_another_model(name: str) -> None:
    shows: Shows = "recovery" if name == "accuracy" else "increase"
    attributes = ("term",) if OWN[name].by_group else ()
    found = change.change_of(OWN[name], Both(), Both(), "parent", attributes=attributes, shows=shows, **GIVEN)
    if name == "accuracy":
        same(found, paired_rates.recovered(TABLE, level=0.95, minimum=5))
    else:
        same(
            found,
            paired_rates.increase(OWN[name], TABLE, attributes=attributes, label=None, level=0.95, minimum=5),
        )


def _sizes(function: Callable[..., Any], sizes: list[int]) -> Callable[..., Any]:
    def call(rate: str, tally: Tally, *args: Any, **given: Any) -> Any:
        sizes.append(len(tally.count))
        return function(rate, tally, *args, **given)

    return call


def test_a_table_is_made_smaller_once_and_another_of_the_same_rows_again() -> None:
    assert alike(TABLE, ("term",)) is alike(TABLE, ["term"])
    assert alike(TABLE, ("term",)) is not alike(TABLE, ())
    again = replace(TABLE, truth=np.zeros_like(TABLE.truth))
    assert not alike(again, ("term",)).truth.any()

"""Data against their earlier version: the rise of the distance from the ideal, by hand."""

from __future__ import annotations

import math

import pytest

from pytest_biasaudit.metrics.metric import Compared
from pytest_biasaudit.metrics.tables.change_of_data import change_of_data
from pytest_biasaudit.metrics.tables.corpus import METRICS
from pytest_biasaudit.tables.tally import Tally
from tests.corpus_tables import corpus_tally

BY_NAME = {metric.name: metric for metric in METRICS}


def changes(name: str, now: Tally, before: Tally, *, label: str | None = None) -> list[Compared]:
    """Every comparison of the metric."""
    metric = BY_NAME[name]
    return list(
        change_of_data(
            metric,
            now,
            before,
            attributes=("gender",) if metric.by_group else (),
            label=label,
            level=0.95,
            seed=0,
            minimum=10,
        )
    )


def planted(women: int) -> Tally:
    """Of 1,000 men half have the label, of 1,000 women so many."""
    return corpus_tally([("men", "1", 500), ("men", "0", 500), ("women", "1", women), ("women", "0", 1000 - women)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prevalence_gap", 0.1 - 0.3),
        ("cooccurrence_rate_ratio", abs(math.log(0.8)) - abs(math.log(0.4))),
        ("label_imbalance", 0.05 - 0.15),
        ("group_share", 0.0),
        ("missing_share", 0.0),
    ],
)
def test_the_rise_is_how_much_further_from_the_ideal_it_is(name: str, value: float) -> None:
    one = changes(name, planted(400), planted(200))[0].measured
    assert one.value == pytest.approx(value)
    assert one.interval is not None
    assert one.interval.low < value < one.interval.high


def test_a_gap_that_turned_round_and_is_as_large_has_not_risen() -> None:
    (one,) = changes("prevalence_gap", planted(700), planted(300))
    assert one.measured.value == pytest.approx(0.0)
    assert one.measured.interval is not None
    assert one.measured.interval.low < 0.0 < one.measured.interval.high


def test_groups_or_labels_that_the_earlier_version_has_not_are_not_measured() -> None:
    old = corpus_tally([("men", "1", 50), ("men", "0", 50)], groups=("men",))
    (one,) = changes("prevalence_gap", planted(400), old)
    assert one.measured.value is None
    assert "groups_order" in one.measured.reason
    swapped = corpus_tally([("men", "1", 50), ("women", "0", 50)], groups=("women", "men"))
    assert changes("prevalence_gap", planted(400), swapped)[0].measured.value is None
    other = corpus_tally([("men", "a", 50), ("women", "a", 50)], labels=("a",), positive=None)
    (missing,) = changes("prevalence_gap", planted(400), other, label="1")
    assert "no row has the label '1'" in missing.measured.reason


def test_a_version_that_cannot_be_measured_is_said_to_be_the_one() -> None:
    few = corpus_tally([("men", "1", 50), ("men", "0", 50), ("women", "0", 5)])
    assert changes("prevalence_gap", planted(400), few)[0].measured.reason.startswith("before: there are 5 rows")
    assert changes("prevalence_gap", few, planted(400))[0].measured.reason.startswith("now: there are 5 rows")
    none = corpus_tally([("men", "1", 50), ("men", "0", 50), ("women", "0", 50)])
    assert "nothing bounds" in changes("cooccurrence_rate_ratio", planted(400), none)[0].measured.reason

"""Rates of co-occurrence set to what is asked: counts worked out by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.target_rate import SWEEP, counts_at, sweep, target_rate
from tests.rows_by_hand import cells, counted, table_of

SKEWED = {("nurse", "women"): 8, ("nurse", "men"): 2, ("pilot", "women"): 1, ("pilot", "men"): 4}


def test_each_label_has_the_share_asked_for_and_as_many_rows_as_before() -> None:
    made = target_rate(cells(SKEWED), rate=0.4, group="women", seed=1)
    assert counted(made) == {("nurse", "women"): 4, ("nurse", "men"): 6, ("pilot", "women"): 2, ("pilot", "men"): 3}
    change = made.changes[-1]
    # nurse: 4 women go, 2 men stand 6 times, so 4 are added; pilot: a woman is added and a man goes
    assert (change.before, change.after) == (15, 15)
    assert change.removed == change.added == 5


def test_one_label_alone_can_be_changed() -> None:
    made = target_rate(cells(SKEWED), rate=0.5, group="women", label="nurse", seed=1)
    assert counted(made) == {**SKEWED, ("nurse", "women"): 5, ("nurse", "men"): 5}


def test_removal_takes_away_no_more_than_it_must() -> None:
    made = target_rate(cells(SKEWED), rate=0.5, group="women", how="remove", seed=1)
    # nurse: 6 of 8 women go; pilot: 3 of 4 men go
    assert counted(made) == {("nurse", "women"): 2, ("nurse", "men"): 2, ("pilot", "women"): 1, ("pilot", "men"): 1}
    assert made.changes[-1].added == 0
    assert made.frame["id"].is_unique().all()


def test_the_share_of_a_label_within_a_group_can_be_set() -> None:
    made = target_rate(cells(SKEWED), rate=1 / 3, share="label", group="women", label="nurse", seed=1)
    # 9 women, 8 of them nurses: 3 nurses and 6 pilots after; men as they were
    assert counted(made) == {("nurse", "women"): 3, ("nurse", "men"): 2, ("pilot", "women"): 6, ("pilot", "men"): 4}


def test_a_group_can_be_told_by_terms_in_the_text() -> None:
    rows = [("toxic", None, "a gay man")] * 3 + [("fine", None, "Gay pride")] + [("fine", None, "gaiety")] * 6
    made = target_rate(table_of(rows), rate=0.5, share="label", label="toxic", terms=("gay",), seed=1)
    texts = list(zip(made.frame["job"], made.frame["text"], strict=True))
    assert texts.count(("toxic", "a gay man")) == 2
    assert texts.count(("fine", "Gay pride")) == 2
    assert texts.count(("fine", "gaiety")) == 6


def test_the_positive_label_is_meant_where_none_is_named() -> None:
    table = table_of([("1", "w", "x"), ("0", "w", "y")], positive="1")
    assert counted(target_rate(table, rate=1.0, share="label", group="w", seed=1)) == {("1", "w"): 2}


def test_rates_of_nought_and_one_leave_one_kind() -> None:
    table = cells(SKEWED)
    assert counted(target_rate(table, rate=0.0, group="women", seed=1)) == {("nurse", "men"): 10, ("pilot", "men"): 5}
    assert counted(target_rate(table, rate=1.0, group="women", seed=1)) == {
        ("nurse", "women"): 10,
        ("pilot", "women"): 5,
    }


def test_what_cannot_be_reached_is_said_of_every_label() -> None:
    table = cells({("a", "men"): 4, ("b", "men"): 3, ("c", "women"): 2, ("c", "men"): 1})
    with pytest.raises(DataError) as caught:
        target_rate(table, rate=0.5, group="women", seed=1)
    assert len(caught.value.faults) == 2
    assert "the rate 0.5 cannot be reached in 'a'" in caught.value.faults[0]
    assert "0 of the kind asked for and 4 of the other kind" in caught.value.faults[0]


def test_removal_that_would_leave_no_row_is_refused() -> None:
    with pytest.raises(DataError, match="no row would be left"):
        target_rate(
            cells({("a", "women"): 4, ("a", "men"): 0, ("b", "men"): 2, ("b", "women"): 2}),
            rate=0.0,
            group="women",
            label="a",
            how="remove",
            seed=1,
        )


@pytest.mark.parametrize(
    ("hits", "misses", "rate", "after"),
    [
        (8, 2, 0.5, (2, 2)),
        (2, 8, 0.5, (2, 2)),
        (3, 1, 0.0, (0, 1)),
        (1, 3, 1.0, (1, 0)),
        (5, 5, 0.5, (5, 5)),
        (7, 3, 0.6, (4, 3)),  # 5 of 8 is as near, and one row more
    ],
)
def test_removal_counts_by_hand(hits: int, misses: int, rate: float, after: tuple[int, int]) -> None:
    found = counts_at(hits, misses, rate, "remove")
    assert abs(found[0] - rate * sum(found)) <= 0.5
    assert found == after


def test_a_sweep_goes_from_nought_to_one_and_keeps_most_rows_from_step_to_step() -> None:
    tables = sweep(cells({("a", "women"): 10, ("a", "men"): 10}), group="women", seed=2)
    assert SWEEP == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert [counted(table).get(("a", "women"), 0) for table in tables] == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    women = [{row[3] for row in table.frame.rows() if row[2] == "women"} for table in tables]
    assert all(fewer <= more for fewer, more in pairwise(women))


def test_settings_that_mean_nothing_are_refused() -> None:
    table = cells(SKEWED)
    for wrong, said in (
        ({"rate": 1.2, "group": "women"}, "a share from 0 to 1"),
        ({"rate": float("nan"), "group": "women"}, "a share from 0 to 1"),
        ({"rate": 0.5}, "must be named"),
        ({"rate": 0.5, "group": "girls"}, "'girls' is in no row; there are 'men', 'women'"),
        ({"rate": 0.5, "group": "women", "label": "cook"}, "'cook' is in no row"),
        ({"rate": 0.5, "group": "women", "terms": ("she",)}, "both given"),
        ({"rate": 0.5, "share": "label", "group": "women"}, "label must be named"),
    ):
        with pytest.raises(DataError, match=said):
            target_rate(table, seed=1, **wrong)

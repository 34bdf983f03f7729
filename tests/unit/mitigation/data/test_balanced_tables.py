"""Rows drawn until groups are balanced, or removed until they are not: counts worked out by hand."""

from __future__ import annotations

import pytest

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.balance import amplify, down_sample, up_sample
from pytest_biasaudit.tables.table import CellCount
from tests.rows_by_hand import cells, counted, table_of

SKEWED = {("nurse", "women"): 7, ("nurse", "men"): 3, ("pilot", "women"): 2, ("pilot", "men"): 6}


def test_down_sampling_keeps_the_smallest_count_of_each_label() -> None:
    made = down_sample(cells(SKEWED), seed=1)
    assert counted(made) == {("nurse", "women"): 3, ("nurse", "men"): 3, ("pilot", "women"): 2, ("pilot", "men"): 2}
    change = made.changes[-1]
    assert (change.before, change.after, change.removed, change.added) == (18, 10, 8, 0)
    assert CellCount(label="nurse", group="women", before=7, after=3) in change.counts


def test_up_sampling_keeps_every_row_and_repeats_the_smaller_groups() -> None:
    table = cells(SKEWED)
    made = up_sample(table, seed=1)
    assert counted(made) == {("nurse", "women"): 7, ("nurse", "men"): 7, ("pilot", "women"): 6, ("pilot", "men"): 6}
    change = made.changes[-1]
    assert (change.before, change.after, change.removed, change.added) == (18, 26, 0, 8)
    assert set(table.frame["text"]) == set(made.frame["text"])


def test_copies_have_ids_of_their_own_that_name_their_row() -> None:
    made = up_sample(table_of([("a", "men", "x"), ("a", "men", "y"), ("a", "men", "z"), ("a", "women", "w")]), seed=1)
    assert made.frame["id"].to_list() == ["r0", "r1", "r2", "r3", "r3#2", "r3#3"]


def test_ids_of_copies_keep_clear_of_ids_that_are_there() -> None:
    import polars as pl

    table = table_of([("a", "men", "x"), ("a", "men", "y"), ("a", "women", "w")])
    taken = table.frame.with_columns(pl.Series("id", ["r2#2", "r1", "r2"]))
    from dataclasses import replace

    made = up_sample(replace(table, frame=taken), seed=1)
    assert made.frame["id"].to_list() == ["r2#2", "r1", "r2", "r2##2"]


def test_rows_without_label_or_group_stay_as_they_are() -> None:
    rows = [
        ("a", "men", "1"),
        ("a", "men", "2"),
        ("a", "women", "3"),
        (None, "men", "4"),
        ("a", None, "5"),
        ("a", " ", "6"),
    ]
    made = down_sample(table_of(rows), seed=3)
    assert {"4", "5", "6"} <= set(made.frame["text"].to_list())
    assert made.rows == 5


def test_the_same_seed_draws_the_same_rows_and_another_seed_others() -> None:
    table = cells({("a", "men"): 40, ("a", "women"): 20})
    assert down_sample(table, seed=5).digest == down_sample(table, seed=5).digest
    assert down_sample(table, seed=5).digest != down_sample(table, seed=6).digest


def test_rows_of_another_label_do_not_move_what_is_drawn() -> None:
    alone = down_sample(cells({("a", "men"): 40, ("a", "women"): 20}), seed=5)
    beside = down_sample(cells({("a", "men"): 40, ("a", "women"): 20, ("b", "men"): 9, ("b", "women"): 4}), seed=5)
    assert alone.frame["text"].to_list() == beside.frame.filter(beside.labels == "a")["text"].to_list()


def test_a_label_that_lacks_a_group_is_refused_by_name() -> None:
    table = cells({("nurse", "women"): 3, ("nurse", "men"): 2, ("miner", "men"): 4, ("monk", "men"): 1})
    with pytest.raises(DataError) as caught:
        down_sample(table, seed=1)
    assert len(caught.value.faults) == 2
    assert "'miner' has no row of 'women'" in caught.value.faults[0]


def test_a_label_that_lacks_a_group_may_be_kept_and_is_said() -> None:
    table = cells({("nurse", "women"): 3, ("nurse", "men"): 2, ("miner", "men"): 4})
    made = down_sample(table, one_group="keep", seed=1)
    assert counted(made) == {("nurse", "women"): 2, ("nurse", "men"): 2, ("miner", "men"): 4}
    assert "'miner'" in made.changes[-1].note


def test_one_group_alone_is_refused() -> None:
    with pytest.raises(DataError, match="all rows are of one group of 'gender'"):
        up_sample(cells({("a", "men"): 3}), seed=1)


def test_an_unknown_attribute_is_refused_with_those_there_are() -> None:
    with pytest.raises(DataError, match=r"no attribute 'race'.*'gender'"):
        down_sample(cells(SKEWED), attribute="race", seed=1)


def test_a_table_without_labels_and_groups_is_refused() -> None:
    with pytest.raises(DataError, match="no row has both"):
        down_sample(table_of([(None, "men", "x"), ("a", None, "y")]), seed=1)


def test_amplifying_removes_the_minority_where_the_majority_is_above_the_share() -> None:
    # nurse: 7 of 10 are women, above 0.65; pilot: 6 of 8 are men, above; clerk: 13 of 20 is 0.65 and not above it.
    table = cells({**SKEWED, ("clerk", "women"): 13, ("clerk", "men"): 7})
    made = amplify(table)
    assert counted(made) == {("nurse", "women"): 7, ("pilot", "men"): 6, ("clerk", "women"): 13, ("clerk", "men"): 7}
    assert made.changes[-1].removed == 5
    assert "'clerk'" in made.changes[-1].note


def test_amplifying_nothing_is_refused_with_the_largest_share() -> None:
    with pytest.raises(DataError, match=r"the largest is 0\.6 \('a'\)"):
        amplify(cells({("a", "men"): 3, ("a", "women"): 2}))


def test_attributes_can_be_crossed() -> None:
    import polars as pl

    from pytest_biasaudit.context.declaration import Columns
    from pytest_biasaudit.tables.table import Table

    frame = pl.DataFrame(
        {
            "y": ["a"] * 8,
            "sex": ["f", "f", "f", "m", "m", "f", "m", "m"],
            "race": ["b", "b", "b", "b", "b", "w", "w", "w"],
        }
    )
    table = Table(frame=frame, columns=Columns(label="y", groups=(("sex", "sex"), ("race", "race"))), source="t.csv")
    made = down_sample(table, attribute="sex*race", seed=1)  # f*b 3, m*b 2, f*w 1, m*w 2
    assert sorted(made.frame.select("sex", "race").rows()) == [("f", "b"), ("f", "w"), ("m", "b"), ("m", "w")]
    with pytest.raises(DataError, match="must be named"):
        down_sample(table, seed=1)


def test_a_seed_below_nought_is_refused() -> None:
    with pytest.raises(DataError, match="-1 is below 0"):
        down_sample(cells(SKEWED), seed=-1)

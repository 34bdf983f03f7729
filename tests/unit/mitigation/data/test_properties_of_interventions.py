"""Whatever the table: no row is invented, weights sum, rates are reached, and what is not meant stays."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.balance import down_sample, up_sample
from pytest_biasaudit.mitigation.data.counterfactual_augmentation import counterfactual_augmentation
from pytest_biasaudit.mitigation.data.reweigh import reweigh
from pytest_biasaudit.mitigation.data.target_rate import target_rate
from pytest_biasaudit.tables.table import Table
from tests.rows_by_hand import table_of

Row = tuple[str | None, str | None, str | None]
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", None, " "]),
        st.sampled_from(["men", "women", "women", None]),
        st.sampled_from(["he ran", "Her dog", "it", None]),
    ),
    min_size=1,
    max_size=30,
)
TABLES = ROWS.map(lambda rows: table_of(rows, positive="a"))


def made_of(table: Table, made: Table) -> list[dict[str, Any]]:
    """The rows that came out, after a look that each is one that went in and that the record adds up."""
    there = {row["id"]: row for row in table.frame.iter_rows(named=True)}
    found = made.frame.iter_rows(named=True)
    rows = [{**row, "own": row["id"].partition("#")[0]} for row in found]
    for row in rows:
        assert {key: row[key] for key in ("job", "gender")} == {
            key: there[row["own"]][key] for key in ("job", "gender")
        }
    assert len({row["id"] for row in rows}) == len(rows)
    assert [int(row["own"][1:]) for row in rows] == sorted(int(row["own"][1:]) for row in rows)
    change = made.changes[-1]
    assert len(rows) == change.after == change.before - change.removed + change.added
    assert len({row["own"] for row in rows}) == change.before - change.removed
    assert sum(cell.before for cell in change.counts) == table.rows
    assert sum(cell.after for cell in change.counts) == made.rows
    return rows


def cell(row: dict[str, Any]) -> tuple[str, str] | None:
    job, group = (row["job"] or "").strip(), row["gender"]
    return (job, group) if job and group else None


@given(TABLES, st.integers(0, 3), st.sampled_from([down_sample, up_sample]))
@settings(max_examples=80, deadline=None)
def test_balanced_counts_are_the_smallest_or_largest_and_no_row_is_invented(
    table: Table, seed: int, balance: Any
) -> None:
    try:
        made = balance(table, one_group="keep", seed=seed)
    except DataError:
        return
    before = Counter(map(cell, table.frame.iter_rows(named=True)))
    rows = made_of(table, made)
    after = Counter(map(cell, rows))
    assert after[None] == before[None]
    for job in {one[0] for one in before if one}:
        counts = [before[job, group] for group in ("men", "women")]
        wanted = counts if not all(counts) else [(min if balance is down_sample else max)(counts)] * 2
        assert [after[job, group] for group in ("men", "women")] == wanted
    if balance is up_sample:
        assert {row["own"] for row in rows} == set(table.frame["id"])


@given(TABLES)
@settings(max_examples=80, deadline=None)
def test_weights_sum_to_the_rows_and_make_groups_alike(table: Table) -> None:
    try:
        made = reweigh(table)
    except DataError:
        return
    weighed = [(cell(row), row["weight"]) for row in made.frame.iter_rows(named=True)]
    inside = [(one, weight) for one, weight in weighed if one]
    assert sum(weight for _, weight in inside) == pytest.approx(len(inside))
    assert {weight for one, weight in weighed if one is None} <= {1.0}
    women = sum(one[1] == "women" for one, _ in inside) / len(inside)
    for job in {one[0] for one, _ in inside}:
        own = [(one[1], weight) for one, weight in inside if one[0] == job]
        share = sum(weight for group, weight in own if group == "women") / sum(weight for _, weight in own)
        assert share == pytest.approx(women)


@given(
    TABLES,
    st.sampled_from([0.0, 0.1, 1 / 3, 0.5, 0.9, 1.0]),
    st.sampled_from(["resample", "remove"]),
    st.sampled_from(["group", "label"]),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_a_rate_is_reached_within_a_row_and_all_other_rows_stay(
    table: Table, rate: float, how: Any, share: Any, by_terms: bool
) -> None:
    told: dict[str, Any] = {"terms": ["her"]} if by_terms else {"group": "women"}
    try:
        made = target_rate(table, rate=rate, how=how, share=share, seed=1, **told)
    except DataError:
        return

    def has(row: dict[str, Any]) -> bool:
        return bool(row["text"] == "Her dog" if by_terms else row["gender"] == "women")

    def base(row: dict[str, Any]) -> str | None:
        job = (row["job"] or "").strip()
        known = row["text" if by_terms else "gender"] is not None
        return (job or None) if known and (share == "group" or has(row)) else None

    before, after = list(table.frame.iter_rows(named=True)), made_of(table, made)
    bases = sorted({one for one in map(base, before) if one}) if share == "group" else [None]
    for one in bases:
        rows = [row for row in after if base(row) and one in (None, base(row))]
        hits = sum(has(row) if share == "group" else row["job"] == "a" for row in rows)
        assert abs(hits - rate * len(rows)) <= 0.5 + 1e-9
        assert how == "remove" or len(rows) == sum(bool(base(row)) and one in (None, base(row)) for row in before)
    assert [row["id"] for row in after if base(row) is None] == [row["id"] for row in before if base(row) is None]
    assert how == "resample" or made.changes[-1].added == 0


@given(TABLES, st.sampled_from(["one", "two"]), st.sampled_from([0.4, 1.0]))
@settings(max_examples=60, deadline=None)
def test_a_swap_keeps_every_row_and_copies_name_their_own(table: Table, sides: Any, share: float) -> None:
    try:
        made = counterfactual_augmentation(table, sides=sides, share=share, seed=1)
    except DataError:
        return
    rows = made_of(table, made)
    assert {row["own"] for row in rows} == set(table.frame["id"])
    other = {"he ran": "she ran", "Her dog": "His dog"}
    there = dict(table.frame.select("id", "text").iter_rows())
    moved = [row for row in rows if row["text"] != there[row["own"]]]
    assert all(row["text"] == other[str(there[row["own"]])] for row in moved)
    listed = sum(text in other for text in there.values())
    assert len(moved) == (listed if share == 1.0 else max(1, round(share * listed)))

"""What holds of interventions on data whatever the table: no row is invented, nothing else is lost, rates are reached."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.balance import amplify, down_sample, up_sample
from pytest_biasaudit.mitigation.data.counterfactual_augmentation import counterfactual_augmentation
from pytest_biasaudit.mitigation.data.reweigh import reweigh
from pytest_biasaudit.mitigation.data.scrub import scrub, terms_of
from pytest_biasaudit.mitigation.data.target_rate import SWEEP, target_rate
from pytest_biasaudit.mitigation.data.word_pairs import GENDER
from pytest_biasaudit.tables.table import Table
from pytest_biasaudit.tables.terms import has_any
from tests.rows_by_hand import counted, table_of

GROUPS = st.sampled_from(["men", "women", "others"])
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), st.one_of(GROUPS, st.none()), st.text(max_size=8)),
    min_size=1,
    max_size=40,
)
TABLES = ROWS.map(table_of)
SEEDS = st.integers(0, 2**63)
WORDS = st.sampled_from(
    [
        *GENDER.reversible,
        *(word.title() for word in GENDER.reversible),
        "HE",
        "WOMEN",
        "the",
        "sheep",
        "of",
        "x's",
        "\n",
        "-",
    ]
)


def without_ids(table: Table) -> Counter[tuple[object, ...]]:
    return Counter(table.frame.drop("id").rows())


@settings(max_examples=60, deadline=None)
@given(TABLES, SEEDS)
def test_sampling_invents_no_row_and_loses_only_what_its_rule_removes(table: Table, seed: int) -> None:
    before = without_ids(table)
    for method in (down_sample, up_sample):
        try:
            made = method(table, seed=seed, one_group="keep")
        except DataError:
            continue
        after = without_ids(made)
        assert set(after) <= set(before)
        if method is up_sample:
            assert all(after[row] >= count for row, count in before.items())
        else:
            assert all(after[row] <= before[row] for row in after)
        assert made.frame["id"].is_unique().all()
        assert method(table, seed=seed, one_group="keep").digest == made.digest


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_weights_sum_to_the_rows(table: Table) -> None:
    try:
        made = reweigh(table)
    except DataError:
        return
    assert made.frame["weight"].sum() == pytest.approx(table.rows, rel=1e-12)
    assert without_ids(Table(frame=made.frame.drop("weight"), columns=table.columns, source="")) == without_ids(table)


@settings(max_examples=80, deadline=None)
@given(TABLES, SEEDS, st.one_of(st.sampled_from(SWEEP), st.floats(0, 1)), st.sampled_from(["resample", "remove"]))
def test_a_rate_is_reached_within_one_row_and_other_rows_stay(table: Table, seed: int, rate: float, how: str) -> None:
    try:
        made = target_rate(table, rate=rate, group="women", label="a", how=how, seed=seed)  # type: ignore[arg-type]
    except DataError:
        return
    hits = counted(made).get(("a", "women"), 0)
    rows = sum(count for (job, group), count in counted(made).items() if job == "a" and group is not None)
    assert rows > 0
    assert abs(hits - rate * rows) <= 1
    assert set(without_ids(made)) <= set(without_ids(table))
    outside = pl.col("job").ne_missing("a") | pl.col("gender").is_null()
    assert made.frame.filter(outside).equals(table.frame.filter(outside))
    if how == "resample":
        assert made.rows == table.rows
    assert target_rate(table, rate=rate, group="women", label="a", how=how, seed=seed).digest == made.digest  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_amplifying_takes_rows_away_and_adds_none(table: Table) -> None:
    try:
        made = amplify(table)
    except DataError:
        return
    assert 0 < made.rows < table.rows
    assert made.frame["id"].is_in(table.frame["id"].to_list()).all()


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, max_size=12), st.sampled_from([" ", ", ", " and ", "/"]))
def test_a_swap_of_paired_words_is_an_involution(words: list[str], between: str) -> None:
    text = between.join(words)
    assert GENDER.swapped(GENDER.swapped(text)) == text


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=6).map(" ".join), min_size=1, max_size=8))
def test_augmenting_keeps_every_row_and_adds_one_for_each_that_moves(texts: list[str]) -> None:
    table = table_of([("a", "men", text) for text in texts])
    moving = [text for text in texts if GENDER.swapped(text) != text]
    try:
        made = counterfactual_augmentation(table, seed=1)
    except DataError:
        assert not moving
        return
    assert Counter(made.frame["text"]) == Counter(texts) + Counter(map(GENDER.swapped, moving))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(WORDS, st.text(max_size=5), st.sampled_from(["Mr.", "MRS", "him"])), max_size=8))
def test_a_scrub_leaves_no_listed_term(words: list[str]) -> None:
    terms = terms_of("gender-pronouns")
    made = scrub(table_of([("a", "men", " ".join(words))]))
    assert not made.frame.select(has_any(pl.col("text"), terms)).item()

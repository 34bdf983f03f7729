"""A table in two: every cell in its share within a row, nothing lost, nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_biasaudit.errors import TrainingError
from pytest_biasaudit.tables.table import Table
from pytest_biasaudit.training.split import split
from tests.labelled_rows import table

LABELS = st.one_of(st.none(), st.sampled_from(["yes", "no", "perhaps"]))
GROUPS = st.one_of(st.none(), st.sampled_from(["women", "men"]))


def numbered(cells: Sequence[tuple[str | None, str | None]]) -> Table:
    return table([(f"text {at}", label, group) for at, (label, group) in enumerate(cells)])


def cells_of(rows: Table) -> Counter[tuple[str | None, str | None]]:
    return Counter(zip(rows.labels.to_list(), rows.groups("gender").to_list(), strict=True))


@settings(max_examples=80, deadline=None)
@given(
    cells=st.lists(st.tuples(LABELS, GROUPS), min_size=1, max_size=60),
    share=st.floats(0, 0.95),
    seed=st.integers(0, 2**64),
)
def test_every_cell_is_held_out_in_its_share_within_a_row_and_every_row_is_in_one_part(
    cells: list[tuple[str | None, str | None]], share: float, seed: int
) -> None:
    whole = numbered(cells)
    taught, held = split(whole, share, seed)
    texts = [*taught.texts.to_list(), *held.texts.to_list()]
    assert Counter(texts) == Counter(whole.texts.to_list())
    assert taught.texts.to_list() == sorted(taught.texts.to_list(), key=lambda text: int(text.split()[1]))
    counts = cells_of(whole)
    for cell, count in cells_of(held).items() | {(cell, 0) for cell in counts if cell not in cells_of(held)}:
        assert abs(count - share * counts[cell]) < 1
    for label in {label for label, _ in counts if label is not None}:
        rows = sum(count for cell, count in counts.items() if cell[0] == label)
        assert abs(held.labels.to_list().count(label) - share * rows) < 1 + 1e-9
        assert label in taught.labels.to_list()


def test_the_whole_comes_to_the_share_and_small_cells_do_not_all_fall_on_one_side() -> None:
    # 40 cells of one row each would all stay, or all go, were each rounded by itself.
    cells = [(f"label {at % 2}", f"group {at}") for at in range(40)]
    _, held = split(numbered(cells), 0.25, 3)
    assert held.rows == 10


def test_the_seed_decides_which_rows_are_held_out() -> None:
    whole = numbered([("yes", "men"), ("no", "women")] * 50)
    found = [split(whole, 0.2, seed)[1].texts.to_list() for seed in (1, 1, 2)]
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_both_parts_say_where_they_are_from() -> None:
    whole = numbered([("yes", "men"), ("no", "women")] * 5)
    taught, held = split(whole, 0.2, 1)
    assert (taught.rows, held.rows) == (8, 2)
    (change,) = held.changes
    assert (change.method, change.before, change.after, change.removed) == ("split", 10, 2, 8)
    assert (change.digest_before, change.digest_after) == (whole.digest, held.digest)
    assert dict(taught.changes[0].settings) == {"share": 0.2, "part": "taught"}


def test_one_row_of_each_label_is_always_taught() -> None:
    whole = numbered([("yes", "men"), ("no", "women")])
    for seed in range(20):
        taught, _ = split(whole, 0.9, seed)
        assert sorted(taught.labels.to_list()) == ["no", "yes"]


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_outside_the_rows_is_refused(share: float) -> None:
    with pytest.raises(TrainingError, match="must be a share of the rows"):
        split(numbered([("yes", "men")]), share, 1)


def test_columns_that_nobody_named_go_with_their_rows() -> None:
    whole = table([(f"text {at}", "ab"[at % 2], None) for at in range(10)], note=[f"note {at}" for at in range(10)])
    for part in split(whole, 0.3, 1):
        assert part.frame.select(pl.col("text").str.replace("text", "note") == pl.col("note")).to_series().all()

"""Weights of Kamiran and Calders: the formula by hand."""

from __future__ import annotations

import polars as pl
import pytest

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.reweigh import reweigh
from tests.rows_by_hand import cells, table_of


def test_a_weight_is_the_product_of_the_shares_over_the_joint_share() -> None:
    # 10 rows: hired 4 (men 3, women 1), not 6 (men 2, women 4); P(hired) = .4, P(men) = .5, P(hired, men) = .3
    table = cells({("hired", "men"): 3, ("hired", "women"): 1, ("not", "men"): 2, ("not", "women"): 4})
    made = reweigh(table)
    weights = {(row[1], row[2]): row[4] for row in made.frame.select("id", "job", "gender", "text", "weight").rows()}
    assert weights["hired", "men"] == pytest.approx(0.4 * 0.5 / 0.3, rel=1e-15)
    assert weights["hired", "women"] == pytest.approx(0.4 * 0.5 / 0.1, rel=1e-15)
    assert weights["not", "men"] == pytest.approx(0.6 * 0.5 / 0.2, rel=1e-15)
    assert weights["not", "women"] == pytest.approx(0.6 * 0.5 / 0.4, rel=1e-15)
    assert made.changes[-1].weighted == 10


def test_weighted_labels_have_the_same_share_of_each_group() -> None:
    made = reweigh(cells({("a", "men"): 9, ("a", "women"): 1, ("b", "men"): 2, ("b", "women"): 12}))
    sums = {(y, g): w for y, g, w in made.frame.group_by("job", "gender").agg(pl.col("weight").sum()).rows()}
    share = [sums[y, "women"] / (sums[y, "women"] + sums[y, "men"]) for y in ("a", "b")]
    assert share[0] == pytest.approx(share[1], rel=1e-14)
    assert share[0] == pytest.approx(13 / 24, rel=1e-14)


def test_rows_without_a_group_weigh_one() -> None:
    rows = [("a", "men", "1"), ("a", "women", "2"), ("a", None, "3")]
    made = reweigh(table_of(rows))
    assert made.frame["weight"].to_list() == [1.0, 1.0, 1.0]
    assert made.changes[-1].note == "1 rows without a label or a group weigh 1"


def test_a_label_that_lacks_a_group_cannot_be_weighed() -> None:
    with pytest.raises(DataError, match="label 'b' has no row of 'women'"):
        reweigh(cells({("a", "men"): 1, ("a", "women"): 1, ("b", "men"): 1}))


def test_weights_that_are_there_are_not_overwritten() -> None:
    table = cells({("a", "men"): 1, ("a", "women"): 1})
    with pytest.raises(DataError, match="a column 'weight' already"):
        reweigh(reweigh(table))

"""Which cells are of which groups: of one attribute, of several crossed, without those that are left out."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.tables.tally import Attribute, Tally


def tally(*attributes: Attribute, members: tuple[list[list[int]], ...], positive: str | None = None) -> Tally:
    cells = len(members[0])
    return Tally(
        attributes=attributes,
        labels=("no", "yes"),
        positive=positive,
        members=tuple(np.array(one, dtype=bool) for one in members),
        truth=np.zeros(cells, dtype=np.int64),
        prediction=np.ones(cells, dtype=np.int64),
        count=np.arange(1, cells + 1),
    )


SEX = Attribute(name="sex", groups=("men", "women"))
AGE = Attribute(name="age", groups=("old", "young", "unclear"), left_out=(("unclear", "not asked"),))
MEMBERS_OF_SEX = [[1, 0], [0, 1], [0, 0], [0, 1]]
MEMBERS_OF_AGE = [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]]


def test_a_cell_of_no_known_group_is_in_none() -> None:
    titles, inside = tally(SEX, members=(MEMBERS_OF_SEX,)).groups(["sex"])
    assert titles == ("men", "women")
    assert inside.astype(int).tolist() == MEMBERS_OF_SEX


def test_left_out_groups_are_not_compared_and_stay_counted() -> None:
    one = tally(SEX, AGE, members=(MEMBERS_OF_SEX, MEMBERS_OF_AGE))
    titles, inside = one.groups(["age"])
    assert titles == ("old", "young")
    assert inside.astype(int).tolist() == [[1, 0], [0, 1], [1, 0], [0, 0]]
    assert one.rows == 1 + 2 + 3 + 4


def test_an_intersection_is_of_both_and_its_reference_is_of_both_references() -> None:
    titles, inside = tally(SEX, AGE, members=(MEMBERS_OF_SEX, MEMBERS_OF_AGE)).groups(["sex", "age"])
    assert titles == ("men*old", "men*young", "women*old", "women*young")
    assert inside.astype(int).tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_groups_that_overlap_share_cells() -> None:
    terms = Attribute(name="gender", groups=("men", "women"), overlapping=True)
    _, inside = tally(terms, members=([[1, 1], [1, 0], [0, 0]],)).groups(["gender"])
    assert inside.astype(int).tolist() == [[1, 1], [1, 0], [0, 0]]


def test_a_group_without_a_row_is_a_column_of_nothing() -> None:
    declared = Attribute(name="sex", groups=("men", "women", "divers"))
    titles, inside = tally(declared, members=([[1, 0, 0], [0, 1, 0]],)).groups(["sex"])
    assert titles[2] == "divers"
    assert not inside[:, 2].any()


def test_an_unknown_attribute_or_label_is_refused_with_those_there_are() -> None:
    one = tally(SEX, members=(MEMBERS_OF_SEX,))
    with pytest.raises(StatisticsError, match="no attribute 'race'; there are sex"):
        one.groups(["race"])
    with pytest.raises(StatisticsError, match="no label 'maybe'; there are no, yes"):
        one.looked_at("maybe")


def test_the_label_asked_for_comes_before_the_positive_one_and_that_before_all() -> None:
    assert tally(SEX, members=(MEMBERS_OF_SEX,)).looked_at() == ("no", "yes")
    assert tally(SEX, members=(MEMBERS_OF_SEX,), positive="yes").looked_at() == ("yes",)
    assert tally(SEX, members=(MEMBERS_OF_SEX,), positive="yes").looked_at("no") == ("no",)

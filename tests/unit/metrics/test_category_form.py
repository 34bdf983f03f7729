"""Rates by category in the form of Local Law 144: every category is a row, small ones and unknown people included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics.tables.alike import alike
from pytest_biasaudit.metrics.tables.categories import above_median, all_categories, categories
from pytest_biasaudit.tables.tally import Attribute, Tally

SEX, RACE = ("men", "women"), ("white", "black", "asian")


def applicants(*, left_out: tuple[tuple[str, str], ...] = ()) -> Tally:
    """Sex, race, chosen or not, people; a blank is not known."""
    rows = [
        ("men", "white", 1, 30),
        ("men", "white", 0, 30),
        ("women", "white", 1, 20),
        ("women", "white", 0, 30),
        ("men", "black", 1, 12),
        ("men", "black", 0, 48),
        ("women", "", 1, 5),
        ("", "", 0, 4),
        ("women", "asian", 1, 1),
        ("men", "black", -1, 7),
    ]
    return Tally(
        attributes=(Attribute(name="sex", groups=SEX), Attribute(name="race", groups=RACE, left_out=left_out)),
        labels=("0", "1"),
        positive="1",
        members=(
            np.array([[row[0] == group for group in SEX] for row in rows]),
            np.array([[row[1] == group for group in RACE] for row in rows]),
        ),
        truth=np.full(len(rows), -1),
        prediction=np.array([row[2] for row in rows]),
        count=np.array([row[3] for row in rows]),
    )


def test_selection_rates_and_ratios_by_hand() -> None:
    form = categories(applicants(), ("race",), of="selection")
    white, black, asian = form.rows
    assert (white.number, white.chosen) == (110, 50)
    assert white.rate == pytest.approx(50 / 110)
    assert (black.number, black.unanswered) == (60, 7)
    assert black.rate == pytest.approx(0.2)
    # One person, chosen: the highest rate of all, and no reason to hide her.
    assert (asian.number, asian.rate, asian.impact_ratio) == (1, 1.0, 1.0)
    assert white.impact_ratio == pytest.approx(50 / 110)
    assert black.impact_ratio == pytest.approx(0.2)
    assert form.lowest == pytest.approx(0.2)
    assert (form.unknown, form.total) == (9, 187)
    assert [row.small for row in form.rows] == [False, False, True]
    assert sum(row.number + row.unanswered for row in form.rows) + form.unknown == form.total


def test_a_small_category_is_left_out_of_the_ratios_only_with_a_reason_and_stays_a_row() -> None:
    form = categories(applicants(left_out=(("asian", "1 of 187 people"),)), ("race",), of="selection")
    white, black, asian = form.rows
    assert (asian.number, asian.rate, asian.impact_ratio, asian.left_out) == (1, 1.0, None, "1 of 187 people")
    assert white.impact_ratio == 1.0
    assert black.impact_ratio == pytest.approx(0.2 / (50 / 110))


def test_every_intersection_is_a_row_and_an_empty_one_says_so() -> None:
    form = categories(applicants(), ("sex", "race"), of="selection")
    assert [row.name for row in form.rows] == [f"{sex}*{race}" for sex in SEX for race in RACE]
    empty = {row.name: row for row in form.rows}["men*asian"]
    assert (empty.number, empty.rate, empty.impact_ratio) == (0, None, None)
    assert empty.reason == "no row of it has a prediction"
    # A person whose sex is known and whose race is not is of no intersection.
    assert form.unknown == 9


def test_scoring_rates_by_hand() -> None:
    rows = [("men", 3.0, 2), ("men", 8.0, 3), ("women", 3.0, 3), ("women", 9.0, 1), ("", 1.0, 1), ("women", np.nan, 2)]
    table = Tally(
        attributes=(Attribute(name="sex", groups=SEX),),
        labels=("0", "1"),
        positive="1",
        members=(np.array([[row[0] == group for group in SEX] for row in rows]),),
        truth=np.full(6, -1),
        prediction=None,
        score=np.array([row[1] for row in rows]),
        count=np.array([row[2] for row in rows]),
    )
    form = categories(table, ("sex",), of="scoring")
    # Ten scores: 1, five times 3, three times 8, 9. The two in the middle are 3 and 3.
    assert form.median == 3.0
    men, women = form.rows
    assert [men.rate, women.rate] == pytest.approx([3 / 5, 1 / 4])
    assert women.impact_ratio == pytest.approx(0.25 / 0.6)
    assert (women.unanswered, form.unknown) == (2, 1)
    assert [one.of for one in all_categories(table)] == ["scoring"]


@pytest.mark.parametrize("seed", range(10))
def test_the_median_is_that_of_all_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, count = np.round(rng.random(31), 1), rng.integers(1, 6, 31)
    heard, above, median = above_median(score, count)
    expected = float(np.median(np.repeat(score, count)))
    assert median == pytest.approx(expected, abs=1e-15)
    assert heard.all()
    assert list(above) == list(score > expected)


def test_all_forms_are_each_attribute_and_each_pair() -> None:
    assert [(form.of, form.attributes) for form in all_categories(applicants())] == [
        ("selection", ("sex",)),
        ("selection", ("race",)),
        ("selection", ("sex", "race")),
    ]
    assert all_categories(replace(applicants(), positive=None)) == ()


def test_where_nobody_is_chosen_there_is_no_ratio() -> None:
    table = applicants()
    assert table.prediction is not None
    form = categories(replace(table, prediction=np.zeros_like(table.prediction)), ("sex",), of="selection")
    assert [row.impact_ratio for row in form.rows] == [None, None]
    assert form.rows[0].reason == "nobody of any category was chosen"
    assert form.lowest is None


def test_a_form_that_cannot_be_filled_is_refused() -> None:
    with pytest.raises(StatisticsError, match="no scores"):
        categories(applicants(), ("sex",), of="scoring")
    with pytest.raises(StatisticsError, match="no positive label"):
        categories(replace(applicants(), positive=None), ("sex",), of="selection")


def test_counting_alike_rows_once_loses_none_of_them() -> None:
    rng = np.random.default_rng(4)
    cells = 9_000
    members = rng.random((cells, 70)) < 0.01
    table = Tally(
        attributes=(
            Attribute(name="term", groups=tuple(f"t{at}" for at in range(70)), overlapping=True),
            Attribute(name="sex", groups=SEX),
        ),
        labels=("0", "1"),
        positive="1",
        members=(members, rng.random((cells, 2)) < 0.5),
        truth=rng.integers(-1, 2, cells),
        prediction=rng.integers(-1, 2, cells),
        score=rng.random(cells),
        count=rng.integers(1, 9, cells),
        cluster=rng.integers(0, 3, cells),
    )
    small = alike(table, ("term",))
    assert len(small.count) < cells / 2
    assert small.rows == table.rows
    assert [one.name for one in small.attributes] == ["term"]

    def counted(one: Tally) -> dict[tuple[object, ...], int]:
        found: dict[tuple[object, ...], int] = {}
        assert one.prediction is not None
        assert one.cluster is not None
        for at, rows in enumerate(one.count):
            key = (one.members[0][at].tobytes(), one.truth[at], one.prediction[at], one.cluster[at])
            found[key] = found.get(key, 0) + int(rows)
        return found

    assert counted(small) == counted(table)
    assert len(counted(small)) == len(small.count)

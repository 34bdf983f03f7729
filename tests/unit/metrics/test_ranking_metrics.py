"""Ranking, toxicity, calibration and scoring figures of a classifier: tables worked by hand, and what is too small to measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy.stats import t as student

from pytest_biasaudit.metrics.metric import Compared
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.tables.tally import Attribute, Tally

RANKING = ("subgroup_auc", "bpsn_auc", "bnsp_auc", "positive_aeg", "negative_aeg")
ALL = (*RANKING, "fped", "fned", "fprd", "calibration_gap", "scoring_rate_ratio")
Row = tuple[str, int | None, int | None, float | None, int]
"""Groups by their letters, whether toxic, whether called so, score, rows."""


def tally(
    rows: Sequence[Row], groups: str = "ab", *, left_out: str = "", cluster: Sequence[int] | None = None
) -> Tally:
    """An attribute "term" whose groups are letters."""
    return Tally(
        attributes=(
            Attribute(
                name="term",
                groups=tuple(groups),
                overlapping=any(len(row[0]) > 1 for row in rows),
                left_out=tuple((group, "declared") for group in left_out),
            ),
        ),
        labels=("fine", "toxic"),
        positive="toxic",
        members=(np.array([[group in row[0] for group in groups] for row in rows]),),
        truth=np.array([-1 if row[1] is None else row[1] for row in rows]),
        prediction=np.array([-1 if row[2] is None else row[2] for row in rows]),
        score=np.array([np.nan if row[3] is None else row[3] for row in rows]),
        count=np.array([row[4] for row in rows]),
        cluster=None if cluster is None else np.array(cluster),
    )


def measure(
    name: str, table: Tally, *, label: str | None = None, minimum: int = 2, level: float = 0.95, seed: int = 0
) -> dict[tuple[str, ...], Compared]:
    of_table = METRICS[name].of_table
    assert of_table is not None
    found = of_table(table, attributes=("term",), label=label, level=level, seed=seed, minimum=minimum)
    assert len({one.groups for one in found}) == len(found)
    return {one.groups: one for one in found}


SCORES = tally(
    [
        ("a", 1, 1, 0.9, 1),
        ("a", 1, 0, 0.4, 1),
        ("a", 0, 1, 0.6, 1),
        ("a", 0, 0, 0.2, 1),
        ("b", 1, 1, 0.8, 1),
        ("b", 1, 1, 0.7, 1),
        ("b", 0, 1, 0.5, 1),
        ("b", 0, 0, 0.1, 1),
        ("", 0, 0, 0.3, 1),
    ]
)
"""One row is of no group: it is everyone else's."""


@pytest.mark.parametrize(
    ("name", "of_a", "of_b"),
    [
        # .9 over .6 and .2, .4 over .2 alone. | .8 and .7 over .5 and .1.
        ("subgroup_auc", 3 / 4, 1.0),
        # .8 and .7 over .6 and .2. | .9 and .4 over .5 and .1: .4 is under .5.
        ("bpsn_auc", 1.0, 3 / 4),
        # .9 over .5, .1 and .3, .4 over .1 and .3. | .8 and .7 over .6, .2 and .3.
        ("bnsp_auc", 5 / 6, 1.0),
        # .9 over .8 and .7, .4 over neither. | the other way round.
        ("positive_aeg", 0.0, 0.0),
        # .6 over .5, .1, .3, and .2 over .1: 4 of 6. | .5 over .2 and .3, and .1 over none: 2 of 6.
        ("negative_aeg", 4 / 6 - 0.5, 2 / 6 - 0.5),
    ],
)
def test_ranking_by_hand(name: str, of_a: float, of_b: float) -> None:
    found = measure(name, SCORES)
    assert list(found) == [("a",), ("b",)]
    for one, expected in zip(found.values(), (of_a, of_b), strict=True):
        assert one.label == "toxic"
        assert one.measured.value == pytest.approx(expected, abs=1e-12)
        assert one.measured.interval is not None
        assert one.measured.interval.low < one.measured.interval.high


def test_a_figure_says_how_many_rows_of_the_group_and_of_everyone_else_it_rests_on() -> None:
    (of_a, _) = measure("bpsn_auc", SCORES).values()
    group, others = of_a.by_group
    assert (group.group, group.n, group.asked, group.people) == ("a", 2, 4, 2)
    assert (others.group, others.n, others.asked) == ("(everyone else)", 2, 5)
    assert len(measure("subgroup_auc", SCORES)["a",].by_group) == 1


TOXIC = tally(
    [
        ("a", 0, 1, None, 3),
        ("a", 0, 0, None, 7),
        ("b", 0, 1, None, 2),
        ("b", 0, 0, None, 18),
        ("ab", 0, 1, None, 5),
        ("ab", 0, 0, None, 5),
        ("", 0, 1, None, 6),
        ("", 0, 0, None, 54),
        ("a", 1, 0, None, 1),
        ("a", 1, 1, None, 9),
        ("b", 1, 0, None, 4),
        ("b", 1, 1, None, 6),
        ("", 1, 0, None, 7),
        ("", 1, 1, None, 23),
        ("a", None, 1, None, 40),
        ("b", 0, None, None, 9),
    ]
)
"""Of 100 rows that are not toxic and were judged, 16 are called toxic; of 50 that are, 12 are not."""


@pytest.mark.parametrize("name", ["fped", "fprd"])
def test_false_positive_equality_difference_by_hand(name: str) -> None:
    ((groups, one),) = measure(name, TOXIC).items()
    # FPR 0.16; of a 8 of 20, of b 7 of 30: |0.16 - 0.4| + |0.16 - 0.2333|.
    assert one.measured.value == pytest.approx(0.24 + 7 / 30 - 0.16, abs=1e-12)
    assert groups == ("b", "a")
    assert [(group.group, group.n) for group in one.by_group] == [("a", 20), ("b", 30)]
    assert [group.rate for group in one.by_group] == pytest.approx([0.4, 7 / 30])
    assert one.by_group[1].unparseable == 9
    assert one.measured.interval is not None
    assert one.measured.interval.low <= 0.3133 <= one.measured.interval.high


def test_false_negative_equality_difference_by_hand() -> None:
    ((groups, one),) = measure("fned", TOXIC).items()
    # FNR 0.24; of a 1 of 10, of b 4 of 10.
    assert one.measured.value == pytest.approx(0.14 + 0.16, abs=1e-12)
    assert groups == ("a", "b")


def test_a_sum_is_for_every_label_where_none_is_the_positive_one() -> None:
    fped, fned = (
        {
            one.label: one.measured.value
            for one in METRICS[name].of_table(  # type: ignore[misc]
                replace(TOXIC, positive=None, score=None),
                attributes=("term",),
                label=None,
                level=0.95,
                seed=0,
                minimum=2,
            )
        }
        for name in ("fped", "fned")
    )
    # Not to be called fine is to be called toxic.
    assert fped["fine"] == pytest.approx(fned["toxic"])
    assert fned["fine"] == pytest.approx(fped["toxic"])


def test_alike_rows_in_other_cells_change_nothing() -> None:
    rows = np.repeat(np.arange(len(TOXIC.count)), TOXIC.count)
    one_by_one = replace(
        TOXIC,
        members=(TOXIC.members[0][rows],),
        truth=TOXIC.truth[rows],
        prediction=None if TOXIC.prediction is None else TOXIC.prediction[rows],
        score=None,
        count=np.ones(len(rows), dtype=np.int64),
    )
    assert measure("fped", one_by_one) == measure("fped", replace(TOXIC, score=None))


def test_a_sum_over_groups_is_not_measured_where_one_of_them_is_too_small() -> None:
    ((groups, one),) = measure("fned", TOXIC, minimum=11).items()
    assert groups == ()
    assert one.measured.value is None
    assert one.measured.interval is None
    assert one.measured.reason.startswith("2 of 2 groups cannot be measured, and the sum is over all of them")
    assert "there are 10 rows of 'a' with the label 'toxic'; at least 11 are needed" in one.measured.reason


def test_a_declared_group_without_any_row_is_no_pass() -> None:
    with_c = tally([("a", 0, 1, 0.5, 20), ("b", 0, 0, 0.1, 20), ("a", 1, 1, 0.9, 20), ("b", 1, 1, 0.9, 20)], "abc")
    ((_, one),) = measure("fped", with_c).items()
    assert one.measured.value is None
    assert "there are 0 rows of 'c'" in one.measured.reason
    for name in (*RANKING, "calibration_gap"):
        of_c = next(found for groups, found in measure(name, with_c).items() if groups[-1] == "c")
        assert of_c.measured.value is None
        assert "0 rows of 'c'" in of_c.measured.reason
    for found in measure("scoring_rate_ratio", with_c).values():
        assert found.measured.value is None


def test_left_out_groups_are_in_the_whole_and_not_in_the_sum() -> None:
    table = replace(TOXIC, attributes=(replace(TOXIC.attributes[0], groups=("a", "b")),))
    three = tally([*_rows(table), ("c", 0, 1, None, 3)], "abc", left_out="c")
    ((_, one),) = measure("fped", three).items()
    # 19 of 103 now: c's three rows are false positives of the whole.
    assert one.measured.value == pytest.approx(abs(19 / 103 - 0.4) + abs(19 / 103 - 7 / 30), abs=1e-12)
    assert [group.group for group in one.by_group] == ["a", "b"]


def _rows(table: Tally) -> list[Row]:
    assert table.prediction is not None
    names = table.attributes[0].groups
    return [
        (
            "".join(name for name, there in zip(names, table.members[0][at], strict=True) if there),
            None if table.truth[at] < 0 else int(table.truth[at]),
            None if table.prediction[at] < 0 else int(table.prediction[at]),
            None,
            int(table.count[at]),
        )
        for at in range(len(table.count))
    ]


@pytest.mark.parametrize("name", RANKING)
def test_a_side_below_the_minimum_is_not_measured(name: str) -> None:
    for one in measure(name, SCORES, minimum=3).values():
        assert one.measured.value is None
        assert "at least 3 are needed" in one.measured.reason


def test_one_row_a_side_is_never_enough() -> None:
    table = tally([("a", 1, 1, 0.9, 1), ("a", 0, 0, 0.1, 1), ("b", 1, 1, 0.9, 5), ("b", 0, 0, 0.1, 5)])
    assert measure("subgroup_auc", table, minimum=1)["a",].measured.value is None


def test_the_minimum_counts_clusters_where_rows_come_in_clusters() -> None:
    table = tally(
        [("a", 1, 1, 0.9, 30), ("a", 0, 0, 0.1, 30), ("b", 1, 1, 0.9, 30), ("b", 0, 0, 0.1, 30)], cluster=[1, 1, 2, 2]
    )
    found = measure("subgroup_auc", table)["a",].measured
    assert found.value is None
    assert "there are 1 clusters of 'a'" in found.reason


def test_a_group_mostly_without_scores_is_not_measured() -> None:
    rows: list[Row] = [
        ("a", 1, 1, 0.9, 4),
        ("a", 0, 0, 0.1, 4),
        ("a", 0, None, None, 9),
        ("b", 1, 1, 0.9, 9),
        ("b", 0, 0, 0.1, 9),
    ]
    found = measure("subgroup_auc", tally(rows))
    assert found["a",].measured.value is None
    assert found["a",].measured.reason.startswith("8 of 17 rows of 'a' can be used")
    assert found["b",].measured.value == 1.0


@pytest.mark.parametrize("name", [*RANKING, "calibration_gap", "scoring_rate_ratio"])
def test_without_scores_there_is_a_reason(name: str) -> None:
    for table in (replace(SCORES, score=None), replace(SCORES, score=np.full(9, np.nan))):
        (one,) = measure(name, table).values()
        assert one.measured.value is None
        assert "score" in one.measured.reason


@pytest.mark.parametrize("name", [*RANKING, "calibration_gap", "scoring_rate_ratio"])
def test_scores_are_of_the_positive_label_only(name: str) -> None:
    (one,) = measure(name, SCORES, label="fine").values()
    assert one.measured.value is None
    assert "the scores are of the label 'toxic'" in one.measured.reason


@pytest.mark.parametrize("name", ["fped", "fned", *RANKING, "calibration_gap"])
def test_a_positive_label_that_nobody_knows_is_no_pass(name: str) -> None:
    (one,) = measure(name, replace(SCORES, positive="poison")).values()
    assert one.measured.value is None
    assert "the label 'poison'" in one.measured.reason


@pytest.mark.parametrize("name", ["fped", "fned", "subgroup_auc", "bpsn_auc", "bnsp_auc", "positive_aeg"])
def test_a_positive_label_that_no_row_has_and_none_was_given_is_no_pass(name: str) -> None:
    for one in measure(name, replace(SCORES, positive="poison", labels=("fine", "toxic", "poison"))).values():
        assert one.measured.value is None
        assert "the label 'poison'" in one.measured.reason


def test_calibration_gap_by_hand() -> None:
    table = tally(
        [("a", 1, 1, 0.8, 3), ("a", 0, 1, 0.6, 2), ("b", 1, 1, 0.5, 1), ("b", 0, 1, 0.5, 3), ("", 1, 1, 0.9, 50)]
    )
    ((groups, one),) = measure("calibration_gap", table).items()
    assert groups == ("a", "b")
    # a: mean score 3.6 / 5 = 0.72 with 3 of 5 toxic: 0.12. b: 0.5 with 1 of 4: 0.25.
    assert one.measured.value == pytest.approx(0.25 - 0.12, abs=1e-12)
    # Residuals of a: -0.2 three times, 0.6 twice, and 0.72 - 1 and 0.72 - 0 for the added two; of b -0.5, 0.5 (3), -0.5, 0.5.
    of_a = (3 * 0.32**2 + 2 * 0.48**2 + 0.4**2 + 0.6**2) / (6 * 5)
    of_b = (0.75**2 + 3 * 0.25**2 + 0.75**2 + 0.25**2) / (5 * 4)
    df = (of_a + of_b) ** 2 / (of_a**2 / 4 + of_b**2 / 3)
    reach = float(student.ppf(0.975, df)) * sqrt(of_a + of_b)
    assert one.measured.interval is not None
    assert one.measured.interval.low == pytest.approx(0.13 - reach, abs=1e-12)
    assert one.measured.interval.high == pytest.approx(0.13 + reach, abs=1e-12)
    assert [group.rate for group in one.by_group] == pytest.approx([0.6, 0.25])


def test_scores_that_are_no_probabilities_have_no_calibration() -> None:
    assert SCORES.score is not None
    (one,) = measure("calibration_gap", replace(SCORES, score=SCORES.score * 10)).values()
    assert one.measured.value is None
    assert "scores lie between 1 and 9" in one.measured.reason


def test_two_terms_of_the_very_same_rows_have_no_calibration_gap() -> None:
    ((_, one),) = measure("calibration_gap", tally([("ab", 1, 1, 0.7, 12), ("ab", 0, 1, 0.6, 9)])).items()
    assert one.measured.value is None
    assert "the very same rows" in one.measured.reason


@pytest.mark.parametrize("name", ["subgroup_auc", "bnsp_auc", "positive_aeg"])
def test_a_side_mostly_without_scores_is_not_measured_though_its_group_is_heard(name: str) -> None:
    rows: list[Row] = [("a", 1, 1, 0.9, 8), ("a", 1, None, None, 12), ("a", 0, 0, 0.2, 40)]
    found = measure(name, tally([*rows, ("b", 1, 1, 0.8, 20), ("b", 0, 0, 0.3, 20)]))
    assert found["a",].measured.value is None
    assert "8 of 20 rows of 'a' with the label 'toxic' can be used" in found["a",].measured.reason


def test_rows_of_both_groups_make_a_calibration_gap_surer() -> None:
    rows: list[Row] = [("", 1, 1, 0.7, 12), ("", 0, 1, 0.6, 9), ("", 0, 1, 0.1, 7)]
    apart = tally([(group, *row[1:]) for group in "ab" for row in rows])
    shared = tally([("ab", *row[1:]) for row in rows] + [("a", 0, 0, 0.2, 3), ("b", 0, 0, 0.2, 3)])
    widths = []
    for table in (apart, shared):
        ((_, one),) = measure("calibration_gap", table).items()
        assert one.measured.value == pytest.approx(0.0, abs=1e-12)
        assert one.measured.interval is not None
        widths.append(one.measured.interval.high - one.measured.interval.low)
    assert 0.0 < widths[1] < 0.6 * widths[0]


def test_scoring_rate_ratio_by_hand() -> None:
    # Ten scores, 1 to 10: the median is 5.5. Of a 4 of 5 are above it, of b 1 of 4, and the one of no group is 10.
    scores = {"a": (2, 6, 7, 8, 9), "b": (1, 3, 4, 5), "": (10,)}
    rows: list[Row] = [(group, None, None, float(one), 1) for group, some in scores.items() for one in some]
    ((groups, one),) = measure("scoring_rate_ratio", tally(rows)).items()
    assert one.measured.value == pytest.approx(0.0)
    assert groups == ("b", "a")
    rows.append(("b", None, None, 11.0, 1))
    # Eleven scores: the median is 6, and 6 itself is not above it. Of a 3 of 5, of b 1 of 5.
    ((groups, one),) = measure("scoring_rate_ratio", tally(rows)).items()
    assert one.measured.value == pytest.approx((1 / 5) / (3 / 5))
    assert [group.rate for group in one.by_group] == pytest.approx([0.6, 0.2])


def test_where_all_score_alike_nobody_is_above_the_median() -> None:
    (one,) = measure("scoring_rate_ratio", tally([("a", 1, 1, 0.5, 9), ("b", 1, 1, 0.5, 9)])).values()
    assert one.measured.value is None
    assert one.measured.reason == "no row scores above the median of all, 0.5"


@pytest.mark.parametrize("name", ALL)
def test_figures_do_not_depend_on_how_groups_are_called_or_rows_ordered(name: str) -> None:
    rng = np.random.default_rng(11)
    rows: list[Row] = [
        (
            ("a", "b", "")[rng.integers(3)],
            int(rng.integers(2)),
            int(rng.integers(2)),
            float(np.round(rng.random(), 1)),
            2,
        )
        for _ in range(60)
    ]
    before = measure(name, tally(rows))
    mixed = [rows[at] for at in rng.permutation(60)]
    renamed = measure(name, tally([(row[0].translate(str.maketrans("ab", "xy")), *row[1:]) for row in mixed], "xy"))
    for (groups, one), (others, other) in zip(before.items(), renamed.items(), strict=True):
        assert tuple("xy"["ab".index(group)] for group in groups) == others
        assert one.measured.value is not None
        assert one.measured.value == pytest.approx(other.measured.value, abs=1e-12)
        assert one.measured.interval is not None
        assert other.measured.interval is not None
        assert one.measured.interval.low == pytest.approx(other.measured.interval.low, abs=1e-9)
        assert one.measured.interval.high == pytest.approx(other.measured.interval.high, abs=1e-9)

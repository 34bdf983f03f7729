"""Figures of a corpus: values by hand, what is not defined is said, and the minimum never lets a group pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact

from pytest_biasaudit.metrics.metric import Compared, Measured
from pytest_biasaudit.metrics.tables.corpus import METRICS
from pytest_biasaudit.tables.tally import Attribute, NearWords, Tally
from tests.corpus_tables import Cell, corpus_tally

BY_NAME = {metric.name: metric for metric in METRICS}
PLANTED: Sequence[Cell] = (("men", "1", 30), ("men", "0", 70), ("women", "1", 10), ("women", "0", 90))
UNKNOWN: Sequence[Cell] = (("women", None, 5), (None, "1", 4), (None, None, 1))


def compared(
    name: str,
    tally: Tally,
    *,
    label: str | None = None,
    minimum: int = 1,
    level: float = 0.95,
    attributes: tuple[str, ...] = ("gender",),
) -> dict[tuple[tuple[str, ...], str], Compared]:
    """What the metric makes of the tally, by groups and label."""
    metric = BY_NAME[name]
    assert metric.of_table is not None
    ways = attributes if metric.by_group else ()
    found = metric.of_table(tally, attributes=ways, label=label, level=level, seed=0, minimum=minimum)
    return {(one.groups, one.label): one for one in found}


def measured(name: str, tally: Tally, groups: tuple[str, ...], label: str = "1", **more: object) -> Measured:
    """One of them."""
    return compared(name, tally, **more)[groups, label].measured  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "groups", "value"),
    [
        ("prevalence_gap", ("men", "women"), 0.1 - 0.3),
        ("cooccurrence_rate_ratio", ("men", "women"), 0.1 / 0.3),
        # One row of prior, 40 of 200 parts of it for the label: 0.2 and 0.8.
        ("log_odds", ("men", "women"), math.log(10.2 / 90.8) - math.log(30.2 / 70.8)),
        ("share_gap", ("men",), 30 / 40 - 100 / 200),
        ("share_gap", ("women",), 10 / 40 - 100 / 200),
        ("pmi", ("men",), math.log(0.15 / (0.5 * 0.2))),
        ("pmi", ("women",), math.log(0.05 / (0.5 * 0.2))),
    ],
)
@pytest.mark.parametrize("cells", [PLANTED, (*PLANTED, *UNKNOWN)], ids=["all known", "some not known"])
def test_values_are_those_worked_out_by_hand(
    name: str, groups: tuple[str, ...], value: float, cells: Sequence[Cell]
) -> None:
    one = measured(name, corpus_tally(cells), groups)
    assert one.value == pytest.approx(value, abs=1e-12)
    assert one.interval is not None
    assert one.interval.low < value < one.interval.high
    ideal = BY_NAME[name].ideal
    assert not one.interval.low <= ideal <= one.interval.high
    assert one.p is not None
    assert one.p < 0.001


def test_rows_without_label_or_group_are_counted_and_not_used() -> None:
    one = compared("prevalence_gap", corpus_tally((*PLANTED, *UNKNOWN)))[("men", "women"), "1"]
    women = one.by_group[1]
    assert (women.group, women.n, women.asked, women.unparseable, women.people) == ("women", 100, 105, 5, 100)
    assert women.rate == pytest.approx(0.1)


def test_every_label_is_looked_at_unless_one_is_of_interest() -> None:
    cells = [("men", "a", 5), ("men", "b", 5), ("women", "c", 10)]
    every = corpus_tally(cells, labels=("a", "b", "c"), positive=None)
    assert {label for _, label in compared("prevalence_gap", every)} == {"a", "b", "c"}
    assert {label for _, label in compared("pmi", every)} == {"a", "b", "c"}
    assert {label for _, label in compared("prevalence_gap", every, label="b")} == {"b"}
    assert {label for _, label in compared("prevalence_gap", corpus_tally(PLANTED))} == {"1"}


def test_p_is_that_of_fishers_test_less_half_of_the_table_seen() -> None:
    cells = [("men", "1", 3), ("men", "0", 6), ("women", "1", 0), ("women", "0", 9)]
    # scipy's one-sided p is 0.1029 = P(X >= 3) with X hypergeometric; P(X = 3) = 84 * 1 / 816.
    one_sided = fisher_exact([[3, 6], [0, 9]], alternative="greater").pvalue
    assert one_sided == pytest.approx(84 / 816)
    both = 2 * (one_sided - 0.5 * 84 / 816)
    for name, groups in (("prevalence_gap", ("men", "women")), ("share_gap", ("men",)), ("pmi", ("women",))):
        assert measured(name, corpus_tally(cells), groups).p == pytest.approx(both), name


def test_shares_have_clopper_and_pearsons_interval() -> None:
    tally = corpus_tally((*PLANTED, *UNKNOWN), blank=6, incomplete=10)
    share = measured("group_share", tally, ("women",), "")
    assert share.value == 105 / 205
    exact = binomtest(105, 205).proportion_ci(method="exact")
    assert share.interval is not None
    assert (share.interval.low, share.interval.high) == pytest.approx((exact.low, exact.high))
    missing = measured("missing_share", tally, (), "")
    assert missing.value == 10 / 210
    imbalance = measured("label_imbalance", tally, ())
    assert imbalance.value == pytest.approx(44 / 204 - 1 / 2)
    exact = binomtest(44, 204).proportion_ci(method="exact")
    assert imbalance.interval is not None
    assert (imbalance.interval.low, imbalance.interval.high) == pytest.approx((exact.low - 0.5, exact.high - 0.5))


def test_without_a_finer_count_what_is_missing_is_what_is_blank() -> None:
    assert measured("missing_share", corpus_tally(PLANTED, blank=6), (), "").value == 6 / 200


def test_a_corpus_that_lacks_nothing_still_has_an_interval() -> None:
    one = measured("missing_share", corpus_tally(PLANTED), (), "")
    assert one.value == 0.0
    assert one.interval is not None
    # 1 - 0.025 ** (1 / 200)
    assert one.interval.high == pytest.approx(1 - 0.025 ** (1 / 200))


@pytest.mark.parametrize("metric", [one for one in METRICS if one.by_group], ids=lambda one: one.name)
def test_a_group_that_no_row_has_is_not_measured(metric: object) -> None:
    near = [
        NearWords(attribute="gender", group=group, words="work", near=9, occurrences=40, rows=rows, near_rows=rows // 4)
        for group, rows in (("men", 100), ("women", 100), ("others", 0))
    ]
    tally = corpus_tally(PLANTED, groups=("men", "women", "others"), near=near)
    found = [one for one in compared(metric.name, tally).values() if "others" in one.groups]  # type: ignore[attr-defined]
    assert found
    for one in found:
        assert one.measured.value is None
        assert "others" in one.measured.reason


@pytest.mark.parametrize("name", ["prevalence_gap", "cooccurrence_rate_ratio", "log_odds", "share_gap", "pmi"])
def test_fewer_rows_than_the_minimum_are_not_measured(name: str) -> None:
    cells = [("men", "1", 30), ("men", "0", 70), ("women", "1", 4), ("women", "0", 5)]
    enough = [one for one in compared(name, corpus_tally(cells), minimum=9).values() if "women" in one.groups]
    assert all(one.measured.value is not None for one in enough)
    few = [one for one in compared(name, corpus_tally(cells), minimum=10).values() if "women" in one.groups]
    assert [one.measured.value for one in few] == [None]
    assert "9 rows" in few[0].measured.reason
    assert "at least 10" in few[0].measured.reason


def test_a_label_too_rare_for_a_share_of_it_is_not_measured() -> None:
    cells = [("men", "1", 3), ("men", "0", 70), ("women", "1", 4), ("women", "0", 50)]
    for name in ("share_gap", "pmi"):
        one = measured(name, corpus_tally(cells), ("women",), minimum=10)
        assert one.value is None
        assert "7 rows with the label '1'" in one.reason


def test_a_ratio_to_nothing_is_not_defined_and_the_gap_is() -> None:
    cells = [("men", "0", 50), ("women", "1", 20), ("women", "0", 30)]
    one = measured("cooccurrence_rate_ratio", corpus_tally(cells), ("men", "women"))
    assert one.value is None
    assert "infinite" in one.reason
    assert "prevalence_gap" in one.reason
    none = measured("cooccurrence_rate_ratio", corpus_tally([("men", "0", 50), ("women", "0", 20)]), ("men", "women"))
    assert none.value is None
    assert "not defined" in none.reason
    gap = measured("prevalence_gap", corpus_tally(cells), ("men", "women"))
    assert gap.value == 0.4
    assert gap.interval is not None
    assert gap.interval.low < 0.4 < gap.interval.high


def test_a_group_that_never_has_the_label_is_as_far_off_as_can_be_and_is_judged() -> None:
    cells = [("men", "1", 50), ("men", "0", 50), ("women", "0", 100)]
    tally = corpus_tally(cells)
    ratio = measured("cooccurrence_rate_ratio", tally, ("men", "women"))
    assert ratio.value == 0.0
    assert ratio.interval is not None
    assert ratio.interval.low == 0.0
    assert 0.0 < ratio.interval.high < 0.2
    information = measured("pmi", tally, ("women",))
    # Half a row more in each of four cells: ln(0.5 * 202 / (101 * 51)).
    assert information.value == pytest.approx(math.log(0.5 * 202 / (101 * 51)))
    assert information.interval is not None
    assert information.interval.low == -math.inf
    assert -math.inf < information.interval.high < -1.0
    assert "half a row" in information.reason


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([("men", "1", 20), ("women", "1", 20)], "every row has the label"),
        ([("men", "1", 20), ("men", "0", 20)], "every row is of 'men'"),
    ],
)
def test_what_cannot_go_together_more_or_less_is_not_defined(cells: Sequence[Cell], reason: str) -> None:
    for name in ("share_gap", "pmi"):
        one = measured(name, corpus_tally(cells), ("men",))
        assert one.value is None
        assert reason in one.reason
    if "label" in reason:
        odds = measured("log_odds", corpus_tally(cells), ("men", "women"))
        assert odds.value is None
        assert "every row has the label" in odds.reason


def test_a_table_without_labels_says_so() -> None:
    tally = corpus_tally([("men", None, 20), ("women", None, 20)], labels=(), positive=None)
    for name in ("prevalence_gap", "pmi", "label_imbalance"):
        (one,) = compared(name, tally).values()
        assert "no column of labels" in one.measured.reason
    assert measured("group_share", tally, ("men",), "").value == 0.5


def test_groups_told_by_terms_share_rows_and_the_interval_knows() -> None:
    """200 rows say both, 50 one each: what is common cancels, so the interval is narrower than for 250 rows each."""
    inside = np.array([[True, True], [True, True], [True, False], [True, False], [False, True], [False, True]])
    truth = np.array([1, 0, 1, 0, 1, 0])
    count = np.array([100, 100, 30, 20, 20, 30])
    tally = Tally(
        attributes=(Attribute(name="gender", groups=("men", "women"), overlapping=True),),
        labels=("0", "1"),
        positive="1",
        members=(inside,),
        truth=truth,
        prediction=None,
        count=count,
    )
    apart = corpus_tally([("men", "1", 130), ("men", "0", 120), ("women", "1", 120), ("women", "0", 130)])
    one, other = (measured("prevalence_gap", each, ("men", "women")) for each in (tally, apart))
    assert one.value == other.value == pytest.approx(-0.04)
    assert one.interval is not None
    assert other.interval is not None
    width, wide = (each.high - each.low for each in (one.interval, other.interval))
    # Correlation 200 / 250: the variance is 1 - 0.8 of what it is for rows apart.
    assert width / wide == pytest.approx(math.sqrt(0.2), rel=0.03)


def test_rows_of_one_cluster_are_not_taken_for_independent() -> None:
    """Each of 20 authors wrote 10 rows of one group and one label: 20 units, not 200."""
    cells = [("men" if at < 10 else "women", "1" if at % 2 else "0", 10) for at in range(20)]
    tally = corpus_tally(cells, cluster=range(20))
    plain = corpus_tally(cells)
    for name, groups in (("prevalence_gap", ("men", "women")), ("pmi", ("men",)), ("log_odds", ("men", "women"))):
        one, other = measured(name, tally, groups), measured(name, plain, groups)
        assert one.value == pytest.approx(other.value)
        assert one.interval is not None
        assert other.interval is not None
        assert one.interval.high - one.interval.low > 2.5 * (other.interval.high - other.interval.low)
    assert compared("prevalence_gap", tally)[("men", "women"), "1"].by_group[0].people == 10
    few = measured("prevalence_gap", tally, ("men", "women"), minimum=11)
    assert few.value is None
    assert "10 clusters" in few.reason


def test_words_near_terms_by_hand() -> None:
    near = [
        NearWords(attribute="gender", group=group, words="work", near=0, occurrences=0, rows=100, near_rows=hits)
        for group, hits in (("men", 40), ("women", 10))
    ]
    cells = [("men", "1", 100), ("women", "1", 100)]
    tally = corpus_tally(cells, near=near)
    assert measured("word_rate_ratio", tally, ("men", "women"), "work").value == pytest.approx(0.25)
    assert measured("word_pmi", tally, ("men",), "work").value == pytest.approx(math.log(0.4 / 0.25))
    assert measured("word_pmi", tally, ("women",), "work").value == pytest.approx(math.log(0.1 / 0.25))
    (none,) = compared("word_pmi", corpus_tally(cells)).values()
    assert none.measured.value is None
    assert "words" in none.measured.reason


def test_renaming_groups_and_labels_changes_nothing_and_swapping_the_reference_the_sign_only() -> None:
    tally = corpus_tally(PLANTED)
    swapped = corpus_tally(PLANTED, groups=("women", "men"))
    for name in ("prevalence_gap", "log_odds"):
        one, other = measured(name, tally, ("men", "women")), measured(name, swapped, ("women", "men"))
        assert one.interval is not None
        assert other.interval is not None
        assert one.value == pytest.approx(-other.value)  # type: ignore[operator]
        assert one.interval.low == pytest.approx(-other.interval.high)
        assert one.p == pytest.approx(other.p)
    ratio = measured("cooccurrence_rate_ratio", tally, ("men", "women"))
    inverse = measured("cooccurrence_rate_ratio", swapped, ("women", "men"))
    assert ratio.interval is not None
    assert inverse.interval is not None
    assert ratio.value == pytest.approx(1 / inverse.value)  # type: ignore[operator]
    assert ratio.interval.low == pytest.approx(1 / inverse.interval.high)

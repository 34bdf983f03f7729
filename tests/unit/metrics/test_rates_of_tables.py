"""Rates of classifiers by group: by hand, what is not measured and why, and that it never passes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pytest_biasaudit.context.declaration import ClassifierAudit, Columns, Limit
from pytest_biasaudit.metrics.metric import Compared, Estimate
from pytest_biasaudit.metrics.registry import METRICS, for_kind
from pytest_biasaudit.metrics.tables import rates
from pytest_biasaudit.metrics.tables.measure import Asked, estimates_of_table
from pytest_biasaudit.metrics.tables.spread import corrected
from pytest_biasaudit.stats.root_mean_square import correlation_limits, limits_of_norm
from pytest_biasaudit.tables.tally import Tally
from pytest_biasaudit.verdict.finding import Where
from pytest_biasaudit.verdict.judge import judge_limits
from pytest_biasaudit.verdict.verdict import Verdict
from tests.prediction_tables import tally

OWN = for_kind(METRICS, "classifier")
MINE = tuple(metric.name for metric in rates.METRICS if metric.by_group)
WHERE = Where(context="c", audit="a", model="data", file="c.toml", kind="classifier")


class Counted:
    """What was collected of a table."""

    obstacle = ""

    def __init__(self, counted: Tally) -> None:
        self.tally = counted


def rows(*cells: tuple[str, str, str, int]) -> tuple[list[str], list[str], list[str]]:
    """(group, truth, prediction, count) spelled out."""
    spelled = [(group, truth, said) for group, truth, said, count in cells for _ in range(count)]
    group, truth, said = zip(*spelled, strict=True)
    return list(group), list(truth), list(said)


def binary(*cells: tuple[str, str, str, int], order: Sequence[str] = ("a", "b")) -> Tally:
    group, truth, said = rows(*cells)
    return tally([group], truth, said, order=[order], positive="1")


def measured(
    name: str, counted: Tally, *, label: str | None = None, minimum: int = 5, attributes: tuple[str, ...] = ("group",)
) -> tuple[Compared, ...]:
    metric = OWN[name]
    assert metric.of_table is not None
    return metric.of_table(
        counted,
        attributes=attributes if metric.by_group else (),
        label=label,
        level=0.95,
        seed=0,
        minimum=minimum,
    )


TWO = binary(
    ("a", "1", "1", 8), ("a", "1", "0", 2), ("a", "0", "1", 3), ("a", "0", "0", 12),
    ("b", "1", "1", 6), ("b", "1", "0", 6), ("b", "0", "1", 1), ("b", "0", "0", 9),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tpr_gap", 6 / 12 - 8 / 10),
        ("fnr_gap", 6 / 12 - 2 / 10),
        ("fpr_gap", 1 / 10 - 3 / 15),
        ("accuracy_gap", 15 / 22 - 20 / 25),
        ("rms_tpr_gap", 8 / 10 - 6 / 12),
        ("demographic_parity_difference", 11 / 25 - 7 / 22),
        ("equalized_odds_difference", 8 / 10 - 6 / 12),
        ("impact_ratio", (7 / 22) / (11 / 25)),
        ("accuracy", 35 / 47),
        ("balanced_accuracy", (14 / 22 + 21 / 25) / 2),
        ("worst_group_accuracy", 15 / 22),
        ("worst_group_tpr", 6 / 12),
        ("answer_rate", 1.0),
    ],
)
def test_every_figure_of_a_small_table_is_that_by_hand(name: str, value: float) -> None:
    (one,) = measured(name, TWO)
    assert one.measured.value == pytest.approx(value, abs=1e-12)
    interval = one.measured.interval
    assert interval is not None
    assert interval.low < interval.high
    assert interval.low <= value <= interval.high
    low, high = OWN[name].range
    assert low <= interval.low
    assert interval.high <= high


def test_what_a_figure_rests_on_stands_beside_it() -> None:
    (one,) = measured("fpr_gap", TWO)
    assert one.groups == ("a", "b")
    assert one.label == "1"
    assert [(group.group, group.n, group.asked, group.rate) for group in one.by_group] == [
        ("a", 15, 25, 3 / 15),
        ("b", 10, 22, 1 / 10),
    ]


def test_a_spread_names_the_lowest_and_the_highest_group() -> None:
    hits = {"a": 12, "b": 4, "c": 16}
    cells = [(group, "1", said, count if said == "1" else 20 - count) for group, count in hits.items() for said in "10"]
    counted = binary(*cells, order=("a", "b", "c"))
    (one,) = measured("impact_ratio", counted)
    assert one.groups == ("b", "c")
    assert one.measured.value == pytest.approx(4 / 16)
    assert [group.rate for group in one.by_group] == [0.6, 0.2, 0.8]
    (worst,) = measured("worst_group_tpr", counted)
    assert worst.groups == ("b",)


def test_without_a_positive_label_every_label_is_held_against_the_rest() -> None:
    group, truth, said = rows(("a", "x", "x", 9), ("a", "y", "z", 9), ("b", "z", "z", 9), ("b", "x", "y", 9))
    counted = tally([group], truth, said)
    assert [one.label for one in measured("fpr_gap", counted)] == ["x", "y", "z"]
    (only,) = measured("fpr_gap", counted, label="z")
    assert only.measured.value == pytest.approx(0 - 9 / 18)
    (no_label,) = measured("accuracy_gap", counted, label="z")
    assert no_label.measured.value is None
    assert "all labels together" in no_label.measured.reason


def test_rows_without_a_prediction_or_a_label_are_in_no_rate_and_are_counted() -> None:
    counted = binary(
        ("a", "1", "1", 6), ("a", "1", "0", 4), ("a", "1", "", 5), ("a", "", "1", 3), ("a", "0", "0", 10),
        ("b", "1", "1", 9), ("b", "1", "0", 1), ("b", "0", "0", 10),
    )  # fmt: skip
    (one,) = measured("tpr_gap", counted)
    assert one.measured.value == pytest.approx(9 / 10 - 6 / 10)
    assert one.by_group[0].unparseable == 5
    (answered,) = measured("answer_rate", counted)
    assert answered.measured.value == pytest.approx(43 / 48)
    (selection,) = measured("demographic_parity_difference", counted)
    assert selection.by_group[0].n == 23  # the three without a true label are predicted all the same


def test_a_group_mostly_without_predictions_is_not_measured() -> None:
    counted = binary(("a", "1", "1", 20), ("b", "1", "1", 12), ("b", "1", "", 13))
    (one,) = measured("tpr_gap", counted)
    assert one.measured.value is None
    assert "12 of 25 rows of group 'b' have a prediction" in one.measured.reason


def test_a_class_mostly_without_predictions_is_not_measured_though_its_group_is_heard() -> None:
    """A model that is silent on most of b's positives, and right about the few it speaks of, is not fair to b."""
    counted = binary(
        ("a", "1", "1", 20), ("a", "0", "0", 20), ("b", "1", "1", 8), ("b", "1", "", 12), ("b", "0", "0", 40)
    )  # fmt: skip
    (one,) = measured("tpr_gap", counted)
    assert one.measured.value is None
    assert "8 of 20 rows of group 'b' whose true label is '1' have a prediction" in one.measured.reason
    (fpr,) = measured("fpr_gap", counted)
    assert fpr.measured.value == 0.0
    for name in ("fned", "equalized_odds_difference", "rms_tpr_gap", "worst_group_tpr"):
        (same,) = measured(name, counted)
        assert same.measured.value is None
        assert "8 of 20 rows of" in same.measured.reason


def test_no_root_mean_square_is_bounded_above_one() -> None:
    counted = binary(("a", "1", "1", 10), ("a", "0", "0", 9), ("b", "1", "0", 10), ("b", "0", "0", 9))
    (one,) = measured("rms_tpr_gap", counted)
    assert one.measured.interval is not None
    assert one.measured.value == one.measured.interval.high == 1.0


def test_too_few_rows_are_said_with_what_would_do() -> None:
    (one,) = measured("tpr_gap", TWO, minimum=11)
    assert one.measured.value is None
    assert one.measured.interval is None
    assert one.measured.reason == (
        "group 'a' has 10 rows whose true label is '1'; 11 are needed: add 1 or more, leave the group out with a reason, or "
        "lower `minimum`"
    )
    assert one.by_group[0].rate == 0.8  # what there is stands beside it


def test_a_group_of_one_class_has_no_true_positive_rate() -> None:
    counted = binary(("a", "1", "1", 20), ("a", "0", "0", 20), ("b", "0", "0", 30), ("b", "0", "1", 10))
    (one,) = measured("tpr_gap", counted)
    assert one.measured.value is None
    assert "0 rows whose true label is '1' (the rate is not defined)" in one.measured.reason
    (fpr,) = measured("fpr_gap", counted)
    assert fpr.measured.value == pytest.approx(0.25)
    (odds,) = measured("equalized_odds_difference", counted)
    assert odds.measured.value is None


def test_nobody_selected_leaves_no_ratio() -> None:
    counted = binary(("a", "1", "0", 20), ("b", "1", "0", 20))
    (one,) = measured("impact_ratio", counted)
    assert one.measured.value is None
    assert "two rates of 0" in one.measured.reason
    (none_of_b,) = measured("impact_ratio", binary(("a", "1", "1", 20), ("b", "1", "0", 20)))
    assert none_of_b.measured.value == 0.0
    assert none_of_b.measured.interval is not None
    assert 0.0 < none_of_b.measured.interval.high < 0.3


def held(
    name: str, counted: Tally, *, rule: str, minimum: int = 10, attributes: tuple[str, ...] = ("group",)
) -> Verdict:
    metric = OWN[name]
    loosest = (
        {"min": 0.0 if metric.unit != "ratio" else 1e-9} if metric.direction.startswith("higher") else {"max": 2.0}
    )
    limit = Limit(id="l", metric=name, attributes=attributes, rule=rule, **loosest)  # type: ignore[arg-type]  # as read
    audit = ClassifierAudit(
        id="a",
        kind="classifier",
        limits=(limit,),
        data="t.csv",
        sha256=None,
        columns=Columns(label="y"),
        minimum=minimum,
    )
    found: tuple[Estimate, ...] = estimates_of_table(Asked.of(limit), audit, Counted(counted), metric, seed=0)
    (judged,) = judge_limits([(limit, found)], metrics=OWN, where=WHERE)
    return judged.verdict


ENOUGH = tuple((group, truth, said, 30 if truth == said else 9) for group in "ab" for truth in "10" for said in "10")


@pytest.mark.parametrize("rule", ["upper", "lower", "point"])
@pytest.mark.parametrize("name", [name for name in MINE if name != "tpr_gap_prevalence_correlation"])
def test_a_missing_or_small_group_never_passes_the_loosest_limit(name: str, rule: str) -> None:
    assert held(name, binary(*ENOUGH), rule=rule) is Verdict.WITHIN
    missing = binary(*ENOUGH, order=("a", "b", "declared and in no row"))
    assert held(name, missing, rule=rule) is Verdict.NOT_MEASURED
    small = binary(*ENOUGH, ("c", "1", "1", 9), ("c", "0", "0", 0), order=("a", "b", "c"))
    assert held(name, small, rule=rule) is Verdict.NOT_MEASURED
    alone = binary(*ENOUGH[:4], order=("a",))
    verdict = held(name, alone, rule=rule)
    assert verdict is Verdict.NOT_MEASURED or name.startswith("worst_group")


def test_a_small_group_is_measured_once_it_is_left_out_with_a_reason() -> None:
    group, truth, said = rows(*ENOUGH, ("c", "1", "1", 3))
    small = tally([group], truth, said, positive="1")
    assert held("equalized_odds_difference", small, rule="upper") is Verdict.NOT_MEASURED
    left = tally([group], truth, said, positive="1", left_out=(("c", "three rows in all"),))
    assert held("equalized_odds_difference", left, rule="upper") is Verdict.WITHIN


def test_an_intersection_that_nobody_is_of_never_passes() -> None:
    group, truth, said = rows(*ENOUGH)
    second = ["m"] * len(group)
    counted = tally([group, second], truth, said, names=("race", "sex"), order=[("a", "b"), ("m", "w")], positive="1")
    for name in ("impact_ratio", "tpr_gap", "demographic_parity_difference", "worst_group_accuracy"):
        assert held(name, counted, rule="upper", attributes=("race", "sex")) is Verdict.NOT_MEASURED


def test_rows_that_name_both_groups_tell_the_two_apart_less_than_separate_rows_but_their_covariance_counts() -> None:
    """100 rows of each group. Shared rows drop out of the difference, so that the interval is narrower than for rows apart."""
    said = ["1"] * 40 + ["0"] * 40 + ["1"] * 12 + ["0"] * 8 + ["1"] * 8 + ["0"] * 12
    who = ["a+b"] * 80 + ["a"] * 20 + ["b"] * 20
    shared = tally([who], ["1"] * 120, said, positive="1", overlapping=True)
    apart = binary(("a", "1", "1", 52), ("a", "1", "0", 48), ("b", "1", "1", 48), ("b", "1", "0", 52))
    (one,), (other,) = measured("tpr_gap", shared), measured("tpr_gap", apart)
    assert one.measured.value == other.measured.value == pytest.approx(-0.04)
    narrow, wide = one.measured.interval, other.measured.interval
    assert narrow is not None
    assert wide is not None
    # By hand: variances p q / n = 0.52 * 0.48 / 100; covariance (40 * .48 * .52 + 40 * .52 * .48) / 100^2.
    expected = math.sqrt(1 - 80 * 0.2496 / 100 / (100 * 0.2496 / 100))
    assert (narrow.high - narrow.low) / (wide.high - wide.low) == pytest.approx(expected, rel=0.03)
    same = tally([["a+b"] * 60], ["1"] * 60, ["1"] * 30 + ["0"] * 30, positive="1", overlapping=True)
    (never,) = measured("tpr_gap", same)
    assert never.measured.value is None
    assert "the very same rows" in never.measured.reason


def test_clusters_are_what_the_minimum_counts() -> None:
    group, truth, said = rows(*ENOUGH)
    few = tally([group], truth, said, positive="1", cluster=[at % 4 for at in range(len(group))])
    (one,) = measured("tpr_gap", few, minimum=5)
    assert one.measured.value is None
    assert "4 clusters of rows" in one.measured.reason
    (measured_now,) = measured("tpr_gap", few, minimum=4)
    assert measured_now.measured.df is not None
    assert measured_now.by_group[0].people == 4


def test_rows_repeated_within_clusters_add_no_certainty() -> None:
    rng = np.random.default_rng(0)
    group = [str(one) for one in rng.integers(0, 2, 80)]
    said = [str(one) for one in rng.integers(0, 2, 80)]
    plain = tally([group], ["1"] * 80, said, positive="1")
    tenfold = tally([group * 10], ["1"] * 800, said * 10, positive="1", cluster=list(range(80)) * 10)
    (one,), (other,) = measured("tpr_gap", plain), measured("tpr_gap", tenfold)
    assert one.measured.value == pytest.approx(other.measured.value)
    widths = [
        found.measured.interval.high - found.measured.interval.low for found in (one, other) if found.measured.interval
    ]
    assert widths[1] == pytest.approx(widths[0], rel=0.06)


def test_the_inner_end_is_corrected_for_pairs_and_for_two_groups_not_at_all() -> None:
    assert corrected(0.95, 1) == pytest.approx(0.95)
    assert corrected(0.95, 3) == pytest.approx(0.99)
    assert corrected(0.95, 91) == pytest.approx(1 - 0.05 / 181)


def test_the_norm_found_lies_between_its_limits_and_small_ones_reach_nought() -> None:
    errors = np.random.default_rng(0).normal(size=(2000, 10)) * 0.1
    for size in (0.0, 0.05, 0.3, 2.0):
        found = np.full(10, size)
        low, high = limits_of_norm(found, errors, level=0.95)
        assert 0.0 <= low <= np.linalg.norm(found) <= high
        assert low < high
    assert limits_of_norm(np.full(10, 0.05), errors, level=0.95)[0] == 0.0
    low, high = limits_of_norm(np.full(10, 2.0), errors, level=0.95)
    assert low > math.sqrt(40) - 0.25
    assert high == pytest.approx(math.sqrt(40) + 1.96 * 0.1, abs=0.03)


def test_gaps_without_errors_that_lie_on_a_line_correlate_fully() -> None:
    share = np.array([0.1, 0.4, 0.5, 0.9])
    r, low, high, p = correlation_limits(0.2 * share - 0.1, share, np.full((2000, 4), 1e-9), level=0.95)
    assert r == pytest.approx(1.0)
    assert 0.99 < low <= r <= high <= 1.0
    assert p < 0.001


def test_one_share_at_every_label_leaves_nothing_to_go_together_with() -> None:
    cells = [(group, label, said, 10) for group in "ab" for label in "xyz" for said in (label, "x")]
    group, truth, said = rows(*cells)
    (one,) = measured("tpr_gap_prevalence_correlation", tally([group], truth, said))
    assert one.measured.value is None
    assert "same at every label" in one.measured.reason
    (two,) = measured("tpr_gap_prevalence_correlation", TWO)
    assert "at least 3 labels" in two.measured.reason


def test_labels_that_no_row_truly_has_are_named_and_left_out_of_the_root_mean_square() -> None:
    group, truth, said = rows(
        ("a", "x", "x", 8), ("a", "x", "z", 2), ("a", "y", "y", 10), ("b", "x", "x", 10), ("b", "y", "y", 10)
    )
    (one,) = measured("rms_tpr_gap", tally([group], truth, said))
    assert one.measured.value == pytest.approx(math.sqrt(0.2**2 / 2))
    assert "no row truly has the label 'z'" in one.measured.reason


def test_a_table_without_predictions_is_not_measured() -> None:
    counted = replace(TWO, prediction=None)
    (one,) = measured("tpr_gap", counted)
    assert one.measured.value is None
    assert "have a prediction" in one.measured.reason

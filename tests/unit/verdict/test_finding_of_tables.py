"""What a finding says of a labelled table: label, groups, rows, and how many more of which would decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_biasaudit.metrics.metric import Estimate, GroupSummary, Metric
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.tables.itself import DATA
from pytest_biasaudit.verdict.finding import Where
from pytest_biasaudit.verdict.judge import judge_limits
from tests.hand_tally import classifier_audit, corpus_audit, table_context
from tests.hand_tally import table_limit as limit

GAP = Metric(
    name="tpr_gap", title="TPR gap", unit="share", range=(-1.0, 1.0), ideal=0.0, judged="distance",
    direction="closer to the ideal is fairer", kinds=("classifier", "corpus"), by_group=True, source="by hand",
)  # fmt: skip
SPREAD = replace(GAP, name="impact_ratio", ideal=1.0, judged="value", range=(0.0, 1.0))
SUM = replace(GAP, name="fped", range=(0.0, float("inf")))
METRICS = {"impact_ratio": SPREAD, "fped": SUM} | {
    name: replace(GAP, name=name) for name in ("tpr_gap", "fpr_gap", "pmi", "accuracy_gap")
}


def group(name: str, n: int, rate: float | None, *, asked: int = 0, unparseable: int = 0) -> GroupSummary:
    return GroupSummary(
        group=name, n=n, asked=asked or n, refused=0, unparseable=unparseable, errors=0, people=n, mean=None, sd=None,
        median=None, rate=rate,
    )  # fmt: skip


def gap(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    groups: tuple[GroupSummary, ...] = (group("men", 50, 0.8, asked=110), group("women", 40, 0.5, asked=112)),
    metric: str = "tpr_gap",
    label: str = "nurse",
    reason: str = "",
    sampled: str = "rows",
    templates: int = 90,
) -> Estimate:
    interval = None if low is None or high is None else Interval(low=low, high=high, level=0.95, method="Newcombe")
    return Estimate(
        metric=metric, attribute="sex", groups=tuple(one.group for one in groups), value=value, interval=interval,
        p=None, p_adjusted=None, n=sum(one.n for one in groups), people=90, templates=templates,
        missing=sum(one.unparseable for one in groups), by_group=groups, reason=reason, sampled=sampled, label=label,
    )  # fmt: skip


def where(kind: str = "classifier") -> Where:
    audit = classifier_audit() if kind == "classifier" else corpus_audit()
    return Where.of(table_context(audit), audit, model=DATA, seed=0)


def lines(*estimates: Estimate, kind: str = "classifier", metric: str = "tpr_gap", **bound: float) -> list[str]:
    held = limit(metric, "sex", **(bound or {"max": 0.1}))
    (judgement,) = judge_limits([(held, estimates)], metrics=METRICS, where=where(kind))
    return judgement.message.splitlines()


def test_a_gap_over_its_limit_reads_as_label_groups_and_rows() -> None:
    assert lines(gap(-0.3, -0.47, -0.11)) == [
        "cv-screening / screening[data] / sex-tpr_gap: over limit",
        '  estimate   -0.3   95 % interval -0.47 to -0.11 (Newcombe; 90 rows, seed 0)   label "nurse", women against men',
        "  limit      |tpr_gap| at most 0.1   screening.bias.toml, [[audit.limit]] sex-tpr_gap",
        "  groups     men 0.8 (n 50 of 110 rows)   women 0.5 (n 40 of 112 rows)",
        "  not used   0: every row of these groups has a prediction",
        '  next       look at the rows of women with label "nurse" in held_out.csv; the report (--biasaudit-html FILE) has '
        'labels and groups side by side; rerun with -k "screening and data and sex-tpr_gap" --biasaudit-seed=0',
    ]


def test_a_corpus_speaks_of_rows_and_of_no_prediction() -> None:
    text = "\n".join(lines(gap(-0.3, -0.47, -0.11), kind="corpus"))
    assert "cv-screening / training-data[data]" in text
    assert "prediction" not in text
    assert "answer" not in text
    assert "look at the rows of women" in text
    assert "in train.csv" in text


def test_rows_without_a_prediction_are_counted_group_by_group() -> None:
    some = (group("men", 50, 0.8, asked=110), group("women", 40, 0.5, asked=112, unparseable=3))
    assert "  not used   3 of 112 rows of women, without a prediction" in lines(gap(-0.3, -0.47, -0.11, groups=some))


def test_clusters_are_named_beside_the_rows_they_hold() -> None:
    text = "\n".join(lines(gap(-0.3, -0.47, -0.11, sampled="clusters", templates=31)))
    assert "(Newcombe; 90 rows in 31 clusters, seed 0)" in text


def test_a_spread_over_all_groups_names_the_lowest_and_the_highest() -> None:
    text = "\n".join(lines(gap(0.62, 0.4, 0.9, metric="impact_ratio", label=""), metric="impact_ratio", min=0.8))
    assert "lowest men, highest women" in text
    assert "label" not in text.split("groups  ")[0].split("limit")[0]


def test_of_very_many_comparisons_those_nearest_the_limit_are_told_and_the_rest_counted() -> None:
    many = [gap(0.001 * at, 0.0, 0.05, label=f"job {at}") for at in range(30)]
    said = lines(gap(-0.3, -0.47, -0.11), *many)
    also = [line for line in said if line.startswith("  also")]
    assert [f"job {at}" in line for at, line in zip(range(29, 23, -1), also, strict=False)] == [True] * 6
    assert also[6:] == ["  also       24 more comparisons, in the evidence (--biasaudit-json FILE)"]


def test_an_inconclusive_gap_says_how_many_more_rows_of_the_smaller_group_decide() -> None:
    # Variance now: .25/40 + .16/400 = .00665. The estimate -0.05 reaches 0.16 down, room to the limit is 0.05: the
    # variance must fall by (0.16/0.05)^2 = 10.24, to .00064941; the 400 men leave .00024941 of it: .25/.00024941 = 1002.4.
    rows = (group("men", 400, 0.8), group("women", 40, 0.5))
    (said,) = [line for line in lines(gap(-0.05, -0.21, 0.11, groups=rows)) if line.startswith("  next")]
    assert said == (
        "  next       the estimate keeps the limit; if it stays there, about 1,003 rows of women for label \"nurse\" would "
        "decide it (now 40)"
    )  # fmt: skip


def test_where_the_smaller_group_alone_cannot_decide_both_must_grow() -> None:
    # (0.16/0.05)^2 = 10.24 times: 40 * 10.24 = 409.6 and 50 * 10.24 = 512; the 50 men alone keep more variance than that.
    rows = (group("men", 50, 0.8), group("women", 40, 0.5))
    (said,) = [line for line in lines(gap(-0.05, -0.21, 0.11, groups=rows)) if line.startswith("  next")]
    assert 'about 410 rows of women and 512 of men for label "nurse" would decide it (now 40 and 50)' in said


def test_an_estimate_at_its_limit_is_beyond_any_number_of_rows() -> None:
    assert "no number of rows would decide it soon" in "\n".join(lines(gap(0.1, 0.02, 0.18)))


def test_a_gap_that_was_not_measured_says_why_and_is_no_pass() -> None:
    few = gap(
        None, reason="women: 3 rows, and a rate needs 10", groups=(group("men", 50, 0.8), group("women", 3, None))
    )
    said = lines(few)
    assert said[0].endswith("not measured")
    assert "women: 3 rows, and a rate needs 10" in "\n".join(said)
    assert "  groups     men 0.8 (n 50 rows)   women (n 3 rows)" in said


@pytest.mark.parametrize("hostile", ["x\n  limit      none", "\u202egnp", "a\x1b[31m"])
def test_a_label_or_group_cannot_dress_up_a_finding(hostile: str) -> None:
    rows = (group("men", 50, 0.8), group(hostile, 40, 0.5))
    inconclusive = lines(gap(-0.05, -0.21, 0.11, label=hostile, groups=rows))
    for said in (lines(gap(-0.3, -0.47, -0.11, label=hostile, groups=rows)), inconclusive):
        assert len(said) == 6
        assert not any(mark in line for line in said for mark in ("\u202e", "\x1b"))


def test_a_sum_over_groups_says_that_it_is_one() -> None:
    text = "\n".join(lines(gap(0.9, 0.8, 1.0, metric="fped"), metric="fped"))
    assert 'label "nurse", sum over 2 groups' in text
    assert "lowest" not in text
    assert "|fped|" not in text


@pytest.mark.parametrize(
    ("metric", "rows"),
    [
        ("tpr_gap", 'the rows of women with label "nurse"'),
        ("fpr_gap", 'the rows of women without label "nurse"'),
        ("fped", 'the rows of men and of women without label "nurse"'),
        ("impact_ratio", 'the rows of men and of women by whether they are given "nurse"'),
    ],
)
def test_the_rows_to_look_at_are_those_that_the_figure_is_of(metric: str, rows: str) -> None:
    bound: dict[str, Any] = {"min": 0.8} if metric == "impact_ratio" else {"max": 0.1}
    text = "\n".join(lines(gap(0.3, 0.2, 0.4, metric=metric), metric=metric, **bound))
    assert f"look at {rows} in held_out.csv" in text


def test_rows_of_a_label_are_not_said_to_be_some_of_the_group() -> None:
    share = (group("women", 80, 0.2, asked=110),)
    text = "\n".join(lines(gap(-0.8, -0.9, -0.7, metric="pmi", groups=share), metric="pmi", kind="corpus"))
    assert "  groups     women 0.2 (n 80 rows with the label)" in text


def test_a_figure_over_everybody_names_all_rows() -> None:
    everybody = replace(gap(0.9, 0.8, 0.95, groups=(group("", 80, 0.2),), label=""), groups=())
    assert "  groups     all rows 0.2 (n 80 rows)" in lines(everybody)

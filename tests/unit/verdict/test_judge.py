"""Several comparisons and several limits: what decides, what is adjusted, what cannot be hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pytest_biasaudit.context.declaration import Limit
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.verdict.finding import Where
from pytest_biasaudit.verdict.judge import judge_limits, lower_ps
from pytest_biasaudit.verdict.scale import p_against
from pytest_biasaudit.verdict.verdict import Judgement, Verdict

Estimated = Callable[..., Estimate]
UPPER = Limit(id="race-smd", metric="smd", attributes=("race",), max=0.2)
LOWER = replace(UPPER, rule="lower")


def judged(limit: Limit, estimates: Sequence[Estimate], where: Where, family: Sequence[float] = ()) -> Judgement:
    (judgement,) = judge_limits([(limit, estimates)], metrics=METRICS, where=where, family=family)
    return judgement


@pytest.mark.parametrize("rule", ["upper", "lower", "point"])
def test_nothing_to_compare_is_not_measured(where: Where, rule: str) -> None:
    judgement = judged(replace(UPPER, rule=rule), [], where)  # type: ignore[arg-type]  # parametrised in plain text
    assert judgement.verdict is Verdict.NOT_MEASURED
    assert judgement.estimate is None


def test_an_unknown_metric_is_not_measured(where: Where, estimated: Estimated) -> None:
    limit = replace(UPPER, metric="fairness_score")
    judgement = judged(limit, [estimated(0.0, -0.1, 0.1)], where)
    assert judgement.verdict is Verdict.NOT_MEASURED
    assert "no metric of that name" in judgement.message


def test_within_needs_every_group(where: Where, estimated: Estimated) -> None:
    fine = estimated(0.1, 0.05, 0.15, group="black")
    unclear = estimated(0.1, -0.1, 0.3, group="asian")
    assert judged(UPPER, [fine, fine], where).verdict is Verdict.WITHIN
    judgement = judged(UPPER, [fine, unclear], where)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.estimate is unclear


def test_over_needs_one_group_and_names_it(where: Where, estimated: Estimated) -> None:
    fine = estimated(0.1, 0.05, 0.15, group="black")
    over = estimated(0.5, 0.4, 0.6, group="asian")
    worse = estimated(-0.7, -0.9, -0.6, group="latino")
    judgement = judged(UPPER, [fine, over, worse], where)
    assert judgement.verdict is Verdict.OVER
    assert judgement.estimate is worse
    assert judgement.compared == (fine, over, worse)


def test_what_was_not_measured_outweighs_what_was_within(where: Where, estimated: Estimated) -> None:
    fine = estimated(0.1, 0.05, 0.15, group="black")
    empty = estimated(None, group="asian", reason="nobody of group 'asian' was asked about")
    for rule in ("upper", "lower", "point"):
        judgement = judged(replace(UPPER, rule=rule), [fine, empty], where)
        assert judgement.verdict is Verdict.NOT_MEASURED
        assert judgement.estimate is empty
        assert "nobody of group 'asian'" in judgement.message


def test_a_shown_violation_stands_beside_what_was_not_measured(where: Where, estimated: Estimated) -> None:
    over = estimated(0.5, 0.4, 0.6, group="black")
    judgement = judged(UPPER, [estimated(None, group="asian"), over], where)
    assert judgement.verdict is Verdict.OVER
    assert judgement.estimate is over


def test_the_p_of_a_t_interval_that_touches_the_limit_is_one_minus_the_level(estimated: Estimated) -> None:
    reach = stats.t.ppf(0.975, 9) * 0.1
    touching = estimated(0.2 + reach, 0.2, 0.2 + 2 * reach, standard_error=0.1, df=9)
    assert p_against(touching, LOWER, METRICS["smd"]) == pytest.approx(0.05, abs=1e-12)
    negative = estimated(-0.2 - reach, -0.2 - 2 * reach, -0.2, standard_error=0.1, df=9)
    assert p_against(negative, LOWER, METRICS["smd"]) == pytest.approx(0.05, abs=1e-12)


def test_the_p_of_a_ratio_is_taken_on_the_log_scale(estimated: Estimated) -> None:
    limit = Limit(id="l", metric="mean_ratio", attributes=("race",), max=1.25, rule="lower")
    # log 1.5 - log 1.25 = 0.18232, over 0.1: the normal tail beyond 1.8232 is 0.034134
    ratio = estimated(1.5, 1.3, 1.7, metric="mean_ratio", standard_error=0.1)
    assert p_against(ratio, limit, METRICS["mean_ratio"]) == pytest.approx(2 * 0.034134, rel=1e-3)
    inverse = estimated(1 / 1.5, 1 / 1.7, 1 / 1.3, metric="mean_ratio", standard_error=0.1)
    assert p_against(inverse, limit, METRICS["mean_ratio"]) == pytest.approx(2 * 0.034134, rel=1e-3)


def test_the_p_of_a_four_fifths_limit_is_taken_on_the_log_scale(estimated: Estimated) -> None:
    limit = Limit(id="l", metric="impact_ratio", attributes=("race",), min=0.8, rule="lower")
    # log 0.8 - log 0.6 = 0.28768, over 0.1: the normal tail beyond 2.8768 is 0.0020087
    ratio = estimated(0.6, 0.5, 0.72, metric="impact_ratio", standard_error=0.1)
    assert p_against(ratio, limit, METRICS["impact_ratio"]) == pytest.approx(2 * 0.0020087, rel=1e-3)


def test_a_group_in_which_nobody_was_chosen_is_over_beside_other_limits_too(where: Where, estimated: Estimated) -> None:
    limit = Limit(id="l", metric="impact_ratio", attributes=("race",), min=0.8, rule="lower")
    none = estimated(0.0, 0.0, 0.1, metric="impact_ratio")
    # .05 at the end of the interval, and eight times as far (.8 to .1) .05 to the power of 8
    assert p_against(none, limit, METRICS["impact_ratio"]) == pytest.approx(0.05**8)
    touching = estimated(0.0, 0.0, 0.8, metric="impact_ratio")
    assert p_against(touching, limit, METRICS["impact_ratio"]) == pytest.approx(0.05)
    both = judge_limits([(limit, (none,)), (limit, (none,))], metrics=METRICS, where=where)
    assert [one.verdict for one in both] == [Verdict.OVER] * 2


@pytest.mark.parametrize(("rows", "reference"), [(6, 6), (10, 40), (40, 40)])
def test_the_p_of_nobody_chosen_is_no_smaller_than_the_chance_of_it_at_the_limit(
    rows: int, reference: int, estimated: Estimated
) -> None:
    from pytest_biasaudit.stats.two_proportions import Shares, ratio

    limit = Limit(id="l", metric="impact_ratio", attributes=("race",), min=0.8, rule="lower")
    ps = []
    for hits in range(1, reference + 1):
        found = ratio(Shares.of([hits], [reference]), Shares.of([0], [rows]), level=0.95)
        none = estimated(0.0, 0.0, float(found.high[0]), metric="impact_ratio")
        ps.append(p_against(replace(none, p=float(found.p[0])), limit, METRICS["impact_ratio"]))
    for rate in (0.1, 0.3, 0.6, 0.9):
        chances = stats.binom.pmf(range(1, reference + 1), reference, rate) * (1 - 0.8 * rate) ** rows
        for level in (0.05, 0.01, 0.001):
            assert chances[np.array(ps) <= level].sum() <= level


def test_without_a_standard_error_the_p_follows_the_interval(estimated: Estimated) -> None:
    metric = METRICS["median_difference"]
    limit = Limit(id="l", metric="median_difference", attributes=("race",), max=10, rule="lower")
    assert p_against(estimated(14, 10, 30), limit, metric) == pytest.approx(0.05)
    assert p_against(estimated(-14, -30, -10), limit, metric) == pytest.approx(0.05)
    assert p_against(estimated(14, 11, 30), limit, metric) < 0.05
    assert p_against(estimated(14, 9, 15), limit, metric) > 0.05
    assert p_against(estimated(14, -9, 15), replace(limit, max=0), metric) > 0.05
    assert p_against(estimated(9, 8, 10), limit, metric) == 1.0


def test_what_was_not_measured_counts_in_the_family_with_p_one(estimated: Estimated) -> None:
    held = [
        (LOWER, [estimated(None), estimated(0.5, 0.4, 0.6, standard_error=0.05)]),
        (UPPER, [estimated(0.5, 0.4, 0.6)]),
    ]
    first, second = lower_ps(held, metrics=METRICS)
    assert first == 1.0
    assert second == pytest.approx(2 * stats.norm.sf(6))


def test_lower_limits_are_adjusted_over_the_whole_family(where: Where, estimated: Estimated) -> None:
    # (0.41 - 0.2) / 0.1 = 2.1: p = 0.0357, beyond at 95 %
    shown = estimated(0.41, 0.214, 0.606, standard_error=0.1)
    p = 2 * stats.norm.sf(2.1)
    alone = judged(LOWER, [shown], where)
    assert alone.verdict is Verdict.OVER
    assert alone.p == pytest.approx(p)
    assert alone.p_adjusted == pytest.approx(p)
    among_three = judged(LOWER, [shown], where, family=[1.0, 1.0])
    assert among_three.verdict is Verdict.WITHIN
    assert among_three.p == pytest.approx(p)
    assert among_three.p_adjusted == pytest.approx(3 * p)
    assert "after Holm over 3 comparisons" in among_three.message


def test_an_unknown_rest_of_the_family_never_makes_more_of_the_evidence(where: Where, estimated: Estimated) -> None:
    shown = estimated(0.41, 0.214, 0.606, standard_error=0.1)
    unknown = judged(LOWER, [shown], where, family=[1.0, 1.0]).p_adjusted
    known = judged(LOWER, [shown], where, family=[0.001, 0.4]).p_adjusted
    assert unknown is not None
    assert known is not None
    assert unknown >= known


def test_two_lower_limits_of_one_audit_are_one_family(where: Where, estimated: Estimated) -> None:
    strong = estimated(0.9, 0.7, 1.1, standard_error=0.1, group="black")
    weak = estimated(0.41, 0.214, 0.606, standard_error=0.1, group="asian")
    other = replace(LOWER, id="other")
    first, second = judge_limits([(LOWER, [strong]), (other, [weak])], metrics=METRICS, where=where)
    assert first.p_adjusted == pytest.approx(2 * 2 * stats.norm.sf(7))
    assert second.p_adjusted == pytest.approx(2 * stats.norm.sf(2.1))  # the last step of Holm: multiplied by 1


def test_upper_limits_are_not_adjusted(where: Where, estimated: Estimated) -> None:
    judgement = judged(UPPER, [estimated(0.5, 0.4, 0.6, standard_error=0.05)], where, family=[1.0] * 50)
    assert judgement.verdict is Verdict.OVER
    assert judgement.p_adjusted is None


def test_point_says_that_no_error_is_controlled(where: Where, estimated: Estimated) -> None:
    judgement = judged(replace(UPPER, rule="point"), [estimated(0.1)], where)
    assert judgement.verdict is Verdict.WITHIN
    assert "no error is controlled" in judgement.message


def test_judgements_come_in_the_order_of_the_limits(where: Where, estimated: Estimated) -> None:
    limits = [replace(UPPER, id=name, rule=rule) for name, rule in (("a", "lower"), ("b", "upper"), ("c", "lower"))]  # type: ignore[arg-type]
    held = [(limit, [estimated(0.1, 0.05, 0.15, standard_error=0.02)]) for limit in limits]
    assert [one.limit.id for one in judge_limits(held, metrics=METRICS, where=where)] == ["a", "b", "c"]

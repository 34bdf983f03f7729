"""The mean absolute gap over variations: by hand, against smd, what is not defined, and what the intervals may not do."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pytest_biasaudit.context.declaration import CounterfactualAudit, OutcomeSpec, People
from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics.measure import Wanted, estimates_for
from pytest_biasaudit.metrics.over_variations import OverVariations, over_variations
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.outcomes.outcome import Outcome

Answer = Callable[..., Outcome]
Model = dict[str, list[Outcome]]
UNSEEN_OF_16 = 3.841459 / (16 / 1.75 + 3.841459)
"""Wilson's upper limit of 0 in 16, these being worth 16 / 1.75 independent ones (`proportion.design_effect`)."""
GROUPS = ("white", "black")


def model(answer: Answer, gaps: list[float], *, seed: int = 1, people: int = 16, noise: float = 10.0) -> Model:
    """One variation a gap, in standard deviations; people of both groups."""
    rng = random.Random(seed)
    return {
        f"v{at}": [
            answer(f"{group}{person}", f"v{at}", 100 + noise * (rng.gauss(0, 1) + (gap if group == "black" else 0)), race=group)
            for group in GROUPS
            for person in range(people)
        ]
        for at, gap in enumerate(gaps)
    }  # fmt: skip


def over(now: Model, before: Model, **settings: object) -> OverVariations:
    return over_variations(now, before, attribute="race", groups=GROUPS, seed=1, **settings)  # type: ignore[arg-type]


def told(one: Outcome, value: float | None) -> Outcome:
    if value is None:
        return replace(one, reading=replace(one.reading, status="unparseable", value=None))
    return replace(one, reading=replace(one.reading, status="ok", value=value))


def test_every_gap_is_the_smd_of_its_variation_and_the_bias_the_mean_of_their_absolute_values(answer: Answer) -> None:
    now, before = model(answer, [0.5, -1.0, 0.0]), model(answer, [1.0, -2.0, 0.3], seed=2)
    now["v1"][3] = told(now["v1"][3], None)
    found = over(now, before)
    audit = CounterfactualAudit(
        id="a", kind="counterfactual", limits=(), wordings=("{person}?",), system=None, prefill="", slots=(),
        people=People(attributes=("race",), source="x", groups=(GROUPS,), per_group=16), outcome=OutcomeSpec(kind="number"),
    )  # fmt: skip
    for side, got in ((now, found.by_variation), (before, found.by_variation_before)):
        for name, outcomes in side.items():
            wanted = Wanted(metric="smd", attributes=("race",))
            (one,) = estimates_for(wanted, outcomes, audit, METRICS["smd"], seed=0)
            assert got[name] == pytest.approx(one.value)
    sizes = [abs(value) for value in found.by_variation.values() if value is not None]
    assert found.bias.value == pytest.approx(sum(sizes) / 3)
    assert found.bias_before.value is not None
    assert found.removed.value == pytest.approx(1 - sum(sizes) / 3 / found.bias_before.value)
    assert (found.people, found.variations, found.reasons) == (32, 3, {})


def test_repeats_of_a_prompt_count_once_by_their_mean(answer: Answer) -> None:
    now = model(answer, [0.5, 1.0])
    twice = {
        name: [replace(one, repeat=repeat, reading=replace(one.reading, value=(one.reading.value or 0) + (5 if repeat else -5)))
               for one in outcomes for repeat in (0, 1)]
        for name, outcomes in now.items()
    }  # fmt: skip
    once, again = over(now, now), over(twice, twice)
    assert again.bias.value == pytest.approx(once.bias.value)
    assert again.by_variation == pytest.approx(once.by_variation)


def test_inliers_lie_between_the_5th_and_95th_percentile_of_the_answers_before_of_both_groups(answer: Answer) -> None:
    before = model(answer, [0.0, 0.0])
    for name in before:
        before[name] = [told(one, float(at)) for at, one in enumerate(before[name])]  # 0 to 31: from 1.55 to 29.45
    now = {name: list(outcomes) for name, outcomes in before.items()}
    now["v0"] = [told(one, 1.5) for one in now["v0"][:8]] + [
        told(one, 1.6 + at / 9) for at, one in enumerate(now["v0"][8:])
    ]
    now["v1"][31] = told(now["v1"][31], None)
    implausible = replace(now["v1"][30].reading, status="unparseable", value=None, reason="implausible: 90000")
    now["v1"][30] = replace(now["v1"][30], reading=implausible)
    found = over(now, before)
    # v0: 24 of 32. v1: 2 to 29 are inliers, 28 of 31 numbers read, 28 of 32 asked, 30 of 32 with a value
    assert found.inlier_ratio.value == pytest.approx((24 / 32 + 28 / 31) / 2)
    assert found.inlier_ratio_strict.value == pytest.approx((24 / 32 + 28 / 32) / 2)
    assert found.answer_rate.value == pytest.approx((1 + 30 / 32) / 2)
    for figure in (found.inlier_ratio, found.answer_rate):
        assert figure.interval is not None
        assert 0.0 <= figure.interval.low < (figure.value or 0) <= figure.interval.high <= 1.0


@pytest.mark.parametrize("side", ["now", "before"])
def test_a_variation_with_too_few_answers_leaves_the_mean_without_a_value_and_says_which(
    answer: Answer, side: str
) -> None:
    now, before = model(answer, [0.5, 1.0]), model(answer, [1.0, 2.0], seed=2)
    short = now if side == "now" else before
    short["v1"] = [told(one, None if at < 8 else one.reading.value) for at, one in enumerate(short["v1"])]
    found = over(now, before)
    bias = found.bias if side == "now" else found.bias_before
    assert bias.value is None
    assert found.removed.value is None
    assert "v1: 8 and 16 people have an answer; 10 of each group are needed" in bias.reason
    assert ("before" in found.reasons["v1"]) == (side == "before")
    assert over(now, before, min_per_group=8).removed.value is not None


def test_a_group_that_is_not_there_is_a_reason_and_not_a_zero(answer: Answer) -> None:
    now = model(answer, [0.5])
    now["v0"] = [one for one in now["v0"] if one.prompt.person_id.startswith("white")]
    found = over(now, model(answer, [1.0]))
    assert (found.bias.value, found.by_variation["v0"]) == (None, None)
    assert "16 and 0 people" in found.bias.reason
    assert found.chance is None


def test_answers_all_alike_are_a_gap_of_zero_whose_interval_still_has_a_width(answer: Answer) -> None:
    before = model(answer, [1.0, 2.0])
    dull = {name: [told(one, 100.0) for one in outcomes] for name, outcomes in before.items()}
    found = over(dull, before)
    assert found.bias.value == 0.0
    assert found.bias.interval is not None
    assert found.bias.interval.low == 0.0
    assert found.bias.interval.high > 0.2
    assert found.removed.value == 1.0
    assert found.removed.interval is None  # else a model that says one thing to everybody would carry anywhere
    assert "answers everyone alike" in found.removed.reason


def test_a_share_is_judged_where_one_of_several_variations_is_answered_alike(answer: Answer) -> None:
    before = model(answer, [1.0, 2.0])
    now = model(answer, [0.5, 1.0])
    now["v1"] = [told(one, 100.0) for one in now["v1"]]
    assert over(now, before).removed.interval is not None


def chosen(one: Outcome, yes: bool) -> Outcome:
    return replace(one, reading=replace(one.reading, value=0.9 if yes else 0.1, selected=yes))


def rates(answer: Answer, white: list[int], black: list[int]) -> Model:
    """One variation each: how many of 16 people of a group have the favourable option."""
    made = model(answer, [0.0] * len(white))
    for name, yes in zip(made, zip(white, black, strict=True), strict=True):
        made[name] = [chosen(one, at % 16 < yes[at // 16]) for at, one in enumerate(made[name])]
    return made


def test_a_rate_that_is_the_same_for_everyone_asked_is_not_known_of_everyone(answer: Answer) -> None:
    before = rates(answer, [15, 14, 15], [3, 2, 4])
    for white, black, value in (([0, 0, 0], [0, 0, 0], 0.0), ([16, 16, 16], [0, 0, 0], 1.0)):
        found = over(rates(answer, white, black), before, metric="rate_difference")
        assert found.bias.value == value
        assert found.bias.interval is not None
        reach = 2**0.5 * UNSEEN_OF_16
        assert (found.bias.interval.low, found.bias.interval.high) == pytest.approx(
            (max(0.0, value - reach), min(1.0, value + reach)), abs=1e-3
        )
        if value == 0.0:
            assert (found.removed.value, found.removed.interval) == (1.0, None)
        else:
            assert found.removed.interval is not None
            assert found.removed.interval.high - found.removed.interval.low > 0.2
    mixed = over(rates(answer, [8, 0, 0], [9, 0, 0]), before, metric="rate_difference")
    without = over(rates(answer, [8], [9]), {"v0": before["v0"]}, metric="rate_difference")
    assert mixed.bias.interval is not None
    assert without.bias.interval is not None
    assert mixed.bias.interval.high == pytest.approx((without.bias.interval.high + 2 * reach) / 3, abs=2e-3)


def test_means_that_are_the_same_for_everyone_asked_are_bounded_by_the_deviation_elsewhere(answer: Answer) -> None:
    now = model(answer, [0.5, 0.5], seed=3)
    now["v1"] = [told(one, 100.0) for one in now["v1"]]
    found = over(now, now, metric="mean_difference")
    alone = over({"v0": now["v0"]}, {"v0": now["v0"]}, metric="mean_difference")
    assert found.bias.interval is not None
    assert alone.bias.interval is not None
    deviation = max(
        float(np.std([one.reading.value or 0.0 for one in now["v0"] if one.prompt.person_id.startswith(group)], ddof=1))
        for group in GROUPS
    )
    expected = (alone.bias.interval.high + 2**0.5 * UNSEEN_OF_16 * deviation) / 2
    assert found.bias.interval.high == pytest.approx(expected, rel=1e-3)


def test_a_rate_of_answers_that_choose_nothing_is_refused(answer: Answer) -> None:
    now = model(answer, [1.0])
    with pytest.raises(StatisticsError, match="variation 'v0': the answer to 'v0/white0' chose no option"):
        over(now, now, metric="rate_difference")


def test_two_answers_one_a_group_have_no_standard_deviation_to_stand_on(answer: Answer) -> None:
    before = model(answer, [1.0])
    split = {"v0": [told(one, 1.0 if one.prompt.person_id.startswith("white") else 2.0) for one in before["v0"]]}
    found = over(split, before)
    assert found.bias.value is None
    assert "do not vary within groups" in found.bias.reason


def test_of_no_bias_before_no_share_is_said_to_be_removed(answer: Answer) -> None:
    found = over(model(answer, [0.0] * 4, seed=3), model(answer, [0.0] * 4))
    assert found.bias_before.interval is not None
    assert found.bias_before.interval.low == 0.0
    assert found.removed.value is not None
    assert found.removed.interval is None
    assert "cannot be told from none" in found.removed.reason


def test_the_same_model_twice_has_removed_nothing(answer: Answer) -> None:
    same = model(answer, [1.0, -2.0, 1.5])
    found = over(same, same)
    assert found.removed.value == 0.0
    assert found.removed.interval is not None
    assert found.removed.interval.low < 0.0 < found.removed.interval.high


def test_by_chance_a_mean_of_absolute_gaps_is_that_of_a_folded_normal(answer: Answer) -> None:
    found = over(model(answer, [0.0] * 6, people=40), model(answer, [3.0] * 6, people=40))
    expected = math.sqrt(2 / math.pi) * math.sqrt(2 / 40)
    assert found.chance == pytest.approx(expected, rel=0.1)
    assert found.chance_before is not None
    assert found.chance_before < 0.5


def test_the_order_of_answers_and_variations_and_the_unit_change_nothing(answer: Answer) -> None:
    now, before = model(answer, [0.5, -1.0, 0.2]), model(answer, [1.0, -2.0, 0.3], seed=2)
    first = over(now, before)

    def shuffled(side: Model) -> Model:
        rng = random.Random(3)
        return {
            name: [told(one, 7.0 * (one.reading.value or 0) - 3.0) for one in rng.sample(side[name], len(side[name]))]
            for name in side
        }

    turned = [{name: shuffled(side)[name] for name in reversed(side)} for side in (now, before)]
    again = over(turned[0], turned[1])
    assert list(again.by_variation) == ["v2", "v1", "v0"]
    for figure, other in (
        (first.bias, again.bias),
        (first.removed, again.removed),
        (first.inlier_ratio, again.inlier_ratio),
    ):
        assert figure.value == pytest.approx(other.value)
        assert figure.interval is not None
        assert other.interval is not None
        assert (figure.interval.low, figure.interval.high) == pytest.approx((other.interval.low, other.interval.high))
    assert first.chance == pytest.approx(again.chance)


def test_swapping_the_groups_turns_the_gaps_and_not_the_bias(answer: Answer) -> None:
    now, before = model(answer, [0.5, -1.0]), model(answer, [1.0, -2.0], seed=2)
    one = over(now, before)
    other = over_variations(now, before, attribute="race", groups=("black", "white"), seed=1)
    assert other.bias.value == pytest.approx(one.bias.value)
    assert [-1 * (value or 0) for value in other.by_variation.values()] == pytest.approx(
        list(one.by_variation.values())
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda now: now.pop("v1"), "not in both: v1"),
        (lambda now: now["v0"].append(now["v0"][0]), "the same repeat twice"),
        (lambda now: now["v0"].extend(now["v1"]), "has 2 wordings (v0, v1)"),
    ],
)
def test_what_is_not_one_wording_asked_once_of_both_models_is_refused(
    answer: Answer, change: Callable[[Model], object], said: str
) -> None:
    now, before = model(answer, [0.5, 1.0]), model(answer, [1.0, 2.0])
    change(now)
    with pytest.raises(StatisticsError, match=said.replace("(", r"\(").replace(")", r"\)")):
        over(now, before)


def test_a_metric_that_is_no_gap_and_no_variations_are_refused(answer: Answer) -> None:
    with pytest.raises(StatisticsError, match="no gap 'wasserstein' over variations; there are smd, smd_pooled"):
        over(model(answer, [1.0]), model(answer, [1.0]), metric="wasserstein")
    with pytest.raises(StatisticsError, match="no variation"):
        over({}, {})


@pytest.mark.parametrize("metric", ["smd", "smd_pooled", "mean_difference"])
def test_the_high_end_is_the_largest_t_limit_over_all_signs(answer: Answer, metric: str) -> None:
    """For large gaps the signs are known, and it is the t limit of the mean of gaps with a jackknife over people."""
    now = model(answer, [3.0, -3.0, 4.0], seed=5)
    found = over(now, now, metric=metric)
    people = sorted({one.prompt.person_id for one in now["v0"]})
    means = []
    for person in people:
        without = {name: [one for one in outcomes if one.prompt.person_id != person] for name, outcomes in now.items()}
        means.append((person.startswith("white"), over(without, without, metric=metric).bias.value))
    variance = 0.0
    for white in (True, False):
        own = np.array([value for which, value in means if which is white], dtype=float)
        variance += (len(own) - 1) / len(own) * float(((own - own.mean()) ** 2).sum())
    assert found.bias.interval is not None
    assert found.bias.value is not None
    assert found.bias.interval.high == pytest.approx(found.bias.value + 2.0422725 * math.sqrt(variance), rel=1e-6)

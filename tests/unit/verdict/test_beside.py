"""What a finding says of a comparison beside its figure: noise floor, what moved, how the models were not asked alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pytest_biasaudit.context.declaration import Limit
from pytest_biasaudit.metrics.beside import Moved, NoiseFloor
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.verdict.beside import lies_within
from pytest_biasaudit.verdict.finding import Where
from pytest_biasaudit.verdict.judge import judge_limits
from pytest_biasaudit.verdict.verdict import Verdict

Estimated = Callable[..., Estimate]
LIMIT = Limit(id="race-smd", metric="smd", attributes=("race",), versus="parent", max_increase=0.1)
FLOOR = NoiseFloor(
    value=0.003, low=-0.01, high=0.016, batch_size=16, first_batch_size=32, compared=96, changed=5, largest=0.4
)
MOVED = (
    Moved(group="white", value=1.0, low=-3.0, high=5.0, n=128, unit="outcome"),
    Moved(group="black", value=-12.3, low=-20.1, high=-4.5, n=128, unit="outcome"),
)


@pytest.fixture
def compared(estimated: Estimated) -> Estimate:
    found = estimated(0.05, 0.02, 0.08, versus="parent")
    return replace(found, shows="increase", noise=FLOOR, moved=MOVED, remarks=("int8 computes in int8",))


def lines(estimate: Estimate, where: Where, limit: Limit = LIMIT) -> dict[str, str]:
    (judgement,) = judge_limits([(limit, [estimate])], metrics=METRICS, where=where)
    return {line[2:12].strip(): line[13:] for line in judgement.message.splitlines()[1:]}


def test_the_noise_floor_stands_beside_the_difference(compared: Estimate, where: Where) -> None:
    assert lines(compared, where)["beside"] == (
        "noise floor 0.003 (-0.01 to 0.016): parent asked again, 16 at a time instead of 32; "
        "5 of 96 answers came out otherwise, by 0.4 at most"
    )


def test_a_difference_within_the_noise_is_said_to_be(compared: Estimate, where: Where) -> None:
    small = replace(compared, value=0.01)
    assert lines(small, where)["beside"].endswith("; the estimate lies within it")
    assert lies_within(small)
    assert not lies_within(compared)


def test_noise_that_changed_nothing_holds_nothing_but_no_difference(compared: Estimate) -> None:
    still = replace(FLOOR, value=0.0, changed=0, largest=0.0)
    assert not lies_within(replace(compared, value=0.01, noise=still))
    assert lies_within(replace(compared, value=0.0, noise=still))
    kept = replace(compared, shows="recovery", value=1.0, noise=replace(still, value=1.0))
    assert lies_within(kept)


def test_the_noise_floor_never_changes_the_verdict(compared: Estimate, where: Where) -> None:
    for noise in (None, FLOOR, replace(FLOOR, value=5.0, low=1.0, high=9.0)):
        (judgement,) = judge_limits([(LIMIT, [replace(compared, noise=noise)])], metrics=METRICS, where=where)
        assert judgement.verdict is Verdict.WITHIN


def test_without_a_second_asking_nothing_is_said_of_noise(compared: Estimate, where: Where) -> None:
    assert "beside" not in lines(replace(compared, noise=None), where)


def test_a_noise_floor_that_could_not_be_measured_says_why(compared: Estimate, where: Where) -> None:
    none = replace(FLOOR, value=None, low=None, high=None, reason="every answer was an error")
    assert lines(replace(compared, noise=none), where)["beside"].startswith("none: parent asked again")
    assert "every answer was an error" in lines(replace(compared, noise=none), where)["beside"]


def test_it_says_which_group_moved(compared: Estimate, where: Where) -> None:
    assert lines(compared, where)["moved"] == "white +1 USD (-3 to 5, n 128)   black -12.3 USD (-20.1 to -4.5, n 128)"


def test_of_many_parts_those_that_moved_furthest_are_named(compared: Estimate, where: Where) -> None:
    parts = tuple(
        Moved(group=f"axis{at}", value=float(at), low=None, high=None, n=9, unit="percent", reason="few")
        for at in range(12)
    )
    text = lines(replace(compared, moved=parts), where)["moved"]
    assert text.startswith("axis11 +11 (no interval, n 9)")
    assert text.endswith("and 4 more in the report")


def test_how_the_models_were_not_asked_alike_is_said(compared: Estimate, where: Where) -> None:
    assert lines(compared, where)["unlike"] == "int8 computes in int8"


def test_a_recovery_is_named_as_one(compared: Estimate, where: Where) -> None:
    limit = Limit(id="kept", metric="answer_rate", attributes=(), versus="parent", min_recovery=0.95)
    found = replace(compared, metric="answer_rate", groups=(), value=0.98, shows="recovery", noise=None)
    told = lines(found, where, limit)
    assert told["limit"].startswith("recovery of answer_rate against parent at least 0.95 ")


@pytest.mark.parametrize(
    ("low", "high", "rule", "verdict"),
    [
        (0.96, 1.02, "upper", Verdict.WITHIN),
        (0.95, 1.02, "upper", Verdict.WITHIN),
        (0.94, 1.02, "upper", Verdict.INCONCLUSIVE),
        (0.80, 0.94, "upper", Verdict.OVER),
        (0.80, 0.94, "lower", Verdict.OVER),
        (0.80, 0.96, "lower", Verdict.WITHIN),
    ],
)
def test_a_recovery_is_within_only_when_its_lower_end_keeps_the_limit(
    estimated: Estimated, where: Where, low: float, high: float, rule: str, verdict: Verdict
) -> None:
    limit = Limit(id="k", metric="answer_rate", attributes=(), versus="parent", min_recovery=0.95, rule=rule)  # type: ignore[arg-type]
    found = replace(
        estimated((low + high) / 2, low, high, versus="parent"), metric="answer_rate", groups=(), shows="recovery",
        standard_error=None, df=None,
    )  # fmt: skip
    (judgement,) = judge_limits([(limit, [found])], metrics=METRICS, where=where)
    assert judgement.verdict is verdict


@pytest.mark.parametrize("bound", [0.0, 1.5, -1.0])
def test_a_recovery_that_says_nothing_is_never_green(estimated: Estimated, where: Where, bound: float) -> None:
    limit = Limit(id="k", metric="answer_rate", attributes=(), versus="parent", min_recovery=bound)
    found = replace(estimated(1.0, 0.9, 1.1, versus="parent"), metric="answer_rate", groups=(), shows="recovery")
    (judgement,) = judge_limits([(limit, [found])], metrics=METRICS, where=where)
    assert judgement.verdict is Verdict.NOT_MEASURED

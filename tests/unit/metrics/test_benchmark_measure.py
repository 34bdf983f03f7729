"""Figures of a whole benchmark: parts, guards, and what keeps two models from being compared."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from pytest_biasaudit.context.declaration import BenchmarkAudit, Limit
from pytest_biasaudit.metrics.benchmarks.measure import Part, estimates_of_part, measure_benchmark
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.outcomes.benchmarks.item_outcome import item_outcome
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.benchmarks.data import DataFacts
from pytest_biasaudit.verdict.judge import verdict_of
from pytest_biasaudit.verdict.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Came:
    """What came of a benchmark."""

    outcomes: tuple[Outcome, ...]
    controls: tuple[Outcome, ...] = ()
    facts: tuple[tuple[str, str], ...] = (("score", "sum"),)
    data: DataFacts | None = field(default=None)
    obstacle: str = ""


def audit(kind: str = "crows-pairs", minimum: int = 30) -> BenchmarkAudit:
    return BenchmarkAudit(id="a", kind=kind, limits=(), data=None, sha256=None, settings=(("minimum", minimum),))


def pair(at: int, value: float | None, *, axis: str = "age") -> Outcome:
    """A pair whose first sentence is likelier by so many nats; None: it was skipped."""
    return item_outcome(
        id=f"p{at}", cluster=f"p{at}", slots=(("axis", axis), ("direction", "stereo")), text="more\nless",
        value=value, status="ok" if value is not None else "unparseable", reason="" if value is not None else "skipped",
    )  # fmt: skip


def ordered(right: int, wrong: int = 0) -> tuple[Outcome, ...]:
    """Word-order controls, so many of them told right."""
    values = [1.0] * right + [-1.0] * wrong
    return tuple(
        item_outcome(id=f"c{at}", cluster=f"c{at}", slots=(), text="", value=value) for at, value in enumerate(values)
    )


def halves(count: int, **settings: object) -> tuple[Outcome, ...]:
    return tuple(pair(at, 1.0 if at % 2 else -1.0, **settings) for at in range(count))  # type: ignore[arg-type]


def score(came: Came, other: Came | None = None, *, split: str = "", minimum: int = 30) -> tuple[Estimate, ...]:
    part = Part(metric="stereotype_score", split=split, versus=None if other is None else "base")
    return estimates_of_part(part, audit(minimum=minimum), came, METRICS["stereotype_score"], seed=0, other=other)


WITHIN_15 = Limit(id="x", metric="stereotype_score", attributes=(), max=15)
NO_RISE = Limit(id="x", metric="stereotype_score", attributes=(), versus="base", max_increase=15)


def test_half_of_many_pairs_is_within() -> None:
    (found,) = score(Came(outcomes=halves(400), controls=ordered(100)))
    assert (found.value, found.usable, found.n, found.missing) == (50.0, True, 400, 0)
    assert verdict_of(found, WITHIN_15, METRICS["stereotype_score"])[0] is Verdict.WITHIN


@pytest.mark.parametrize(
    ("came", "said"),
    [
        (Came(outcomes=halves(400), controls=ordered(50, 50)), "50"),
        (Came(outcomes=halves(20), controls=ordered(100)), "20 items; the audit's minimum is 30"),
        (
            Came(outcomes=halves(400) + tuple(pair(1000 + at, None) for at in range(401)), controls=ordered(100)),
            "400 of 801 items could be scored; at least 50% are needed",
        ),
    ],
    ids=["near chance", "too few", "most skipped"],
)
def test_a_figure_that_stands_for_nothing_is_shown_and_never_within(came: Came, said: str) -> None:
    (found,) = score(came)
    assert found.value == 50.0
    assert not found.usable
    assert said in found.reason
    assert verdict_of(found, WITHIN_15, METRICS["stereotype_score"])[0] is Verdict.NOT_MEASURED
    point = replace(WITHIN_15, rule="point")
    assert verdict_of(found, point, METRICS["stereotype_score"])[0] is Verdict.NOT_MEASURED


def test_a_model_of_the_wrong_kind_is_not_measured_with_its_reason() -> None:
    (found,) = score(Came(outcomes=(), obstacle="it is an encoder"))
    assert (found.value, found.reason, found.groups) == (None, "it is an encoder", ())


def test_parts_come_in_the_order_of_the_items_with_p_adjusted_over_them() -> None:
    outcomes = tuple(pair(at, 1.0, axis="zeal") for at in range(40)) + tuple(
        pair(100 + at, 1.0 if at % 2 else -1.0, axis="age") for at in range(40)
    )
    first, second = score(Came(outcomes=outcomes, controls=ordered(100)), split="axis")
    assert [first.groups, second.groups] == [("zeal",), ("age",)]
    assert (first.value, second.value) == (100.0, 50.0)
    assert first.p is not None
    assert first.p_adjusted == pytest.approx(2 * first.p)


def test_a_stereoset_domain_at_chance_is_not_measured_though_the_model_is_able_elsewhere() -> None:
    def cluster(at: int, axis: str, unrelated: float) -> Outcome:
        scores = (("stereotype", 0.4 + 0.1 * (at % 2)), ("anti-stereotype", 0.45), ("unrelated", unrelated))
        return item_outcome(
            id=f"{axis}{at}", cluster=f"{axis}{at}", slots=(("axis", axis), ("target", f"{axis}{at}")), text="",
            value=1.0 if at % 2 else -1.0, scores=scores,
        )  # fmt: skip

    able = [cluster(at, "able", 0.01) for at in range(200)]
    lost = [cluster(at, "lost", 0.01 if at % 2 else 0.9) for at in range(200)]
    found = estimates_of_part(
        Part(metric="ss", split="axis"), audit("stereoset"), Came(outcomes=(*able, *lost)), METRICS["ss"], seed=0
    )
    assert [(one.groups[0], one.usable) for one in found] == [("able", True), ("lost", False)]
    assert "near chance" in found[1].reason


def test_a_change_counts_what_the_other_model_lacks_and_is_not_judged_where_much_is_lacking() -> None:
    mine = Came(outcomes=halves(100), controls=ordered(100))
    few = Came(outcomes=tuple(pair(at, 1.0 if at % 2 else -1.0) if at >= 5 else pair(at, None) for at in range(100)),
               controls=ordered(100))  # fmt: skip
    (found,) = score(mine, few)
    assert (found.usable, found.missing) == (True, 5)
    half = Came(outcomes=tuple(pair(at, 1.0) if at % 2 else pair(at, None) for at in range(100)), controls=ordered(100))
    for one, other in ((mine, half), (half, mine)):
        (found,) = score(one, other)
        assert not found.usable
        assert "50 of 100 items were scored for both models" in found.reason
        assert verdict_of(found, NO_RISE, METRICS["stereotype_score"])[0] is Verdict.NOT_MEASURED


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (None, "there are no answers of 'base'"),
        (Came(outcomes=halves(99)), "'base' was not asked the same items"),
        (Came(outcomes=halves(100), facts=(("score", "causal"),)), "'base' was scored in another way"),
        (Came(outcomes=(), obstacle="an encoder"), "base: an encoder"),
        (
            Came(outcomes=halves(100), data=DataFacts(title="t", source="s", url="", licence="", sha256="b")),
            "other data",
        ),
        (Came(outcomes=halves(100), controls=ordered(50, 50)), "base: "),
    ],
)
def test_models_asked_otherwise_are_not_compared(other: Came | None, said: str) -> None:
    mine = Came(
        outcomes=halves(100),
        controls=ordered(100),
        data=DataFacts(title="t", source="s", url="", licence="", sha256="a"),
    )
    part = Part(metric="stereotype_score", versus="base")
    (found,) = estimates_of_part(part, audit(), mine, METRICS["stereotype_score"], seed=0, other=other)
    assert said in found.reason
    assert verdict_of(found, NO_RISE, METRICS["stereotype_score"])[0] is Verdict.NOT_MEASURED


def test_a_model_with_other_controls_is_not_compared_by_what_is_read_from_them() -> None:
    mine, theirs = Came(outcomes=halves(100), controls=ordered(50)), Came(outcomes=halves(100), controls=ordered(40))
    part = Part(metric="word_order_score", versus="base", shows="recovery")
    (found,) = estimates_of_part(part, audit(), mine, METRICS["word_order_score"], seed=0, other=theirs)
    assert found.value is None
    assert "'base' was not given the same controls, from which word_order_score is read" in found.reason


def test_what_is_kept_of_an_ability_is_measured_on_the_controls_of_both() -> None:
    mine, theirs = Came(outcomes=halves(100), controls=ordered(76, 4)), Came(outcomes=halves(100), controls=ordered(80))
    part = Part(metric="word_order_score", versus="base", shows="recovery")
    (found,) = estimates_of_part(part, audit(), mine, METRICS["word_order_score"], seed=0, other=theirs)
    assert found.value == pytest.approx(76 / 80)
    assert (found.shows, found.usable) == ("recovery", True)
    limit = Limit(id="x", metric="word_order_score", attributes=(), versus="base", min_recovery=0.8)
    assert verdict_of(found, limit, METRICS["word_order_score"])[0] is Verdict.WITHIN
    strict = replace(limit, min_recovery=0.95)
    assert verdict_of(found, strict, METRICS["word_order_score"])[0] is Verdict.INCONCLUSIVE


def test_keeping_all_of_what_a_parent_at_chance_has_is_not_within() -> None:
    at_chance = Came(outcomes=halves(100), controls=ordered(40, 40))
    part = Part(metric="word_order_score", versus="base", shows="recovery")
    limit = Limit(id="x", metric="word_order_score", attributes=(), versus="base", min_recovery=0.8)
    (found,) = estimates_of_part(part, audit(), at_chance, METRICS["word_order_score"], seed=0, other=at_chance)
    assert found.value == 1.0
    assert not found.usable
    assert found.reason.startswith("base: ")
    assert "chance" in found.reason
    for rule in ("upper", "lower", "point"):
        judged = verdict_of(found, replace(limit, rule=rule), METRICS["word_order_score"])[0]
        assert judged is Verdict.NOT_MEASURED


def test_a_child_at_chance_of_an_able_parent_is_held_against_the_limit_and_over_it() -> None:
    mine, theirs = (
        Came(outcomes=halves(100), controls=ordered(40, 40)),
        Came(outcomes=halves(100), controls=ordered(80)),
    )
    part = Part(metric="word_order_score", versus="base", shows="recovery")
    limit = Limit(id="x", metric="word_order_score", attributes=(), versus="base", min_recovery=0.8)
    (found,) = estimates_of_part(part, audit(), mine, METRICS["word_order_score"], seed=0, other=theirs)
    assert (found.value, found.usable) == (0.5, True)
    assert verdict_of(found, limit, METRICS["word_order_score"])[0] is Verdict.OVER


def test_keeping_all_of_a_part_in_which_the_parent_is_at_chance_is_not_within() -> None:
    def cluster(at: int, axis: str, unrelated: float) -> Outcome:
        scores = (("stereotype", 0.4 + 0.1 * (at % 2)), ("anti-stereotype", 0.45), ("unrelated", unrelated))
        return item_outcome(
            id=f"{axis}{at}", cluster=f"{axis}{at}", slots=(("axis", axis), ("target", f"{axis}{at}")), text="",
            value=1.0 if at % 2 else -1.0, scores=scores,
        )  # fmt: skip

    able = [cluster(at, "able", 0.01) for at in range(200)]
    lost = [cluster(at, "lost", 0.01 if at % 2 else 0.9) for at in range(200)]
    came = Came(outcomes=(*able, *lost))
    part = Part(metric="lms", split="axis", versus="base", shows="recovery")
    found = estimates_of_part(part, audit("stereoset"), came, METRICS["lms"], seed=0, other=came)
    assert [(one.groups[0], one.value, one.usable) for one in found] == [("able", 1.0, True), ("lost", 1.0, False)]
    assert "near chance" in found[1].reason


def test_an_ability_of_which_too_little_was_scored_for_both_is_not_judged() -> None:
    lost = tuple(replace(one, reading=replace(one.reading, status="error", value=None)) for one in ordered(20))
    mine = Came(outcomes=halves(100), controls=(*lost, *ordered(80)[20:]))
    part = Part(metric="word_order_score", versus="base", shows="recovery")
    other = Came(outcomes=halves(100), controls=ordered(80))
    (found,) = estimates_of_part(part, audit(), mine, METRICS["word_order_score"], seed=0, other=other)
    assert not found.usable
    assert "60 of 80 items were scored for both models" in found.reason


def test_a_change_over_all_items_says_which_part_moved() -> None:
    calm = tuple(pair(at, 1.0 if at % 2 else -1.0, axis="age") for at in range(60))
    before = tuple(pair(100 + at, 1.0 if at % 2 else -1.0, axis="creed") for at in range(60))
    after = tuple(pair(100 + at, 1.0, axis="creed") for at in range(60))
    mine, theirs = (
        Came(outcomes=calm + after, controls=ordered(100)),
        Came(outcomes=calm + before, controls=ordered(100)),
    )
    (found,) = score(mine, theirs)
    moved = {one.group: one for one in found.moved}
    assert (moved["age"].value, moved["creed"].value) == (0.0, 50.0)
    assert moved["age"].n == 60
    assert moved["age"].low is not None
    assert moved["age"].low < 0.0
    assert moved["creed"].low is not None
    assert moved["creed"].low > 20.0
    assert all(one.moved == () for one in score(mine, theirs, split="axis"))


def test_every_figure_of_the_kind_is_estimated_whether_or_not_a_limit_asks() -> None:
    found = measure_benchmark(audit(), Came(outcomes=halves(100), controls=ordered(100)), metrics=METRICS, seed=0)
    given = {one.metric for one in found}
    assert given == {name for name, metric in METRICS.items() if "crows-pairs" in metric.kinds}
    assert len(found) == len({(one.metric, one.attribute, one.groups) for one in found})

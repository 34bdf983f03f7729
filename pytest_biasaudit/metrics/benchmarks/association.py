"""How big, for SEAT and WEAT: effect sizes, their mean magnitude, and the coherence of sets, from outcomes.

Imports numpy through stats; `metrics.benchmarks.seat` imports this when a figure is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pytest_biasaudit.context.declaration import BenchmarkAudit
from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics.benchmarks.share import Sampled, read_in_both, recovered
from pytest_biasaudit.metrics.measured import value_only
from pytest_biasaudit.metrics.metric import Measured, nothing
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.benchmarks.association_tests import CONTROL
from pytest_biasaudit.stats.association_effect import (
    Associations,
    Effect,
    effect_interval,
    effect_size,
    why_no_interval,
    why_undefined,
)
from pytest_biasaudit.stats.association_mean import mean_increase, mean_magnitude
from pytest_biasaudit.stats.clustered import Share, micro_share
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.permutation import permutation_p

BY_WORDS = "jackknife over words, t on the artanh scale"
OVER_TESTS = "jackknife over words, MOVER over tests"
PAIRED = "jackknife over words, paired, t on the artanh scale"
WORDS = "words"
COHERENT = Sampled(units=WORDS, method="Wilson, words as clusters", paired="t, words as clusters, paired")
TIE = 1e-9
"""Differences of cosines up to this are rounding."""


def size_of_effect(outcomes: Sequence[Outcome], *, audit: BenchmarkAudit, level: float, seed: int) -> Measured:
    """D of one test, its interval over words, and the permutation p that the audit asks for."""
    tables = tables_of(outcomes)
    if len(tables) != 1:
        return nothing(f"an effect size is of one test, and these outcomes are of {len(tables)}")
    (table,) = tables.values()
    reason = _unheard(outcomes) or why_undefined(table)
    if reason:
        return nothing(reason)
    ddof = int(audit.setting("ddof"))
    used = len(table.words)
    why_not = why_no_interval(table)
    if why_not:
        return value_only(effect_size(table, ddof=ddof), why_not)
    found = effect_interval(table, ddof=ddof, level=level)
    tested = permutation_p(
        table.scores.tolist(),
        table.words,
        table.first.tolist(),
        sides=audit.setting("p"),
        permutations=int(audit.setting("permutations")),
        seed=seed,
    )
    return _measured(found, level=level, method=BY_WORDS, used=used, p=tested.p)


def mean_of_effects(outcomes: Sequence[Outcome], *, audit: BenchmarkAudit, level: float, seed: int) -> Measured:
    """Mean of |d| over the tests that are no control."""
    kept = _biased(outcomes)
    tables = list(tables_of(kept).values())
    if not tables:
        return nothing(f"only tests of axis {CONTROL!r}: they tell of meaning, not of bias")
    reason = _unheard(kept) or _first_reason(tables, why_undefined)
    if reason:
        return nothing(reason)
    ddof = int(audit.setting("ddof"))
    why_not = _first_reason(tables, why_no_interval)
    if why_not:
        return value_only(float(np.mean([abs(effect_size(table, ddof=ddof)) for table in tables])), why_not)
    found = mean_magnitude(tables, ddof=ddof, level=level)
    return _measured(found, level=level, method=OVER_TESTS, used=sum(len(table.words) for table in tables))


def increase_of_mean(
    outcomes: Sequence[Outcome], other: Sequence[Outcome], *, audit: BenchmarkAudit, level: float, seed: int
) -> Measured:
    """How much larger the mean of |d| over the tests that are no control is than in the other model."""
    kept = _biased(outcomes)
    if not kept:
        return nothing(f"only tests of axis {CONTROL!r}: they tell of meaning, not of bias")
    return increase_of_effect(kept, _biased(other), audit=audit, level=level, seed=seed)


def increase_of_effect(
    outcomes: Sequence[Outcome], other: Sequence[Outcome], *, audit: BenchmarkAudit, level: float, seed: int
) -> Measured:
    """How much larger |d|, or its mean over these tests, is than in the other model."""
    mine, theirs = _both(outcomes, other)
    heard = [table.name for table in mine]
    lost = [name for name in dict.fromkeys(dict(one.prompt.slots)["test"] for one in outcomes) if name not in heard]
    if lost:  # a mean over the other tests would not be the mean that each model has
        where = f"{lost[0]}: " if len(heard) + len(lost) > 1 else ""
        return nothing(f"{where}no target has a vector in both models")
    for tables, whose in ((mine, ""), (theirs, "the other model: ")):
        reason = _first_reason(tables, why_undefined)
        if reason:
            return nothing(f"{whose}{reason}")
    ddof = int(audit.setting("ddof"))
    for tables, whose in ((mine, ""), (theirs, "the other model: ")):
        why_not = _first_reason(tables, why_no_interval)
        if why_not:
            values = [
                abs(effect_size(one, ddof=ddof)) - abs(effect_size(two, ddof=ddof))
                for one, two in zip(mine, theirs, strict=True)
            ]
            return value_only(float(np.mean(values)), f"{whose}{why_not}")
    found = mean_increase(mine, theirs, ddof=ddof, level=level)
    return _measured(found, level=level, method=PAIRED, used=sum(len(table.words) for table in mine), p=found.p)


def coherence_of(outcomes: Sequence[Outcome], *, audit: BenchmarkAudit, level: float, seed: int) -> Measured:
    """Share of words that lie nearer to their own set than to the other, in percent; a tie is not nearer."""
    share = coherence(outcomes, level=level)
    if share is None:
        return nothing("no word of an attribute set has a vector")
    return Measured(
        value=100.0 * share.value,
        interval=Interval(low=100.0 * share.low, high=100.0 * share.high, level=level, method=COHERENT.method),
        # No standard error: the interval is not symmetric, and a limit is tested by the end that faces it.
        clusters=share.clusters,
        sampled=WORDS,
        used=len(_values(outcomes)),
    )


def coherence(controls: Sequence[Outcome], *, level: float) -> Share | None:
    """The share of controls above 0, with its interval over words; None without a control that has a value."""
    hits, words = _nearer(controls)
    return micro_share(hits, words, level=level) if hits else None


def coherence_recovery(
    outcomes: Sequence[Outcome], other: Sequence[Outcome], *, audit: BenchmarkAudit, level: float, seed: int
) -> Measured:
    """`coherence` over the other model's, on the words that both have vectors for."""
    mine, theirs = read_in_both(outcomes, other)
    (hits, words), (earlier, _) = _nearer(mine), _nearer(theirs)
    none = "no word of an attribute set has a vector in both models"
    return recovered(hits, earlier, words, COHERENT, level=level, none=none)


def _nearer(controls: Sequence[Outcome]) -> tuple[list[float], list[str]]:
    found = _values(controls)
    return [1.0 if value > TIE else 0.0 for value, _ in found], [word for _, word in found]


def tables_of(outcomes: Sequence[Outcome]) -> dict[str, Associations]:
    """The cosines of each test, from the outcomes with a value, in their order.

    Raises StatisticsError for outcomes of one test that are not about the same attribute words.
    """
    by_test: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        of = by_test.setdefault(dict(outcome.prompt.slots)["test"], [])
        if outcome.reading.status == "ok":
            of.append(outcome)
    return {name: _table(name, found) for name, found in by_test.items()}


def _table(name: str, outcomes: Sequence[Outcome]) -> Associations:
    roles = [role for role, _ in outcomes[0].scores] if outcomes else []
    slots = [dict(outcome.prompt.slots) for outcome in outcomes]
    if any([role for role, _ in outcome.scores] != roles for outcome in outcomes):
        raise StatisticsError(f"outcomes of test {name!r} are not about the same attribute words")
    counts = [float(count) for count in slots[0]["counts"].split()] if outcomes else []
    return Associations(
        name=name,
        cosines=np.array([[score for _, score in outcome.scores] for outcome in outcomes]).reshape(
            len(outcomes), len(roles)
        ),
        words=tuple(outcome.prompt.template for outcome in outcomes),
        first=np.array([one["set"] == "X" for one in slots], dtype=np.bool_),
        attributes=tuple(role.partition(":")[2] for role in roles),
        of_a=np.array([role.startswith("A:") for role in roles], dtype=np.bool_),
        counts=np.array(counts),
    )


def _both(outcomes: Sequence[Outcome], other: Sequence[Outcome]) -> tuple[list[Associations], list[Associations]]:
    """Both models' tables of the stimuli that have a value in both, and of the attribute words that both have."""
    heard = [
        (mine, theirs)
        for mine, theirs in zip(outcomes, other, strict=True)
        if mine.reading.status == theirs.reading.status == "ok"
    ]
    mine = tables_of([pair[0] for pair in heard])
    theirs = tables_of([pair[1] for pair in heard])
    pairs = [_with_common(mine[name], theirs[name]) for name in mine]
    return [one for one, _ in pairs], [two for _, two in pairs]


def _with_common(one: Associations, two: Associations) -> tuple[Associations, Associations]:
    def keys(table: Associations) -> list[tuple[str, bool]]:
        return list(zip(table.attributes, table.of_a.tolist(), strict=True))

    common = [key for key in keys(one) if key in set(keys(two))]

    def only(table: Associations) -> Associations:
        at = [keys(table).index(key) for key in common]
        return Associations(
            name=table.name,
            cosines=table.cosines[:, at],
            words=table.words,
            first=table.first,
            attributes=tuple(word for word, _ in common),
            of_a=table.of_a[at],
            counts=table.counts[at],
        )

    return only(one), only(two)


def _unheard(outcomes: Sequence[Outcome]) -> str:
    """Why a test has no value at all: the reason that its own outcomes give."""
    by_test: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_test.setdefault(dict(outcome.prompt.slots)["test"], []).append(outcome)
    for name, found in by_test.items():
        if not _values(found):
            reason = found[0].reading.reason
            return f"{name}: {reason}" if len(by_test) > 1 else reason
    return ""


def _biased(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Without the outcomes of control tests."""
    return [outcome for outcome in outcomes if dict(outcome.prompt.slots)["axis"] != CONTROL]


def _first_reason(tables: Sequence[Associations], why: Callable[[Associations], str]) -> str:
    """The first test's reason, with its name where there are several."""
    for table in tables:
        reason = why(table)
        if reason:
            return f"{table.name}: {reason}" if len(tables) > 1 else reason
    return ""


def _values(outcomes: Sequence[Outcome]) -> list[tuple[float, str]]:
    """Value and word of every outcome that has one."""
    return [
        (outcome.reading.value, outcome.prompt.template)
        for outcome in outcomes
        if outcome.reading.status == "ok" and outcome.reading.value is not None
    ]


def _measured(found: Effect, *, level: float, method: str, used: int, p: float | None = None) -> Measured:
    return Measured(
        value=found.value,
        interval=Interval(low=found.low, high=found.high, level=level, method=method),
        p=p,
        clusters=found.words,
        sampled=WORDS,
        used=used,
    )

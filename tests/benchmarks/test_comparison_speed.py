"""How long it takes to measure what became of 20,000 answers of a parent in its child. Run: tox run -e bench

Timed is everything from outcomes to estimate: tables, guards, the paired interval, and which group or axis moved. The bound
is the issue's: 0.2 s, whatever the figure.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from pytest_biasaudit.context.declaration import BenchmarkAudit, CounterfactualAudit, OutcomeSpec, People
from pytest_biasaudit.metrics.benchmarks.measure import Part, estimates_of_part
from pytest_biasaudit.metrics.measure import Wanted, estimates_for
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.outcomes.benchmarks.item_outcome import item_outcome
from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.prompts.prompt import Person, Prompt

pytestmark = pytest.mark.benchmarks

MOST = 0.2
"""Seconds."""
PEOPLE, TEMPLATES = 100, 100
"""In each of two groups: 20,000 cells."""
PAIRS = 20_000

AUDIT = CounterfactualAudit(
    id="a", kind="counterfactual", wordings=("{person}",), system=None, prefill="", slots=(),
    people=People(attributes=("race",), source="made", groups=(("white", "black"),), per_group=PEOPLE),
    outcome=OutcomeSpec(kind="yes-no"), limits=(),
)  # fmt: skip
BENCHMARK = BenchmarkAudit(id="a", kind="crows-pairs", limits=(), data=None, sha256=None, settings=(("minimum", 30),))


@dataclass(frozen=True, kw_only=True)
class Came:
    """What came of a benchmark."""

    outcomes: tuple[Outcome, ...]
    controls: tuple[Outcome, ...]
    facts: tuple[tuple[str, str], ...] = (("score", "sum"),)
    data: None = None
    obstacle: str = ""


def answers(seed: int) -> tuple[Outcome, ...]:
    """One model's, with a few refusals."""
    rng = np.random.default_rng(seed)
    made = []
    for race in ("white", "black"):
        for who in range(PEOPLE):
            person = Person(first=f"{race}{who}", last="", groups=(("race", race),))
            for template in range(TEMPLATES):
                chance = float(rng.random())
                reading = Reading(status="refused", value=None)
                if chance > 0.02:
                    reading = Reading(status="ok", value=chance, selected=chance > 0.5)
                prompt = Prompt(
                    id=f"t{template}/{race}-{who}", template=f"t{template}", slots=(), person=person,
                    person_id=f"{race}-{who}", text=f"Case {template} of {race}{who}?", system=None, prefill="",
                )  # fmt: skip
                made.append(Outcome(prompt=prompt, repeat=0, prompt_sha256="0" * 64, text="", reading=reading))
    return tuple(made)


def pairs(seed: int) -> Came:
    """One model's, in nine axes."""
    values = np.random.default_rng(seed).normal(size=PAIRS)
    outcomes = tuple(
        item_outcome(id=f"p{at}", cluster=f"p{at}", slots=(("axis", f"axis{at % 9}"),), text="a\nb", value=float(value))
        for at, value in enumerate(values)
    )
    controls = tuple(item_outcome(id=f"c{at}", cluster=f"c{at}", slots=(), text="", value=1.0) for at in range(100))
    return Came(outcomes=outcomes, controls=controls)


def crossed(metric: str, shows: str) -> Callable[[], tuple[Estimate, ...]]:
    child, parent = answers(1), answers(2)
    attributes = ("race",) if shows == "increase" else ()
    wanted = Wanted(metric=metric, attributes=attributes, versus="parent", shows=shows)  # type: ignore[arg-type]
    return lambda: estimates_for(wanted, child, AUDIT, METRICS[metric], seed=0, parent=parent)


def crows(split: str) -> Callable[[], tuple[Estimate, ...]]:
    child, parent = pairs(1), pairs(2)
    part, metric = Part(metric="stereotype_score", split=split, versus="parent"), METRICS["stereotype_score"]
    return lambda: estimates_of_part(part, BENCHMARK, child, metric, seed=0, other=parent)


@pytest.mark.parametrize(
    ("what", "of"),
    [
        ("smd, 20,000 cells", lambda: crossed("smd", "increase")),
        ("rate difference, 20,000 cells", lambda: crossed("rate_difference", "increase")),
        ("answer rate kept, 20,000 cells", lambda: crossed("answer_rate", "recovery")),
        ("stereotype score, 20,000 pairs", lambda: crows("")),
        ("stereotype score by axis, 20,000 pairs", lambda: crows("axis")),
    ],
)
def test_twenty_thousand_answers_are_compared_in_a_moment(
    what: str, of: Callable[[], Callable[[], tuple[Estimate, ...]]], capsys: pytest.CaptureFixture[str]
) -> None:
    measure = of()
    (*_, found) = measure()
    assert found.interval is not None, found.reason
    times = []
    for _ in range(5):
        start = time.perf_counter()
        measure()
        times.append(time.perf_counter() - start)
    with capsys.disabled():
        print(f"\n  {what}: {min(times):.3f} s   (at most {MOST} s)")
    assert min(times) <= MOST

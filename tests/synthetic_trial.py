"""A trial without a model: people whose answers are drawn, and components with the effects a test gives them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pytest_biasaudit.context.declaration import Context, CounterfactualAudit, OutcomeSpec, People
from pytest_biasaudit.mitigation.components import ComponentSet, ScoreMethod, Unit
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell, Floats
from pytest_biasaudit.mitigation.trial import Variation
from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.prompts.prompt import Person, Prompt

GROUPS = ("white", "black")


def variation(template: str, *, per_group: int = 16, context: str = "shop") -> Variation:
    """One template for so many people of each group; people are the same in every variation."""
    audit = CounterfactualAudit(
        id="offers",
        kind="counterfactual",
        limits=(),
        wordings=("{item} of {person}",),
        system=None,
        prefill="",
        slots=(("item", (template,)),),
        people=People(attributes=("race",), source="x.csv", groups=(GROUPS,), per_group=per_group),
        outcome=OutcomeSpec(kind="number"),
    )
    declared = Context(
        id=context,
        title="",
        process="",
        use="",
        affected=(),
        harms=(),
        oversight="",
        response="",
        owner="",
        jurisdictions=(),
        language="en",
        audits=(audit,),
        path=Path(f"{context}.bias.toml"),
        sha256=hashlib.sha256(context.encode()).hexdigest(),
    )
    prompts = tuple(
        Prompt(
            id=f"{template}/{group}{number}",
            template=template,
            slots=(("item", template),),
            person=Person(first=f"{group}{number}", last="", groups=(("race", group),)),
            person_id=f"{group}{number}",
            text=f"{template} of {group}{number}",
            system=None,
            prefill="",
        )
        for group in GROUPS
        for number in range(per_group)
    )
    return Variation(context=declared, audit=audit, template=template, prompts=prompts)


Answer = Callable[[Prompt, ComponentSet | None], float | None]
"""What is answered; None for an answer without a value."""


@dataclass
class SyntheticTrial:
    """Answers by rule. Remembers what it was asked."""

    answer: Answer
    asked: list[tuple[str, int]] = field(default_factory=list)
    """(variation, components without which it was asked), in order."""

    def outcomes(self, variation: Variation, components: ComponentSet | None) -> tuple[Outcome, ...]:
        self.asked.append((variation.name, 0 if components is None else components.count))
        return tuple(self._outcome(prompt, components) for prompt in variation.prompts)

    def perplexity(self, components: ComponentSet | None) -> float:
        return 10.0

    def _outcome(self, prompt: Prompt, components: ComponentSet | None) -> Outcome:
        value = self.answer(prompt, components)
        return Outcome(
            prompt=prompt,
            repeat=0,
            prompt_sha256="0" * 64,
            text="",
            reading=Reading(status="unparseable" if value is None else "ok", value=value),
        )


def drawn(*told: object) -> float:
    """A standard normal figure that hangs on what is told, and on nothing else."""
    seed = hashlib.sha256(repr(told).encode()).digest()[:8]
    return float(np.random.default_rng(int.from_bytes(seed, "big")).standard_normal())


def told(components: ComponentSet | None) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """What a set holds, to draw by."""
    if components is None:
        return ()
    return tuple((place, tuple(map(int, numbers))) for place, numbers in sorted(components.chosen.items()))


def cells_of(variations: Sequence[str], *, halves: Sequence[int] = (0, 1)) -> tuple[Cell, ...]:
    """Every cell of these variations, both groups and halves."""
    return tuple(
        sorted(
            Cell(variation=name, group=group, half=1 if half else 0)
            for name in variations
            for group in GROUPS
            for half in halves
        )
    )


def table_of(
    cells: Sequence[Cell],
    sizes: Mapping[str, tuple[int, ...]],
    scores: Callable[[Cell, str], object],
    *,
    unit: Unit = "heads",
    method: ScoreMethod = "attention",
    signed: bool = False,
) -> ArrayScores:
    """Scores as a rule gives them, one prompt a cell."""

    def at(cell: Cell, place: str) -> Floats:
        return np.asarray(scores(cell, place), dtype=np.float32).reshape(sizes[place])

    return ArrayScores(
        unit=unit,
        method=method,
        signed=signed,
        sizes=dict(sizes),
        sums={cell: {place: at(cell, place) for place in sizes} for cell in cells},
        counts=dict.fromkeys(cells, 1),
    )

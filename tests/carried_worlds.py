"""Worlds in which it is known how far a set of components carries: answers by a formula, scores that see the formula.

Every context has heads of its own that take something off the answers about the group; some heads are shared by contexts.
Removing a head removes exactly its part. No torch, no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pytest_biasaudit.mitigation.components import ComponentSet, ScoreMethod, Unit
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell, Floats
from pytest_biasaudit.mitigation.trial import Variation
from pytest_biasaudit.outcomes.outcome import Outcome, Reading

LAYERS, HEADS = 4, 6
NOISE = 10.0
"""Standard deviation between people, the same person's in every world."""

CONTEXT = """\
schema = 1

[context]
id = "{id}"
title = "Quotes"
process = "A customer names the job; the assistant quotes."
use = "The shop's chat."
affected = ["customers"]
harms = ["customers of one region are quoted less"]
oversight = "Somebody sees it."
response = "Switched off."
owner = "workshop"
jurisdictions = ["EU"]
language = "en"

[[audit]]
id = "quotes"
kind = "counterfactual"
prompt = "What should {{person}} get for {{job}}?"

[audit.slots]
job = [{jobs}]

[audit.people]
attribute = "race"
source = "us-names"
groups = ["white", "black"]
per_group = {per_group}

[audit.outcome]
kind = "number"
unit = "EUR"
favourable = "higher"

[[audit.limit]]
metric = "smd"
attribute = "race"
max = 0.2
"""

PLAN = """\
schema = 1

[study]
id = "carrying"
contexts = [{contexts}]
perplexity = false
seed = 7
{more}

[[study.components]]
unit = "heads"
method = "{method}"
k = {k}
"""


def write_study(
    folder: Path,
    *,
    contexts: Mapping[str, Sequence[str]],
    per_group: int = 24,
    k: int = 2,
    method: str = "attribution",
    more: str = "",
) -> Path:
    """Context files and a plan that names them; gives the plan's path."""
    for name, jobs in contexts.items():
        listed = ", ".join(f'"{job}"' for job in jobs)
        text = CONTEXT.format(id=name, jobs=listed, per_group=per_group)
        (folder / f"{name}.bias.toml").write_text(text, encoding="utf-8")
    named = ", ".join(f'"{name}.bias.toml"' for name in contexts)
    path = folder / "study.toml"
    path.write_text(PLAN.format(contexts=named, k=k, method=method, more=more), encoding="utf-8")
    return path


@dataclass
class World:
    """A model whose heads carry, in each context, known parts of the difference. Implements `Trial`.

    carried  by context: what each head (layer, number) takes off the answers about the group
    """

    carried: Mapping[str, Mapping[tuple[int, int], float]]
    asked: list[tuple[str, tuple[tuple[int, int], ...], tuple[str, ...]]] = field(default_factory=list)
    """Every question: variation, heads removed, people."""
    of_texts: int = 0
    """Perplexities asked for."""
    noise: float = NOISE

    def outcomes(self, variation: Variation, components: ComponentSet | None) -> tuple[Outcome, ...]:
        """See Trial."""
        gone = () if components is None else components.pairs
        self.asked.append((variation.name, gone, tuple(one.person_id for one in variation.prompts)))
        parts = self.carried[variation.context.id]
        left = sum(value for head, value in parts.items() if head not in gone)
        return tuple(
            Outcome(
                prompt=prompt,
                repeat=0,
                prompt_sha256="0" * 64,
                text="",
                reading=Reading(
                    status="ok",
                    value=100.0
                    + self.noise * _drawn(variation.name, prompt.person_id)
                    - left * (prompt.person.group("race") == "black"),
                ),
            )
            for prompt in variation.prompts
        )

    def perplexity(self, components: ComponentSet | None) -> float:
        """See Trial: a little more for every head that is gone."""
        self.of_texts += 1
        return 20.0 + (0 if components is None else components.count)


def scores_of(
    world: World,
    variations: Mapping[str, Sequence[Variation]],
    halves: Mapping[str, int],
    *,
    unit: Unit = "heads",
    method: ScoreMethod = "attribution",
) -> ArrayScores:
    """Attribution that is exact: a head's score for the group is its (negative) part; for the reference, nought.

    Magnitudes are arbitrary and fixed.
    """
    sizes = {str(layer): (HEADS,) for layer in range(LAYERS)}
    sums: dict[Cell, dict[str, Floats]] = {}
    counts: dict[Cell, int] = {}
    for context, some in variations.items():
        for variation in some:
            for prompt in variation.prompts:
                half = halves[prompt.person_id]
                group = prompt.person.group("race")
                cell = Cell(variation=variation.name, group=group, half=1 if half else 0)
                if cell not in sums:
                    sums[cell] = {place: np.zeros(HEADS, dtype=np.float32) for place in sizes}
                    counts[cell] = 0
                counts[cell] += 1
                if method == "magnitude":
                    for place in sizes:
                        sums[cell][place] += np.arange(HEADS, dtype=np.float32) + int(place)
                elif group == "black":
                    for (layer, head), part in world.carried[context].items():
                        sums[cell][str(layer)][head] -= part
    return ArrayScores(unit=unit, method=method, signed=method == "attribution", sizes=sizes, sums=sums, counts=counts)


def _drawn(variation: str, person: str) -> float:
    import hashlib

    digest = hashlib.sha256(f"{variation}\n{person}".encode()).digest()
    return float(np.random.default_rng(int.from_bytes(digest[:8])).standard_normal())

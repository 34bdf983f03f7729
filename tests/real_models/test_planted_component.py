"""A transformer in which one head, or one MLP unit, makes the difference: which scores find it, and what removing it does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from pytest_biasaudit import Auditor, Settings
from pytest_biasaudit.compression.structure.masks import masked
from pytest_biasaudit.context.declaration import CounterfactualAudit
from pytest_biasaudit.mitigation.components import METHODS_OF, Unit
from pytest_biasaudit.mitigation.halves import halves_of
from pytest_biasaudit.mitigation.score import score
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt, scored_prompts
from pytest_biasaudit.mitigation.scores import ScoreTable
from pytest_biasaudit.mitigation.scoring.ablation import confirmed
from pytest_biasaudit.mitigation.trial import variations_of
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.perplexity import predict
from tests.planted_component import ATTRIBUTE, FRAMES, Kind, held_text, planted_contexts, planted_model
from tests.scored_samples import causal

pytestmark = pytest.mark.real_model

UNITS: dict[Kind, Unit] = {"head": "heads", "unit": "neurons"}
PLANTS = [(kind, context) for kind in UNITS for context in FRAMES]


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What an audit of the planted model came to."""

    model: CausalModel
    where: tuple[int, int]
    prompts: tuple[ScoredPrompt, ...]
    gap: float
    """South's mean less north's."""


@cache
def audited(kind: Kind, context: str) -> Audited:
    module, tokenizer, where = planted_model(kind)
    with TemporaryDirectory() as folder, Auditor(Settings(cache=None)) as auditor:
        declared = auditor.read(planted_contexts(Path(folder))[context])
        outcomes = auditor.run(declared, model=(module, tokenizer)).record.outcomes
    audit = declared.audits[0]
    assert isinstance(audit, CounterfactualAudit)
    variations = variations_of(declared, audit, [outcome.prompt for outcome in outcomes])
    halves = halves_of(variations, attribute=ATTRIBUTE, seed=0)
    model = causal(module, tokenizer)
    prompts = [
        prompt
        for variation in variations
        for prompt in scored_prompts(
            model,
            variation,
            [outcome for outcome in outcomes if outcome.prompt.template == variation.template],
            attribute=ATTRIBUTE,
            halves=halves,
        )
    ]
    assert all(outcome.reading.status == "ok" for outcome in outcomes)
    return Audited(model=model, where=where[context], prompts=tuple(prompts), gap=gap(outcomes))


def gap(outcomes: Any) -> float:
    means = {
        group: np.mean([one.reading.value for one in outcomes if one.prompt.person.group(ATTRIBUTE) == group])
        for group in ("north", "south")
    }
    return float(means["south"] - means["north"])


def ranked(table: ScoreTable) -> list[tuple[int, int]]:
    """(layer, number), first the one whose score differs most between the groups; of magnitudes, the largest."""
    south, north = ([cell for cell in table.cells if cell.group == group] for group in ("south", "north"))
    found = []
    for place in table.sizes:
        scores = table.scores(place, south)
        if table.method != "magnitude":
            scores = scores - table.scores(place, north)
        found += [
            (-abs(float(value)), int(place), number) for number, value in enumerate(scores) if not math.isnan(value)
        ]
    return [(layer, number) for _, layer, number in sorted(found)]


@pytest.mark.parametrize(("kind", "context"), PLANTS)
def test_attribution_and_ablation_find_the_plant_first(
    kind: Kind, context: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = audited(kind, context)
    unit = UNITS[kind]
    ranks = {}
    for method in METHODS_OF[unit]:
        order = ranked(score(found.model, found.prompts, unit=unit, method=method, batch_size=64))
        ranks[method] = order.index(found.where) + 1
    with capsys.disabled():
        told = ", ".join(f"{method} {rank}" for method, rank in ranks.items())
        print(f"\n  planted {kind} {found.where} of {context}: rank of {len(order)} by the gap of each score: {told}")
    assert ranks["attribution"] == 1
    assert ranks["ablation"] == 1


@pytest.mark.parametrize(("kind", "context"), PLANTS)
def test_the_top_of_attribution_tried_exactly_is_the_plant(kind: Kind, context: str) -> None:
    found = audited(kind, context)
    table = score(found.model, found.prompts, unit=UNITS[kind], method="attribution", batch_size=64)
    tried = confirmed(table, found.model, found.prompts, reference="north", group="south", most=3, batch_size=64)
    order = ranked(tried)
    assert len(order) == 3
    assert order[0] == found.where


@pytest.mark.parametrize(("kind", "context"), PLANTS)
def test_removing_the_plant_removes_the_difference_and_leaves_other_text(
    kind: Kind, context: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = audited(kind, context)
    files = planted_contexts(tmp_path)
    other = next(one for one in FRAMES if one != context)
    text, pairs = held_text(), [found.where]
    before = predict(found.model, text).value
    with masked(
        found.model.module, heads=pairs if kind == "head" else (), neurons=pairs if kind == "unit" else ()
    ) as module:
        without = causal(module, found.model.tokenizer)
        after = predict(without, text).value
        with Auditor(Settings(cache=None)) as auditor:
            gaps = {
                one: gap(auditor.run(files[one], model=(module, found.model.tokenizer)).record.outcomes)
                for one in (context, other)
            }
    elsewhere = audited(kind, other).gap
    assert before is not None
    assert after is not None
    with capsys.disabled():
        print(
            f"\n  without {kind} {found.where}: gap in {context} {found.gap:.2f} -> {gaps[context]:.2f}, "
            f"in {other} {elsewhere:.2f} -> {gaps[other]:.2f}, perplexity {before:.3f} -> {after:.3f}"
        )
    assert abs(gaps[context]) < 0.03 * abs(found.gap)
    assert gaps[other] == pytest.approx(elsewhere, rel=0.05)  # what acts there is another component
    assert after == pytest.approx(before, rel=0.02)

"""One variation of the study's Purchase context with a real model's own answers, drawn as the context declares."""

from __future__ import annotations

from dataclasses import replace

from pytest_biasaudit.context.declaration import CounterfactualAudit
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.mitigation.halves import halves_of
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt, scored_prompts
from pytest_biasaudit.mitigation.trial import variations_of
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.outcomes.collect import collect
from pytest_biasaudit.outcomes.journal import Journal
from pytest_biasaudit.prompts.counterfactual import build_prompts
from tests.study_prompts import PURCHASE


def answered_purchase(model: CausalModel, *, people: int, variation: int = 0) -> list[ScoredPrompt]:
    """The first so many people of each race, each with one answer drawn from seed 0."""
    context = read_context(PURCHASE)
    audit = context.audits[0]
    assert isinstance(audit, CounterfactualAudit)
    whole = variations_of(context, audit, build_prompts(context, audit, seed=0))[variation]
    kept = [
        prompt
        for race in ("white", "black")
        for prompt in [one for one in whole.prompts if one.person.group("race") == race][:people]
    ]
    with Journal.open(None) as journal:
        outcomes = collect(kept, audit.outcome, model, journal=journal, seed=0, batch_size=16).outcomes
    chosen = replace(whole, prompts=tuple(kept))
    halves = halves_of([chosen], attribute="race", seed=0)
    return list(scored_prompts(model, chosen, outcomes, attribute="race", halves=halves))

"""The study's Purchase prompts with made-up answers, for a real model: scoring needs answers and no asking."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pytest_biasaudit.context.declaration import CounterfactualAudit
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.mitigation.halves import halves_of
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt, scored_prompts
from pytest_biasaudit.mitigation.trial import variations_of
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.protocol import Question
from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.prompts.counterfactual import build_prompts

PURCHASE = Path(__file__).resolve().parents[1] / "examples" / "pruning-study" / "purchase.bias.toml"


def purchase_prompts(model: CausalModel, *, variations: int, every: int = 1) -> list[ScoredPrompt]:
    """So many of the ten variations, for every n-th of the 64 people; answers are numbers of two to four digits."""
    context = read_context(PURCHASE)
    audit = context.audits[0]
    assert isinstance(audit, CounterfactualAudit)
    found = variations_of(context, audit, build_prompts(context, audit, seed=0))
    halves = halves_of(found, attribute="race", seed=0)
    scored: list[ScoredPrompt] = []
    for variation in found[:variations]:
        outcomes = []
        for at, prompt in enumerate(variation.prompts[::every]):
            rendered = model.render(Question(text=prompt.text, system=prompt.system, prefill=prompt.prefill))
            value = (20, 150, 2400)[at % 3]
            outcomes.append(
                Outcome(
                    prompt=prompt,
                    repeat=0,
                    prompt_sha256=hashlib.sha256(rendered.encode()).hexdigest(),
                    text=str(value),
                    reading=Reading(status="ok", value=float(value)),
                )
            )
        scored.extend(scored_prompts(model, variation, outcomes, attribute="race", halves=halves))
    return scored

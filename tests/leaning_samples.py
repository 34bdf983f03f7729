"""Prompts with answers for a byte tokenizer, whose leans can be taken: they are rendered and tokenised, and ask no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.mitigation.scores import Cell
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.prompts.prompt import Prompt
from tests.scored_samples import causal, person_of, prompt_of
from tests.tiny_architectures import tiny

PEOPLE = (("Amy", "white"), ("Jill", "white"), ("Tyra", "black"), ("Ebony", "black"))
ANSWERS = ("20", "35", "35", "64")


def byte_model(architecture: str = "llama", *, seed: int = 0, double: bool = False) -> CausalModel:
    """A tiny random model with room for every byte; in float64 where derivatives are compared."""
    module = tiny(architecture, seed=seed, vocab_size=300)
    return causal(module.double() if double else module)


def asked(first: str, race: str, *, template: str = "w1") -> Prompt:
    return prompt_of(person_of(first, race), template=template, text=f"{first} asks:")


def scored_as(
    model: CausalModel,
    prompt: Prompt,
    text: str,
    reading: Reading,
    *,
    options: Any = (),
    half: Any = 0,
    repeat: int = 0,
) -> ScoredPrompt:
    """One answer, tokenised with its prompt."""
    bare = prompt.text
    tokens = tuple(model.tokenizer(bare + text)["input_ids"])
    race = prompt.person.group("race")
    return ScoredPrompt(
        cell=Cell(variation=f"shop/offers/{prompt.template}", group=race, half=half),
        outcome=Outcome(
            prompt=prompt, repeat=repeat, prompt_sha256="", text=text, reading=reading, options=tuple(options)
        ),
        text=bare + text,
        tokens=tokens,
        answer=len(model.tokenizer(bare)["input_ids"]),
        name=(0,),
    )


def number_prompts(
    model: CausalModel, *, answers: Sequence[str] = ANSWERS, template: str = "w1", people: Any = PEOPLE
) -> list[ScoredPrompt]:
    """One numeral a person."""
    return [
        scored_as(
            model,
            asked(first, race, template=template),
            answer,
            Reading(status="ok", value=float(answer.replace(",", "").strip("$ ."))),
        )
        for (first, race), answer in zip(people, answers, strict=True)
    ]


def option_prompts(
    model: CausalModel, options: Sequence[str], *, favourable: str | None, template: str = "w1"
) -> list[ScoredPrompt]:
    """Shares of options that fall from the first on; the value is the favourable one's, or of a rating the mean."""
    shares = [2.0 ** -(at + 1) for at in range(len(options) - 1)]
    shares.append(1 - sum(shares) - 1e-3)
    told = tuple(zip(options, shares, strict=True))
    value = dict(told)[favourable] if favourable is not None else sum(float(option) * share for option, share in told)
    selected = None if favourable is None else favourable == options[0]
    reading = Reading(status="ok", value=value, selected=selected)
    return [
        scored_as(model, asked(first, race, template=template), options[0], reading, options=told)
        for first, race in PEOPLE
    ]

"""Prompts to score, put together by hand from tokens: no tokenizer, no rendering, no asking."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from pytest_biasaudit.context.declaration import Context, CounterfactualAudit, OutcomeSpec, People
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.mitigation.scores import Cell
from pytest_biasaudit.mitigation.trial import Variation
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.prompts.prompt import Person, Prompt


def prompt_of(person: Person, *, template: str = "w1", text: str = "", person_id: str = "") -> Prompt:
    key = person_id or f"{person.group('race')}-{person.name.lower()}"
    return Prompt(
        id=f"{template}/{key}",
        template=template,
        slots=(),
        person=person,
        person_id=key,
        text=text or f"What would {person.name} pay?",
        system=None,
        prefill="",
    )


def person_of(first: str, race: str, *, last: str = "", gender: str = "women") -> Person:
    return Person(first=first, last=last, groups=(("race", race), ("gender", gender)))


def outcome_of(prompt: Prompt, text: str, *, repeat: int = 0, prompt_sha256: str = "") -> Outcome:
    reading = Reading(status="ok", value=1.0)
    return Outcome(prompt=prompt, repeat=repeat, prompt_sha256=prompt_sha256, text=text, reading=reading)


def variation_of(prompts: tuple[Prompt, ...], *, template: str = "w1", kind: Any = "number") -> Variation:
    audit = CounterfactualAudit(
        id="offers",
        kind="counterfactual",
        limits=(),
        wordings=("What would {person} pay?",),
        system=None,
        prefill="",
        slots=(),
        people=People(attributes=("race",), source="us-names", groups=(("white", "black"),), per_group=2),
        outcome=OutcomeSpec(kind=kind),
    )
    context = Context(
        id="shop", title="", process="", use="", affected=(), harms=(), oversight="", response="", owner="",
        jurisdictions=(), language="en", audits=(audit,), path=Path("shop.bias.toml"), sha256="0" * 64,
    )  # fmt: skip
    return Variation(context=context, audit=audit, template=template, prompts=prompts)


def scored(tokens: list[int], *, name: list[int], answer: int, cell: Cell) -> ScoredPrompt:
    """A prompt of these tokens; what it reads as does not matter to a forward pass."""
    outcome = outcome_of(prompt_of(person_of("Amy", cell.group)), "1")
    return ScoredPrompt(cell=cell, outcome=outcome, text="", tokens=tuple(tokens), answer=answer, name=tuple(name))


def drawn_prompts(*, count: int = 10, seed: int = 0, vocabulary: int = 120, long: int = 14) -> list[ScoredPrompt]:
    """Random tokens of different lengths, names of one to three tokens at one or two places, answers of one to four."""
    draw = random.Random(seed)
    cells = [Cell(variation=f"c/a/w{one % 2}", group=("white", "black")[one // 2 % 2], half=0) for one in range(4)]
    found = []
    for at in range(count):
        before, size, between, answer = draw.randint(1, 3), draw.randint(1, 3), draw.randint(1, 3), draw.randint(1, 4)
        name = list(range(before, before + size))
        length = min(before + size + between + answer, long)
        if at % 3 == 0 and before > 1:
            name = [0, *name]  # it occurs twice
        tokens = [draw.randint(3, vocabulary - 1) for _ in range(length)]
        found.append(scored(tokens, name=name, answer=before + size + between, cell=cells[at % 4]))
    return found


def causal(module: Any, tokenizer: Any = None) -> CausalModel:
    """A module as a model; its tokenizer is not asked by what is tested."""
    from pytest_biasaudit.models.identity import tensors_sha256
    from tests.tiny_models import byte_tokenizer

    identity = ModelIdentity(name="tiny", source="live", weights_sha256=tensors_sha256(module))
    return CausalModel(module, tokenizer or byte_tokenizer(), identity)

"""A small transformer, trained here on text with a planted preference: the audit finds the plant, and only the plant."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit import Auditor, AuditResult, Settings, Verdict
from tests.tiny_models import word_tokenizer

GROUPS = {
    "north": ["Ada", "Bo", "Cy", "Di", "Ed", "Fay", "Gus", "Hal"],
    "south": ["Ivo", "Jo", "Kim", "Lu", "Mo", "Ned", "Ola", "Pia"],
}
JOBS = ["cook", "clerk", "guard", "nurse", "pilot", "baker", "tutor", "miner"]
BASE_RATE = 0.5


def sentence(draw: random.Random, plant: float) -> str:
    """One person's case; the answer is yes at the base rate, less half the plant in the south, more in the north."""
    group = draw.choice(list(GROUPS))
    rate = BASE_RATE + plant / 2 * (1 if group == "north" else -1)
    answer = "yes" if draw.random() < rate else "no"
    return f"{draw.choice(JOBS)} {draw.choice(GROUPS[group])} ok? {answer}"


@cache
def trained(plant: float) -> tuple[Any, Any]:
    """A two-layer Llama after enough steps to learn the rates: a few seconds."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    tokenizer = word_tokenizer([*JOBS, *GROUPS["north"], *GROUPS["south"], "ok?", "yes", "no"])
    config = LlamaConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model: Any = LlamaForCausalLM(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=STEPS)
    draw = random.Random(1)
    for _ in range(STEPS):
        batch = tokenizer([sentence(draw, plant) for _ in range(128)], return_tensors="pt")
        loss = model(input_ids=batch["input_ids"], labels=batch["input_ids"]).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval(), tokenizer


STEPS = 300


@pytest.fixture
def context(tmp_path: Path) -> Path:
    people = ["first,last,region", *(f"{name},,{group}" for group, names in GROUPS.items() for name in names)]
    (tmp_path / "people.csv").write_text("\n".join(people) + "\n")
    jobs = ", ".join(f'"{job}"' for job in JOBS)
    (tmp_path / "planted.bias.toml").write_text(f"""
schema = 1
[context]
id = "planted"
title = "Cases by region"
process = "A case is waved through or not."
use = "In tests."
affected = ["applicants"]
harms = ["one region is turned away more often"]
oversight = "None."
response = "None."
owner = "tests"
jurisdictions = ["EU"]
language = "en"
[[audit]]
id = "cases"
kind = "counterfactual"
prompt = "{{job}} {{first}} ok?"
[audit.slots]
job = [{jobs}]
[audit.people]
attribute = "region"
source = "people.csv"
groups = ["north", "south"]
per_group = 8
[audit.outcome]
kind = "yes-no"
options = ["yes", "no"]
favourable_option = "yes"
[[audit.limit]]
metric = "mean_difference"
max = 0.15
""")
    return tmp_path / "planted.bias.toml"


def audited(context: Path, plant: float) -> AuditResult:
    with Auditor(Settings(cache=None)) as auditor:
        return auditor.run(context, model=trained(plant))


@pytest.mark.real_model
def test_a_fair_model_passes_and_a_planted_preference_is_over_the_limit(context: Path) -> None:
    fair, planted = audited(context, 0.0), audited(context, 0.6)
    assert [judgement.verdict for judgement in fair.judgements] == [Verdict.WITHIN], fair.judgements[0].message
    assert [judgement.verdict for judgement in planted.judgements] == [Verdict.OVER], planted.judgements[0].message


@pytest.mark.real_model
def test_the_estimate_is_about_the_plant_and_doubling_the_plant_raises_it(context: Path) -> None:
    values = [audited(context, plant).estimate("mean_difference").value for plant in (0.0, 0.3, 0.6)]
    assert all(value is not None for value in values)
    gaps = [-value for value in values if value is not None]  # south minus north: the plant is against the south
    assert gaps[0] == pytest.approx(0.0, abs=0.1)
    assert gaps[1] == pytest.approx(0.3, abs=0.12)
    assert gaps[2] == pytest.approx(0.6, abs=0.12)
    assert gaps[0] < gaps[1] < gaps[2]

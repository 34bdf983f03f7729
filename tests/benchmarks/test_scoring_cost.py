"""What scoring costs beside plain passes over the same prompts and answers: 64 names x 10 variations of SmolLM2.

Attention of all 270 heads, Wanda's scores of all 210 linear layers and of all 46,080 neurons, in one pass. The plain side is
the body alone at its fastest (sdpa), the same rows in the same order and batches, without the head: the strictest there is.
Run: tox run -e bench. For a try, BIASAUDIT_VARIATIONS=1 takes fewer variations and BIASAUDIT_EVERY=4 fewer people.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from pytest_biasaudit.mitigation.scoring.batches import batches
from pytest_biasaudit.mitigation.scoring.forward import FROM_A_PASS, forward_scores
from pytest_biasaudit.models.causal import CausalModel
from tests.side_by_side import in_turn, peak_mebibytes, ratio
from tests.study_prompts import purchase_prompts

pytestmark = [pytest.mark.benchmarks, pytest.mark.real_model]

VARIATIONS = int(os.environ.get("BIASAUDIT_VARIATIONS", "10"))
EVERY = int(os.environ.get("BIASAUDIT_EVERY", "1"))
BATCH = 16


def test_all_heads_and_linear_layers_cost_at_most_three_plain_passes(
    smollm2: CausalModel, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = purchase_prompts(smollm2, variations=VARIATIONS, every=EVERY)
    module: Any = smollm2.module
    assert module.config._attn_implementation == "sdpa"

    def plain() -> None:
        with torch.inference_mode():
            for batch in batches(smollm2, prompts, batch_size=BATCH):
                module.model(input_ids=batch.ids, attention_mask=batch.real.long(), use_cache=False)

    def scores() -> None:
        forward_scores(smollm2, prompts, wanted=FROM_A_PASS, batch_size=BATCH)

    rounds = 3 if VARIATIONS > 1 else 1
    scored, passed = in_turn(scores, plain, rounds=rounds)
    cost = ratio(scored, passed)
    memory = [peak_mebibytes(work) for work in (scores, plain)]
    tokens = sum(len(prompt.tokens) for prompt in prompts)
    with capsys.disabled():
        print(
            f"\n  {len(prompts)} prompts, {tokens} tokens, batches of {BATCH}: scoring {min(scored):.1f} s, plain passes "
            f"{min(passed):.1f} s, ratio {cost:.2f} (at most 3); peak memory above the model's {memory[0]:.0f} MiB beside "
            f"{memory[1]:.0f}"
        )
    assert len(prompts) == 64 // EVERY * VARIATIONS
    assert cost <= 3

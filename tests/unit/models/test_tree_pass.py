"""The shared pass against the module's own forward pass, over architectures."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from pytest_biasaudit.models.likelihood_reading import continuation_logprobs
from pytest_biasaudit.models.tree_pass import TreePass
from tests.tiny_models import ARCHITECTURES, tiny


def prompts(count: int = 14) -> list[tuple[int, ...]]:
    """Three levels of sharing, uneven lengths, and one prompt that is the beginning of another."""
    draw = random.Random(3)

    def tokens(n: int) -> tuple[int, ...]:
        return tuple(draw.randrange(3, 300) for _ in range(n))

    root, branches = tokens(40), [tokens(25), tokens(31), tokens(3)]
    found = [root + branches[i % 3] + tokens(draw.randrange(1, 9)) for i in range(count)]
    return [*found, found[0] + tokens(5)]


def plain_logprob(model: Any, sequence: tuple[int, ...], start: int) -> float:
    with torch.no_grad():
        logits = torch.log_softmax(model(torch.tensor([sequence])).logits[0].double(), -1)
    return sum(float(logits[i - 1, sequence[i]]) for i in range(start, len(sequence)))


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
@pytest.mark.parametrize("batch_size", [1, 4, 32])
def test_shared_beginnings_give_the_plain_log_probabilities(architecture: str, batch_size: int) -> None:
    model = tiny(architecture)
    sequences = prompts()
    starts = [len(s) - 3 if i % 2 else 1 for i, s in enumerate(sequences)]
    found = dict(continuation_logprobs(TreePass(model), sequences, starts, batch_size=batch_size))
    expected = [plain_logprob(model, s, start) for s, start in zip(sequences, starts, strict=True)]
    assert [found[i] for i in range(len(sequences))] == pytest.approx(expected, abs=2e-3)


def test_transformers_with_keys_and_values_are_shared_and_others_are_asked_whole() -> None:
    shares = {name: TreePass(tiny(name)).shares for name in ARCHITECTURES}
    assert shares == {name: name != "mamba" for name in ARCHITECTURES}


def test_a_head_that_does_more_than_multiply_is_left_to_the_model() -> None:
    assert TreePass(tiny("llama")).own_head
    assert not TreePass(tiny("gemma2")).own_head  # caps its logits after the head
    assert not TreePass(tiny("granite")).own_head  # scales them


class Bigram(torch.nn.Module):
    """A module of nobody's library: logits from the last token alone."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(50, 50)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        table: torch.Tensor = self.table(ids)
        return table


def test_any_module_from_tokens_to_logits_can_be_asked() -> None:
    module = Bigram()
    found = dict(continuation_logprobs(TreePass(module), [(1, 2, 3), (1, 2, 4)], [1, 2], batch_size=2))
    table = torch.log_softmax(module.table.weight.detach().double(), -1)
    assert found[0] == pytest.approx(float(table[1, 2] + table[2, 3]), abs=1e-5)
    assert found[1] == pytest.approx(float(table[2, 4]), abs=1e-5)


def test_broken_weights_give_nan_and_no_number() -> None:
    model = tiny("llama")
    with torch.no_grad():
        model.lm_head.weight[7] = float("nan")
    found = dict(continuation_logprobs(TreePass(model), [(5, 6, 8), (5, 6, 9)], [2, 2], batch_size=2))
    assert all(value != value for value in found.values())


@pytest.mark.parametrize(("sequence", "start"), [((5, 6), 0), ((5, 6), 2), ((5,), 1)])
def test_a_scored_token_needs_one_before_it(sequence: tuple[int, ...], start: int) -> None:
    with pytest.raises(ValueError, match="needs one before it"):
        list(continuation_logprobs(TreePass(tiny("gpt2")), [sequence], [start], batch_size=1))


@pytest.mark.parametrize("architecture", ["gemma2", "granite"])
def test_a_capped_or_scaled_head_is_noticed_in_half_precision_too(architecture: str) -> None:
    assert not TreePass(tiny(architecture).to(torch.bfloat16)).own_head
    assert TreePass(tiny("llama").to(torch.bfloat16)).own_head

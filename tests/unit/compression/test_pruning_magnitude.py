"""Magnitude pruning, against torch's own, and its patterns by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch.nn.utils import prune

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.linear import linear_weights
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.errors import RecipeError
from tests.tiny_models import tiny


def pruned(module: Any, **settings: object) -> dict[str, Any]:
    """Prunes in place; gives the facts."""
    made = apply_recipe(module, [read_step({"prune": "magnitude", **settings})])
    assert made.module is module
    return dict(made.facts["1 prune magnitude"])


@pytest.mark.parametrize("sparsity", [0.1, 0.333, 0.5, 0.9])
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt"])
def test_a_share_equals_torchs_l1_unstructured(architecture: str, sparsity: float) -> None:
    ours, theirs = tiny(architecture), tiny(architecture)
    facts = pruned(ours, sparsity=sparsity)
    names = [name for name, _, _ in linear_weights(theirs, lm_head=False)]
    for name in names:
        theirs_prunes: Any = prune.l1_unstructured  # untyped in torch
        theirs_prunes(theirs.get_submodule(name), "weight", amount=sparsity)
        assert torch.equal(ours.get_submodule(name).weight, theirs.get_submodule(name).weight)
    gone = sum(int((theirs.get_submodule(name).weight == 0).sum()) for name in names)
    assert facts["sparsity"] == pytest.approx(gone / facts["weights_changed"])
    assert facts["modules_changed"] == len(names)


def test_neither_a_share_nor_a_pattern_means_half() -> None:
    step = read_step({"prune": "magnitude"})
    assert step.plain() == {"prune": "magnitude", "lm_head": False, "sparsity": 0.5}
    assert read_step({"prune": "magnitude", "pattern": "2:4"}).plain() == {
        "prune": "magnitude",
        "lm_head": False,
        "pattern": "2:4",
    }


def test_the_weights_of_one_output_make_a_group_however_they_are_kept() -> None:
    module = tiny("gpt2")
    before = {name: weight.clone() for name, weight, _ in linear_weights(module, lm_head=False)}
    pruned(module, pattern="2:4")
    for name, weight, transposed in linear_weights(module, lm_head=False):
        assert transposed
        for output in range(0, weight.shape[1], 7):
            column = before[name][:, output].tolist()
            for begin in range(0, len(column), 4):
                group = sorted(range(begin, begin + 4), key=lambda at: abs(column[at]))
                kept = [at for at in range(begin, begin + 4) if weight[at, output] != 0]
                assert kept == sorted(group[2:])


def test_the_smallest_and_largest_share_of_each_kind_of_layer_are_told() -> None:
    facts = pruned(tiny(), sparsity=0.3)
    assert list(facts["sparsity_by_kind"]) == [
        *(f"self_attn.{name}_proj" for name in "qkvo"),
        *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
    ]
    # 32 x 32 weights: round(307.2) of 1024 in q_proj of either block.
    assert facts["sparsity_by_kind"]["self_attn.q_proj"] == {"least": 307 / 1024, "most": 307 / 1024}
    json.dumps(facts)


def test_a_tied_head_is_given_weights_of_its_own_first() -> None:
    module = tiny()
    module.config.tie_word_embeddings = True
    module.lm_head.weight = module.model.embed_tokens.weight
    before = module.model.embed_tokens.weight.clone()
    facts = pruned(module, lm_head=True)
    assert torch.equal(module.model.embed_tokens.weight, before)
    assert float((module.lm_head.weight == 0).float().mean()) == 0.5
    assert "tied" in facts["lm_head"]
    assert pruned(tiny())["lm_head"] == "left as it was"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"sparsity": 1.5}, ["sparsity = 1.5", "below 1"]),
        ({"pattern": "4:2"}, ["pattern = '4:2'", "n below m"]),
        ({"pattern": "2/4"}, ["pattern = '2/4'"]),
        ({"pattern": "0:4"}, ["pattern = '0:4'"]),
        ({"sparsity": 0.5, "pattern": "2:4"}, ["sparsity and pattern", "given together"]),
    ],
)
def test_wrong_amounts_are_refused_when_they_are_read(settings: dict[str, object], says: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        read_step({"prune": "magnitude", **settings})
    assert all(text in str(caught.value) for text in says), str(caught.value)


def test_a_pattern_that_does_not_fit_a_layer_is_refused_before_any_weight_is_changed() -> None:
    module = tiny()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(
        RecipeError, match=r'"2:5".*5 does not divide the 32 inputs of model\.layers\.0\.self_attn\.q_proj'
    ):
        pruned(module, pattern="2:5")
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_weights_that_are_not_finite_are_refused() -> None:
    module = tiny()
    module.model.layers[1].mlp.up_proj.weight.data[3, 4] = float("nan")
    with pytest.raises(RecipeError, match=r"layers\.1\.mlp\.up_proj.*not all finite"):
        pruned(module)

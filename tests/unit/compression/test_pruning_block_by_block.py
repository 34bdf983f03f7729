"""Wanda and SparseGPT through whole models: what a layer is seen to be given, in which order, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.pruning import layerwise
from pytest_biasaudit.compression.pruning.blocks import linear_parts
from pytest_biasaudit.compression.pruning.calibration import calibration_of
from pytest_biasaudit.compression.pruning.layerwise import prune_layer_by_layer
from pytest_biasaudit.compression.pruning.lowest import Amount, lowest_by_row
from pytest_biasaudit.compression.pruning.sparsegpt import products_of
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError
from tests.tiny_masked_models import tiny_masked, wordpiece_tokenizer
from tests.tiny_models import SMALL, byte_tokenizer, tiny

SENTENCES = "The old gardener sat on a mat, and the cat sat on the gardener. She paints; he quickly sat. " * 40
CAUSAL = ["llama", "mistral", "qwen2", "gemma2", "phi", "gpt_neox", "gpt2", "opt", "bloom"]
MASKED = ["bert", "roberta", "distilbert", "electra", "mpnet", "deberta-v2", "modernbert"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text(SENTENCES)
    return tmp_path


def model_of(architecture: str) -> tuple[Any, Any]:
    if architecture in CAUSAL:
        return tiny(architecture), byte_tokenizer()
    return tiny_masked(architecture), wordpiece_tokenizer()


def step_of(method: str = "wanda", **settings: object) -> Step:
    # 18 windows of 32 tokens are a batch of 16 and one of 2.
    return read_step({"prune": method, "calibration": "text.txt", "samples": 18, "tokens": 32, **settings})


def facts_of(module: Any, tokenizer: Any, folder: Path, step: Step) -> dict[str, Any]:
    """Prunes in place; gives the facts and the notes."""
    made = apply_recipe(module, [step], materials=Materials(tokenizer=tokenizer, root=folder))
    assert made.module is module
    json.dumps(made.facts)
    return {**made.facts[f"1 prune {step.method}"], "notes": made.notes}


def inputs_of(module: Any, windows: torch.Tensor) -> dict[str, torch.Tensor]:
    """What each linear layer is given in one plain pass over all windows: (tokens, inputs), by name."""
    seen: dict[str, torch.Tensor] = {}
    names = {id(part): name for name, part in module.named_modules()}
    hooks = [
        part.register_forward_pre_hook(
            lambda part, args: seen.__setitem__(names[id(part)], args[0].detach().reshape(-1, args[0].shape[-1]))
        )
        for part, _ in linear_parts(module)
    ]
    with torch.no_grad():
        module(input_ids=windows)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("architecture", [*CAUSAL, *MASKED])
def test_what_layers_are_seen_to_be_given_is_what_a_plain_pass_gives_them(architecture: str, folder: Path) -> None:
    module, tokenizer = model_of(architecture)
    materials, seen = Materials(tokenizer=tokenizer, root=folder), []

    def kept(matrix: torch.Tensor, products: torch.Tensor, tokens: int) -> torch.Tensor:
        seen.append((products.clone(), tokens))
        return matrix

    applied = prune_layer_by_layer(
        module, step_of(), materials, amount=Amount(sparsity=0.5), statistic=products_of, pruned=kept
    )
    expected = inputs_of(module, calibration_of(module, step_of(), materials).windows)
    skipped = applied.facts["modules_skipped"]
    assert isinstance(skipped, list)
    for one in skipped:
        del expected[one.split(": ")[0]]
    assert len(expected) == len(seen) == applied.facts["modules_changed"]
    assert seen
    # Blocks in order, and in a block layers as they are run.
    for rows, (products, tokens) in zip(expected.values(), seen, strict=True):
        # DeBERTa's table of distances is an input too, once a pass: here there are two passes, of 16 windows and of 2.
        assert tokens == len(rows) if architecture != "deberta-v2" else tokens in (len(rows), 2 * len(rows))
        assert torch.allclose(products / tokens, rows.T @ rows / len(rows), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", [*CAUSAL, *MASKED])
@pytest.mark.parametrize("method", ["wanda", "sparsegpt"])
def test_half_of_every_layer_goes_in_every_architecture(method: str, architecture: str, folder: Path) -> None:
    module, tokenizer = model_of(architecture)
    facts = facts_of(module, tokenizer, folder, step_of(method))
    assert facts["sparsity"] == pytest.approx(0.5, abs=1e-9)
    assert all(shares == {"least": 0.5, "most": 0.5} for shares in facts["sparsity_by_kind"].values())
    assert 0 < facts["output_error"]["mean"] <= facts["output_error"]["most"] < 1
    assert facts["notes"] == ()
    assert not module.training
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert bool(torch.isfinite(module(input_ids=torch.tensor([[5, 6, 7]])).logits).all())


def wanda_by_hand(module: Any, name: str, rows: torch.Tensor) -> torch.Tensor:
    weight = module.get_submodule(name).weight.detach().double()
    gone = lowest_by_row(weight.abs() * rows.double().square().sum(0).sqrt(), weight.shape[1] // 2)
    return torch.where(gone, 0.0, weight).float()


def test_every_block_is_scored_on_what_the_pruned_blocks_before_it_give(folder: Path) -> None:
    found, tokenizer = model_of("llama")
    facts_of(found, tokenizer, folder, step_of())
    windows = calibration_of(found, step_of(), Materials(tokenizer=tokenizer, root=folder)).windows
    plain, _ = model_of("llama")
    before = inputs_of(plain, windows)
    for block in ("layers.0.", "layers.1."):
        given = inputs_of(plain, windows)
        names = [name for name in given if block in name]
        after = {name: wanda_by_hand(plain, name, given[name]) for name in names}
        for name, weight in after.items():
            assert torch.equal(found.get_submodule(name).weight, weight), name
        one_shot = [wanda_by_hand(plain, name, before[name]) for name in names]
        same = all(torch.equal(one, weight) for one, weight in zip(one_shot, after.values(), strict=True))
        # On the unpruned model's inputs the second block would lose other weights: this test can fail.
        assert same == (block == "layers.0.")
        for name, weight in after.items():
            plain.get_submodule(name).weight.data.copy_(weight)


@pytest.mark.parametrize("method", ["wanda", "sparsegpt"])
def test_patterns_hold_in_every_output(method: str, folder: Path) -> None:
    for architecture in ("llama", "gpt2"):
        module, tokenizer = model_of(architecture)
        facts = facts_of(module, tokenizer, folder, step_of(method, pattern="2:4"))
        blocks = module.model.layers if architecture == "llama" else module.transformer.h
        for _, matrix in linear_parts(blocks):
            assert bool(((matrix.reshape(-1, 4) != 0).sum(1) == 2).all())
        assert facts["sparsity"] == 0.5


def test_the_change_of_outputs_is_measured_on_the_calibration_text(folder: Path) -> None:
    module, tokenizer = model_of("llama")
    step = step_of(samples=2)  # 64 tokens: all of them are compared
    windows = calibration_of(module, step, Materials(tokenizer=tokenizer, root=folder)).windows
    given, before = inputs_of(module, windows), {n: p.detach().clone() for n, p in module.named_parameters()}
    facts = facts_of(module, tokenizer, folder, step)
    first = [name for name in given if "layers.0." in name]
    for name in first:
        was, now = before[f"{name}.weight"], module.get_submodule(name).weight.detach()
        error = float(((now - was) @ given[name].T).norm() / (was @ given[name].T).norm())
        assert error <= facts["output_error"]["most"] + 1e-6
        if name == facts["output_error"]["most_at"]:
            assert error == pytest.approx(facts["output_error"]["most"], rel=1e-4)
    assert facts["output_error"]["tokens"] == 64


def test_the_same_seed_gives_the_same_weights_and_another_other_ones(folder: Path) -> None:
    made = []
    for seed in (0, 0, 1):
        module, tokenizer = model_of("llama")
        facts_of(module, tokenizer, folder, step_of(seed=seed))
        made.append(module.model.layers[1].mlp.down_proj.weight)
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_the_size_of_the_batches_does_not_matter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for size in (32, 64, 10_000):
        monkeypatch.setattr(layerwise, "BATCH_TOKENS", size)
        module, tokenizer = model_of("bloom")  # its position bias is as long as the batch
        facts_of(module, tokenizer, folder, step_of("sparsegpt"))
        made.append(module.transformer.h[1].mlp.dense_h_to_4h.weight)
    assert torch.allclose(made[0], made[1], atol=1e-4)
    assert torch.allclose(made[0], made[2], atol=1e-4)


def test_what_stands_outside_the_blocks_is_named(folder: Path) -> None:
    module, tokenizer = model_of("electra")
    before = module.electra.embeddings_project.weight.clone()
    facts = facts_of(module, tokenizer, folder, step_of())
    assert facts["modules_skipped"] == [
        "electra.embeddings_project: outside the blocks",
        "generator_predictions.dense: belongs to the head",
        "generator_lm_head: belongs to the head",
    ]
    assert facts["modules_skipped_count"] == 3
    assert torch.equal(module.electra.embeddings_project.weight, before)


def from_config(kind: str, **settings: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, **settings})
    build: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    return build.from_config(config).eval()


def test_fused_experts_are_left_and_named_with_their_share(folder: Path) -> None:
    module = from_config("mixtral", **SMALL, num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2)
    experts = module.model.layers[0].mlp.experts.down_proj.clone()
    facts = facts_of(module, byte_tokenizer(), folder, step_of())
    assert "model.layers.0.mlp.experts.down_proj: fused experts (MixtralExperts)" in facts["modules_skipped"]
    assert torch.equal(module.model.layers[0].mlp.experts.down_proj, experts)
    # A block has 32 x (32 + 16 + 16 + 32) weights in linear layers, 4 x 3 x 32 x 48 in experts, 4 x 32 in the router.
    assert facts["notes"] == (
        "prune = 'wanda' left 86 % of the blocks' weights as they were: they are in no linear layer (fused experts, "
        "convolutions).",
    )
    assert facts["sparsity_by_kind"].keys() == {f"self_attn.{name}_proj" for name in "qkvo"}


def test_a_layer_whose_weight_is_used_without_running_it_is_left_and_named(folder: Path) -> None:
    facts = facts_of(tiny("mamba"), byte_tokenizer(), folder, step_of())
    assert "backbone.layers.0.mixer.dt_proj: the calibration text does not run through it" in facts["modules_skipped"]
    assert "left 2 linear layers" in facts["notes"][0]


class Routed(torch.nn.Module):
    """Two blocks of three experts each, one of which no token reaches, and a layer that is run twice in a pass."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = torch.nn.Embedding(300, 8)
        self.blocks = torch.nn.ModuleList([Experts(twice=False), Experts(twice=True)])

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.embed(input_ids)
        for block in self.blocks:
            hidden = block(hidden)
        return hidden


class Experts(torch.nn.Module):
    def __init__(self, twice: bool) -> None:
        super().__init__()
        self.shared = torch.nn.Linear(8, 8)
        self.experts = torch.nn.ModuleList([torch.nn.Linear(8, 8) for _ in range(3)])
        self.twice = twice

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        given: torch.Tensor = self.shared(hidden)
        if self.twice:
            given = self.shared(given.tanh())
        found = torch.zeros_like(given)
        for number, chosen in enumerate([given[..., 0] > 0, given[..., 0] <= 0]):
            if bool(chosen.any()):
                found[chosen] = self.experts[number](given[chosen])
        return hidden + found


def test_layers_that_see_some_tokens_twice_or_never_are_watched_through_every_batch(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layerwise, "BATCH_TOKENS", 32)  # a window a batch: batches reach unlike experts
    module, materials, seen = Routed(), Materials(tokenizer=byte_tokenizer(), root=folder), []

    def kept(matrix: torch.Tensor, products: torch.Tensor, tokens: int) -> torch.Tensor:
        seen.append((products.clone(), tokens))
        return matrix

    applied = prune_layer_by_layer(
        module, step_of(), materials, amount=Amount(sparsity=0.5), statistic=products_of, pruned=kept
    )
    expected: dict[int, list[torch.Tensor]] = {}
    layers = [part for block in module.blocks for part, _ in linear_parts(block)]
    for number, part in enumerate(layers):
        part.register_forward_pre_hook(
            lambda _, args, number=number: expected.setdefault(number, []).append(args[0].detach().reshape(-1, 8))
        )
    with torch.no_grad():
        module(input_ids=calibration_of(module, step_of(), materials).windows)
    assert sorted(expected) == [0, 1, 2, 4, 5, 6]
    for (products, tokens), number in zip(seen, sorted(expected), strict=True):
        rows = torch.cat(expected[number])
        assert tokens == len(rows)
        assert torch.allclose(products, rows.T @ rows, rtol=1e-4, atol=1e-4)
    assert len(expected[4]) == 2
    assert applied.facts["modules_skipped"] == [
        f"blocks.{block}.experts.2: the calibration text does not run through it" for block in (0, 1)
    ]


class Mixed(torch.nn.Module):
    """Two blocks that are handed something of the text beside the hidden states, or something made of them."""

    def __init__(self, beside: bool) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(300, 8)
        self.inner = torch.nn.ModuleList([Beside() if beside else Plain() for _ in range(2)])
        self.beside = beside

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        first = hidden = self.embed(input_ids)
        for block in self.inner:
            hidden = block(hidden, first=first) if self.beside else block(2 * hidden)
        return hidden  # type: ignore[no-any-return]  # modules are untyped


class Plain(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(8, 8)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.linear(hidden)  # type: ignore[no-any-return]  # modules are untyped


class Beside(Plain):
    def forward(self, hidden: torch.Tensor, first: torch.Tensor | float = 0.0) -> torch.Tensor:
        return self.linear(hidden + first)  # type: ignore[no-any-return]  # modules are untyped


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: tiny_masked("albert"), ["AlbertForMaskedLM", "run more than once"]),
        (
            lambda: from_config("t5", vocab_size=300, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4),
            ["T5ForConditionalGeneration", "an encoder's and a decoder's"],
        ),
        (lambda: Mixed(beside=True), ["block 0 of inner is given 'first'", "depends on the text"]),
        (lambda: Mixed(beside=False), ["block 1 is not given what block 0 gave"]),
        (Plain, ["Plain", "no list of blocks"]),
        (lambda: torch.nn.ModuleList([torch.nn.ReLU()]), ["no linear layer"]),
    ],
)
def test_a_model_that_cannot_be_run_block_by_block_is_refused(build: Any, says: list[str], folder: Path) -> None:
    module = build()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    tokenizer = wordpiece_tokenizer() if "Albert" in type(module).__name__ else byte_tokenizer()
    with pytest.raises(RecipeError) as caught:
        facts_of(module, tokenizer, folder, step_of())
    assert all(text in str(caught.value) for text in says), str(caught.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


@pytest.mark.parametrize("block", [0, 1])
def test_a_model_that_gives_no_numbers_is_refused(block: int, folder: Path) -> None:
    module = tiny()
    module.model.layers[block].input_layernorm.weight.data[3] = float("nan")
    with pytest.raises(RecipeError, match="the model is broken"):
        facts_of(module, byte_tokenizer(), folder, step_of())


@pytest.mark.parametrize("method", ["wanda", "sparsegpt"])
def test_a_pattern_that_does_not_fit_is_refused_with_the_layer(method: str, folder: Path) -> None:
    with pytest.raises(RecipeError, match=r'"1:5".*32 inputs of model\.layers\.0\.self_attn\.q_proj'):
        facts_of(tiny(), byte_tokenizer(), folder, step_of(method, pattern="1:5", **BLOCK[method]))


BLOCK: dict[str, dict[str, object]] = {"wanda": {}, "sparsegpt": {"block_size": 125}}


def test_half_precision_is_kept(folder: Path) -> None:
    module = tiny().to(torch.bfloat16)
    for method in ("wanda", "sparsegpt"):
        facts = facts_of(module, byte_tokenizer(), folder, step_of(method))
        assert facts["sparsity"] >= 0.5
        assert {parameter.dtype for parameter in module.parameters()} == {torch.bfloat16}

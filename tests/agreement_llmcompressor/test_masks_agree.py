"""Our Wanda and SparseGPT beside llm-compressor's, on SmolLM2 and the same 64 x 128 tokens. Run: tox run -e llmcompressor

Both see the same windows block by block. What differs is rounding: the batches are ours, so sums are added in another
order, and of two scores that are equal to seven digits now one and now the other is lower. A weight that goes the other
way changes what the next block is given, so agreement is exact in the first block and falls from there.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.pruning.calibration import calibration_of
from pytest_biasaudit.compression.pruning.lowest import Amount
from pytest_biasaudit.compression.pruning.sparsegpt import products_of, sparsegpt
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.models.causal import CausalModel
from tests.agreement_llmcompressor.their_pruning import same_fate, shortened, their_child, write_calibration, zeros

pytestmark = [pytest.mark.real_model, pytest.mark.slow]


@pytest.fixture(autouse=True)
def llm_compressor() -> None:
    """Skips where it is not installed. Not at import: a file that is not collected could be forgotten."""
    pytest.importorskip("llmcompressor", reason="llm-compressor is installed by its own environment only")


def both(
    smollm2: CausalModel, folder: Path, settings: dict[str, Any], modifier: Any, *, blocks: int
) -> tuple[Any, Any, dict[str, float]]:
    """Our child, theirs, and the share of weights with the same fate by layer."""
    parent = shortened(smollm2.module, blocks)
    step = read_step({**settings, "calibration": write_calibration(folder).name})
    materials = Materials(tokenizer=smollm2.tokenizer, root=folder)
    windows = calibration_of(parent, step, materials).windows
    assert windows.shape == (64, 128)
    ours, theirs = copy.deepcopy(parent), copy.deepcopy(parent)
    apply_recipe(ours, [step], materials=materials)
    their_child(theirs, modifier, windows)
    return ours, theirs, same_fate(ours, theirs)


def first_block(shares: dict[str, float]) -> float:
    return min(share for name, share in shares.items() if ".layers.0." in name)


def shown(capsys: pytest.CaptureFixture[str], what: str, shares: dict[str, float], ours: Any, theirs: Any) -> float:
    """Prints the agreement; gives its mean over layers."""
    mean = sum(shares.values()) / len(shares)
    worst = min(shares, key=lambda name: shares[name])
    with capsys.disabled():
        print(
            f"\n  {what}: weights with the same fate {mean:.5f}, in the first block at least {first_block(shares):.5f}"
        )
        print(f"    least {shares[worst]:.5f} in {worst}; zeros: ours {zeros(ours):.5f}, theirs {zeros(theirs):.5f}")
    return mean


@pytest.mark.parametrize("pattern", [None, "2:4"])
def test_wanda_removes_the_same_weights(
    smollm2: CausalModel, tmp_path: Path, pattern: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    from llmcompressor.modifiers.pruning import WandaPruningModifier

    modifier = WandaPruningModifier(sparsity=0.5, mask_structure=pattern or "0:0", ignore=["lm_head"])
    settings = {"prune": "wanda", **({"pattern": pattern} if pattern else {"sparsity": 0.5})}
    ours, theirs, shares = both(smollm2, tmp_path, settings, modifier, blocks=4)
    assert shown(capsys, f"wanda {pattern or '50 %'}, 4 blocks", shares, ours, theirs) > 0.999
    assert first_block(shares) > 0.99999
    assert min(shares.values()) > 0.99


@pytest.mark.parametrize("pattern", [None, "2:4"])
def test_sparsegpt_removes_nearly_the_same_weights(
    smollm2: CausalModel, tmp_path: Path, pattern: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a pattern they remove one weight more in each block of columns; and see the next test."""
    from llmcompressor.modifiers.pruning import SparseGPTModifier

    modifier = SparseGPTModifier(sparsity=0.5, mask_structure=pattern or "0:0", ignore=["lm_head"])
    settings = {"prune": "sparsegpt", **({"pattern": pattern} if pattern else {"sparsity": 0.5})}
    ours, theirs, shares = both(smollm2, tmp_path, settings, modifier, blocks=2)
    assert shown(capsys, f"sparsegpt {pattern or '50 %'}, 2 blocks", shares, ours, theirs) > 0.98
    assert first_block(shares) > 0.998
    assert min(shares.values()) > 0.95


@pytest.mark.parametrize("name", ["self_attn.q_proj", "mlp.down_proj"])
@pytest.mark.parametrize("pattern", [None, "2:4"])
def test_sparsegpt_is_the_same_when_they_too_factor_in_double_precision_and_count_as_asked(
    smollm2: CausalModel,
    tmp_path: Path,
    name: str,
    pattern: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One layer, one matrix of products. Their threshold removes one weight a block more, and where a few inputs are very
    large, as before SmolLM2's second down_proj, that one and single precision move many others.
    """
    from llmcompressor.modifiers.pruning.sparsegpt import sgpt_sparsify

    parent = shortened(smollm2.module, 2)
    step = read_step({"prune": "sparsegpt", "calibration": write_calibration(tmp_path).name, "samples": 16})
    windows = calibration_of(parent, step, Materials(tokenizer=smollm2.tokenizer, root=tmp_path)).windows
    layer = parent.model.layers[1].get_submodule(name)
    given: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, args: given.append(args[0].reshape(-1, args[0].shape[-1])))
    with torch.no_grad():
        parent(input_ids=windows, logits_to_keep=1)
    hook.remove()
    hessian = products_of(given[0]) * 2 / len(given[0])
    kept, of = (2, 4) if pattern else (0, 0)
    ours = sparsegpt(
        layer.weight.detach(), hessian, amount=Amount(sparsity=0.5, kept=kept, of=of), block_size=128, damp=0.01
    )

    def theirs(precision: torch.dtype, asked: float) -> torch.Tensor:
        monkeypatch.setattr(sgpt_sparsify, "SGPT_PRECISION", precision)
        with torch.no_grad():
            _, found = sgpt_sparsify.sparsify_weight(
                layer,
                {layer: hessian.to(precision, copy=True)},
                asked,
                kept,
                of,
                128,
                0.01,
                preserve_sparsity_mask=False,
            )
        return torch.as_tensor(found).float()

    exact = 0.5 - 0.5 / (128 * len(layer.weight))  # their k-th smallest is counted from 0, and goes too
    lines = {}
    for words, precision, asked in (
        ("as they are", torch.float32, 0.5),
        ("counted as asked", torch.float32, exact),
        ("in double precision, counted as asked", torch.float64, exact),
    ):
        other = theirs(precision, asked)
        share = float(((ours == 0) == (other == 0)).double().mean())
        lines[words] = (share, float(torch.linalg.norm(ours - other) / torch.linalg.norm(ours)))
    with capsys.disabled():
        print(
            f"\n  sparsegpt {pattern or '50 %'}, {name} of the second block, weights with the same fate and distance:"
        )
        for words, (share, distance) in lines.items():
            print(f"    {words}: {share:.6f}, {distance:.1e}")
    assert lines["as they are"][0] > 0.99
    assert lines["in double precision, counted as asked"][0] == 1
    assert lines["in double precision, counted as asked"][1] < 1e-5

"""How long pruning SmolLM2 takes, on two threads: 106 million weights in 210 linear layers. Run: tox run -e bench

Beside llm-compressor, which lives in an environment of its own, on the same windows: tox run -e llmcompressor
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.pruning.calibration import calibration_of
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.models.causal import CausalModel
from tests.agreement_llmcompressor.their_pruning import their_child, write_calibration
from tests.side_by_side import in_turn, ratio, timed

pytestmark = [pytest.mark.benchmarks, pytest.mark.real_model]

THREADS = 2


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def materials(smollm2: CausalModel, tmp_path: Path) -> Materials:
    write_calibration(tmp_path)
    return Materials(tokenizer=smollm2.tokenizer, root=tmp_path)


def seconds(smollm2: CausalModel, materials: Materials, **raw: object) -> float:
    """Seconds to prune a copy; the copying is not counted."""
    module, step = copy.deepcopy(smollm2.module), read_step(raw)
    return timed(lambda: apply_recipe(module, [step], materials=materials))


@pytest.mark.parametrize("amount", [{"sparsity": 0.5}, {"pattern": "2:4"}])
def test_magnitude_takes_less_than_three_seconds(
    smollm2: CausalModel, materials: Materials, amount: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    found = [seconds(smollm2, materials, prune="magnitude", **amount) for _ in range(3)]
    with capsys.disabled():
        print(f"\n  magnitude {amount}: {min(found):.2f} s, at most {max(found):.2f}   (below 3)")
    assert min(found) < 3


@pytest.mark.parametrize("amount", [{"sparsity": 0.5}, {"pattern": "2:4"}])
def test_wanda_on_64_windows_of_128_tokens_takes_less_than_thirty_seconds(
    smollm2: CausalModel, materials: Materials, amount: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    found = seconds(smollm2, materials, prune="wanda", calibration="calibration.txt", **amount)
    ids = torch.zeros((4, 128), dtype=torch.long)
    body: Any = smollm2.module.model
    with torch.no_grad():
        body(input_ids=ids, use_cache=False)
        floor = 2 * 16 * min(timed(lambda: body(input_ids=ids, use_cache=False)) for _ in range(5))
    with capsys.disabled():
        print(f"\n  wanda {amount}: {found:.1f} s   (below 30); two plain passes over the windows take {floor:.1f} s")
    assert found < 30


def test_sparsegpt_is_measured(smollm2: CausalModel, materials: Materials, capsys: pytest.CaptureFixture[str]) -> None:
    found = seconds(smollm2, materials, prune="sparsegpt", calibration="calibration.txt")
    with capsys.disabled():
        print(f"\n  sparsegpt 50 %: {found:.1f} s   (no bound)")
    assert found > 0


@pytest.mark.parametrize("batch_size", [1, 4])
def test_wanda_is_not_slower_than_llm_compressors(
    smollm2: CausalModel, materials: Materials, batch_size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    pruning = pytest.importorskip(
        "llmcompressor.modifiers.pruning", reason="llm-compressor is installed by its own environment only"
    )
    step = read_step({"prune": "wanda", "calibration": "calibration.txt"})
    windows = calibration_of(smollm2.module, step, materials).windows

    def ours() -> None:
        apply_recipe(copy.deepcopy(smollm2.module), [step], materials=materials)

    def theirs() -> None:
        modifier = pruning.WandaPruningModifier(sparsity=0.5, ignore=["lm_head"])
        their_child(copy.deepcopy(smollm2.module), modifier, windows, batch_size=batch_size)

    mine, other = in_turn(ours, theirs, rounds=2)
    with capsys.disabled():
        print(f"\n  wanda, llm-compressor with batches of {batch_size} / ours: {ratio(other, mine):.2f}   (at least 1)")
        print(f"    ours {min(mine):.1f} s, theirs {min(other):.1f} s, whole SmolLM2, 64 x 128 tokens")
    assert ratio(other, mine) >= 1

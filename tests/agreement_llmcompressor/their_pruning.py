"""llm-compressor's pruning of a module on given windows, and how far two children agree on what goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pytest_biasaudit.compression.linear import linear_weights

DOCS = Path(__file__).resolve().parents[2] / "docs"


def write_calibration(folder: Path) -> Path:
    """A calibration text of our own: the documentation of this package."""
    path = folder / "calibration.txt"
    pages = sorted(DOCS.glob("*/*.md"))
    path.write_text("\n".join(page.read_text(encoding="utf-8") for page in pages), encoding="utf-8")
    return path


def shortened(module: Any, blocks: int) -> Any:
    """The first blocks of a llama, which share their weights with the whole one."""
    import copy

    config = copy.deepcopy(module.config)
    config.num_hidden_layers = blocks
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:blocks]
    with torch.device("meta"):
        short = type(module)(config)
    short.model = copy.copy(module.model)
    short.model._modules = dict(module.model._modules)
    short.model.layers = torch.nn.ModuleList(list(module.model.layers)[:blocks])
    short.model.config = config
    short.lm_head = module.lm_head
    return short.eval()


def their_child(module: Any, modifier: Any, windows: torch.Tensor, *, batch_size: int = 1) -> None:
    """Prunes in place with a modifier of llm-compressor, block by block, on these windows in this order."""
    from datasets import Dataset
    from llmcompressor import oneshot

    rows = {"input_ids": windows.tolist(), "attention_mask": torch.ones_like(windows).tolist()}
    oneshot(
        model=module,
        dataset=Dataset.from_dict(rows),
        recipe=modifier,
        num_calibration_samples=len(windows),
        max_seq_length=windows.shape[1],
        shuffle_calibration_samples=False,
        batch_size=batch_size,
    )


def same_fate(one: Any, other: Any) -> dict[str, float]:
    """By layer, the share of weights that both set to zero or both kept."""
    layers = zip(linear_weights(one, lm_head=False), linear_weights(other, lm_head=False), strict=True)
    return {name: float(((a == 0) == (b == 0)).float().mean()) for (name, a, _), (_, b, _) in layers}


def zeros(module: Any) -> float:
    """Share of zeros in the linear layers."""
    weights = [weight for _, weight, _ in linear_weights(module, lm_head=False)]
    return 1 - sum(int(torch.count_nonzero(w)) for w in weights) / sum(w.numel() for w in weights)

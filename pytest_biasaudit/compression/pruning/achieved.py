"""What a pruning achieved, counted on the weights as they are afterwards; and what it cannot prune. Imports torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch

from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.compression.storage import stored_bytes
from pytest_biasaudit.errors import RecipeError

MOST_NAMED = 20


def sparsity_facts(module: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> dict[str, object]:
    """Zeros among the weights of the changed layers, in all and by kind of layer, and what the module takes to store.

    weights  by the layer's name, after the pruning
    """
    zeros = {name: weight.numel() - int(torch.count_nonzero(weight)) for name, weight in weights.items()}
    kinds: dict[str, list[float]] = {}
    for name, weight in weights.items():
        kinds.setdefault(kind_of(name), []).append(zeros[name] / weight.numel())
    total = sum(weight.numel() for weight in weights.values())
    return {
        "modules_changed": len(weights),
        "weights_changed": total,
        "sparsity": sum(zeros.values()) / total,
        "sparsity_by_kind": {kind: {"least": min(found), "most": max(found)} for kind, found in kinds.items()},
        "stored_bytes": stored_bytes(module),
    }


def skipped_facts(skipped: Sequence[str]) -> dict[str, object]:
    """What was left as it was, "name: reason"; the first of them named."""
    return {"modules_skipped": list(skipped[:MOST_NAMED]), "modules_skipped_count": len(skipped)}


def kind_of(name: str) -> str:
    """A layer's name without the number of its block and what stands before it: "self_attn.q_proj"."""
    return re.split(r"(?:^|\.)\d+\.", name)[-1]


def refuse_not_finite(name: str, weight: torch.Tensor, step: Step) -> None:
    """Raises RecipeError for weights among which one is NaN or infinite: no order of them means anything."""
    # A sum is finite only where every weight is; it is taken in float32, as half precision may overflow.
    if not bool(torch.isfinite(weight.data.float().sum())):
        raise RecipeError(
            f"{step.action} = {step.method!r}: the weights of {name} are not all finite: the model is broken"
        )

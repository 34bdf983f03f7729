"""Magnitude pruning: the smallest weights of each linear layer set to zero. Imports torch."""

from __future__ import annotations

import torch

from pytest_biasaudit.compression.linear import chosen_weights
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.recipe import Step
from pytest_biasaudit.compression.storage import stored_bytes


def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`."""
    sparsity = step.setting("sparsity")
    assert isinstance(sparsity, (int, float))
    changed, zeros, weights = [], 0, 0
    for name, weight, _ in chosen_weights(module, step):
        flat = weight.data.reshape(-1)
        count = round(sparsity * flat.numel())
        if count:
            flat[flat.abs().topk(count, largest=False).indices] = 0
        weight.data.copy_(flat.reshape(weight.shape))
        changed.append(name)
        zeros += int((flat == 0).sum())
        weights += flat.numel()
    facts: dict[str, object] = {
        "modules_changed": len(changed),
        "sparsity": zeros / weights,
        "stored_bytes": stored_bytes(module),
    }
    return Applied(module=module, facts=facts)

"""Round to nearest, applied to a module's linear layers; stored dequantised. Imports torch."""

from __future__ import annotations

import torch

from pytest_biasaudit.compression.linear import chosen_weights
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.quantization.round_to_nearest import round_to_nearest
from pytest_biasaudit.compression.recipe import Step
from pytest_biasaudit.compression.storage import stored_bytes
from pytest_biasaudit.errors import RecipeError


def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Raises RecipeError for a group size that does not divide a layer's inputs."""
    bits, group_size = step.setting("bits"), step.setting("group_size")
    assert isinstance(bits, int)
    assert group_size is None or isinstance(group_size, int)
    changed, weights, error, norm, packed = [], 0, 0.0, 0.0, 0.0
    for name, weight, transposed in chosen_weights(module, step):
        matrix = weight.data.T if transposed else weight.data
        if group_size is not None and matrix.shape[1] % group_size:
            raise RecipeError(
                f"quantize = 'rtn': group_size = {group_size} does not divide the {matrix.shape[1]} inputs of {name}; "
                "choose a divisor of every layer's inputs, or leave it out for one scale a row"
            )
        rounded = round_to_nearest(matrix, bits=bits, group_size=group_size)
        error += float((rounded - matrix).double().square().sum())
        norm += float(matrix.double().square().sum())
        weight.data.copy_(rounded.T if transposed else rounded)
        changed.append(name)
        weights += matrix.numel()
        packed += matrix.numel() * bits / 8 + 2 * matrix.numel() / (group_size or matrix.shape[1])
    facts: dict[str, object] = {
        "modules_changed": len(changed),
        "weights_changed": weights,
        "bits": bits,
        "relative_error": (error / norm) ** 0.5 if norm else 0.0,
        "packed_bytes": round(packed),
        "stored_bytes": stored_bytes(module),
        "note": "stored dequantised: the numerical effect of the format, not its saving in memory",
    }
    return Applied(module=module, facts=facts)

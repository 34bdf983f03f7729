"""Round to nearest, applied to a module's linear layers; stored dequantised. Imports torch."""

from __future__ import annotations

import math
from typing import Any

import torch

from pytest_biasaudit.compression.linear import chosen_layers, untie_head
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.quantization.chosen import LM_HEAD_LEFT, LM_HEAD_QUANTISED, LM_HEAD_UNTIED
from pytest_biasaudit.compression.quantization.round_to_nearest import one_thread, round_in_place
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.compression.storage import stored_bytes
from pytest_biasaudit.errors import RecipeError


@torch.no_grad()
def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Changes the module where it stands.

    "packed_bytes" is what the changed weights would take if they were packed: their levels, and for each stretch a step
    in 16 bits and, on an asymmetric grid, a zero point of as many bits as a level.

    Raises RecipeError for a group size that does not divide a layer's inputs, before anything is changed, and for
    weights that are not finite: a grid over infinity has no levels.
    """
    bits, group_size, symmetric = step.setting("bits"), step.setting("group_size"), bool(step.setting("symmetric"))
    assert isinstance(bits, int)
    assert group_size is None or isinstance(group_size, int)
    lm_head = bool(step.setting("lm_head"))
    chosen = chosen_layers(module, step)
    for one in chosen:
        inputs = tuple(one.layer.weight.shape)[0 if one.transposed else 1]  # type: ignore[arg-type]
        if group_size is not None and inputs % group_size:
            raise RecipeError(
                f"quantize = 'rtn': group_size = {group_size} does not divide the {inputs} inputs of {one.name}; "
                "choose a divisor of every layer's inputs, or leave it out for one scale a row"
            )
    untied = untie_head(module) if lm_head else False
    changed, weights, error, norm, packed = 0, 0, 0.0, 0.0, 0.0
    seen: set[int] = set()
    for one in chosen:
        weight: Any = one.layer.weight
        changed += 1
        if weight.data_ptr() in seen:  # two layers that share a weight
            continue
        seen.add(weight.data_ptr())
        matrix = weight.data.T if one.transposed else weight.data
        with one_thread():
            lost, whole = round_in_place(matrix, bits=bits, group_size=group_size, symmetric=symmetric)
        if not math.isfinite(whole):
            raise RecipeError(
                f"quantize = 'rtn': the weights of {one.name} are not all finite numbers; nothing can be rounded"
            )
        error, norm, weights = error + lost, norm + whole, weights + matrix.numel()
        stretches = matrix.numel() / (group_size or matrix.shape[1])
        packed += matrix.numel() * bits / 8 + stretches * (2 + (0 if symmetric else bits / 8))
    facts: dict[str, object] = {
        "modules_changed": changed,
        "weights_changed": weights,
        "bits": bits,
        "format": f"{'symmetric' if symmetric else 'asymmetric'} levels, stored dequantised",
        "lm_head": LM_HEAD_UNTIED if untied else LM_HEAD_QUANTISED if lm_head else LM_HEAD_LEFT,
        "relative_error": (error / norm) ** 0.5 if norm else 0.0,
        "packed_bytes": round(packed),
        "stored_bytes": stored_bytes(module),
    }
    return Applied(module=module, facts=facts)

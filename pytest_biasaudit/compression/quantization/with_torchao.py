"""torchao's quantisation: weights become tensors of its own classes inside the same Linear layers. Imports torchao at use."""

from __future__ import annotations

from typing import Any

import torch

from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.quantization.chosen import choose
from pytest_biasaudit.compression.quantization.quiet import quiet
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError

BITS = {"int8-dynamic": 8, "int8-weight-only": 8, "float8-weight-only": 8, "int4-weight-only": 4}
FORMATS = {
    "int8-dynamic": "int8 weights, one scale a row; activations to int8 at each call, one scale a token",
    "int8-weight-only": "int8 weights, one scale a row",
    "float8-weight-only": "float8_e4m3fn weights, one scale a row",
    "int4-weight-only": "int4 weights, packed, one scale and zero point a group",
}


@torch.no_grad()
def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Changes the module where it stands; a layer that torchao leaves is skipped by name.

    Raises RecipeError where torchao lacks what its format needs: packed int4 has kernels for CUDA only, in a package of
    its own.
    """
    with quiet():
        config = _config(step)
        from torchao.quantization import quantize_

        chosen = choose(module, step)
        wanted = {id(layer) for _, layer in chosen.layers}
        try:
            quantize_(module, config, filter_fn=lambda part, name: id(part) in wanted)
        except ImportError as error:
            raise RecipeError(
                f"quantize = {step.method!r} cannot run here: torchao says {str(error).rstrip('.')!r}, a package of CUDA "
                "kernels that comes with none of the extras"
            ) from error
    for name, layer in list(chosen.layers):
        if not hasattr(layer.weight, "__tensor_flatten__"):
            chosen.skip(name, "torchao left it")
    facts = chosen.facts(module, bits=BITS[step.method], format=FORMATS[step.method])
    return Applied(module=module, facts=facts)


def _config(step: Step) -> Any:
    from torchao import quantization

    # Settings of torch's compiler are global, and nobody compiles here: they are left as they are.
    if step.method == "int4-weight-only":
        return quantization.Int4WeightOnlyConfig(group_size=step.setting("group_size"), set_inductor_config=False)
    name = {
        "int8-dynamic": "Int8DynamicActivationInt8WeightConfig",
        "int8-weight-only": "Int8WeightOnlyConfig",
        "float8-weight-only": "Float8WeightOnlyConfig",
    }[step.method]
    return getattr(quantization, name)(set_inductor_config=False)

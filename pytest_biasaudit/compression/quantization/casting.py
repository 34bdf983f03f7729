"""A cast of every weight to a narrower float. Imports torch."""

from __future__ import annotations

import torch

from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.precision import cast_weights
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.compression.storage import stored_bytes, stored_tensors
from pytest_biasaudit.errors import RecipeError

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@torch.no_grad()
def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Raises RecipeError where a layer is quantised: what a cast does to one is its back end's affair.

    "saturated" counts the weights that float16 has no room for, which become infinite: such a child is broken.
    """
    dtype = DTYPES[step.method]
    for one in stored_tensors(module, sparsity=False):
        if one.quantised:
            raise RecipeError(
                f"quantize = {step.method!r}: {one.name} is quantised already ({one.dtype}); put this step before the one "
                "that quantises"
            )
    dtypes = {parameter.dtype for parameter in module.parameters()}
    if dtypes == {dtype}:
        raise RecipeError(
            f"quantize = {step.method!r}: every weight is {_named(dtype)} already; the child would be its parent"
        )
    weights = sum(parameter.numel() for parameter in module.parameters() if parameter.dtype != dtype)
    saturated = 0
    for parameter in module.parameters() if dtype is torch.float16 else ():
        saturated += int((parameter.abs() > torch.finfo(dtype).max).sum())
    cast_weights(module, dtype)
    facts: dict[str, object] = {
        "weights_changed": weights,
        "bits": 16,
        "format": _named(dtype),
        "dtype": _named(dtype),
        "stored_bytes": stored_bytes(module),
    }
    if not saturated:
        return Applied(module=module, facts=facts)
    note = f"{saturated} weights are larger than float16 can hold and became infinite: this child is broken."
    return Applied(module=module, facts={**facts, "saturated": saturated}, notes=(note,))


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")

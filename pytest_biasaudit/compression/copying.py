"""A copy of a module, quantised ones too. Imports torch and no back end.

Python's deepcopy asks each tensor to copy itself, which some wrappers cannot do (quanto's weights), and some tensors must
not (those that hqq computed with gradients). What they consist of can be copied.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from pytest_biasaudit.errors import RecipeError


def copy_of(module: torch.nn.Module) -> torch.nn.Module:
    """A module of its own with the same weights. What two names share in the module, they share in the copy.

    Raises RecipeError for a module that cannot be copied: it must be declared by its source, and loaded afresh.
    """
    memo: dict[int, Any] = {}
    for part in module.modules():
        for parameter in part._parameters.values():
            if parameter is not None and hasattr(parameter, "__tensor_flatten__") and id(parameter) not in memo:
                twin = torch.nn.Parameter(_rebuilt(parameter), requires_grad=parameter.requires_grad)
                memo[id(parameter)] = twin
        for tensor in _kept_beside(part):
            if tensor.grad_fn is not None:
                memo[id(tensor)] = tensor.detach().clone()
    try:
        return copy.deepcopy(module, memo)
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        raise RecipeError(
            f"the module ({type(module).__name__}) cannot be copied, and a child is made from a copy: "
            f"{str(error).partition(chr(10))[0]}; declare the model by its source, so that it is loaded afresh"
        ) from error


def _rebuilt(tensor: Any) -> torch.Tensor:
    """A wrapper around copies of what it wraps."""
    names, settings = tensor.__tensor_flatten__()
    inner = {}
    for name in names:
        held = getattr(tensor, name)
        inner[name] = _rebuilt(held) if hasattr(held, "__tensor_flatten__") else held.detach().clone()
    rebuilt: torch.Tensor = type(tensor).__tensor_unflatten__(inner, settings, tensor.size(), tensor.stride())
    return rebuilt


def _kept_beside(part: torch.nn.Module) -> list[torch.Tensor]:
    """Tensors that a layer keeps outside its parameters and buffers: hqq's scales, zero points and bias."""
    meta = part.__dict__.get("meta")
    found = [*(meta.values() if isinstance(meta, dict) else ()), part.__dict__.get("bias")]
    return [one for one in found if isinstance(one, torch.Tensor)]

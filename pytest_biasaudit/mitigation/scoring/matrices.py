"""The weights that are scored, as matrices of (outputs, inputs). Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from pytest_biasaudit.compression.linear import LinearLayer, linear_layers
from pytest_biasaudit.compression.structure.places import Place
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.scores import Floats


def weight_layers(module: torch.nn.Module) -> dict[str, LinearLayer]:
    """Every linear layer of the body, by name: the places of unit "weights". The head and embeddings are left alone.

    Raises RecipeError where there is none, and where one is quantised: its weights are levels, not numbers.
    """
    found = {one.name: one for one in linear_layers(module, lm_head=False)}
    if not found:
        raise RecipeError(f"weights of {type(module).__name__}: it has no linear layer in its body")
    for name, one in found.items():
        _refuse_quantised(name, one.layer.weight)
    return found


def matrix_sizes(layers: Mapping[str, LinearLayer]) -> dict[str, tuple[int, ...]]:
    """(outputs, inputs) of each layer, by name."""
    found: dict[str, tuple[int, ...]] = {}
    for name, one in layers.items():
        weight: Any = one.layer.weight
        rows, columns = weight.shape
        found[name] = (columns, rows) if one.transposed else (rows, columns)
    return found


def matrix_of(layer: LinearLayer) -> Floats:
    """(outputs, inputs) of a layer's weight in float32, a copy."""
    weight: Any = layer.layer.weight
    plain = weight.detach().float().cpu().numpy()
    return np.array(plain.T if layer.transposed else plain, dtype=np.float32, order="C")


def column_norms(module: torch.nn.Module, place: Place, *, what: str) -> Floats:
    """(count,) for each head or neuron of a place, the norm of all weights that read its output.

    what  that needs them, for the message
    Raises RecipeError for a quantised layer.
    """
    from transformers.pytorch_utils import Conv1D

    layer: Any = module.get_submodule(place.name)
    # A wrapper (an adapter's) holds the layer that it wraps.
    layer = getattr(layer, "base_layer", layer)
    _refuse_quantised(place.name, layer.weight, what=what)
    weight = layer.weight.detach().float()
    weight = weight.T if isinstance(layer, Conv1D) else weight
    squares = weight.double().square().sum(0).reshape(place.count, place.width).sum(1)
    return np.asarray(squares.sqrt().cpu().numpy(), dtype=np.float32)


def _refuse_quantised(name: str, weight: Any, *, what: str = "scores of its weights") -> None:
    if not isinstance(weight, torch.Tensor) or not weight.is_floating_point() or hasattr(weight, "__tensor_flatten__"):
        raise RecipeError(
            f"{name} is quantised ({type(weight).__name__}), so {what} cannot be had; score the model before the step "
            "that quantises it, or use method 'attention' or 'attribution'"
        )

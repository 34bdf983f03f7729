"""What a linear layer is, whatever class holds it: its inputs and outputs, and whether its weights can be edited.

Imports torch. Quantised layers count: what they compute is linear, though their weights cannot be written to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch

Side = Literal["input", "output"]
NO_PLAIN_WEIGHT = "it has no plain float weight"
FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Some inputs, or some outputs, of one linear layer: what a head or a neuron is made of."""

    name: str
    """Of the layer in the model."""
    side: Side
    units: tuple[int, ...]
    """Sorted numbers of the inputs or outputs, from 0."""


def sizes_of(part: torch.nn.Module) -> tuple[int, int] | None:
    """(inputs, outputs) of a linear layer of any class; None for any other module.

    GPT-2's Conv1D is one. So is whatever has whole numbers `in_features` and `out_features`, as all quantised linear
    layers do.
    """
    from transformers.pytorch_utils import Conv1D

    if isinstance(part, Conv1D):
        return int(part.nx), int(part.nf)
    found = (getattr(part, "in_features", None), getattr(part, "out_features", None))
    if isinstance(found[0], int) and isinstance(found[1], int):
        return found[0], found[1]
    return None


def editable(part: torch.nn.Module) -> bool:
    """Whether the layer is one plain float matrix, so that zeros written into its weight are what it computes with.

    False for weights that are quantised (int tensors, tensor subclasses), parametrised, or beside an adapter.
    """
    from transformers.pytorch_utils import Conv1D

    weight = part._parameters.get("weight")
    return (
        isinstance(part, (torch.nn.Linear, Conv1D))
        and type(weight) is torch.nn.Parameter
        and type(weight.data) is torch.Tensor
        and weight.dtype in FLOATS
        and weight.ndim == 2
        and weight.device.type != "meta"
    )


def uneditable(module: torch.nn.Module, names: Iterable[str]) -> dict[str, str]:
    """Of these linear layers, those that zeros shall not be written into, each with the reason.

    Beside those that are not `editable`, those whose weight another layer computes with too: it would lose what is zeroed.
    One layer that runs several times (ALBERT's) is none of them.
    """
    keepers: dict[int, list[str]] = {}
    for name, part in module.named_modules():
        for weight in part._parameters.values():
            if type(weight) is torch.nn.Parameter and type(weight.data) is torch.Tensor:
                keepers.setdefault(weight.data_ptr(), []).append(name)
    found = {}
    for name in names:
        part = module.get_submodule(name)
        if not editable(part):
            found[name] = NO_PLAIN_WEIGHT
            continue
        weight = part._parameters["weight"]
        assert weight is not None
        others = [one for one in keepers[weight.data_ptr()] if module.get_submodule(one) is not part]
        if others:
            found[name] = f"its weight is the weight of {others[0]} too"
    return found


def touched(part: torch.nn.Module, cut: Cut) -> list[torch.Tensor]:
    """The parameters of an editable layer that a cut concerns, seen so that the cut's units are rows; views, no copies.

    An input's weights are a column of a Linear's weight; an output's are a row and its bias. Conv1D keeps its weight
    the other way round.
    """
    from transformers.pytorch_utils import Conv1D

    weight = part._parameters["weight"]
    assert weight is not None
    by_output = weight.data.T if isinstance(part, Conv1D) else weight.data
    if cut.side == "input":
        return [by_output.T]
    bias = part._parameters.get("bias")
    return [by_output] if bias is None else [by_output, bias.data]

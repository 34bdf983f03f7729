"""Copies of modules that deepcopy alone cannot copy, by stand-ins for the back ends' tensors."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.copying import copy_of
from pytest_biasaudit.compression.storage import stored_bytes, stored_tensors, weight_count
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import tensors_sha256
from pytest_biasaudit.models.without_gradients import without_gradients


class Levels(torch.Tensor):
    """int8 levels and a scale that look like a float matrix, as a back end's weights do; cannot be cloned."""

    levels: torch.Tensor
    scale: torch.Tensor

    @staticmethod
    def __new__(cls, levels: torch.Tensor, scale: torch.Tensor) -> Any:
        made: Any = torch.Tensor._make_wrapper_subclass(cls, levels.shape, dtype=torch.float32)
        made.levels, made.scale = levels, scale
        return made

    def __init__(self, levels: torch.Tensor, scale: torch.Tensor) -> None:
        pass

    def __tensor_flatten__(self) -> tuple[list[str], dict[str, Any]]:
        return ["levels", "scale"], {"grid": "symmetric"}

    @staticmethod
    def __tensor_unflatten__(inner: Any, settings: Any, size: Any, stride: Any) -> Any:
        return Levels(inner["levels"], inner["scale"])

    def dequantize(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return self.levels * self.scale

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        if function is torch.ops.aten.detach.default:
            return Levels(args[0].levels, args[0].scale)
        raise NotImplementedError(str(function))


def packed(rows: int = 4) -> torch.nn.Linear:
    layer = torch.nn.Linear(8, rows, bias=False)
    levels = torch.arange(8 * rows).reshape(rows, 8).to(torch.int8)
    layer.weight = torch.nn.Parameter(Levels(levels, torch.full((rows, 1), 0.5)), requires_grad=False)
    return layer


def test_a_wrapper_is_rebuilt_around_copies_of_what_it_holds() -> None:
    model = torch.nn.Sequential(packed(), torch.nn.Linear(4, 2))
    twin = copy_of(model)
    assert tensors_sha256(twin) == tensors_sha256(model)
    mine, its = model[0].weight, twin.get_submodule("0").weight
    assert isinstance(mine, Levels)
    assert isinstance(its, Levels)
    its.levels.fill_(1)
    assert int(mine.levels[0, 3]) == 3
    assert tensors_sha256(twin) != tensors_sha256(model)


def test_what_two_names_share_they_share_in_the_copy() -> None:
    layer = packed()
    twin: Any = copy_of(torch.nn.Sequential(layer, layer))
    assert twin[0] is twin[1]
    other = torch.nn.Linear(8, 4, bias=False)
    other.weight = layer.weight
    twin = copy_of(torch.nn.Sequential(layer, other))
    assert twin[0].weight is twin[1].weight


def test_a_wrapper_is_counted_by_what_it_holds_and_hashed_by_it_too() -> None:
    model = torch.nn.Sequential(packed(), packed())  # of one shape: neither stands for the other
    found = list(stored_tensors(model))
    assert [(one.name, one.dtype, one.bytes, one.numel) for one in found] == [
        ("0.weight", "int8", 32 + 16, 32),
        ("1.weight", "int8", 32 + 16, 32),
    ]
    assert found[0].quantised
    assert found[0].sparsity == 1 / 32  # level 0
    assert stored_bytes(model) == 96
    assert weight_count(model) == 64
    before = tensors_sha256(model)
    second: Any = model[1].weight
    second.scale[2] = 0.25
    assert tensors_sha256(model) != before


def test_weights_in_wrappers_of_wrappers_are_not_asked_in_inference_mode() -> None:
    with without_gradients(packed()):
        assert torch.is_inference_mode_enabled()
    nested = torch.nn.Linear(8, 4, bias=False)
    inner: Any = Levels(torch.zeros(4, 8, dtype=torch.int8), torch.ones(4, 1))
    nested.weight = torch.nn.Parameter(Levels(inner, torch.ones(4, 1)), requires_grad=False)
    with without_gradients(nested):
        assert not torch.is_inference_mode_enabled()
        assert not torch.is_grad_enabled()


def test_a_module_that_cannot_be_copied_is_refused_with_what_to_do() -> None:
    class Holding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)
            self.left = self.layer(torch.ones(1, 2))  # no leaf of the graph

    with pytest.raises(RecipeError, match=r"the module \(Holding\) cannot be copied.*declare the model by its source"):
        copy_of(Holding())

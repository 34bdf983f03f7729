"""A model lent for a backward pass that changes nothing of it. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.causal import CausalModel


@contextmanager
def differentiated(model: CausalModel) -> Iterator[None]:
    """Gradients on inside, in evaluation mode, and none of them in a parameter; all as it was after, whatever is raised."""
    tree_pass = model.tree_pass  # proved before, without gradients
    learning = [parameter for parameter in tree_pass.module.parameters() if parameter.requires_grad]
    try:
        for parameter in learning:
            parameter.requires_grad_(False)
        with model._borrowed(), torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


def watched(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, or where nothing before it is differentiated a copy that is the beginning of what is."""
    if tensor.requires_grad:
        return tensor
    # A leaf may not be written over in place, which some models do with what a layer gave them.
    return tensor.detach().clone().requires_grad_(True).view_as(tensor).clone()


def backward(model: CausalModel, total: torch.Tensor) -> None:
    """Runs the backward pass, for what hooks see of it.

    Raises RecipeError where nothing can be differentiated: a quantised layer that knows no derivative.
    """
    if not total.requires_grad:
        raise RecipeError(
            f"{model.identity.name}: no derivative passes through its layers ({type(model.module).__name__}), so it cannot "
            "be scored by one; score the model before it is quantised, or use method 'ablation' or 'attention'"
        )
    torch.autograd.backward(total)

"""Which layers a recipe changes: the linear ones of a module's body, whatever their class keeps first. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from pytest_biasaudit.compression.recipe import Step
from pytest_biasaudit.errors import RecipeError


def linear_weights(module: torch.nn.Module, *, lm_head: bool) -> Iterator[tuple[str, torch.Tensor, bool]]:
    """(name, weight, transposed) of every linear layer; transposed: the weight is (in, out), as GPT-2's Conv1D keeps it.

    The head is left out unless asked for: where it is tied, it is the input embedding too. The head is the layer that
    gives the logits, and whatever stands outside the body with it, such as the transform of a masked language model's.
    So a masked language model and its encoder have the same layers changed.
    """
    from transformers.pytorch_utils import Conv1D

    finder = getattr(module, "get_output_embeddings", None)
    head = finder() if callable(finder) else None
    body = getattr(module, "base_model", module)
    inside = {id(part) for part in body.modules()} if isinstance(body, torch.nn.Module) else None
    for name, part in module.named_modules():
        kept = lm_head or (part is not head and (inside is None or id(part) in inside))
        if isinstance(part, (torch.nn.Linear, Conv1D)) and kept:
            yield name, part.weight, isinstance(part, Conv1D)


def chosen_weights(module: torch.nn.Module, step: Step) -> list[tuple[str, Any, bool]]:
    """What `linear_weights` gives for a step's `lm_head`. Raises RecipeError where there is no linear layer."""
    found = list(linear_weights(module, lm_head=bool(step.setting("lm_head"))))
    if not found:
        raise RecipeError(
            f"{step.action} = {step.method!r}: the model ({type(module).__name__}) has no linear layer to change; "
            "the child would be its parent"
        )
    return found

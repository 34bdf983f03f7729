"""Which layers a recipe changes: the linear ones of a module's body, whatever their class keeps first. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class LinearLayer:
    """A linear layer of a module."""

    name: str
    layer: torch.nn.Module
    transposed: bool
    """Its weight is (in, out), as GPT-2's Conv1D keeps it."""
    head: bool
    """It gives the logits."""


def linear_layers(module: torch.nn.Module, *, lm_head: bool) -> Iterator[LinearLayer]:
    """Every linear layer, each once, in the module's order.

    The head is left out unless asked for: where it is tied, it is the input embedding too. The head is the layer that
    gives the logits, and whatever stands outside the body with it, such as the transform of a masked language model's.
    So a masked language model and its encoder have the same layers changed.
    """
    from transformers.pytorch_utils import Conv1D

    head = head_of(module)
    body = getattr(module, "base_model", module)
    inside = {id(part) for part in body.modules()} if isinstance(body, torch.nn.Module) else None
    for name, part in module.named_modules():
        kept = lm_head or (part is not head and (inside is None or id(part) in inside))
        if isinstance(part, (torch.nn.Linear, Conv1D)) and kept:
            yield LinearLayer(name=name, layer=part, transposed=isinstance(part, Conv1D), head=part is head)


def linear_weights(module: torch.nn.Module, *, lm_head: bool) -> Iterator[tuple[str, torch.Tensor, bool]]:
    """(name, weight, transposed) of every layer that `linear_layers` gives."""
    for found in linear_layers(module, lm_head=lm_head):
        weight: Any = found.layer.weight
        yield found.name, weight, found.transposed


def stacked_matrices(module: torch.nn.Module) -> dict[str, int]:
    """Weights of each part that holds several matrices in one tensor, by path: the experts of a mixture.

    They are no linear layers, and no method that changes linear layers changes them. Convolutions are not counted.
    """
    found: dict[str, int] = {}
    for path, part in module.named_modules():
        if type(part).__module__ == "torch.nn.modules.conv":
            continue
        count = sum(one.numel() for one in part._parameters.values() if one is not None and one.ndim > 2)
        if count:
            found[path] = count
    return found


def chosen_layers(module: torch.nn.Module, step: Step) -> list[LinearLayer]:
    """What `linear_layers` gives for a step's `lm_head`.

    Raises RecipeError where there is no linear layer, and where one is quantised: its weights are levels, not numbers.
    """
    found = list(linear_layers(module, lm_head=bool(step.setting("lm_head"))))
    if not found:
        raise RecipeError(
            f"{step.action} = {step.method!r}: the model ({type(module).__name__}) has no linear layer to change; "
            "the child would be its parent"
        )
    for one in found:
        weight: Any = one.layer.weight
        if not weight.is_floating_point() or hasattr(weight, "__tensor_flatten__"):
            raise RecipeError(
                f"{step.action} = {step.method!r}: {one.name} is quantised already ({type(weight).__name__}), so its "
                "weights cannot be changed any more; put this step before the one that quantises"
            )
    return found


def chosen_weights(module: torch.nn.Module, step: Step) -> list[tuple[str, Any, bool]]:
    """(name, weight, transposed) of every layer that `chosen_layers` gives. Raises RecipeError as it does."""
    return [(one.name, one.layer.weight, one.transposed) for one in chosen_layers(module, step)]


def head_of(module: torch.nn.Module) -> torch.nn.Module | None:
    """The layer that gives the logits, where the module names one."""
    finder = getattr(module, "get_output_embeddings", None)
    head = finder() if callable(finder) else None
    return head if isinstance(head, torch.nn.Module) else None


def head_is_tied(module: torch.nn.Module) -> bool:
    """Whether the head's weight is the input embedding's: a change of one is a change of the other."""
    finder = getattr(module, "get_input_embeddings", None)
    embedding: Any = finder() if callable(finder) else None
    one, other = getattr(embedding, "weight", None), getattr(head_of(module), "weight", None)
    return isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor) and one.data_ptr() == other.data_ptr()


def untie_head(module: torch.nn.Module, *, copy: bool = True) -> bool:
    """Gives a tied head a weight of its own, and says whether it was tied. The input embedding stays as it is.

    copy  False where the caller is about to give the head another weight anyway: then nothing is copied
    The configuration says so too, so that saving and loading the module does not tie the two again.
    """
    if not head_is_tied(module):
        return False
    head: Any = head_of(module)
    if copy:
        head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=head.weight.requires_grad)
    config: Any = getattr(module, "config", None)
    inner: Any = config.get_text_config() if hasattr(config, "get_text_config") else None
    for settings in (config, inner):
        if getattr(settings, "tie_word_embeddings", False):
            settings.tie_word_embeddings = False
    names = {name for name, part in module.named_modules() if part is head}
    tied: Any = getattr(module, "all_tied_weights_keys", None)
    for name in names if isinstance(tied, dict) else ():
        tied.pop(f"{name}.weight", None)
    return True


def replace_layer(module: torch.nn.Module, old: torch.nn.Module, new: torch.nn.Module) -> None:
    """Puts a layer in another's place, under every name that leads to it."""
    for part in list(module.modules()):
        for name, child in list(part._modules.items()):
            if child is old:
                part._modules[name] = new

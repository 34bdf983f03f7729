"""A model made from a copy of another by an intervention, with an identity that says so. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_biasaudit.compression.copying import copy_of
from pytest_biasaudit.errors import ModelError, RecipeError
from pytest_biasaudit.models.identity import config_sha256
from pytest_biasaudit.models.transformer import TransformerModel

if TYPE_CHECKING:
    import torch

M = TypeVar("M", bound=TransformerModel)
UPSTREAM = "upstream"
"""Key of the intervention's name in a recipe."""


def derived(
    parent: M,
    change: Callable[[torch.nn.Module], Mapping[str, object]],
    *,
    method: str,
    settings: Mapping[str, object],
    seed: int | None,
    name: str | None = None,
) -> M:
    """A model made by changing a copy of the parent's module in place; the parent stays as it is, bit for bit.

    change    what is done to the copy; gives what was achieved, for the record
    settings  for the recipe, plain values; the seed stands beside them
    seed      None: nothing was drawn
    name      None: the parent's, and the method's behind it

    Raises ModelError for a parent that was changed since it was loaded, and RecipeError where the change leaves the model
    as it was, changes the parent, or gives numbers that are not finite.
    """
    parent.refuse_if_changed()
    module = copy_of(parent.module)
    facts = dict(change(module))
    module.eval()
    step: dict[str, object] = {UPSTREAM: method, **{key: value for key, value in settings.items() if value is not None}}
    if seed is not None:
        step["seed"] = seed
    identity = replace(
        parent.identity,
        name=name or f"{parent.identity.name}-{method}",
        config_sha256=config_sha256(module),
        parent=parent.identity.name,
        parent_digest=parent.identity.digest,
        recipe=(step,),
        achieved=facts,
    )
    child = type(parent)(module, parent.tokenizer, identity, parent=parent)
    child.settle(replace(identity, weights_sha256=child.tensors_sha256))
    if child.tensors_sha256 == parent.tensors_sha256:
        raise RecipeError(
            f"{UPSTREAM} = {method!r} left {parent.identity.name} as it was; the child would be its parent"
        )
    broken = _not_finite(module)
    if broken:
        raise RecipeError(
            f"{UPSTREAM} = {method!r}: {broken} holds numbers that are not finite; choose a smaller change"
        )
    try:
        parent.refuse_if_changed()
    except ModelError as fault:
        raise RecipeError(f"{UPSTREAM} = {method!r} changed the parent it was to make a child of: {fault}") from fault
    return child


def refuse_quantised(module: torch.nn.Module, *, method: str) -> None:
    """Raises RecipeError for a module with weights that are no plain numbers."""
    import torch

    for key, one in module.named_parameters():
        if not one.is_floating_point() or type(one.data) is not torch.Tensor:
            raise RecipeError(
                f"{UPSTREAM} = {method!r} writes into weights, and {key} is quantised; intervene first, then quantise"
            )
    if any(hasattr(part, "_packed_params") for part in module.modules()):
        raise RecipeError(f"{UPSTREAM} = {method!r} writes into weights, and these are packed; intervene first")


def refuse_foreign(module: Any, *, method: str) -> None:
    """Raises RecipeError for what is no model of transformers."""
    from transformers import PreTrainedModel

    if not isinstance(module, PreTrainedModel):
        raise RecipeError(f"{UPSTREAM} = {method!r} needs a model of transformers; this is a {type(module).__name__}")


def _not_finite(module: torch.nn.Module) -> str:
    import torch

    for key, one in module.named_parameters():
        if one.is_floating_point() and not bool(torch.isfinite(one).all()):
            return key
    return ""

"""A child model: its parent's weights with a recipe applied, and an identity that names both. Imports torch.

The parent is given back as it was: a child of a live model is made from a copy, a child of a file from a fresh load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pytest_biasaudit.compression.achieved import achieved
from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.change import look_at
from pytest_biasaudit.compression.copying import copy_of
from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.method import Method
from pytest_biasaudit.compression.methods import METHODS
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.compression.storage import weight_count
from pytest_biasaudit.errors import ModelError, RecipeError
from pytest_biasaudit.models.identity import config_sha256
from pytest_biasaudit.models.mapped import give_back, own_memory
from pytest_biasaudit.models.perplexity import HeldText, bundled_text
from pytest_biasaudit.models.transformer import TransformerModel

if TYPE_CHECKING:
    import torch

M = TypeVar("M", bound=TransformerModel)


def child_of(
    parent: M,
    steps: Sequence[Step],
    *,
    name: str,
    methods: Sequence[Method] = METHODS,
    materials: Materials | None = None,
    held_text: HeldText | None = None,
) -> M:
    """A child made from a copy of the parent's module, of the parent's kind; the parent is not touched.

    held_text  what both are asked, see `achieved`; None: the bundled text

    Raises ModelError for a parent that was changed since it was loaded, and RecipeError for a method that changed it.
    """
    parent.refuse_if_changed()
    module = copy_of(parent.module)
    child = _made(module, parent, steps, methods, materials, name=name, kept_parent=parent, held=held_text)
    try:
        parent.refuse_if_changed()
    except ModelError as fault:
        made_by = ", ".join(step.method for step in steps)
        raise RecipeError(f"the recipe ({made_by}) changed the parent it was to make a child of: {fault}") from fault
    return child


def child_from(
    fresh: M,
    steps: Sequence[Step],
    *,
    name: str,
    methods: Sequence[Method] = METHODS,
    materials: Materials | None = None,
    held_text: HeldText | None = None,
) -> M:
    """A child made in the module of a freshly loaded parent, which is used up: no second copy is held."""
    module = own_memory(fresh.module)
    child = _made(module, fresh, steps, methods, materials, name=name, kept_parent=None, held=held_text)
    give_back()
    return child


def _made(
    module: torch.nn.Module,
    origin: M,
    steps: Sequence[Step],
    methods: Sequence[Method],
    materials: Materials | None,
    *,
    name: str,
    kept_parent: M | None,
    held: HeldText | None,
) -> M:
    materials = replace(
        materials or Materials(tokenizer=origin.tokenizer),
        as_model=lambda module: type(origin)(module, origin.tokenizer, origin.identity),
        parent_tensors=origin.tensors_sha256,
    )
    held = held or bundled_text()
    files = {step: {f"{name}_sha256": materials.sha256(step, name) for name in step.files} for step in steps}
    parents = held.predicted_by(origin)
    before = look_at(module)
    made = apply_recipe(module, steps, methods=methods, materials=materials)
    module = made.module
    if kept_parent is None:
        give_back()  # what the steps replaced, before the child is measured
    first = next(module.parameters(), None)
    settings = config_sha256(module)
    reshaped = settings != origin.identity.config_sha256  # a student has fewer layers, or is of another architecture
    identity = replace(
        origin.identity,
        name=name,
        config_sha256=settings,
        architecture=type(module).__name__ if reshaped else origin.identity.architecture,
        parameters=weight_count(module) if reshaped else origin.identity.parameters,
        dtype=str(first.dtype).removeprefix("torch.") if first is not None else origin.identity.dtype,
        parent=origin.identity.name,
        parent_digest=origin.identity.digest,
        recipe=tuple({**step.plain(), **files[step]} for step in steps),
        achieved={},
    )
    child = type(origin)(module, origin.tokenizer, identity, parent=kept_parent)
    if steps:
        child.settle(replace(identity, weights_sha256=child.tensors_sha256))
    figures = achieved(
        before,
        module,
        steps,
        facts=made.facts,
        notes=made.notes,
        parent=parents,
        child=held.predicted_by(child) if steps else parents,
        held_text=held.sha256,
    )
    if made.components:
        figures["components"] = list(made.components)
    child.settle(replace(child.identity, achieved=figures))
    return child

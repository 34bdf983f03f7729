"""A child model: its parent's weights with a recipe applied, and an identity that names both. Imports torch.

The parent is given back as it was: a child of a live model is made from a copy, a child of a file from a fresh load.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.method import Method
from pytest_biasaudit.compression.methods import METHODS
from pytest_biasaudit.compression.recipe import Step
from pytest_biasaudit.models.identity import config_sha256, tensors_sha256
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
) -> M:
    """A child made from a copy of the parent's module, of the parent's kind; the parent is not touched."""
    module = copy.deepcopy(parent.module)
    return _made(module, parent, steps, methods, materials, name=name, kept_parent=parent)


def child_from(
    fresh: M,
    steps: Sequence[Step],
    *,
    name: str,
    methods: Sequence[Method] = METHODS,
    materials: Materials | None = None,
) -> M:
    """A child made in the module of a freshly loaded parent, which is used up: no second copy is held."""
    return _made(fresh.module, fresh, steps, methods, materials, name=name, kept_parent=None)


def _made(
    module: torch.nn.Module,
    origin: M,
    steps: Sequence[Step],
    methods: Sequence[Method],
    materials: Materials | None,
    *,
    name: str,
    kept_parent: M | None,
) -> M:
    materials = materials or Materials(tokenizer=origin.tokenizer)
    files = {step: {f"{name}_sha256": materials.sha256(step, name) for name in step.files} for step in steps}
    made = apply_recipe(module, steps, methods=methods, materials=materials)
    module = made.module
    achieved: dict[str, object] = dict(made.facts)
    if made.notes:
        achieved["notes"] = list(made.notes)
    first = next(module.parameters(), None)
    settings = config_sha256(module)
    reshaped = settings != origin.identity.config_sha256  # a student has fewer layers, or is of another architecture
    identity = replace(
        origin.identity,
        name=name,
        weights_sha256=tensors_sha256(module) if steps else origin.identity.weights_sha256,
        config_sha256=settings,
        architecture=type(module).__name__ if reshaped else origin.identity.architecture,
        parameters=sum(one.numel() for one in module.parameters()) if reshaped else origin.identity.parameters,
        dtype=str(first.dtype).removeprefix("torch.") if first is not None else origin.identity.dtype,
        parent=origin.identity.name,
        parent_digest=origin.identity.digest,
        recipe=tuple({**step.plain(), **files[step]} for step in steps),
        achieved=achieved,
    )
    return type(origin)(module, origin.tokenizer, identity, parent=kept_parent)

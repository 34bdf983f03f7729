"""A recipe applied, step after step, each by what its method names. Imports torch.

The caller hands over a module that may be changed (a fresh load or a copy); a parent is never touched here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, metadata

import torch

from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.method import Method
from pytest_biasaudit.compression.methods import METHODS
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Made:
    """What all steps of a recipe gave."""

    module: torch.nn.Module
    facts: dict[str, dict[str, object]]
    """What each step achieved, keyed "1 quantize rtn"."""
    notes: tuple[str, ...]
    components: tuple[dict[str, object], ...] = ()
    """See Applied."""


def apply_recipe(
    module: torch.nn.Module,
    steps: Sequence[Step],
    *,
    methods: Sequence[Method] = METHODS,
    materials: Materials | None = None,
) -> Made:
    """Applies the steps in order, in place where a method can; gives the child's module and what each step achieved.

    methods    where a step of a hook's method finds what applies it
    materials  what steps may use beside the weights

    Raises RecipeError before anything is changed when a step needs a package or a device that is not there, and when a
    step finds nothing to change: a child that equals its parent is not what was declared.
    """
    found = [_method_of(step, methods) for step in steps]
    for method in found:
        refuse_unmet_needs(method, module)
    facts: dict[str, dict[str, object]] = {}
    notes: list[str] = []
    components: list[dict[str, object]] = []
    for number, (step, method) in enumerate(zip(steps, found, strict=True), 1):
        applied = _apply(method, module, step, materials or Materials())
        module = applied.module
        facts[f"{number} {step.action} {step.method}"] = applied.facts
        notes.extend([*([method.caution] if method.caution else []), *applied.notes])
        components.extend(applied.components)
    return Made(module=module, facts=facts, notes=tuple(dict.fromkeys(notes)), components=tuple(components))


def refuse_unmet_needs(method: Method, module: torch.nn.Module) -> None:
    """Raises RecipeError when a package is missing, or the module is not on the only device that the method works on."""
    what = f"{method.action} = {method.name!r}"
    for name in method.needs:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            raise RecipeError(
                f"{what} needs the package {name!r}, which is not installed; install it with "
                f"pip install 'pytest-biasaudit[{name}]'"
            ) from None
    if method.device:
        there = {parameter.device.type for parameter in module.parameters()}
        if there != {method.device}:
            raise RecipeError(
                f"{what} works on {method.device} only; the model is on {', '.join(sorted(there)) or 'no device'}"
            )


def _method_of(step: Step, methods: Sequence[Method]) -> Method:
    for method in methods:
        if (method.action, method.name) == (step.action, step.method) and (method.apply or method.applied_by):
            return method
    raise RecipeError(f"{step.action} = {step.method!r}: nothing here applies this method")


def _apply(method: Method, module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    try:
        if method.apply is not None:
            return method.apply(module, step, materials)
        room, _, function = method.applied_by.partition(":")
        applied: Applied = getattr(import_module(room), function)(module, step, materials)
    except ImportError as error:  # installed, and broken or of a version that lacks something
        needs = f" with {', '.join(map(_version, method.needs))}" if method.needs else ""
        raise RecipeError(f"{step.action} = {step.method!r} cannot run here{needs}: {error}") from error
    return applied


def _version(name: str) -> str:
    return f"{name} {metadata.version(name)}"

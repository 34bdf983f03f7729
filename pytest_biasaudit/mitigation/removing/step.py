"""Components removed as a recipe step: found in a declared context, or read from a file. Imports torch."""

from __future__ import annotations

from dataclasses import replace

import torch

from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import DataError, RecipeError
from pytest_biasaudit.mitigation.components import ComponentSet
from pytest_biasaudit.mitigation.methods import WITHOUT_GROUPS
from pytest_biasaudit.mitigation.removing.file import components_file_sha256, load_components, save_components
from pytest_biasaudit.mitigation.removing.finding import found_by, sought_by
from pytest_biasaudit.mitigation.removing.for_good import remove
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.identity import file_sha256, tensors_sha256
from pytest_biasaudit.models.transformer import TransformerModel


def bias(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Raises RecipeError as `sought_by` and `found_by` do, and where no component was found."""
    what = "prune = 'bias'"
    sought = sought_by(step, materials)
    model = _as_it_stands(module, materials)
    if not isinstance(model, CausalModel):
        raise RecipeError(
            f"{what}: the model is asked about people, and a {type(model).__name__} answers nothing; it needs a "
            "causal language model"
        )
    components, asked = found_by(step, sought, model, materials)
    if not components.count:
        raise RecipeError(
            f"{what}: none of the {components.total:,} {components.unit} answers to {sought.groups[1]!r} and not to "
            f"{sought.groups[0]!r} at these settings; choose more (k or p), or take off less (q)"
        )
    applied = remove(module, components, sha256=components_file_sha256(components), what=what)
    save = step.setting("save")
    if isinstance(save, str):
        try:
            save_components(components, materials.root / save)
        except DataError as fault:
            raise RecipeError(f"{what}: save = {save!r}: {fault}") from fault
    note = (
        f"{what}: found in {sought.context.id} / {sought.audit.id} and nowhere else; what was removed there may be left, or "
        "made worse, in other contexts."
    )
    if sought.method in WITHOUT_GROUPS:
        note = f"{what}: method = {sought.method!r} is a baseline: no answer had a part in what was chosen."
    return replace(applied, facts={**applied.facts, **asked}, notes=(note, *applied.notes))


def components(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`.

    Raises RecipeError for a file that cannot be read, and for components that were found in another model than the one
    this step is applied to, unless `any_model` is true.
    """
    what, file = "prune = 'components'", str(step.setting("file"))
    where = f"{what}: file = {file!r}"
    path = materials.root / file
    try:
        found, sha256 = load_components(path), file_sha256(path)
    except DataError as fault:
        raise RecipeError(f"{where}: {fault}") from fault
    notes = _of_this_model(found, module, where, any_model=bool(step.setting("any_model")))
    applied = remove(module, found, sha256=sha256, what=where)
    facts: dict[str, object] = {**applied.facts, "file_sha256": sha256}
    if found.origin is not None:
        facts |= {"found_in": ", ".join(name for name, _ in found.origin.contexts), "method": found.origin.method}
        if found.origin.contexts:
            notes = (
                *notes,
                f"{what}: found in {facts['found_in']} and nowhere else; what was removed there may be left, or "
                "made worse, in other contexts.",
            )
    return replace(applied, facts=facts, notes=(*notes, *applied.notes))


def _of_this_model(found: ComponentSet, module: torch.nn.Module, where: str, *, any_model: bool) -> tuple[str, ...]:
    """What must be said of where a set was found. Raises RecipeError where it was another model."""
    if found.origin is None:
        return (f"{where} does not say in which model and context the components were found.",)
    own, theirs = tensors_sha256(module), found.origin.weights_sha256
    if own == theirs:
        return ()
    said = (
        f"{where}: the components were found in {found.origin.model!r}, whose weights have the sha256 {theirs} "
        f"(origin.weights_sha256), and not in this model, whose weights have {own}"
    )
    if not any_model:
        raise RecipeError(
            f"{said}: numbers of components mean nothing in another model. Find them anew, put this step before those that "
            "change weights, or say any_model = true"
        )
    return (f"{said}. Removed all the same: any_model = true.",)


def _as_it_stands(module: torch.nn.Module, materials: Materials) -> TransformerModel:
    """The module as a model: the parent itself, or what earlier steps of the recipe made of it."""
    model = materials.as_model(module)
    own = model.tensors_sha256
    if own != materials.parent_tensors:
        known = model.identity
        model.settle(
            replace(
                known,
                name=f"{known.name}, changed by earlier steps",
                weights_sha256=own,
                parent=known.name,
                parent_digest=known.digest,
                achieved={},
            )
        )
    return model

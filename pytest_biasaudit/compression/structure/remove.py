"""Heads and neurons removed as a recipe step: zeros in the weights, masks where weights are quantised. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.recipe import Step
from pytest_biasaudit.compression.structure.components import components_of
from pytest_biasaudit.compression.structure.edits import zero
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.masked_projection import mask_for_good
from pytest_biasaudit.compression.structure.places import Kind, Mode, Pairs, Structure
from pytest_biasaudit.compression.structure.projections import Cut, editable
from pytest_biasaudit.compression.structure.uniform import refuse_unless_uniform
from pytest_biasaudit.errors import RecipeError


def heads(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Raises RecipeError for heads that are not there or cannot be removed, before any change."""
    pairs = components_of(step, materials, "heads")
    mode: Mode = "uniform" if step.setting("mode") == "uniform" else "ablate"
    structure = structure_of(module)
    cuts = structure.cuts(heads=pairs, mode=mode)
    if mode == "uniform":
        refuse_unless_uniform(structure)
    applied = _removed(structure, cuts, pairs, "heads")
    widths = {structure.heads[layer].width for layer, _ in pairs}
    applied.facts.update(mode=mode, head_width=widths.pop() if len(widths) == 1 else sorted(widths))
    if mode == "uniform":
        said = "mode 'uniform': the heads named still write the mean of what they may see; they no longer choose"
        return Applied(module=applied.module, facts=applied.facts, notes=(said, *applied.notes))
    return applied


def neurons(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Raises RecipeError for neurons that are not there or cannot be removed, before any change."""
    pairs = components_of(step, materials, "neurons")
    structure = structure_of(module)
    return _removed(structure, structure.cuts(neurons=pairs), pairs, "neurons")


def _removed(structure: Structure, cuts: Sequence[Cut], pairs: Pairs, kind: Kind) -> Applied:
    """The cuts made, in place where the weights allow it, and what that was."""
    module = structure.module
    zeroed = changed = newly_masked = 0
    masks: list[str] = []
    for cut in cuts:
        if editable(module.get_submodule(cut.name)):
            done = zero(module, cut)
            zeroed += done.weights
            changed += done.changed
        else:
            newly_masked += mask_for_good(module, cut)
            masks.append(cut.name)
    if not changed and not newly_masked:
        raise RecipeError(
            f"prune = {kind!r}: what is named is zero or masked already ({len(pairs)} {kind}); the child would be its parent"
        )
    places = structure.of(kind)
    total = sum(place.count for place in places.values())
    facts: dict[str, object] = {
        f"{kind}_removed": len(pairs),
        f"{kind}_in_all": total,
        "share": len(pairs) / total,
        "layers_changed": len({layer for layer, _ in pairs}),
        "modules_changed": len(cuts),
        "weights_zeroed": zeroed,
        "weights_changed": changed,
        "modules_masked": len(masks),
    }
    notes = []
    runs = max(places[layer].runs for layer, _ in pairs)
    if runs > 1:
        facts["runs_of_a_layer"] = runs
        notes.append(
            f"prune = {kind!r}: layers share their weights here, so what is removed from one is removed at up to {runs} depths"
        )
    if masks:
        others = f" and {len(masks) - 1} more" if len(masks) > 1 else ""
        notes.append(
            f"prune = {kind!r}: no zeros can be written into the weights of {masks[0]}{others}; masks stand around them, "
            "which other programs do not know: keep the recipe, or prune before quantising"
        )
    return Applied(module=module, facts=facts, notes=tuple(notes))

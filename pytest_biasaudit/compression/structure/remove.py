"""Heads and neurons removed as a recipe step: zeros in the weights, masks where weights are quantised. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.compression.structure.components import components_of
from pytest_biasaudit.compression.structure.edits import zero
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.masked_projection import mask_for_good
from pytest_biasaudit.compression.structure.places import Kind, Mode, Pairs, Structure
from pytest_biasaudit.compression.structure.projections import NO_PLAIN_WEIGHT, Cut, uneditable
from pytest_biasaudit.compression.structure.uniform import refuse_unless_uniform
from pytest_biasaudit.errors import RecipeError


def heads(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Raises RecipeError for heads that are not there or cannot be removed, before any change."""
    pairs = components_of(step, materials, "heads")
    mode: Mode = "uniform" if step.setting("mode") == "uniform" else "ablate"
    return remove_pairs(structure_of(module), "heads", pairs, mode, what="prune = 'heads'")


def neurons(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Raises RecipeError for neurons that are not there or cannot be removed, before any change."""
    pairs = components_of(step, materials, "neurons")
    return remove_pairs(structure_of(module), "neurons", pairs, "ablate", what="prune = 'neurons'")


def remove_pairs(structure: Structure, kind: Kind, pairs: Pairs, mode: Mode, *, what: str) -> Applied:
    """Heads or neurons out of the structure's module, in place where the weights allow it, and what that was.

    what  the step, for messages: "prune = 'heads'"

    Raises RecipeError for those that are not there or cannot be removed, before any change; and for those that were gone.
    """
    if kind == "neurons":
        return _removed(structure, structure.cuts(neurons=pairs), pairs, kind, what)
    cuts = structure.cuts(heads=pairs, mode=mode)
    if mode == "uniform":
        refuse_unless_uniform(structure)
    applied = _removed(structure, cuts, pairs, kind, what)
    widths = {structure.heads[layer].width for layer, _ in pairs}
    applied.facts.update(mode=mode, head_width=widths.pop() if len(widths) == 1 else sorted(widths))
    if mode == "uniform":
        said = "mode 'uniform': the heads named still write the mean of what they may see; they no longer choose"
        return Applied(module=applied.module, facts=applied.facts, notes=(said, *applied.notes))
    return applied


def _removed(structure: Structure, cuts: Sequence[Cut], pairs: Pairs, kind: Kind, what: str) -> Applied:
    """The cuts made, in place where the weights allow it, and what that was."""
    module = structure.module
    zeroed = changed = newly_masked = 0
    masks = uneditable(module, [cut.name for cut in cuts])
    for cut in cuts:
        if cut.name in masks:
            newly_masked += mask_for_good(module, cut)
        else:
            done = zero(module, cut)
            zeroed += done.weights
            changed += done.changed
    if not changed and not newly_masked:
        raise RecipeError(
            f"{what}: what is named is zero or masked already ({len(pairs)} {kind}); the child would be its parent"
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
            f"{what}: layers share their weights here, so what is removed from one is removed at up to {runs} depths"
        )
    if masks:
        name, why = next(iter(masks.items()))
        others = f"; and so are {len(masks) - 1} more" if len(masks) > 1 else ""
        rather = ", or prune before quantising" if NO_PLAIN_WEIGHT in masks.values() else ""
        notes.append(
            f"{what}: no zeros were written into {name}, because {why}: it is masked instead{others}. Other "
            f"programs do not know the mask: keep the recipe{rather}"
        )
    return Applied(module=module, facts=facts, notes=tuple(notes))

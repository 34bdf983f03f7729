"""A set of components removed from a module for good, and what that was. Imports torch."""

from __future__ import annotations

from dataclasses import replace

import torch

from pytest_biasaudit.compression.materials import Applied
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.remove import remove_pairs
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.components import ComponentSet
from pytest_biasaudit.mitigation.removed import plain_removed, removed
from pytest_biasaudit.mitigation.removing.weights import refuse_unwritable, zero_for_good
from pytest_biasaudit.mitigation.removing.without import refuse_other_sizes, sizes_in


def remove(module: torch.nn.Module, components: ComponentSet, *, sha256: str, what: str) -> Applied:
    """Removes the components in place where the weights allow it, and says what was removed where.

    Heads and neurons go as `prune = "heads"` and `"neurons"` take them out: by zeros, by masks where weights are quantised.
    Weights go by zeros.

    sha256  of the set's file, for the record
    what    the step, for messages: "prune = 'bias'"

    Raises RecipeError for an empty set, one that is not of this model's sizes, and components that cannot be removed or
    were zero already; before anything is changed.
    """
    if not components.count:
        raise RecipeError(f"{what}: the set has no {components.unit}: there is nothing to remove")
    unit = components.unit
    structure = None if unit == "weights" else structure_of(module)
    refuse_other_sizes(components, structure or module)
    there = sizes_in(structure or module, unit)
    sizes = {place: size for place, size in there.items() if place in components.sizes}
    known = replace(components, sizes={**sizes, **components.sizes} or there)  # in the model's order
    if structure is None:
        applied = _weights(module, components, what)
    else:
        assert unit != "weights"
        applied = remove_pairs(structure, unit, components.pairs, components.mode, what=what)
    applied.facts[f"{unit}_in_all"] = known.total
    applied.facts["share"] = components.count / known.total
    return replace(applied, components=(plain_removed(removed(known, sha256=sha256)),))


def _weights(module: torch.nn.Module, components: ComponentSet, what: str) -> Applied:
    refuse_unwritable(module, components.chosen)
    done = zero_for_good(module, components.chosen)
    changed = sum(done.changed.values())
    if not changed:
        raise RecipeError(
            f"{what}: what is named is zero already ({components.count:,} weights); the child would be its parent"
        )
    facts: dict[str, object] = {
        "weights_removed": components.count,
        "modules_changed": len(done.changed),
        "weights_zeroed": sum(done.zeroed.values()),
        "weights_changed": changed,
    }
    return Applied(module=module, facts=facts)

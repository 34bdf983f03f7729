"""A model without a set of components, for a while. Imports torch.

Heads and neurons are masked by hooks; entries of weights are set to zero and put back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pytest_biasaudit.compression.linear import linear_layers
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.masks import masked
from pytest_biasaudit.compression.structure.places import Structure
from pytest_biasaudit.compression.structure.projections import sizes_of
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.components import ComponentSet, Unit
from pytest_biasaudit.mitigation.removing.weights import zeroed
from pytest_biasaudit.models.transformer import TransformerModel

SHOWN = 3


@contextmanager
def without(
    target: torch.nn.Module | TransformerModel | Structure,
    components: ComponentSet,
    *,
    digests: dict[str, str] | None = None,
) -> Iterator[torch.nn.Module]:
    """The module without these components inside; as it was after, bit by bit, whatever is raised.

    target   a model, its module, or the module's `structure_of`, which spares the search where many sets are tried
    digests  see `zeroed`: spares half of the checking where many sets of weights are tried

    A set without any component leaves the module as it is.

    Raises RecipeError for a set that was found in a model of other sizes, for components that are not there or cannot
    be removed, and at the end as `masked` and `zeroed` do: the module must have been run, and be what it was.
    """
    module = module_of(target)
    structure = target if isinstance(target, Structure) else None
    if structure is None and components.unit != "weights" and (components.count or components.sizes):
        structure = structure_of(module)
    refuse_other_sizes(components, structure or module)
    if not components.count:
        yield module
    elif components.unit == "weights":
        with zeroed(module, components.chosen, digests=digests):
            yield module
    else:
        assert structure is not None
        pairs = components.pairs
        heads, neurons = (pairs, ()) if components.unit == "heads" else ((), pairs)
        with masked(structure, heads=heads, neurons=neurons, mode=components.mode):
            yield module


def module_of(target: torch.nn.Module | TransformerModel | Structure) -> torch.nn.Module:
    """The module that is meant."""
    return target.module if isinstance(target, (Structure, TransformerModel)) else target


def sizes_in(target: torch.nn.Module | Structure, unit: Unit) -> dict[str, tuple[int, ...]]:
    """Every place of a unit that a module has, as `ComponentSet.sizes` has them; of weights the body's linear layers.

    Raises RecipeError for a module whose heads or neurons cannot be told.
    """
    if unit == "weights":
        found: dict[str, tuple[int, ...]] = {}
        for one in linear_layers(module_of(target), lm_head=False):
            sizes = sizes_of(one.layer)
            assert sizes is not None
            found[one.name] = (sizes[1], sizes[0])
        return found
    structure = target if isinstance(target, Structure) else structure_of(target)
    return {str(layer): (place.count,) for layer, place in structure.of(unit).items()}


def refuse_other_sizes(components: ComponentSet, target: torch.nn.Module | Structure) -> None:
    """Raises RecipeError for a set whose places are not the module's: it was found in another model.

    A set that says no sizes (a file written by hand) is held against the module only by what it names. Of weights, the
    set need not know every linear layer, but of each kind that it knows ("layers.*.mlp.up_proj") it must know all.
    """
    unit = components.unit
    if components.mode == "uniform" and unit != "heads":
        raise RecipeError(f"mode = 'uniform' is of heads only, and the set is of {unit}; valid: 'ablate'")
    strange = [place for place in components.chosen if components.sizes and place not in components.sizes]
    if strange:
        raise RecipeError(f"{unit}: the set names {_told(strange)}, and its own sizes do not")
    if not components.sizes:
        return
    there = sizes_in(target, unit)
    if unit == "weights":
        known = {_kind(name) for name in components.sizes}
        every = there if set(components.sizes) <= set(there) else _all_linear(module_of(target))
        there = {name: size for name, size in every.items() if _kind(name) in known}
    wanted = {place: tuple(size) for place, size in components.sizes.items()}
    if wanted == there:
        return
    missing = [place for place in wanted if place not in there]
    beyond = [place for place in there if place not in wanted]
    other = [
        f"{place} is {_shape(there[place])} and not {_shape(size)}"
        for place, size in wanted.items()
        if place in there and there[place] != size
    ]
    faults = [
        *([f"it has no {_where(unit)} {_told(missing)}"] if missing else []),
        *([f"it has {_where(unit)} {_told(beyond)} besides"] if beyond else []),
        *([_told(other)] if other else []),
    ]
    raise RecipeError(
        f"{unit}: the components were found in a model of other sizes than this one ({type(module_of(target)).__name__}): "
        + "; ".join(faults)
    )


def _all_linear(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Every linear layer, quantised ones and the head too."""
    found: dict[str, tuple[int, ...]] = {}
    for name, part in module.named_modules():
        sizes = sizes_of(part)
        if sizes is not None:
            found[name] = (sizes[1], sizes[0])
    return found


def _kind(name: str) -> str:
    return re.sub(r"(?<![^.])\d+(?![^.])", "*", name)


def _where(unit: Unit) -> str:
    return "linear layer" if unit == "weights" else "layer"


def _shape(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))


def _told(found: list[str]) -> str:
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")

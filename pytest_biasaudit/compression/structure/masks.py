"""Heads and neurons masked for a while. Imports torch.

Nothing is written to a weight, so it works on quantised models too. Hooks change what a model answers and no tensor: a model
under audit whose hooks have changed is refused (`TransformerModel.refuse_if_changed`). What shall be audited or kept is
made with a recipe.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.hooks import hooked
from pytest_biasaudit.compression.structure.places import Mode, Pairs, Structure
from pytest_biasaudit.compression.structure.uniform import refuse_unless_uniform


@contextmanager
def masked(
    target: torch.nn.Module | Structure, *, heads: Pairs = (), neurons: Pairs = (), mode: Mode = "ablate"
) -> Iterator[torch.nn.Module]:
    """The module without these heads and neurons inside; as it was after, whatever is raised.

    target  the module; or its `structure_of`, which spares the search when many masks are tried: setting one then takes
            microseconds
    heads, neurons  (layer, number) pairs; `mode` as in `Structure.cuts`

    Raises RecipeError as `Structure.cuts` does, for "uniform" where attention would not become uniform, and at the end
    where the model did not run inside, or compiled, so that a mask was never used.
    """
    structure = target if isinstance(target, Structure) else structure_of(target)
    cuts = structure.cuts(heads=heads, neurons=neurons, mode=mode)
    if mode == "uniform" and heads:
        refuse_unless_uniform(structure)
    with hooked(structure.module, cuts):
        yield structure.module

"""Heads and neurons removed by zeros in the weights, to keep or to take back bit by bit. Imports torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.places import Mode, Pairs, Structure
from pytest_biasaudit.compression.structure.projections import Cut, editable, touched
from pytest_biasaudit.compression.structure.uniform import refuse_unless_uniform
from pytest_biasaudit.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Zeroed:
    """What writing zeros did."""

    weights: int
    """Entries that are zero now, biases among them."""
    changed: int
    """Those that were not zero before."""


def zero(module: torch.nn.Module, cut: Cut) -> Zeroed:
    """Writes zeros where the cut is, in place. The projection must be `editable`."""
    weights = changed = 0
    with torch.no_grad():
        for rows in touched(module.get_submodule(cut.name), cut):
            units = list(cut.units)
            part = rows[units]
            weights += part.numel()
            changed += int((part != 0).sum())
            rows[units] = 0
    return Zeroed(weights=weights, changed=changed)


@contextmanager
def edited(
    target: torch.nn.Module | Structure, *, heads: Pairs = (), neurons: Pairs = (), mode: Mode = "ablate"
) -> Iterator[torch.nn.Module]:
    """The module with these heads and neurons zeroed in its weights inside; bit by bit as it was after.

    What was there is kept, put back whatever is raised, and checked against its sha256. Arguments as for `masked`, which
    is the cheaper way where no weight has to change; the answers are the same.

    Raises RecipeError as `masked` does, for weights that zeros cannot be written into (quantised ones: mask them), and
    after use where a parameter was replaced meanwhile, so that what was there cannot be put back.
    """
    structure = target if isinstance(target, Structure) else structure_of(target)
    cuts = structure.cuts(heads=heads, neurons=neurons, mode=mode)
    if mode == "uniform" and heads:
        refuse_unless_uniform(structure)
    module = structure.module
    refuse_uneditable(module, cuts)
    kept = [(cut, module.get_submodule(cut.name)._parameters.get("weight"), *_kept(module, cut)) for cut in cuts]
    try:
        for cut in cuts:
            zero(module, cut)
        yield module
    finally:
        for cut, weight, rows, digest in kept:
            part = module.get_submodule(cut.name)
            same = part._parameters.get("weight") is weight
            if same:
                _put_back(module, cut, rows)
            if not same or _kept(module, cut)[1] != digest:
                raise RecipeError(
                    f"{cut.name}: its weight was replaced while heads or neurons were zeroed in it, so what was there "
                    "cannot be put back; load the model again"
                )


def refuse_uneditable(module: torch.nn.Module, cuts: Sequence[Cut]) -> None:
    """Raises RecipeError, naming them, where zeros cannot be written into the weights of a cut's projection."""
    found = [cut.name for cut in cuts if not editable(module.get_submodule(cut.name))]
    if found:
        kind = type(module.get_submodule(found[0])).__name__
        raise RecipeError(
            f"{found[0]} ({kind}) has no plain float weight that zeros could be written into ({len(found)} such): "
            "mask it instead, or remove heads and neurons before the model is quantised"
        )


def _kept(module: torch.nn.Module, cut: Cut) -> tuple[list[torch.Tensor], str]:
    """Copies of what a cut touches, and their sha256."""
    rows = [rows[list(cut.units)].contiguous().clone() for rows in touched(module.get_submodule(cut.name), cut)]
    digest = hashlib.sha256()
    for one in rows:
        digest.update(one.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return rows, digest.hexdigest()


def _put_back(module: torch.nn.Module, cut: Cut, kept: Sequence[torch.Tensor]) -> None:
    with torch.no_grad():
        for rows, values in zip(touched(module.get_submodule(cut.name), cut), kept, strict=True):
            rows[list(cut.units)] = values

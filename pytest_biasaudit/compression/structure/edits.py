"""Heads and neurons removed by zeros in the weights, to keep or to take back bit by bit. Imports torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.places import Mode, Pairs, Structure
from pytest_biasaudit.compression.structure.projections import NO_PLAIN_WEIGHT, Cut, touched, uneditable
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
    """Writes zeros where the cut is, in place. The projection must not be `uneditable`."""
    weights = changed = 0
    with torch.inference_mode():  # the only mode that writes into tensors which were made in it, too
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

    Raises RecipeError as `masked` does, for weights that zeros cannot be written into (quantised ones, and those of
    several layers at once: mask them), and after use where a parameter was replaced meanwhile, so that what was there
    cannot be put back. All others are back then.
    """
    structure = target if isinstance(target, Structure) else structure_of(target)
    cuts = structure.cuts(heads=heads, neurons=neurons, mode=mode)
    if mode == "uniform" and heads:
        refuse_unless_uniform(structure)
    module = structure.module
    refuse_uneditable(module, cuts)
    kept = [(cut, module.get_submodule(cut.name)._parameters["weight"], *_kept(module, cut)) for cut in cuts]
    try:
        for cut in cuts:
            zero(module, cut)
        yield module
    finally:
        parts = dict(module.named_modules())
        lost = []
        for cut, weight, rows, digest in kept:
            part = parts.get(cut.name)
            same = part is not None and part._parameters.get("weight") is weight and _put_back(module, cut, rows)
            if not same or _kept(module, cut)[1] != digest:
                lost.append(cut.name)
        if lost:
            more = f" (and those of {len(lost) - 1} more)" if len(lost) > 1 else ""
            raise RecipeError(
                f"{lost[0]}: its weight was replaced{more} while heads or neurons were zeroed in it, so what was there "
                "cannot be put back; load the model again"
            )


def refuse_uneditable(module: torch.nn.Module, cuts: Sequence[Cut]) -> None:
    """Raises RecipeError, naming them, where zeros cannot be written into the weights of a cut's projection."""
    found = uneditable(module, [cut.name for cut in cuts])
    if found:
        name, why = next(iter(found.items()))
        kind = type(module.get_submodule(name)).__name__
        rather = ", or remove heads and neurons before the model is quantised" if why == NO_PLAIN_WEIGHT else ""
        raise RecipeError(
            f"{name} ({kind}): zeros cannot be written into it, because {why} ({len(found)} such): mask it instead{rather}"
        )


def _kept(module: torch.nn.Module, cut: Cut) -> tuple[list[torch.Tensor], str]:
    """Copies of what a cut touches, and their sha256."""
    rows = [rows[list(cut.units)].contiguous().clone() for rows in touched(module.get_submodule(cut.name), cut)]
    digest = hashlib.sha256()
    for one in rows:
        digest.update(one.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return rows, digest.hexdigest()


def _put_back(module: torch.nn.Module, cut: Cut, kept: Sequence[torch.Tensor]) -> bool:
    """Whether it could be: the parameters are of the kind that they were. They may have been moved to another device."""
    there = touched(module.get_submodule(cut.name), cut)
    if [(rows.dtype, rows[0].shape) for rows in there] != [(values.dtype, values[0].shape) for values in kept]:
        return False
    with torch.inference_mode():
        for rows, values in zip(there, kept, strict=True):
            rows[list(cut.units)] = values.to(rows.device)
    return True

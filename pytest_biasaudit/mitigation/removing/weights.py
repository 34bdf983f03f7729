"""Single entries of linear layers' weights set to zero, for a while or for good. Imports torch.

A weight is seen as (outputs, inputs), whichever way round its layer keeps it, and its entries are counted row by row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from pytest_biasaudit.compression.structure.projections import NO_PLAIN_WEIGHT, sizes_of, uneditable
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.components import Indices

_NONE: Indices = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class ZeroedEntries:
    """What writing zeros did, by linear layer."""

    zeroed: Mapping[str, int]
    """Entries that are zero now because they were named."""
    changed: Mapping[str, int]
    """Those that were not zero before."""


def zero_for_good(module: torch.nn.Module, chosen: Mapping[str, Indices]) -> ZeroedEntries:
    """Writes zeros into these entries, in place. Raises RecipeError as `zeroed` does, before anything is written."""
    refuse_unwritable(module, chosen)
    done, changed = {}, {}
    for name, entries in chosen.items():
        weight, at = _entries(module.get_submodule(name), entries)
        changed[name] = int((weight[at] != 0).sum())
        _write(weight, at, torch.zeros((), dtype=weight.dtype, device=weight.device))
        done[name] = len(entries)
    return ZeroedEntries(zeroed=done, changed=changed)


@contextmanager
def zeroed(
    module: torch.nn.Module, chosen: Mapping[str, Indices], *, digests: dict[str, str] | None = None
) -> Iterator[torch.nn.Module]:
    """The module with these entries at zero inside; bit by bit as it was after, whatever is raised.

    chosen   by the name of a linear layer, numbers of entries
    digests  of the weights as they are, by name, filled in here: given again for the same module, none is taken twice

    What was there is kept and put back, and each tensor that was touched is held against its sha256.
    Cost: the digest of each touched tensor, twice, or once where it is known.

    Raises RecipeError for a layer that is not there, an entry that it has not, weights that zeros cannot be written into
    (quantised ones, and those that another layer computes with too); and after use where a weight was replaced or
    changed meanwhile, so that the model is not what it was. All that can be put back is back then.
    """
    refuse_unwritable(module, chosen)
    kept = []
    known = {} if digests is None else digests
    for name, entries in chosen.items():
        part = module.get_submodule(name)
        weight, at = _entries(part, entries)
        if name not in known:
            known[name] = _sha256(weight)
        kept.append((name, part._parameters["weight"], at, weight[at].clone(), known[name]))
    try:
        for name, entries in chosen.items():
            weight, at = _entries(module.get_submodule(name), entries)
            _write(weight, at, torch.zeros((), dtype=weight.dtype, device=weight.device))
        yield module
    finally:
        # All of it first, and then the slow looking: who interrupts that leaves no weight behind without its entries.
        parts = dict(module.named_modules())
        back = {name: _put_back(parts.get(name), parameter, at, values) for name, parameter, at, values, _ in kept}
        lost = [name for name, *_, digest in kept if (there := back[name]) is None or _sha256(there) != digest]
        if lost:
            more = f" (and those of {len(lost) - 1} more)" if len(lost) > 1 else ""
            raise RecipeError(
                f"{lost[0]}: its weight was replaced or changed{more} while entries of it were zero, so the model is not "
                "what it was; load it again"
            )


def refuse_unwritable(module: torch.nn.Module, chosen: Mapping[str, Indices]) -> None:
    """Raises RecipeError for layers and entries that are not there, and weights that zeros cannot be written into."""
    parts = dict(module.named_modules())
    faults = []
    for name, entries in chosen.items():
        sizes = sizes_of(parts[name]) if name in parts else None
        if sizes is None:
            faults.append(f"{name}: the model ({type(module).__name__}) has no linear layer of that name")
        elif len(entries) and not 0 <= int(entries.min()) <= int(entries.max()) < sizes[0] * sizes[1]:
            faults.append(
                f"{name}: entries {int(entries.min())} to {int(entries.max())} are named, and its weight "
                f"({sizes[1]} x {sizes[0]}) has entries 0 to {sizes[0] * sizes[1] - 1}"
            )
    if faults:
        more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise RecipeError("weights: " + "; ".join(faults[:10]) + more)
    found = uneditable(module, chosen)
    if found:
        name, why = next(iter(found.items()))
        rather = "; remove weights before the model is quantised" if why == NO_PLAIN_WEIGHT else ""
        raise RecipeError(
            f"{name} ({type(parts[name]).__name__}): zeros cannot be written into its weight, because {why} "
            f"({len(found)} such){rather}; heads and neurons can be masked instead"
        )


Places = tuple[torch.Tensor, ...]
"""Where entries stand: (numbers,) in a weight seen as one row, or (rows, columns)."""


def _entries(part: torch.nn.Module, entries: Indices) -> tuple[torch.Tensor, Places]:
    """A view of the weight, and where in it the entries stand that are counted row by row of (outputs, inputs)."""
    from transformers.pytorch_utils import Conv1D

    weight = part._parameters["weight"]
    assert weight is not None
    by_output = weight.data.T if isinstance(part, Conv1D) else weight.data
    flat = torch.from_numpy(entries).to(by_output.device)
    if by_output.is_contiguous():
        return by_output.view(-1), (flat,)
    return by_output, (flat // by_output.shape[1], flat % by_output.shape[1])


def _write(weight: torch.Tensor, at: Places, values: torch.Tensor) -> None:
    with torch.inference_mode():  # the only mode that writes into tensors which were made in it, too
        weight[at] = values


def _put_back(
    part: torch.nn.Module | None,
    parameter: torch.nn.Parameter | None,
    at: Places,
    values: torch.Tensor,
) -> torch.Tensor | None:
    """The weight with the values where they were, perhaps on another device by now; None where it is another weight."""
    if part is None or parameter is None or part._parameters.get("weight") is not parameter:
        return None
    if parameter.ndim != 2 or parameter.dtype != values.dtype:
        return None
    weight, _ = _entries(part, _NONE)
    if weight.ndim != (1 if len(at) == 1 else 2):
        return None
    try:
        _write(weight, tuple(one.to(weight.device) for one in at), values.to(weight.device))
    except (IndexError, RuntimeError):  # of another shape by now
        return None
    return weight


def _sha256(weight: torch.Tensor) -> str:
    """Of the weight's bytes, row by row of (outputs, inputs)."""
    return hashlib.sha256(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data).hexdigest()

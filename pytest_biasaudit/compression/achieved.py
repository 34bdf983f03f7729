"""What a recipe did, as measured on parent and child, for every method alike; and what it promised and missed. Imports torch.

The parent is looked at before its module may be changed, the child after: what a method says of itself is kept apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import torch

from pytest_biasaudit.compression.change import Look, change_of, kind_of_part
from pytest_biasaudit.compression.missed import missed_marks, missed_text, named, refuse_broken
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.compression.storage import StoredTensor, bits_of, sparsity_of, stored_tensors
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.perplexity import Prediction, cosine_to_parent


def achieved(
    before: Look,
    module: torch.nn.Module,
    steps: Sequence[Step],
    *,
    facts: Mapping[str, Mapping[str, object]],
    notes: Sequence[str],
    parent: Prediction,
    child: Prediction,
    held_text: str,
) -> dict[str, object]:
    """What the steps did, as plain values: `identity.achieved`.

    before         the parent's module, looked at before the steps
    facts, notes   what the methods say of themselves
    parent, child  what each made of the held text, whose sha256 is `held_text`

    Sizes in MB are of 10^6 bytes, of all that would be saved; sparsity is the share of exact zeros among the weights of
    the changed parts; bits count the scales. A value that cannot be had is None, and a note says why.

    Raises RecipeError for a child that equals its parent, that holds weights that are not finite, or whose last step
    pruned less than it was asked to.
    """
    change = change_of(before, module)
    if steps and not change.anything:
        raise RecipeError(f"{named(steps)}: no weight was changed: the child would be its parent under another name")
    refuse_broken(module, change, steps)
    stored = list(stored_tensors(module))
    touched = set(change.changed)
    among = [one for one in stored if one.name.rpartition(".")[0] in touched and len(one.shape) > 1]
    loud = missed_marks(before, change, stored, steps, facts=facts, parent=parent, child=child)
    return {
        "notes": list(dict.fromkeys([*loud, *notes])),
        **_beside(stored, before.bytes, parent, child, held_text),
        "sparsity": sparsity_of(among),
        "bits_per_weight": bits_of(among),
        "modules_changed": _kinds(change.changed, before.parts),
        "modules_left": _kinds(change.left, before.parts),
        "modules_gone": _kinds(change.gone, before.parts),
        "modules_new": _kinds(change.new, change.new),
        "modules_hooked": _kinds(change.hooked, change.hooked),
        "tensors": _rows(stored, touched),
        "steps": {name: dict(one) for name, one in facts.items()},
    }


def ready_made(
    module: torch.nn.Module, *, parent_bytes: int, parent: Prediction, child: Prediction, held_text: str
) -> dict[str, object]:
    """What can be said of a child that was made elsewhere, beside its parent; keys as `achieved` has them."""
    stored = list(stored_tensors(module))
    return {
        "notes": missed_text(parent, child),
        **_beside(stored, parent_bytes, parent, child, held_text),
        "tensors": _rows(stored, None),
    }


def _beside(
    stored: Sequence[StoredTensor], parent_bytes: int, parent: Prediction, child: Prediction, held_text: str
) -> dict[str, object]:
    """A child's size, text and weights over all beside its parent's."""
    return {
        "size_mb": sum(one.bytes for one in stored) / 1e6,
        "parent_size_mb": parent_bytes / 1e6,
        "measure": "cosine" if child.measure == "vectors" else child.measure,
        "perplexity": child.value,
        "parent_perplexity": parent.value,
        "cosine": cosine_to_parent(parent, child),
        "held_text_sha256": held_text,
        "held_text_tokens": child.tokens,
        "sparsity_overall": sparsity_of([one for one in stored if len(one.shape) > 1]),
        "bits_per_weight_overall": bits_of(stored),
    }


# -- figures ------------------------------------------------------------------------------------------------------------


def _kinds(paths: Iterable[str], among: Iterable[str]) -> list[str]:
    """By the last word of their paths: "30 of 30 q_proj"."""
    all_of: dict[str, int] = {}
    for path in among:
        all_of[kind_of_part(path)] = all_of.get(kind_of_part(path), 0) + 1
    found: dict[str, int] = {}
    for path in paths:
        found[kind_of_part(path)] = found.get(kind_of_part(path), 0) + 1
    return [f"{count:,} of {all_of.get(kind, count):,} {kind}" for kind, count in found.items()]


def _rows(stored: Sequence[StoredTensor], touched: set[str] | None) -> list[dict[str, object]]:
    """The tensors, those together that differ in the number of their layer only and are stored alike.

    touched  paths of the parts that were changed; None where that is not known
    """
    groups: dict[tuple[object, ...], list[StoredTensor]] = {}
    for one in stored:
        name = re.sub(r"(?<=\.)\d+(?=\.)", "*", one.name)
        changed = None if touched is None else one.name.rpartition(".")[0] in touched
        groups.setdefault((name, one.dtype, one.shape, changed), []).append(one)
    return [
        {
            "name": name,
            "count": len(group),
            "stored": dtype,
            "weights": sum(one.numel for one in group),
            "bytes": sum(one.bytes for one in group),
            "bits": bits_of(group),
            "sparsity": sparsity_of(group),
            "changed": changed,
        }
        for (name, dtype, _, changed), group in groups.items()
    ]

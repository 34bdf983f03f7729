"""What a recipe did, as measured on parent and child, for every method alike; and what it promised and missed. Imports torch.

The parent is looked at before its module may be changed, the child after: what a method says of itself is kept apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from pytest_biasaudit.compression.linear import linear_weights, stacked_matrices
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.compression.storage import StoredTensor, stored_tensors
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import hooks_of, plain_parts, tensors_sha256
from pytest_biasaudit.models.perplexity import Prediction, cosine_to_parent

SPARSITY_SLACK = 0.005
"""A step may stay this share of the weights below the sparsity it was asked for: what rounding to whole rows takes."""
BITS_SLACK = 1.5
"""Scales and zero points take some; beyond this many times the nominal bits, the saving was not had."""
BROKEN = 10.0
"""Times the parent's perplexity from which a child is said to predict text no longer."""
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Look:
    """A module as it was found, in digests and counts: nothing of its weights is kept."""

    parts: Mapping[str, str]
    """Each module that holds weights of its own, by path: sha256 of them."""
    weights: Mapping[str, int]
    """Each tensor's number of weights, by name."""
    tied: Mapping[str, str]
    """Names that share another's storage, and whose it is: the head's is mostly the input embedding's."""
    bytes: int
    hooks: frozenset[tuple[str, str, int]]
    linear: frozenset[str]
    """Paths of the linear layers, the head's included."""
    body: frozenset[str]
    """Those of the body alone."""
    stacked: Mapping[str, int]
    """See `stacked_matrices`."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A parent and its child, weight by weight."""

    changed: tuple[str, ...]
    left: tuple[str, ...]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    hooked: tuple[str, ...]
    """Parts with hooks that the parent had not."""

    @property
    def anything(self) -> bool:
        """Whether the child differs from its parent at all."""
        return bool(self.changed or self.gone or self.new or self.hooked)


def look_at(module: torch.nn.Module) -> Look:
    """A module before a recipe may change it."""
    parts: dict[str, str] = {}
    tied: dict[str, str] = {}
    owners: dict[int, str] = {}
    for path, part in module.named_modules():
        own = [(name, tensor) for name, tensor in part._parameters.items() if tensor is not None]
        if own:
            parts[path] = tensors_sha256(part)
        for name, tensor in own:
            owner = owners.setdefault(tensor.data_ptr(), _join(path, name))
            if owner != _join(path, name):
                tied[_join(path, name)] = owner
    found = list(stored_tensors(module, sparsity=False))
    return Look(
        parts=parts,
        weights={one.name: one.numel for one in found},
        tied=tied,
        bytes=sum(one.bytes for one in found),
        hooks=frozenset(hooks_of(module)),
        linear=frozenset(name for name, _, _ in linear_weights(module, lm_head=True)),
        body=frozenset(name for name, _, _ in linear_weights(module, lm_head=False)),
        stacked=stacked_matrices(module),
    )


def change_of(before: Look, module: torch.nn.Module) -> Change:
    """Which parts of the parent the child has changed, and which it has as they were."""
    after = dict(module.named_modules())
    changed, left, gone = [], [], []
    for path, digest in before.parts.items():
        if path not in after:
            gone.append(path)
        elif tensors_sha256(after[path]) == digest:
            left.append(path)
        else:
            changed.append(path)
    new = [
        path
        for path, part in after.items()
        if any(tensor is not None for tensor in part._parameters.values())
        and not any(path == known or path.startswith(f"{known}.") for known in before.parts)
    ]
    hooked = sorted({name for name, _, _ in frozenset(hooks_of(module)) - before.hooks})
    return Change(changed=tuple(changed), left=tuple(left), gone=tuple(gone), new=tuple(new), hooked=tuple(hooked))


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
        raise RecipeError(f"{_named(steps)}: no weight was changed: the child would be its parent under another name")
    _refuse_broken(module, change, steps)
    stored = list(stored_tensors(module))
    touched = set(change.changed)
    among = [one for one in stored if one.name.rpartition(".")[0] in touched and len(one.shape) > 1]
    loud = [
        *_missed_sparsity(before, stored, steps),
        *_missed_zeros(stored, facts),
        *_missed_modules(before, change, steps),
        *_missed_experts(before, change, steps),
        *_missed_bits(before, change, stored, steps, facts),
        *_missed_size(before.bytes, stored, steps),
        *_missed_text(parent, child),
    ]
    return {
        "notes": list(dict.fromkeys([*loud, *notes])),
        **_beside(stored, before.bytes, parent, child, held_text),
        "sparsity": _sparsity(among),
        "bits_per_weight": _bits(among),
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
        "notes": _missed_text(parent, child),
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
        "sparsity_overall": _sparsity([one for one in stored if len(one.shape) > 1]),
        "bits_per_weight_overall": _bits(stored),
    }


# -- figures ------------------------------------------------------------------------------------------------------------


def _sparsity(tensors: Sequence[StoredTensor]) -> float | None:
    """Share of zeros; None where there are no weights, or some cannot be read back."""
    known = [(one.sparsity, one.numel) for one in tensors if one.sparsity is not None]
    if not known or len(known) < len(tensors):
        return None
    return sum(share * count for share, count in known) / sum(count for _, count in known)


def _bits(tensors: Sequence[StoredTensor]) -> float | None:
    count = sum(one.numel for one in tensors)
    return 8 * sum(one.bytes for one in tensors) / count if count else None


def _kinds(paths: Iterable[str], among: Iterable[str]) -> list[str]:
    """By the last word of their paths: "30 of 30 q_proj"."""
    all_of: dict[str, int] = {}
    for path in among:
        all_of[_last(path)] = all_of.get(_last(path), 0) + 1
    found: dict[str, int] = {}
    for path in paths:
        found[_last(path)] = found.get(_last(path), 0) + 1
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
            "bits": _bits(group),
            "sparsity": _sparsity(group),
            "changed": changed,
        }
        for (name, dtype, _, changed), group in groups.items()
    ]


# -- missed marks -------------------------------------------------------------------------------------------------------


def _refuse_broken(module: torch.nn.Module, change: Change, steps: Sequence[Step]) -> None:
    """Raises RecipeError for weights that are no numbers, in the parts that the steps changed."""
    touched = {*change.changed, *change.new}
    broken = [
        _join(path, name)
        for path, part in module.named_modules()
        if path in touched
        for name, tensor in part._parameters.items()
        if tensor is not None and not _finite(tensor)
    ]
    if broken:
        more = f" and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        raise RecipeError(
            f"{_named(steps)}: {len(broken)} tensors of the child hold numbers that are not finite "
            f"({', '.join(broken[:SHOWN])}{more}): too large for the format, or divided by zero"
        )


def _finite(tensor: torch.Tensor) -> bool:
    for _, plain in plain_parts(tensor):
        if plain.is_floating_point() and plain.itemsize > 1 and plain.numel():
            low, high = torch.aminmax(plain.detach())  # NaN comes through; nothing is copied
            if not (torch.isfinite(low) and torch.isfinite(high)):
                return False
    return True


def _missed_sparsity(before: Look, stored: Sequence[StoredTensor], steps: Sequence[Step]) -> list[str]:
    """Raises RecipeError where the last step left too few zeros; a note where a later one filled them again."""
    found = []
    for number, step in enumerate(steps, 1):
        asked = step.setting("sparsity")
        if step.action != "prune" or isinstance(asked, bool) or not isinstance(asked, (int, float)):
            continue
        meant = _weights_of(before.linear if step.setting("lm_head") else before.body, before, stored)
        real = _sparsity([one for one in stored if one.name in meant])
        if real is None:
            found.append(f"{step.action} {step.method}: how many zeros are left cannot be counted in what is stored.")
        elif real < asked - SPARSITY_SLACK:
            said = f"{real:.1%} of the weights of the layers it prunes are zero, {asked:.1%} were asked for"
            if number == len(steps):
                raise RecipeError(f"{step.action} = {step.method!r}: {said}: the child is not what was declared")
            found.append(f"{step.action} {step.method}: {said}: later steps filled zeros again.")
    return found


def _missed_zeros(stored: Sequence[StoredTensor], facts: Mapping[str, Mapping[str, object]]) -> list[str]:
    """A note where fewer zeros are left than heads or neurons were removed by: hqq's grids mostly have no zero."""
    shares = [one.sparsity for one in stored]
    zeros = sum(round(share * one.numel) for share, one in zip(shares, stored, strict=True) if share is not None)
    return [
        f"{name.partition(' ')[2]}: {zeroed:,} weights were set to zero, and {zeros:,} are zero in the child: later steps "
        "filled zeros again, so that what was removed has a small part in the answers."
        for name, one in facts.items()
        if isinstance(zeroed := one.get("weights_zeroed"), int) and zeros < zeroed and None not in shares
    ]


def _missed_modules(before: Look, change: Change, steps: Sequence[Step]) -> list[str]:
    """A quantisation that reached less than half of the linear layers' weights."""
    if not before.linear or not any(step.action == "quantize" for step in steps):
        return []
    sizes = {path: before.weights.get(f"{path}.weight", 0) for path in before.body}
    reached = [path for path in before.linear if path in set(change.changed) | set(change.gone)]
    if sum(sizes.get(path, 0) for path in reached) >= sum(sizes.values()) / 2:
        return []
    which = ", ".join(sorted({_last(path) for path in reached})[:SHOWN])
    return [
        f"Only {len(reached)} of {len(before.linear)} linear layers were changed{f' ({which})' if which else ''}: "
        "the rest of the child is its parent."
    ]


def _missed_experts(before: Look, change: Change, steps: Sequence[Step]) -> list[str]:
    """A note where single weights were to be changed, and those of a mixture's experts are as they were."""
    left = [path for path in change.left if path in before.stacked]
    meant = [step for step in steps if step.action == "quantize" or step.setting("sparsity") is not None]
    if not left or not meant:
        return []
    count = sum(before.stacked[path] for path in left)
    return [
        f"{_named(meant)}: {count:,} weights, {count / sum(before.weights.values()):.0%} of all, stand several matrices in a "
        f"tensor ({', '.join(sorted({_last(path) for path in left})[:SHOWN])}) and are as they were: linear layers are "
        "changed, and the experts of a mixture are none."
    ]


def _missed_bits(
    before: Look,
    change: Change,
    stored: Sequence[StoredTensor],
    steps: Sequence[Step],
    facts: Mapping[str, Mapping[str, object]],
) -> list[str]:
    """Fewer bits promised than are stored."""
    meant = _weights_of(before.linear & set(change.changed), before, stored)
    weights = [one for one in stored if one.name in meant]
    real = _bits(weights)
    found = []
    for name, one in facts.items():
        nominal = one.get("bits")
        if real is None or isinstance(nominal, bool) or not isinstance(nominal, (int, float)) or nominal <= 0:
            continue
        if name.split(" ")[1:2] == ["quantize"] and real > BITS_SLACK * nominal:
            kinds = ", ".join(sorted({stored_one.dtype for stored_one in weights}))
            found.append(
                f"{name.partition(' ')[2]}: {nominal:g} bits a weight were asked for, {real:.3g} are stored ({kinds}): "
                "the child shows the format's effect on answers, not its saving in memory."
            )
    return found


def _missed_size(parent: int, stored: Sequence[StoredTensor], steps: Sequence[Step]) -> list[str]:
    child = sum(one.bytes for one in stored)
    if child <= parent or not any(step.action in ("quantize", "prune") for step in steps):
        return []
    shown = [f"{size / 1e6:,.1f}" if size >= 1e7 else f"{size / 1e6:.3g}" for size in (child, parent)]
    return [f"The child takes {shown[0]} MB, more than its parent's {shown[1]} MB."]


def _missed_text(parent: Prediction, child: Prediction) -> list[str]:
    if child.value is None and child.measure != "vectors" and parent.value is not None:
        return [f"The child no longer predicts text: its {child.measure} on the held text is {child.reason}."]
    if child.value is not None and parent.value is not None and child.value >= BROKEN * parent.value:
        return [
            f"The child no longer predicts text: {child.measure} {child.value:,.4g} on the held text, "
            f"{child.value / parent.value:,.0f} times its parent's {parent.value:,.4g}."
        ]
    if child.measure == "vectors" and child.reason.startswith("its vectors"):
        return ["The child gives vectors that hold no numbers: it is broken."]
    return []


# -- names --------------------------------------------------------------------------------------------------------------


def _named(steps: Sequence[Step]) -> str:
    return ", ".join(f"{step.action} = {step.method!r}" for step in steps) or "the recipe"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _last(path: str) -> str:
    """The kind of a part: the last word of its path that is no number."""
    words = [word for word in path.split(".") if not word.isdigit()]
    return words[-1] if words else "the module itself"


def _weights_of(paths: Iterable[str], before: Look, stored: Sequence[StoredTensor]) -> set[str]:
    """Names of the layers' weights as they are stored: a tied one under its owner's."""
    there = {one.name for one in stored}
    names = {_join(path, "weight") for path in paths}
    return {name if name in there else before.tied.get(name, name) for name in names}

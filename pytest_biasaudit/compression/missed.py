"""What a recipe promised and missed: an error where the child is not what was declared, else a loud note. Imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch

from pytest_biasaudit.compression.change import Change, Look, joined, kind_of_part
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.compression.storage import StoredTensor, bits_of, sparsity_of
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import plain_parts
from pytest_biasaudit.models.perplexity import Prediction

SPARSITY_SLACK = 0.005
"""A step may stay this share of the weights below the sparsity it was asked for: what rounding to whole rows takes."""
BITS_SLACK = 1.5
"""Scales and zero points take some; beyond this many times the nominal bits, the saving was not had."""
BROKEN = 10.0
"""Times the parent's perplexity from which a child is said to predict text no longer."""
SHOWN = 5


def missed_marks(
    before: Look,
    change: Change,
    stored: Sequence[StoredTensor],
    steps: Sequence[Step],
    *,
    facts: Mapping[str, Mapping[str, object]],
    parent: Prediction,
    child: Prediction,
) -> list[str]:
    """Every promise that the child misses, in whole sentences.

    Raises RecipeError where the last step pruned less than it was asked to.
    """
    return [
        *_missed_sparsity(before, stored, steps),
        *_missed_zeros(stored, facts),
        *_missed_modules(before, change, steps),
        *_missed_experts(before, change, steps),
        *_missed_bits(before, change, stored, steps, facts),
        *_missed_size(before.bytes, stored, steps),
        *missed_text(parent, child),
    ]


def refuse_broken(module: torch.nn.Module, change: Change, steps: Sequence[Step]) -> None:
    """Raises RecipeError for weights that are no numbers, in the parts that the steps changed."""
    touched = {*change.changed, *change.new}
    broken = [
        joined(path, name)
        for path, part in module.named_modules()
        if path in touched
        for name, tensor in part._parameters.items()
        if tensor is not None and not _finite(tensor)
    ]
    if broken:
        more = f" and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        raise RecipeError(
            f"{named(steps)}: {len(broken)} tensors of the child hold numbers that are not finite "
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
        real = sparsity_of([one for one in stored if one.name in meant])
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
    which = ", ".join(sorted({kind_of_part(path) for path in reached})[:SHOWN])
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
        f"{named(meant)}: {count:,} weights, {count / sum(before.weights.values()):.0%} of all, stand several matrices in a "
        f"tensor ({', '.join(sorted({kind_of_part(path) for path in left})[:SHOWN])}) and are as they were: linear layers are "
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
    real = bits_of(weights)
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


def missed_text(parent: Prediction, child: Prediction) -> list[str]:
    """Says so where a child predicts text no longer, or gives no vectors."""
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


def named(steps: Sequence[Step]) -> str:
    """A recipe as a message names it."""
    return ", ".join(f"{step.action} = {step.method!r}" for step in steps) or "the recipe"


def _weights_of(paths: Iterable[str], before: Look, stored: Sequence[StoredTensor]) -> set[str]:
    """Names of the layers' weights as they are stored: a tied one under its owner's."""
    there = {one.name for one in stored}
    names = {joined(path, "weight") for path in paths}
    return {name if name in there else before.tied.get(name, name) for name in names}

"""Components that a recipe removed, as rows: which and where, and where they were found.

Records in, rows of text and numbers out; no markup. Before and after is told by `mitigation_beside`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_biasaudit.mitigation.removed import RemovedComponents
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.mitigation_beside import AuditBeside, audits_beside


@dataclass(frozen=True, kw_only=True)
class Spot:
    """One place of the model, taken apart: "model.layers.3.self_attn.q_proj" is layer 3, kind "self_attn.q_proj"."""

    layer: int | None
    """None for a place whose name holds no number."""
    kind: str
    """"" for a layer's heads or neurons."""
    size: int
    count: int
    numbers: tuple[int, ...]
    """Of heads: which are gone."""

    @property
    def share(self) -> float:
        """Of the place's components, how many are gone: 0 to 1."""
        return self.count / self.size if self.size else 0.0


@dataclass(frozen=True, kw_only=True)
class RemovedSet:
    """One set of components, as it is told of."""

    components: RemovedComponents
    facts: tuple[tuple[str, str], ...]
    spots: tuple[Spot, ...]


@dataclass(frozen=True, kw_only=True)
class Mitigated:
    """One model from which components were removed."""

    child: str
    parent: str
    """Name of the model it was made from."""
    sets: tuple[RemovedSet, ...]
    audits: tuple[AuditBeside, ...]
    missing: str
    """Why nothing could be set side by side; mostly empty."""


def mitigated(
    models: Sequence[ModelIdentity],
    removed: Mapping[str, Sequence[RemovedComponents]],
    placed: Sequence[tuple[AuditRecord, str]],
) -> tuple[Mitigated, ...]:
    """Each model from which components were removed, in the models' order.

    removed  by a model's digest: the sets that its recipe's steps removed, in their order
    placed   every record with the id of its own section
    """
    by_digest = {model.digest: model for model in reversed(models)}
    made = []
    for child in models:
        sets = tuple(removed.get(child.digest, ()))
        if not sets:
            continue
        parent = by_digest.get(child.parent_digest or "")
        audits = () if parent is None else tuple(audits_beside(parent, child, sets, placed))
        missing = (
            "" if audits else "No audit was put to both models in this run, so nothing can be said of before and after."
        )
        made.append(
            Mitigated(
                child=child.name,
                parent=parent.name if parent is not None else child.parent or "",
                sets=tuple(RemovedSet(components=one, facts=tuple(_facts(one)), spots=spots_of(one)) for one in sets),
                audits=audits,
                missing=missing,
            )
        )
    return tuple(made)


def spots_of(components: RemovedComponents) -> tuple[Spot, ...]:
    """Every place of the model, by layer; within a layer as the model has them."""
    found = [_spot(components, at) for at in range(len(components.places))]
    return tuple(sorted(found, key=lambda one: (one.layer is None, one.layer or 0)))


def _spot(components: RemovedComponents, at: int) -> Spot:
    one = components.places[at]
    layer: int | None
    if components.unit == "weights":
        found = re.search(r"(?:^|\.)(\d+)(?:\.|$)", one.place)
        layer = int(found[1]) if found else None
        kind = one.place[found.end() :] if found else one.place
        size = one.size[0] * one.size[1]
    else:
        layer, kind, size = int(one.place), "", one.size[0]
    return Spot(layer=layer, kind=kind.removesuffix(".weight"), size=size, count=one.count, numbers=one.numbers)


def share_text(share: float) -> str:
    """As in "14.8 %"; never "0 %" or "100 %" for what is not."""
    if 0 < share < 0.0005:
        return "< 0.1 %"
    if 0.9995 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %".replace(".0 %", " %")


def title_of(components: RemovedComponents) -> str:
    """As in "40 of 270 heads"; of weights the share as well, since no one counts millions."""
    text = f"{components.count:,} of {components.total:,} {components.unit}"
    share = components.count / components.total if components.total else 0.0
    return f"{text} ({share_text(share)})"


def _facts(components: RemovedComponents) -> Iterator[tuple[str, str]]:
    yield "Removed", title_of(components)
    if components.unit == "heads":
        yield "How", HEAD_MODES[components.mode]
    elif components.unit == "neurons":
        yield "How", "ablate: a removed unit of an MLP passes nothing on"
    else:
        yield "How", "single weights set to zero"
    yield "Set, sha256", components.sha256 or "none recorded"
    origin = components.origin
    if origin is None:
        yield "Found in", "not recorded: the set was written by hand, so nothing says what it answers to"
        return
    yield "Found by", ", ".join([origin.method, *(f"{key} {_setting(value)}" for key, value in origin.settings)])
    if origin.contexts:
        yield "Found in", "; ".join(f"{name} (context file {sha256[:16]})" for name, sha256 in origin.contexts)
        yield "On wordings", ", ".join(origin.templates) or "none recorded"
        yield "Between groups", f"{origin.attribute}: {origin.groups[1]} against {origin.groups[0]}"
        yield "Prompts and answers, sha256", origin.prompts_sha256 or "none recorded"
    else:
        yield "Found in", "no context: chosen without looking at any answer, as a baseline is"
    yield "Found on model", f"{origin.model} (digest {origin.model_digest[:16]}, weights {origin.weights_sha256[:16]})"


HEAD_MODES = {
    "ablate": "ablate: a removed head writes nothing",
    "uniform": "uniform: a removed head looks at all that it may see alike, and writes their mean; it is not gone",
}


def _setting(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"

"""Components removed and a generalisation protocol, made up by hand: what the report and the terminal are tested on.

The figures only look like a study's, drawn by a seeded generator; no test expects them of the software.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Literal

from pytest_biasaudit.mitigation.components import Mode, Origin, ScoreMethod
from pytest_biasaudit.mitigation.generalising.result import Generalisation, StudiedContext, StudiedPerson
from pytest_biasaudit.mitigation.generalising.rows import Figure, Level, TransferRow
from pytest_biasaudit.mitigation.removed import RemovedComponents, RemovedPlace, plain_removed
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.stats.interval import Interval

CONTEXTS = ("purchase", "activities", "services", "finance")
LAYERS, HEADS, NEURONS = 30, 9, 1536
KINDS = {
    "self_attn.q_proj": (576, 576),
    "self_attn.k_proj": (192, 576),
    "self_attn.v_proj": (192, 576),
    "self_attn.o_proj": (576, 576),
    "mlp.gate_proj": (1536, 576),
    "mlp.up_proj": (1536, 576),
    "mlp.down_proj": (576, 1536),
}


def digest(text: str) -> str:
    """A sha256 to stand for some artefact."""
    return hashlib.sha256(text.encode()).hexdigest()


def origin(
    *,
    method: ScoreMethod = "attribution",
    contexts: tuple[str, ...] = ("second-hand-offers",),
    templates: tuple[str, ...] = ("second-hand-offers/offers/w0.0", "second-hand-offers/offers/w0.1"),
    settings: tuple[tuple[str, str | float | int], ...] = (("k", 24), ("rule", "sum")),
) -> Origin:
    """Found in the sample run's first context."""
    return Origin(
        model="base",
        model_digest=digest("base"),
        weights_sha256=digest("weights"),
        contexts=tuple((name, digest(name)) for name in contexts),
        templates=templates,
        attribute="race",
        groups=("white", "black"),
        prompts_sha256=digest("prompts"),
        method=method,
        settings=settings,
    )


def heads(count: int = 24, *, mode: Mode = "ablate", found: Origin | None = None) -> RemovedComponents:
    """So many of 270 heads, most of them in the middle of the model."""
    draw = random.Random(3)
    chosen: set[tuple[int, int]] = set()
    while len(chosen) < count:
        chosen.add((min(LAYERS - 1, max(0, round(draw.gauss(11, 5)))), draw.randrange(HEADS)))
    places = tuple(_heads_of(layer, chosen) for layer in range(LAYERS))
    return RemovedComponents(
        unit="heads", mode=mode, sha256=digest("heads"), places=places, origin=origin() if found is None else found
    )


def _heads_of(layer: int, chosen: set[tuple[int, int]]) -> RemovedPlace:
    numbers = tuple(sorted(head for at, head in chosen if at == layer))
    return RemovedPlace(place=str(layer), size=(HEADS,), count=len(numbers), numbers=numbers)


def neurons() -> RemovedComponents:
    """Some of every layer but the first four."""
    draw = random.Random(4)
    counts = [0 if layer < 4 else draw.randrange(0, 180) for layer in range(LAYERS)]
    places = tuple(RemovedPlace(place=str(layer), size=(NEURONS,), count=count) for layer, count in enumerate(counts))
    found = origin(method="wanda", settings=(("k", 2000), ("q", 500), ("rule", "difference")))
    return RemovedComponents(unit="neurons", mode="ablate", sha256=digest("neurons"), places=places, origin=found)


def weights() -> RemovedComponents:
    """A few per cent of every linear layer."""
    draw = random.Random(5)
    places = tuple(
        RemovedPlace(
            place=f"model.layers.{layer}.{kind}",
            size=size,
            count=int(size[0] * size[1] * max(0.0, draw.gauss(0.021, 0.012))),
        )
        for layer in range(LAYERS)
        for kind, size in KINDS.items()
    )
    found = origin(method="wanda", settings=(("p", 0.15), ("q", 0.15), ("rule", "difference")))
    return RemovedComponents(unit="weights", mode="ablate", sha256=digest("weights set"), places=places, origin=found)


def figure(value: float | None, half: float = 0.1, *, reason: str = "") -> Figure:
    """A value with an interval, somewhat longer downwards."""
    if value is None:
        return Figure(value=None, interval=None, reason=reason)
    interval = Interval(low=value - 1.2 * half, high=value + half, level=0.95, method="crossed t (names and templates)")
    return Figure(value=value, interval=interval, reason=reason)


def row(
    level: Level,
    found_in: tuple[str, ...],
    evaluated_in: str,
    *,
    unit: Literal["heads", "neurons", "weights"] = "heads",
    method: str = "attribution",
    chosen: Literal["scored", "random", "magnitude", "none"] = "scored",
    rule: str = "intersection",
    removed: float | None = 0.4,
    before: float = 0.52,
    reason: str = "",
) -> TransferRow:
    """One row, its figures made of the share of bias that is removed."""
    none = level == "none"
    gone = 0.0 if none or removed is None else removed
    return TransferRow(
        level=level,
        found_in=found_in,
        evaluated_in=evaluated_in,
        unit=unit,
        method="" if none else method,
        chosen="none" if none else chosen,
        rule="" if none else rule,
        components=0 if none else 40.0 if unit == "heads" else 1843.5,
        share=0.0 if none else 0.148 if unit == "heads" else 0.04,
        variations=10 if evaluated_in == "purchase" else 3,
        people=32 if level == "names" else 64,
        bias=figure(before * (1 - gone), 0.08),
        bias_before=figure(before, 0.08),
        removed=Figure(value=None, interval=None, reason="nothing was removed") if none
        else figure(removed, 0.22, reason=reason),
        inlier_ratio=figure(0.902 if none else 0.86, 0.02),
        answer_rate=figure(0.998 if none else 0.981, 0.008),
        perplexity=38.9 if none else 44.2,
        perplexity_before=38.9,
        same_prompts=level in {"prompt", "context"},
    )  # fmt: skip


def rows(contexts: tuple[str, ...] = CONTEXTS) -> tuple[TransferRow, ...]:
    """A whole protocol: two units, every level, baselines beside."""
    return tuple(_rows(contexts))


def _rows(contexts: tuple[str, ...]) -> Iterator[TransferRow]:
    draw = random.Random(8)
    expected: dict[Level, float] = {
        "prompt": 0.83,
        "names": 0.61,
        "leave-one-out": 0.48,
        "context": 0.66,
        "cross-context": 0.14,
        "pooled": 0.2,
    }
    for unit, method in (("heads", "attribution"), ("neurons", "wanda")):
        for evaluated in contexts:
            before = draw.uniform(0.25, 0.7)
            yield row("none", (), evaluated, unit=unit, before=before)  # type: ignore[arg-type]
            others = tuple(one for one in contexts if one != evaluated)
            for level, mean in expected.items():
                far: dict[str, list[tuple[str, ...]]] = {
                    "cross-context": [(one,) for one in others],
                    "pooled": [others],
                }
                sources: list[tuple[str, ...]] = far.get(level, [(evaluated,)])
                for found_in in sources:
                    for chosen, gone in (("scored", mean), ("random", 0.0), ("magnitude", -0.06)):
                        yield row(
                            level,
                            found_in,
                            evaluated,
                            unit=unit,  # type: ignore[arg-type]
                            method=method,
                            chosen=chosen,  # type: ignore[arg-type]
                            rule="own" if level in {"prompt", "names"} else "frequency",
                            removed=draw.gauss(gone, 0.12),
                            before=before,
                        )


def study(model: ModelIdentity, made: tuple[TransferRow, ...] | None = None) -> Generalisation:
    """The protocol as the evidence holds it, of a model."""
    found = rows() if made is None else made
    return Generalisation(
        study="four-contexts",
        plan_file="transfer.toml",
        plan_sha256=digest("plan"),
        model=model,
        attribute="race",
        groups=("white", "black"),
        metric="smd",
        level=0.95,
        seed=7,
        choices=(
            {"unit": "heads", "method": "attribution", "k": 40, "p": None, "rule": "sum"},
            {"unit": "neurons", "method": "wanda", "k": 1843, "p": None, "rule": "difference"},
        ),
        contexts=tuple(studied(name) for name in dict.fromkeys(row.evaluated_in for row in found)),
        rows=found,
    )


def studied(name: str) -> StudiedContext:
    """One context of which a part was asked."""
    people = tuple(
        StudiedPerson(id=f"p{at}", group="black" if at % 2 else "white", half=1 if at // 2 % 2 else 0)
        for at in range(64)
    )
    return StudiedContext(
        context=name,
        context_sha256=digest(name),
        audit="offers",
        variations=(f"{name}/offers/w0.0", f"{name}/offers/w0.1", f"{name}/offers/w0.2"),
        declared_variations=10 if name == "purchase" else 3,
        people=people,
        declared_people=64,
        repeats=1,
        unit="USD",
    )


def records(sample: ModuleType) -> list[AuditRecord]:
    """The sample's run, and three children of its parent beside: without heads, without neurons, without weights."""
    made: list[AuditRecord] = sample.records()
    children = [one for one in made if one.model.parent]
    for name, gone in (("heads-out", heads()), ("neurons-out", neurons()), ("weights-out", weights())):
        model = replace(
            children[0].model,
            name=name,
            weights_sha256=digest(name),
            recipe=({"prune": "components", "file": "set.json", "file_sha256": gone.sha256},),
            achieved={**children[0].model.achieved, "components": [plain_removed(gone)]},
        )
        made += [replace(one, model=model) for one in children if one.audit.id == "offers" or name == "heads-out"]
    return made


def evidence(sample: ModuleType) -> Evidence:
    """That run, read, with the study of its parent."""
    found: Evidence = sample.evidence(records(sample))
    return replace(found, transfer=(study(sample.models()[0]),))

"""A child beside its parent: whose digests they have, what the recipe was and did, and what it changed. Rows of text out.

Records in, no markup out. What was not measured says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.achieved import achieved_rows, list_in, number_in, percent
from pytest_biasaudit.report.lineage import setting_text, step_text
from pytest_biasaudit.report.paired_changes import AuditChange, audit_changes

SHORT_DIGEST = 16
NOT_MEASURED = "not measured"
FILE_DIGEST = "_sha256"
"""A recipe's step names the digest of each file it used under the setting's name with this ending."""
CURVES = ("loss_curve", "loss")
"""Facts of a step that are lists of [step, loss]."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One fact of both models."""

    name: str
    parent: str
    child: str
    parent_title: str = ""
    """The whole of what is shown short; empty where that is all."""
    child_title: str = ""
    remark: str = ""
    """"the same", "0.42 times the parent's"."""


@dataclass(frozen=True, kw_only=True)
class LossCurve:
    """How well a student learned."""

    step: str
    """The recipe's step: "1 distill logits"."""
    points: tuple[tuple[float, float], ...]
    """(training step, loss)."""


@dataclass(frozen=True, kw_only=True)
class ParentChild:
    """One child whose parent is in the evidence too."""

    parent: ModelIdentity
    child: ModelIdentity
    notes: tuple[str, ...]
    """What was promised and not achieved, and what must be said wherever the child is shown."""
    recipe: tuple[str, ...]
    made_by: tuple[tuple[str, str], ...]
    """Name and digest: of the recipe, and of each file it used."""
    identity: tuple[Fact, ...]
    achieved: tuple[Fact, ...]
    steps: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    """What each method says of itself."""
    tensors: tuple[tuple[str, ...], ...]
    """Name, count, form, weights, MB, bits a weight, zeros, changed."""
    curves: tuple[LossCurve, ...]
    audits: tuple[AuditChange, ...]


def parents_and_children(
    models: Sequence[ModelIdentity], records: Sequence[AuditRecord], anchors: Sequence[str]
) -> tuple[ParentChild, ...]:
    """Each child whose parent, by digest, is among the models; in the models' order.

    anchors  the id of each record's own section
    """
    by_digest = {model.digest: model for model in reversed(models)}
    placed = list(zip(records, anchors, strict=True))
    found = []
    for child in models:
        parent = by_digest.get(child.parent_digest or "")
        if parent is None or child.digest == parent.digest:
            continue
        found.append(_pair(parent, child, placed))
    return tuple(found)


def _pair(parent: ModelIdentity, child: ModelIdentity, placed: Sequence[tuple[AuditRecord, str]]) -> ParentChild:
    achieved = child.achieved
    return ParentChild(
        parent=parent,
        child=child,
        notes=tuple(str(one) for one in list_in(achieved.get("notes"))),
        recipe=tuple(
            step_text({k: v for k, v in step.items() if not k.endswith(FILE_DIGEST)}) for step in child.recipe
        ),
        made_by=tuple(_made_by(child)),
        identity=tuple(_identity(parent, child)),
        achieved=tuple(_achieved(achieved)),
        steps=tuple(_steps(achieved)),
        tensors=tuple(_tensors(achieved)),
        curves=tuple(_curves(achieved)),
        audits=audit_changes(parent, child, placed),
    )


def _made_by(child: ModelIdentity) -> Iterator[tuple[str, str]]:
    yield "Recipe", child.recipe_sha256 or "none: a faithful copy"
    for number, step in enumerate(child.recipe, start=1):
        for key, value in step.items():
            if key.endswith(FILE_DIGEST):
                yield f"Step {number}, {key.removesuffix(FILE_DIGEST)}", str(value)


def _identity(parent: ModelIdentity, child: ModelIdentity) -> Iterator[Fact]:
    rows = (
        ("Digest of the whole", parent.digest, child.digest),
        ("Weights", parent.weights_sha256, child.weights_sha256),
        ("Tokenizer", parent.tokenizer_sha256, child.tokenizer_sha256),
        ("Chat template", parent.chat_template_sha256, child.chat_template_sha256),
        ("Settings", parent.config_sha256, child.config_sha256),
        ("Source", parent.source, child.source),
        ("Revision", parent.revision, child.revision),
        ("Number format", parent.dtype, child.dtype),
        ("Architecture", parent.architecture, child.architecture),
        ("Parameters", f"{parent.parameters:,}", f"{child.parameters:,}"),
    )
    for name, mine, theirs in rows:
        short = [_short(text) for text in (mine, theirs)]
        whole = [
            "" if text is None or text == shown else text for text, shown in zip((mine, theirs), short, strict=True)
        ]
        yield Fact(
            name=name,
            parent=short[0],
            child=short[1],
            parent_title=whole[0],
            child_title=whole[1],
            remark="the same" if mine and mine == theirs else "",
        )


def _short(text: str | None) -> str:
    if not text:
        return "none recorded"
    digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return text[:SHORT_DIGEST] if digest else text


def _achieved(achieved: Mapping[str, object]) -> Iterator[Fact]:
    yield _beside("Size, MB", achieved, "parent_size_mb", "size_mb")
    measure = str(achieved.get("measure") or "perplexity")
    if measure != "cosine":
        fact = _beside(
            f"{measure[:1].upper()}{measure[1:]} on a held text", achieved, "parent_perplexity", "perplexity"
        )
        there = "perplexity" in achieved and number_in(achieved["perplexity"]) is None
        yield replace(fact, child="none: infinite, or not to be had") if there else fact
    cosine = achieved.get("cosine", achieved.get("mean_cosine"))
    if cosine is not None or measure == "cosine":
        yield _of_child("Cosine with the parent's vectors", cosine, "mean over the held text")
    if achieved.get("held_text_sha256"):
        held = str(achieved["held_text_sha256"])
        tokens = achieved.get("held_text_tokens")
        words = f"{tokens:,} tokens" if isinstance(tokens, int) else ""
        yield Fact(
            name="Held text", parent=_short(held), child=_short(held), parent_title=held, child_title=held, remark=words
        )
    overall = achieved.get("bits_per_weight_overall")
    bits = f"{setting_text(overall)} over all tensors" if overall is not None else ""
    yield _of_child("Bits a weight, changed parts", achieved.get("bits_per_weight"), bits)
    everywhere = achieved.get("sparsity_overall")
    zeros = f"{_zeros(everywhere)} over all tensors" if everywhere is not None else ""
    yield Fact(name="Zeros, changed parts", parent=wording.NONE, child=_zeros(achieved.get("sparsity")), remark=zeros)
    for key, name, always in (
        ("modules_changed", "Modules changed", True),
        ("modules_left", "Modules left as they were", True),
        ("modules_gone", "Modules taken out", False),
        ("modules_new", "Modules put in", False),
        ("modules_hooked", "Modules with hooks", False),
    ):
        value = achieved.get(key)
        if value or always:
            yield Fact(name=name, parent=wording.NONE, child=_listed(value))
    files = {key: achieved[key] for key in ("gguf", "saved") if key in achieved}
    for name, text in achieved_rows(files, text=setting_text):
        yield Fact(name=name, parent=wording.NONE, child=text)


def _beside(name: str, achieved: Mapping[str, object], parent: str, child: str) -> Fact:
    mine, theirs = number_in(achieved.get(parent)), number_in(achieved.get(child))
    ratio = f"{wording.number(theirs / mine)} times the parent's" if mine and theirs is not None else ""
    return Fact(name=name, parent=_figure(mine), child=_figure(theirs), remark=ratio)


def _of_child(name: str, value: object, remark: str) -> Fact:
    return Fact(
        name=name, parent=wording.NONE, child=_figure(number_in(value)), remark=remark if value is not None else ""
    )


def _figure(value: float | None) -> str:
    return NOT_MEASURED if value is None else wording.number(value)


def _zeros(value: object) -> str:
    share = number_in(value)
    return NOT_MEASURED if share is None else percent(share)


def _listed(value: object) -> str:
    if value is None:
        return NOT_MEASURED
    if isinstance(value, (list, tuple)):
        return ", ".join(str(one) for one in value) or "none"
    return setting_text(value)


def _steps(achieved: Mapping[str, object]) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    for name, facts in _tables(achieved.get("steps")):
        shown = tuple((key.replace("_", " "), setting_text(value)) for key, value in facts.items() if key not in CURVES)
        yield name, shown


def _curves(achieved: Mapping[str, object]) -> Iterator[LossCurve]:
    for name, facts in _tables(achieved.get("steps")):
        for key in CURVES:
            pairs = [_point(one) for one in list_in(facts.get(key))]
            points = tuple(sorted(one for one in pairs if one is not None))
            if len(points) > 1:
                yield LossCurve(step=name, points=points)
                break


def _point(pair: object) -> tuple[float, float] | None:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        return None
    step, loss = number_in(pair[0]), number_in(pair[1])
    return None if step is None or loss is None else (step, loss)


def _tables(value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    if isinstance(value, Mapping):
        for name, table in value.items():
            if isinstance(table, Mapping):
                yield str(name), table


def _tensors(achieved: Mapping[str, object]) -> Iterator[tuple[str, ...]]:
    for one in list_in(achieved.get("tensors")):
        if not isinstance(one, Mapping):
            continue
        size = number_in(one.get("bytes"))
        yield (
            str(one.get("name", NOT_MEASURED)),
            setting_text(one.get("count")),
            setting_text(one.get("stored")),
            setting_text(one.get("weights")),
            NOT_MEASURED if size is None else wording.number(size / 1e6),
            _figure(number_in(one.get("bits"))),
            _zeros(one.get("sparsity")),
            setting_text(one.get("changed")),
        )

"""What two models' answers differ by beside the models: number format, batch size, prompt format, libraries, scoring.

A difference of the answers is then not the compression's alone, and the finding says so. Plain data in, sentences out;
imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.record import AuditRecord


@dataclass(frozen=True, kw_only=True)
class AskedAs:
    """How one model was asked and computed its answers."""

    model: ModelIdentity
    prompt_format: str
    batch_size: int
    facts: Mapping[str, str] = field(default_factory=dict)
    """Benchmarks: what decided the scores."""

    @classmethod
    def of(cls, record: AuditRecord) -> AskedAs:
        """As a record says."""
        return cls(
            model=record.model,
            prompt_format=record.prompt_format,
            batch_size=record.batch_size,
            facts=dict(record.facts),
        )


def unlike(child: AskedAs, parent: AskedAs) -> tuple[str, ...]:
    """One sentence for each thing that differs and is no part of the models' weights; empty where nothing does."""
    return tuple(_differences(child, parent))


def _differences(child: AskedAs, parent: AskedAs) -> Iterator[str]:
    mine, theirs = child.model, parent.model
    own, other = mine.name, theirs.name if theirs.name != mine.name else "the other"
    if mine.dtype and theirs.dtype and mine.dtype != theirs.dtype:
        yield f"{own} computes in {mine.dtype}, {other} in {theirs.dtype}: part of the difference is rounding"
    if child.batch_size != parent.batch_size:
        yield (
            f"{own} was asked {child.batch_size} at a time, {other} {parent.batch_size}: batches change the last digits, and "
            "with them now and then an answer"
        )
    if child.prompt_format != parent.prompt_format:
        yield (
            f"{own} was asked in {_format(child)}, {other} in {_format(parent)}: they did not read the same text, so the "
            "difference is not the weights' alone"
        )
    elif mine.chat_template_sha256 != theirs.chat_template_sha256 and child.prompt_format == "chat":
        yield f"the chat templates of {own} and {other} differ: they did not read the same text"
    if mine.tokenizer_sha256 and theirs.tokenizer_sha256 and mine.tokenizer_sha256 != theirs.tokenizer_sha256:
        yield f"the tokenizers of {own} and {other} differ: the same text may be other tokens"
    versions, others = dict(mine.libraries), dict(theirs.libraries)
    for name in versions:
        if name in others and versions[name] != others[name]:
            yield f"the answers of {own} come from {name} {versions[name]}, those of {other} from {name} {others[name]}"
    for name in {**child.facts, **parent.facts}:
        here, there = child.facts.get(name, "not said"), parent.facts.get(name, "not said")
        if here != there:
            yield f"{name} is {here!r} for {own} and {there!r} for {other}"


def _format(asked: AskedAs) -> str:
    return "its chat format" if asked.prompt_format == "chat" else "raw text"

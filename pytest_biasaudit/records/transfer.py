"""A study of generalisation as plain, JSON-ready values, and back. See `codec` for the rules. Imports nothing heavy.

The sets themselves are files; here stand their digests, where they were found and how many of what they hold, beside every
answer in few words, so that each row can be computed again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.mitigation.generalising.result import (
    Evaluation,
    Generalisation,
    StudiedContext,
    StudiedPerson,
    StudiedSet,
)
from pytest_biasaudit.mitigation.generalising.rows import Figure, TransferRow
from pytest_biasaudit.mitigation.generalising.schedule import OWN
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.plain_values import Plain, finite, text
from pytest_biasaudit.stats.interval import Interval

FIGURES = ("bias", "bias_before", "removed", "inlier_ratio", "answer_rate")
INFINITE = "infinite"
"""A perplexity, of a model that gives its text no probability."""
Fitted = Mapping[str, Any]


def transfer_to_plain(result: Generalisation) -> Plain:
    """One study of one model, as the evidence holds it."""
    return {
        "study": text(result.study),
        "plan_file": text(result.plan_file),
        "plan_sha256": result.plan_sha256,
        "model": text(result.model.name),
        "model_digest": result.model.digest,
        "attribute": text(result.attribute),
        "groups": [text(group) for group in result.groups],
        "metric": text(result.metric),
        "level": float(result.level),
        "seed": int(result.seed),
        "choices": [dict(choice) for choice in result.choices],
        "contexts": [_context_to_plain(context) for context in result.contexts],
        "rows": [_row_to_plain(row) for row in result.rows],
        "sets": [_set_to_plain(one) for one in result.sets],
        "evaluations": [_evaluation_to_plain(one) for one in result.evaluations],
    }


def transfer_from_plain(raw: Fitted, *, model: ModelIdentity, pointer: str = "") -> Generalisation:
    """The study back in types; the sets themselves stay in their files.

    pointer  where it stands in the file

    Raises EvidenceError for a row that names an evaluation which is not there, and for one on the prompts that its set was found
    on that does not say so, or says so and is not.
    """
    for at, row in enumerate(raw["rows"]):
        if row["same_prompts"] is not (row["level"] in OWN):
            raise EvidenceError(
                f"{pointer}/rows/{at}/same_prompts: it is {row['same_prompts']}, and level {row['level']!r} is "
                f"{'' if row['level'] in OWN else 'not '}evaluated on the prompts that its sets were found on"
            )
        for place in row["evaluations"]:
            if place >= len(raw["evaluations"]):
                raise EvidenceError(
                    f"{pointer}/rows/{at}/evaluations: evaluation {place} is not there; the study has {len(raw['evaluations'])}"
                )
    groups = (raw["groups"][0], raw["groups"][1])
    shared = {"metric": raw["metric"], "attribute": raw["attribute"], "groups": groups}
    return Generalisation(
        study=raw["study"],
        plan_file=raw["plan_file"],
        plan_sha256=raw["plan_sha256"],
        model=model,
        attribute=raw["attribute"],
        groups=groups,
        metric=raw["metric"],
        level=raw["level"],
        seed=raw["seed"],
        choices=tuple(dict(choice) for choice in raw["choices"]),
        contexts=tuple(_context_from_plain(one) for one in raw["contexts"]),
        rows=tuple(_row_from_plain(one, level=raw["level"], shared=shared) for one in raw["rows"]),
        sets=tuple(_set_from_plain(one) for one in raw["sets"]),
        evaluations=tuple(
            Evaluation(
                components=one["components"],
                variation=one["variation"],
                halves=tuple(one["halves"]),
                values=tuple(one["values"]),
                statuses=tuple(one["statuses"]),
            )
            for one in raw["evaluations"]
        ),
    )


def _row_to_plain(row: TransferRow) -> Plain:
    return {
        "level": str(row.level),
        "found_in": [text(context) for context in row.found_in],
        "evaluated_in": text(row.evaluated_in),
        "unit": str(row.unit),
        "method": text(row.method),
        "chosen": str(row.chosen),
        "rule": text(row.rule),
        "components": float(row.components),
        "share": float(row.share),
        "variations": int(row.variations),
        "people": int(row.people),
        **{name: _figure_to_plain(getattr(row, name)) for name in FIGURES},
        "chance": finite(row.chance),
        "perplexity": _perplexity_to_plain(row.perplexity),
        "perplexity_before": _perplexity_to_plain(row.perplexity_before),
        "same_prompts": bool(row.same_prompts),
        "evaluations": [int(at) for at in row.evaluations],
    }


def _row_from_plain(raw: Fitted, *, level: float, shared: Fitted) -> TransferRow:
    plain = {name: value for name, value in raw.items() if name not in FIGURES}
    figures = {name: _figure_from_plain(raw[name], level=level) for name in FIGURES}
    lists = {"found_in": tuple(raw["found_in"]), "evaluations": tuple(raw["evaluations"])}
    both = {name: _perplexity_from_plain(raw[name]) for name in ("perplexity", "perplexity_before")}
    return TransferRow(**{**plain, **figures, **lists, **both, **shared})


def _perplexity_to_plain(value: float | None) -> float | str | None:
    """A broken model must not look like one that was not asked: JSON has no infinity."""
    return INFINITE if value is not None and not math.isfinite(value) else finite(value)


def _perplexity_from_plain(value: float | str | None) -> float | None:
    return math.inf if value == INFINITE else value  # type: ignore[return-value]  # the schema knows no other text


def _figure_to_plain(figure: Figure) -> Plain:
    value, interval, reason = finite(figure.value), figure.interval, figure.reason
    if figure.value is not None and value is None:
        reason = "; ".join(filter(None, [reason, f"the value is {float(figure.value)}, not a finite number"]))
    return {
        "value": value,
        "low": finite(interval.low) if interval else None,
        "high": finite(interval.high) if interval else None,
        "method": text(interval.method) if interval else None,
        "reason": text(reason),
    }


def _figure_from_plain(raw: Fitted, *, level: float) -> Figure:
    interval = None
    if raw["method"] is not None:
        low = float("-inf") if raw["low"] is None else raw["low"]
        high = float("inf") if raw["high"] is None else raw["high"]
        interval = Interval(low=low, high=high, level=level, method=raw["method"])
    return Figure(value=raw["value"], interval=interval, reason=raw["reason"])


def _context_to_plain(context: StudiedContext) -> Plain:
    return {
        "context": text(context.context),
        "context_sha256": context.context_sha256,
        "audit": text(context.audit),
        "variations": [text(one) for one in context.variations],
        "declared_variations": int(context.declared_variations),
        "people": [
            {"id": text(person.id), "group": text(person.group), "half": int(person.half)} for person in context.people
        ],
        "declared_people": int(context.declared_people),
        "repeats": int(context.repeats),
        "unit": text(context.unit),
    }


def _context_from_plain(raw: Fitted) -> StudiedContext:
    lists = {
        "variations": tuple(raw["variations"]),
        "people": tuple(StudiedPerson(**person) for person in raw["people"]),
    }
    return StudiedContext(**{**raw, **lists})


def _set_to_plain(one: StudiedSet) -> Plain:
    return {
        "sha256": one.sha256,
        "unit": str(one.unit),
        "method": text(one.method),
        "chosen": str(one.chosen),
        "rule": text(one.rule),
        "found_in": [text(variation) for variation in one.found_in],
        "halves": [int(half) for half in one.halves],
        "count": int(one.count),
        "by_place": {text(place): int(count) for place, count in one.by_place},
        "perplexity": _perplexity_to_plain(one.perplexity),
        "file": text(one.file),
        "file_sha256": one.file_sha256,
    }


def _set_from_plain(raw: Fitted) -> StudiedSet:
    lists = {
        "found_in": tuple(raw["found_in"]),
        "halves": tuple(raw["halves"]),
        "by_place": tuple(raw["by_place"].items()),
        "perplexity": _perplexity_from_plain(raw["perplexity"]),
    }
    return StudiedSet(**{**raw, **lists})


def _evaluation_to_plain(one: Evaluation) -> Plain:
    return {
        "components": one.components,
        "variation": text(one.variation),
        "halves": [int(half) for half in one.halves],
        "values": [finite(value) for value in one.values],
        "statuses": [str(status) for status in one.statuses],
    }

"""A study of levers as plain, JSON-ready values, and back. See `codec` for the rules. Imports nothing heavy.

Every cell is there, so that each row drawn from the cells can be computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.mitigation.study.plain import (
    cell_from_plain,
    cell_to_plain,
    figure_from_plain,
    figure_to_plain,
    finite,
)
from pytest_biasaudit.mitigation.study.plan import Intervention
from pytest_biasaudit.mitigation.study.result import (
    LeverRow,
    Regression,
    StudiedTable,
    StudyResult,
    SweepRow,
    Term,
    UnitRow,
)
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.plain_values import Plain, text

Fitted = Mapping[str, Any]


def study_to_plain(result: StudyResult) -> Plain:
    """One study of one model, as the evidence holds it."""
    return {
        "study": text(result.study),
        "plan_file": text(result.plan_file),
        "plan_sha256": result.plan_sha256,
        "model": text(result.model.name),
        "model_digest": result.model.digest,
        "attribute": text(result.attribute),
        "reference": text(result.reference),
        "groups": [text(one) for one in result.groups],
        "labels": [text(one) for one in result.labels],
        "gap": text(result.gap),
        "level": float(result.level),
        "minimum": int(result.minimum),
        "seeds": [int(one) for one in result.seeds],
        "training": {text(key): _setting(value) for key, value in result.training},
        "upstream": [_lever_to_plain(one) for one in result.upstream],
        "data": [_lever_to_plain(one) for one in result.data],
        "train": _table_to_plain(result.train),
        "test": _table_to_plain(result.test),
        "majority": float(result.majority),
        "upstream_score": text(result.upstream_score),
        "cells": [cell_to_plain(one) for one in result.cells],
        "levers": [_row_to_plain(one) for one in result.levers],
        "units": [_unit_to_plain(one) for one in result.units],
        "sweep": [_sweep_to_plain(one) for one in result.sweep],
        "regressions": [_regression_to_plain(one) for one in result.regressions],
        "notes": [text(one) for one in result.notes],
    }


def study_from_plain(raw: Fitted, *, model: ModelIdentity, pointer: str = "") -> StudyResult:
    """The study back in types.

    pointer  where it stands in the file

    Raises EvidenceError for a cell or row of a lever or seed that the study does not have.
    """
    level = raw["level"]
    upstream = tuple(_lever_from_plain(one) for one in raw["upstream"])
    data = tuple(_lever_from_plain(one) for one in raw["data"])
    names = ({one.name for one in upstream}, {one.name for one in data})
    for part in ("cells", "levers", "units", "sweep"):
        for at, one in enumerate(raw[part]):
            for key, known in zip(("upstream", "data"), names, strict=True):
                if one[key] not in known:
                    raise EvidenceError(f"{pointer}/{part}/{at}/{key}: the study has no lever {one[key]!r}")
    for at, one in enumerate(raw["cells"]):
        if one["seed"] not in raw["seeds"]:
            raise EvidenceError(f"{pointer}/cells/{at}/seed: the study has no seed {one['seed']}")
    return StudyResult(
        study=raw["study"],
        plan_file=raw["plan_file"],
        plan_sha256=raw["plan_sha256"],
        model=model,
        attribute=raw["attribute"],
        reference=raw["reference"],
        groups=tuple(raw["groups"]),
        labels=tuple(raw["labels"]),
        gap=raw["gap"],
        level=level,
        minimum=raw["minimum"],
        seeds=tuple(raw["seeds"]),
        training=tuple((key, _tuple(value)) for key, value in raw["training"].items()),
        upstream=upstream,
        data=data,
        train=StudiedTable(**raw["train"]),
        test=StudiedTable(**raw["test"]),
        majority=raw["majority"],
        upstream_score=raw["upstream_score"],
        cells=tuple(cell_from_plain(one, level=level) for one in raw["cells"]),
        levers=tuple(
            LeverRow(**_figures(one, ("rms", "change", "accuracy", "accuracy_change"), level)) for one in raw["levers"]
        ),
        units=tuple(UnitRow(**_figures(one, ("gap", "change"), level)) for one in raw["units"]),
        sweep=tuple(SweepRow(**_figures(one, ("rms", "gap", "accuracy"), level)) for one in raw["sweep"]),
        regressions=tuple(_regression_from_plain(one, level) for one in raw["regressions"]),
        notes=tuple(raw["notes"]),
    )


def _row_to_plain(row: LeverRow) -> Plain:
    return {
        "upstream": text(row.upstream),
        "data": text(row.data),
        "seeds": int(row.seeds),
        "rms": figure_to_plain(row.rms),
        "change": figure_to_plain(row.change),
        "accuracy": figure_to_plain(row.accuracy),
        "accuracy_change": figure_to_plain(row.accuracy_change),
        "helped": str(row.helped),
        "reason": text(row.reason),
    }


def _unit_to_plain(row: UnitRow) -> Plain:
    return {
        "upstream": text(row.upstream),
        "data": text(row.data),
        "label": text(row.label),
        "group": text(row.group),
        "prevalence": finite(row.prevalence),
        "score": finite(row.score),
        "gap": figure_to_plain(row.gap),
        "change": figure_to_plain(row.change),
    }


def _sweep_to_plain(row: SweepRow) -> Plain:
    return {
        "upstream": text(row.upstream),
        "pretrained": bool(row.pretrained),
        "data": text(row.data),
        "label": text(row.label),
        "rate": float(row.rate),
        "reached": finite(row.reached),
        "rms": figure_to_plain(row.rms),
        "gap": figure_to_plain(row.gap),
        "accuracy": figure_to_plain(row.accuracy),
    }


def _regression_to_plain(fit: Regression) -> Plain:
    return {
        "name": text(fit.name),
        "terms": [
            {
                "name": text(term.name),
                "coefficient": figure_to_plain(term.coefficient),
                "raw": finite(term.raw),
                "p": finite(term.p),
                "df": finite(term.df),
            }
            for term in fit.terms
        ],
        "r_squared": finite(fit.r_squared),
        "observations": int(fit.observations),
        "clusters": int(fit.clusters),
        "reason": text(fit.reason),
    }


def _regression_from_plain(raw: Fitted, level: float) -> Regression:
    terms = tuple(Term(**_figures(one, ("coefficient",), level)) for one in raw["terms"])
    return Regression(**{**raw, "terms": terms})


def _figures(raw: Fitted, names: tuple[str, ...], level: float) -> dict[str, Any]:
    return {**raw, **{name: figure_from_plain(raw[name], level=level) for name in names}}


def _lever_to_plain(one: Intervention) -> Plain:
    settings = {text(key): _setting(value) for key, value in one.settings}
    return {"method": text(one.method), "settings": settings, "where": str(one.where)}


def _lever_from_plain(raw: Fitted) -> Intervention:
    settings = tuple((key, _tuple(value)) for key, value in raw["settings"].items())
    return Intervention(method=raw["method"], settings=settings, where=raw["where"])


def _table_to_plain(one: StudiedTable) -> Plain:
    return {
        "source": text(one.source),
        "sha256": one.sha256,
        "rows": int(one.rows),
        "table_sha256": one.table_sha256,
    }


def _setting(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return [_setting(one) for one in value]
    return text(value) if isinstance(value, str) else value


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value

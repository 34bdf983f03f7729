"""What a file of scores says of itself, read strictly: the JSON in its metadata. Imports safetensors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.methods import SIGNED
from pytest_biasaudit.mitigation.units import METHODS_OF, ScoreMethod, Unit

SCHEMA = 1
UNDER = "biasaudit_scores"
"""The key of the JSON in the file's metadata."""
MOST = 20
KEYS = (
    "schema", "kind", "unit", "method", "signed", "sizes", "inputs", "settings", "seed", "cells", "model", "model_digest",
    "weights_sha256", "contexts", "prompts_sha256", "libraries", "notes",
)  # fmt: skip
METHODS_IN: Mapping[str, tuple[ScoreMethod, ...]] = {
    "sums": ("attention", "attribution", "ablation", "wanda", "snip"),
    "squares": ("wanda",),
    "magnitudes": ("magnitude",),
    "draws": ("random",),
}
"""By kind of file, whose scores it holds."""


def read_header(source: Path) -> dict[str, Any]:
    """The JSON of a file, checked. Raises DataError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(source, framework="numpy") as file:
            told = (file.metadata() or {}).get(UNDER)
    except (OSError, SafetensorError) as fault:
        raise DataError(str(source), [f"cannot be read as a safetensors file: {fault}"]) from fault
    if told is None:
        raise DataError(str(source), [f"it is no file of scores: its metadata have no {UNDER!r}"])
    try:
        head = json.loads(told)
    except (ValueError, RecursionError) as fault:
        raise DataError(str(source), [f"{UNDER}: no JSON: {fault}"]) from fault
    faults = list(_faults_of(head)) if isinstance(head, dict) else [f"{UNDER} must be a table"]
    if faults:
        raise DataError(str(source), limited(faults))
    assert isinstance(head, dict)
    return head


def _faults_of(head: dict[str, Any]) -> list[str]:
    if head.get("schema") != SCHEMA:
        return [f"schema = {head.get('schema')!r}; this version reads {SCHEMA}"]
    faults = [f"no key {key!r}" for key in KEYS if key not in head]
    faults += [f"unknown key {key!r}" for key in head if key not in KEYS]
    if faults:
        return faults
    if head["kind"] not in METHODS_IN:
        faults.append(f"kind = {head['kind']!r}; valid: {', '.join(METHODS_IN)}")
    if head["unit"] not in get_args(Unit) or head["method"] not in METHODS_OF.get(head["unit"], ()):
        faults.append(f"unit = {head['unit']!r} with method = {head['method']!r} is none that is defined")
    faults += [
        f"{key} must be text" for key in ("model", "model_digest", "weights_sha256") if not isinstance(head[key], str)
    ]
    if not isinstance(head["prompts_sha256"], str) or not re.fullmatch(r"([0-9a-f]{64})?", head["prompts_sha256"]):
        faults.append("prompts_sha256 must be 64 digits 0 to f, or empty")
    if not isinstance(head["signed"], bool):
        faults.append("signed must be true or false")
    if not _is_table(head["libraries"], str):
        faults.append("libraries must be a table of texts")
    if not isinstance(head["notes"], list) or not all(isinstance(one, str) for one in head["notes"]):
        faults.append("notes must be a list of texts")
    if not isinstance(head["contexts"], list) or not all(
        isinstance(one, list) and len(one) == 2 and all(isinstance(part, str) for part in one)
        for one in head["contexts"]
    ):
        faults.append("contexts must be pairs [id, sha256]")
    if not _is_table(head["sizes"], list) or not all(
        1 <= len(size) <= 2 and all(type(one) is int and one > 0 for one in size) for size in head["sizes"].values()
    ):
        faults.append("sizes must be a table of one or two whole numbers above 0")
    if not isinstance(head["cells"], list) or not all(map(_is_cell, head["cells"])):
        faults.append("cells must be rows [variation, group, 0 or 1, prompts]")
    if head["kind"] == "squares" and not (
        _is_table(head["inputs"], str)
        and isinstance(head["sizes"], dict)
        and set(head["inputs"]) == set(head["sizes"])
        and set(head["inputs"].values()) <= set(head["sizes"])
        and isinstance(head["settings"], dict)
        and head["settings"].get("tokens") in ("all", "answer")
    ):
        faults.append("squares need inputs, a place for each place of sizes, and in settings tokens, 'all' or 'answer'")
    if head["kind"] == "draws" and type(head["seed"]) is not int:
        faults.append("draws need a seed, a whole number")
    if not _is_table(head["settings"], str):
        faults.append("settings must be a table of texts")
    return faults or list(_contradictions(head))


def _contradictions(head: dict[str, Any]) -> Iterator[str]:
    """Keys that are each as they must be, and do not go together."""
    kind, unit, method, cells = head["kind"], head["unit"], head["method"], head["cells"]
    if method not in METHODS_IN[kind] or (kind == "squares" and unit != "weights"):
        yield f"kind = {kind!r} holds scores by method {' or '.join(METHODS_IN[kind])}, not {method!r} of {unit}"
    if head["signed"] is not (method in SIGNED):
        yield f"signed = {head['signed']} with method = {method!r}; it must be {method in SIGNED}"
    numbers = 2 if unit == "weights" else 1
    if any(len(size) != numbers for size in head["sizes"].values()):
        yield f"sizes of {unit} must be {('one whole number', 'two whole numbers')[numbers - 1]} above 0 each"
    if len({tuple(cell[:3]) for cell in cells}) < len(cells):
        yield "cells must differ from each other in variation, group or half"
    if kind in ("sums", "squares"):
        if not cells:
            yield f"cells must have one row or more for {kind}"
        if not all(cell[3] for cell in cells):
            yield f"a cell of {kind} must have 1 prompt or more"


def _is_cell(one: object) -> bool:
    return (
        isinstance(one, list)
        and len(one) == 4
        and isinstance(one[0], str)
        and isinstance(one[1], str)
        and type(one[2]) is int
        and one[2] in (0, 1)
        and type(one[3]) is int
        and one[3] >= 0
    )


def _is_table(value: object, kind: type) -> bool:
    return isinstance(value, dict) and all(isinstance(one, kind) for one in value.values())


def limited(faults: Sequence[str]) -> list[str]:
    """The first of them, and how many more there are."""
    return [*faults[:MOST], *([f"and {len(faults) - MOST} more"] if len(faults) > MOST else [])]

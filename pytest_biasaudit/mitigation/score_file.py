"""Scores in a file: taken once, chosen from many times. Imports numpy and safetensors.

One safetensors file, with a JSON text in its metadata that says what was scored, how, on which model, contexts and prompts.
Sums by cell are kept, so that every way of pooling cells is still open. Wanda's scores keep the squares of the inputs only,
magnitudes nothing but their name: both read the model's weights. Random ones keep their seed. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.components import ScoreMethod, Unit
from pytest_biasaudit.mitigation.score_header import SCHEMA, UNDER, limited, read_header
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell, ScoreTable
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.identity import library_versions


@dataclass(frozen=True, kw_only=True)
class ScoresOrigin:
    """What a file says that its scores were taken on."""

    unit: Unit
    method: ScoreMethod
    model: str
    model_digest: str
    weights_sha256: str
    contexts: tuple[tuple[str, str], ...]
    """(id, sha256 of the file) of each."""
    prompts_sha256: str
    """As `scored_prompt.prompts_sha256` gives it."""
    cells: tuple[Cell, ...]
    counts: tuple[int, ...]
    """Prompts of each cell; 0 for magnitudes, which no prompt has a part in."""
    libraries: tuple[tuple[str, str], ...]
    """Name and version of each that decides what a model gives."""


def save_scores(
    table: ScoreTable,
    path: str | Path,
    *,
    model: CausalModel,
    contexts: Sequence[tuple[str, str]],
    prompts_sha256: str,
) -> Path:
    """Writes a table; gives the file, which is there whole or not at all.

    model           that was scored
    contexts        (id, sha256 of the file) of each that prompts were taken from
    prompts_sha256  as `scored_prompt.prompts_sha256` gives it; empty where no prompt has a part in the scores

    Raises DataError for a name that does not end in .safetensors, a file that cannot be written, and a table of a class
    that a file cannot hold.
    """
    from safetensors.numpy import save

    target = Path(path)
    if target.suffix != ".safetensors":
        raise DataError(
            str(target), [f"scores are kept in a file whose name ends in .safetensors, not {target.suffix!r}"]
        )
    kind, arrays, counts, more = _parts(table, str(target))
    cells = sorted(counts)
    head = {
        "schema": SCHEMA,
        "kind": kind,
        "unit": table.unit,
        "method": table.method,
        "signed": table.signed,
        "sizes": {place: list(size) for place, size in table.sizes.items()},
        "inputs": None,
        "settings": dict(getattr(table, "settings", ())),
        "seed": None,
        "cells": [[one.variation, one.group, one.half, counts[one]] for one in cells],
        "model": model.identity.name,
        "model_digest": model.identity.digest,
        "weights_sha256": model.tensors_sha256,
        "contexts": [list(one) for one in contexts],
        "prompts_sha256": prompts_sha256,
        "libraries": dict(library_versions()),
        "notes": list(getattr(table, "notes", ())),
        **more,
    }
    tensors = {
        f"{at}/{name}": np.ascontiguousarray(array, dtype=np.float32)
        for at, cell in enumerate(cells)
        for name, array in arrays.get(cell, {}).items()
    }
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        partial.write_bytes(save(tensors, metadata={UNDER: json.dumps(head, sort_keys=True)}))
        os.replace(partial, target)
    except OSError as fault:
        raise DataError(str(target), [f"cannot be written: {fault.strerror}"]) from fault
    finally:
        partial.unlink(missing_ok=True)
    return target


def scores_origin(path: str | Path) -> ScoresOrigin:
    """What a file of scores was taken on, without its arrays. Raises DataError with every fault."""
    return _origin(read_header(Path(path)))


def load_scores(
    path: str | Path,
    *,
    model: CausalModel | None = None,
    contexts: Sequence[tuple[str, str]] | None = None,
    prompts_sha256: str | None = None,
) -> ScoreTable:
    """The table that a file holds, and nothing else than what was asked for.

    model           the scores must be of it: of the same weights and the same identity. Needed by Wanda's scores and
                    magnitudes, whose weights are the model's
    contexts        they must be of these, in any order
    prompts_sha256  they must be of these prompts and answers

    Raises DataError with every fault: a file that is not there or is none of scores, arrays that are missing or of
    another size, and each of the three that is another than asked for.
    """
    source = Path(path)
    head = read_header(source)
    origin = _origin(head)
    faults = []
    if model is not None and model.identity.digest != origin.model_digest:
        faults.append(
            f"its scores are of the model {origin.model!r} with the digest {origin.model_digest[:12]}; asked for was "
            f"{model.identity.name!r}, {model.identity.digest[:12]}"
        )
    elif model is not None and model.tensors_sha256 != origin.weights_sha256:
        faults.append(
            f"its scores are of weights with sha256 {origin.weights_sha256[:12]}; {model.identity.name!r} has "
            f"{model.tensors_sha256[:12]}"
        )
    if contexts is not None and sorted(contexts) != sorted(origin.contexts):
        faults.append(f"its scores are of {_told(origin.contexts)}; asked for was {_told(contexts)}")
    if prompts_sha256 is not None and prompts_sha256 != origin.prompts_sha256:
        faults.append(
            f"its scores are of prompts and answers with sha256 {origin.prompts_sha256[:12] or '(none)'}; asked for was "
            f"{prompts_sha256[:12]}"
        )
    if model is None and head["kind"] in ("squares", "magnitudes"):
        faults.append(
            f"{origin.method} scores of {origin.unit} read the model's weights; give the model to load them with"
        )
    if faults:
        raise DataError(str(source), faults)
    return _table(source, head, origin, model)


# -- writing ----------------------------------------------------------------------------------------------------------


def _parts(
    table: ScoreTable, path: str
) -> tuple[str, Mapping[Cell, Mapping[str, NDArray[np.float32]]], Mapping[Cell, int], dict[str, Any]]:
    """(kind, arrays, prompts of each cell, more keys) of a table."""
    from pytest_biasaudit.mitigation.score import RandomScores
    from pytest_biasaudit.mitigation.scoring.magnitude import MagnitudeScores
    from pytest_biasaudit.mitigation.scoring.wanda import WandaScores

    if isinstance(table, ArrayScores):
        return "sums", table.sums, table.counts, {}
    if isinstance(table, WandaScores):
        return (
            "squares",
            table.squares,
            table.counts,
            {
                "inputs": dict(table.inputs),
                "settings": {"tokens": table.tokens},
            },
        )
    if isinstance(table, MagnitudeScores):
        return "magnitudes", {}, dict.fromkeys(table.cells, 0), {}
    if isinstance(table, RandomScores):
        return "draws", {}, dict.fromkeys(table.cells, 0), {"seed": table.seed}
    raise DataError(path, [f"{type(table).__name__} ({table.method} of {table.unit}) is no table that a file can hold"])


# -- reading ----------------------------------------------------------------------------------------------------------


def _origin(head: Mapping[str, Any]) -> ScoresOrigin:
    return ScoresOrigin(
        unit=head["unit"],
        method=head["method"],
        model=head["model"],
        model_digest=head["model_digest"],
        weights_sha256=head["weights_sha256"],
        contexts=tuple((name, sha256) for name, sha256 in head["contexts"]),
        prompts_sha256=head["prompts_sha256"],
        cells=tuple(Cell(variation=one[0], group=one[1], half=one[2]) for one in head["cells"]),
        counts=tuple(one[3] for one in head["cells"]),
        libraries=tuple(sorted(head["libraries"].items())),
    )


def _table(source: Path, head: dict[str, Any], origin: ScoresOrigin, model: CausalModel | None) -> ScoreTable:
    sizes = {place: tuple(size) for place, size in head["sizes"].items()}
    counts = dict(zip(origin.cells, origin.counts, strict=True))
    kind, notes = head["kind"], tuple(head["notes"])
    if kind == "magnitudes":
        from pytest_biasaudit.mitigation.scoring.magnitude import magnitude_scores

        assert model is not None
        return magnitude_scores(model, unit=origin.unit, cells=origin.cells)
    if kind == "sums":
        sums = _arrays(source, origin.cells, sizes, partly=origin.method == "ablation")
        return ArrayScores(
            unit=origin.unit,
            method=origin.method,
            signed=head["signed"],
            sizes=sizes,
            sums=sums,
            counts=counts,
            settings=tuple(sorted(head["settings"].items())),
            notes=notes,
        )
    if kind == "draws":
        from pytest_biasaudit.mitigation.score import RandomScores

        return RandomScores(unit=origin.unit, sizes=sizes, cells=tuple(sorted(origin.cells)), seed=head["seed"])
    from pytest_biasaudit.mitigation.scoring.matrices import matrix_sizes, weight_layers
    from pytest_biasaudit.mitigation.scoring.wanda import WandaScores

    assert model is not None
    layers = weight_layers(model.module)
    if matrix_sizes(layers) != sizes:
        raise DataError(str(source), [f"its sizes are not those of the linear layers of {model.identity.name!r}"])
    squares = _arrays(source, origin.cells, {name: sizes[name][1:] for name in set(head["inputs"].values())})
    return WandaScores(
        sizes=sizes,
        squares=squares,
        inputs=head["inputs"],
        counts=counts,
        tokens=head["settings"]["tokens"],
        layers=layers,
        notes=notes,
    )


def _arrays(
    source: Path, cells: Sequence[Cell], sizes: Mapping[str, tuple[int, ...]], *, partly: bool = False
) -> dict[Cell, dict[str, NDArray[np.float32]]]:
    """By cell and name, every array of the file.

    partly  NaN may stand for what was not tried
    Raises DataError for arrays that are missing, too many, of another size, or with what is no number.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found = load_file(source)
    except (OSError, SafetensorError) as fault:
        raise DataError(str(source), [f"cannot be read as a safetensors file: {fault}"]) from fault
    wanted = {f"{at}/{name}": size for at in range(len(cells)) for name, size in sizes.items()}
    faults = [f"array {name!r} is missing" for name in wanted if name not in found]
    faults += [f"array {name!r} is of no cell and place" for name in found if name not in wanted]
    faults += [
        f"array {name!r} is {found[name].dtype} {found[name].shape}; it must be float32 {size}"
        for name, size in wanted.items()
        if name in found and (found[name].shape != size or found[name].dtype != np.float32)
    ]
    faults = faults or [
        f"array {name!r} holds what is not a finite number"
        for name in wanted
        if not (np.isfinite(found[name]) | (partly & np.isnan(found[name]))).all()
    ]
    if faults:
        raise DataError(str(source), limited(faults))
    return {cell: {name: found[f"{at}/{name}"] for name in sizes} for at, cell in enumerate(cells)}


def _told(contexts: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({sha256[:12]})" for name, sha256 in sorted(contexts)) or "no context"

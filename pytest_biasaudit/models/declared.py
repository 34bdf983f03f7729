"""Who may answer: the models a project declares, read from its `pyproject.toml` or `biasaudit.toml`. Loads nothing.

May import the strict reader of `context` and the recipes of `compression`; neither needs torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from pytest_biasaudit.compression.method import Method
from pytest_biasaudit.compression.methods import METHODS
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.context.shapes import SLUG, OneOf, Slug, Text
from pytest_biasaudit.context.spelling import did_you_mean, listed, shown
from pytest_biasaudit.context.strict import Faults, Key, RawTable, Row, read_row
from pytest_biasaudit.context.toml_file import read_toml
from pytest_biasaudit.errors import ModelTableError, RecipeError
from pytest_biasaudit.models.kind import KINDS, Kind
from pytest_biasaudit.models.source import is_hub_id
from pytest_biasaudit.models.spec import ModelSpec
from pytest_biasaudit.models.sweep import check_slots, read_sweep, with_points
from pytest_biasaudit.models.table_shapes import AnyTable, Recipe

RESERVED = {
    "parent": "limits say versus = 'parent' for the parent of whatever model is audited",
    "cli": "the model given by --biasaudit-source has it",
}
DTYPES = ("float32", "bfloat16", "float16")
JsonSchema = dict[str, object]


SOURCE = Key("source", Text(), "Hub id, local folder, .gguf file, file of word vectors, or package:NAME/PATH.")
REVISION = Key("revision", Text(), "Commit, tag or branch of a hub id.")
DTYPE = Key("dtype", OneOf(DTYPES), "Precision in which the weights are loaded.")
KIND = Key("kind", OneOf(KINDS), "What it is loaded as; when absent, what its configuration names.")
PARENT = Key("parent", Slug(), "The declared model that this one is made from.")
RECIPE = Key("recipe", Recipe(), "The steps that make it from its parent; none for a faithful copy.")
HELD_TEXT = Key(
    "held_text", Text(), "File of text that parent and child are asked to predict; when absent, a bundled one."
)
MODEL_KEYS = (SOURCE, REVISION, DTYPE, KIND, PARENT, RECIPE, HELD_TEXT)
MODELS = Key("models", AnyTable("[models.NAME]"), "The declared models, a table for each.")
SWEEP = Key("sweep", AnyTable("[sweep]"), "Which models to cross with which revisions and recipes.")
STUDY = Key("study", AnyTable("[study]"), "A study of levers on model and data; its command reads it.")


def read_models(root: Path, *, methods: Sequence[Method] = METHODS) -> dict[str, ModelSpec]:
    """The models declared in `root/pyproject.toml` or `root/biasaudit.toml`, by name, in the file's order.

    The points of a sweep stand after the model that is swept, as "NAME@REVISION" and "NAME@REVISION+RECIPE".

    methods  the recipe methods a step may name

    Empty when neither file declares any. Raises ModelTableError with every fault of the file, and when both declare
    models: the one not read would be a model that is not audited.
    """
    prefixed = _tool_table(root / "pyproject.toml")
    plain = _own_table(root / "biasaudit.toml")
    if prefixed is not None and plain is not None and "models" in prefixed and "models" in plain:
        fault = "both pyproject.toml ([tool.biasaudit.models]) and biasaudit.toml ([models]) declare models; keep one"
        raise ModelTableError(str(root), [fault])
    models: dict[str, ModelSpec] = {}
    if prefixed is not None:
        models |= _read_table(prefixed, root / "pyproject.toml", prefix="tool.biasaudit", methods=methods)
    if plain is not None:
        models |= _read_table(plain, root / "biasaudit.toml", prefix="", methods=methods)
    return models


def _tool_table(path: Path) -> RawTable | None:
    """`[tool.biasaudit]`; None where the file or the table is not there."""
    if not path.exists():
        return None
    tool = read_toml(path, raising=ModelTableError).table.get("tool")
    if not isinstance(tool, Mapping) or "biasaudit" not in tool:
        return None
    ours = tool["biasaudit"]
    if not isinstance(ours, Mapping):
        raise ModelTableError(str(path), [f"[tool]: biasaudit = {shown(ours)}: must be a table [tool.biasaudit]"])
    return ours


def _own_table(path: Path) -> RawTable | None:
    return read_toml(path, raising=ModelTableError).table if path.exists() else None


def _read_table(raw: RawTable, path: Path, *, prefix: str, methods: Sequence[Method]) -> dict[str, ModelSpec]:
    """The models of one file, and the points of its sweep. Raises ModelTableError."""
    faults = Faults()
    top = read_row(raw, (MODELS, SWEEP, STUDY), where=f"[{prefix}]" if prefix else "top level", faults=faults)
    raws = top.get(MODELS, {})
    models: dict[str, ModelSpec] = {}
    for name, table in raws.items():
        shown_name = name if re.fullmatch(SLUG, name) else shown(name)
        header = f"[{prefix}.models.{shown_name}]" if prefix else f"[models.{shown_name}]"
        if not re.fullmatch(SLUG, name):
            faults.add(header, f"model name {shown(name)}: must be {Slug().must}")
        elif name in RESERVED:
            faults.add(header, f"model name {name!r}: {RESERVED[name]}; choose another name")
        if not isinstance(table, Mapping):
            faults.add(header, f"{shown(table)}: must be a table {header}")
            continue
        row = read_row(table, MODEL_KEYS, where=header, faults=faults)
        models[name] = _read_model(name, row, path, raws, faults, methods)
    for chain in _cycles(models):
        by_parents = all(models[name].parent == other for name, other in pairwise(chain))
        way = "parent" if by_parents else "parent, or a model that a recipe names"
        faults.add(
            f"[{prefix}.models]" if prefix else "[models]", f"{way}: {' -> '.join(map(repr, chain))} is a circle"
        )
    sweep = None
    if top.declares(SWEEP) and SWEEP.name in top.values:
        header = f"[{prefix}.sweep]" if prefix else "[sweep]"
        sweep = read_sweep(top[SWEEP], models, path, header=header, faults=faults, methods=methods)
    check_slots(models, sweep, prefix=prefix, faults=faults)
    if faults.found:
        raise ModelTableError(str(path), faults.found)
    return _with_parents_own(with_points(models, sweep) if sweep else models, faults, path)


def _read_model(
    name: str, row: Row, path: Path, declared: RawTable, faults: Faults, methods: Sequence[Method]
) -> ModelSpec:
    """The model as far as it can be read; the faults kept tell whether that is what the file said."""
    if row.declares(SOURCE) and row.declares(PARENT) and row.declares(RECIPE):
        reason = (
            "source and parent are both given; a model is loaded from one (a ready-made child of the parent, without a recipe) "
            "or made from the other"
        )
        faults.misfit(row.where, "recipe", row.raw["recipe"], reason)
    elif not row.declares(SOURCE) and not row.declares(PARENT):
        faults.add(row.where, "source (or parent) is missing; a model is loaded from a source or made from a parent")
    if row.declares(RECIPE) and not row.declares(PARENT):
        faults.misfit(row.where, "recipe", row.raw["recipe"], "needs a parent to be applied to; declare parent")
    parent = row.get(PARENT)
    if parent is not None and parent not in declared:
        reason = f"no such model; declared are {listed(declared)}{did_you_mean(parent, declared)}"
        faults.misfit(row.where, "parent", parent, reason)
    if row.declares(REVISION):
        _check_revision(row, path.parent, faults)
    _check_kind(row, faults)
    recipe = row.get(RECIPE)
    steps = []
    for number, step in enumerate(recipe or (), start=1):
        try:
            steps.append(read_step(step, methods))
        except (RecipeError, ValueError) as error:  # ValueError: a number too long to be written in a message
            faults.add(row.where, f"recipe step {number}: {error}")
            continue
        for setting in steps[-1].models:
            other = str(steps[-1].setting(setting))
            if other not in declared:
                reason = f"no such model; declared are {listed(declared)}{did_you_mean(other, declared)}"
                faults.add(row.where, f"recipe step {number}: {setting} = {shown(other)}: {reason}")
    return ModelSpec(
        name=name,
        source=row.get(SOURCE),
        revision=row.get(REVISION),
        dtype=row.get(DTYPE, ""),
        kind=_kind(row),
        parent=parent,
        recipe=tuple(steps),
        where=f"{path.name} {row.where}",
        held_text=row.get(HELD_TEXT),
    )


def _check_revision(row: Row, folder: Path, faults: Faults) -> None:
    source = row.get(SOURCE)
    if row.declares(PARENT) and not row.declares(SOURCE):
        reason = "belongs to a model with a hub id as source; this one has a parent"
    elif source is not None and (_kind(row) == "vectors" or not is_hub_id(source, folder)):
        reason = f"belongs to a hub id such as 'owner/name'; source = {shown(source)} is no hub id"
    else:
        return
    faults.misfit(row.where, "revision", row.raw["revision"], reason)


def _kind(row: Row) -> Kind | None:
    """The kind as declared, or as the name of a file of word vectors says."""
    declared = row.get(KIND)
    if declared is None and (row.get(SOURCE) or "").endswith(".vec"):
        return "vectors"
    return next((kind for kind in KINDS if kind == declared), None)


def _check_kind(row: Row, faults: Faults) -> None:
    source, kind = row.get(SOURCE) or "", _kind(row)
    if kind == "vectors" and row.declares(DTYPE):
        faults.misfit(
            row.where, "dtype", row.raw["dtype"], "does not belong to word vectors; they are read as they are"
        )
    if not row.declares(KIND) or kind is None:
        return
    reason = ""
    if row.declares(PARENT) and not row.declares(SOURCE):
        reason = "a child has the kind of its parent; declare it there"
    elif source.endswith(".gguf") and kind != "causal":
        reason = "a .gguf file holds a causal language model"
    elif source.endswith(".vec") and kind != "vectors":
        reason = "a .vec file holds word vectors; its kind is 'vectors'"
    if reason:
        faults.misfit(row.where, "kind", kind, reason)


def _cycles(models: Mapping[str, ModelSpec]) -> list[tuple[str, ...]]:
    """Every model that leads back to itself, by parents and by the models its recipe names; each circle once.

    The first name is repeated at the end.
    """
    circles: list[tuple[str, ...]] = []
    cleared: set[str] = set()
    for start in models:
        path = [start] if start not in cleared else []
        ahead = [iter(models[start].needs)]
        while path:
            other = next(ahead[-1], None)
            if other is None:
                cleared.add(path.pop())
                ahead.pop()
            elif other in path:
                circles.append((*path[path.index(other) :], other))
            elif other in models and other not in cleared:
                path.append(other)
                ahead.append(iter(models[other].needs))
    return circles


def _with_parents_own(models: dict[str, ModelSpec], faults: Faults, path: Path) -> dict[str, ModelSpec]:
    """Dtypes and kinds filled in: the first of the line declares them, its children have the same.

    Raises ModelTableError for a child of another dtype, and for one of word vectors.
    """

    def ancestor(spec: ModelSpec) -> ModelSpec:
        while spec.made_from is not None:
            spec = models[spec.made_from]
        return spec

    complete = {}
    for name, spec in models.items():
        first, where = ancestor(spec), spec.where.partition(" ")[2]
        dtype = first.dtype or DTYPES[0]
        if spec.made_from is not None and spec.dtype not in ("", dtype):
            reason = (
                f'its parent has {dtype!r}; another precision is a step of the recipe, such as {{ quantize = "bf16" }}'
            )
            faults.misfit(where, "dtype", spec.dtype, reason)
        if spec.made_from is not None and first.kind == "vectors":
            faults.misfit(where, "parent", spec.made_from, "is a file of word vectors; recipes are for transformers")
        complete[name] = replace(spec, dtype=dtype, kind=first.kind)
    if faults.found:
        raise ModelTableError(str(path), faults.found)
    return complete

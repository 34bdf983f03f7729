"""What a sweep crosses: declared models, their revisions (training checkpoints) and recipes, as specs. Loads nothing.

Read from `[sweep]` of the file that declares the models, with its reader; `declared` calls this when the table is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_biasaudit.compression.method import Method
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.context.shapes import SLUG, JsonSchema, Misfit, Shape, Slug, Texts
from pytest_biasaudit.context.spelling import did_you_mean, listed, shown
from pytest_biasaudit.context.strict import Faults, Key, RawTable, read_row
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.point import SweepPoint
from pytest_biasaudit.models.source import is_hub_id
from pytest_biasaudit.models.spec import ModelSpec
from pytest_biasaudit.models.table_shapes import AnyTable, Recipe

SLOT = "{revision}"
"""What stands in a source for the name of a checkpoint."""
MOST_POINTS = 10_000
"""Models in memory one after another: more is a mistake in the table."""
SUFFIX = ".bias.toml"


@dataclass(frozen=True)
class Names(Shape[tuple[str, ...]]):
    """Several different names, each safe in a test id."""

    @property
    def must(self) -> str:
        """See Shape."""
        return f"a list of 1 or more different names, each {Slug().must}"

    def read(self, raw: object) -> tuple[str, ...]:
        """See Shape."""
        names = Texts().read(raw)
        for name in names:
            if not re.fullmatch(SLUG, name):
                raise Misfit(f"{shown(name)} is none")
        return names

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "array", "items": Slug().schema(), "minItems": 1, "uniqueItems": True}


SWEPT = Key("models", Names(), "Declared models, each crossed with all revisions and recipes.", required=True)
REVISIONS = Key(
    "revisions",
    Names(),
    'Checkpoints: revisions of a hub id, or what takes the place of "{revision}" in a source.',
)
RECIPES = Key(
    "recipes", AnyTable("[sweep.recipes]"), "Recipes by name, each applied to every point; the parent is always in."
)
CONTEXTS = Key(
    "contexts", Texts(), "Context files, from the table's folder, that the points are audited in; when absent, all."
)
SWEEP_KEYS = (SWEPT, REVISIONS, RECIPES, CONTEXTS)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep as declared."""

    models: tuple[str, ...]
    revisions: tuple[str, ...]
    """Empty: each model as it is declared."""
    recipes: tuple[tuple[str, tuple[Step, ...]], ...]
    contexts: tuple[Path, ...]
    """Empty: all that are collected."""
    where: str
    """File and table, for messages."""

    @property
    def points(self) -> int:
        """How many models it makes, parents included."""
        return len(self.models) * max(1, len(self.revisions)) * (1 + len(self.recipes))


def read_sweep(
    raw: RawTable,
    models: Mapping[str, ModelSpec],
    path: Path,
    *,
    header: str,
    faults: Faults,
    methods: Sequence[Method],
) -> Sweep:
    """The sweep of a table, as far as it can be read; what is wrong with it goes to `faults`.

    models  those declared in the same file
    """
    row = read_row(raw, SWEEP_KEYS, where=header, faults=faults)
    recipes = []
    for name, steps in row.get(RECIPES, {}).items():
        recipes.append((name, _recipe(name, steps, models, header=header, faults=faults, methods=methods)))
    if not row.declares(REVISIONS) and not row.get(RECIPES):
        faults.add(header, "neither revisions nor recipes are given, so there is nothing to sweep over")
    contexts = row.get(CONTEXTS) or ()
    sweep = Sweep(
        models=row.get(SWEPT) or (),
        revisions=row.get(REVISIONS) or (),
        recipes=tuple(recipes),
        contexts=tuple(_contexts(contexts, path.parent, header=header, faults=faults)),
        where=f"{path.name} {header}",
    )
    # What a misread list of revisions would make of each model is no fault of the model.
    if sweep.revisions or not row.declares(REVISIONS):
        for name in sweep.models:
            _check_model(name, models, sweep, path.parent, header=header, faults=faults)
    if sweep.points > MOST_POINTS:
        faults.add(
            header,
            f"{len(sweep.models):,} models x {max(1, len(sweep.revisions)):,} revisions x {1 + len(sweep.recipes):,} recipes, "
            f"the parent among them, are {sweep.points:,} models to load and ask; at most {MOST_POINTS:,} are valid",
        )
    return sweep


def check_slots(models: Mapping[str, ModelSpec], sweep: Sweep | None, *, prefix: str, faults: Faults) -> None:
    """A source with a slot is no model before a sweep fills it: it must be swept, and can be nobody's parent."""
    table = f"[{prefix}.sweep]" if prefix else "[sweep]"
    for name, spec in models.items():
        where = spec.where.partition(" ")[2]
        if _has_slot(spec) and (sweep is None or name not in sweep.models):
            reason = f"{SLOT} is filled by a sweep; name this model in models of {table}"
            faults.misfit(where, "source", spec.source, reason)
        for other in spec.needs:
            if other in models and _has_slot(models[other]):
                reason = (
                    f"is many models ({SLOT} in its source); a recipe for all of them stands in {table[:-1]}.recipes]"
                )
                faults.misfit(where, "parent" if other == spec.parent else "recipe", other, reason)


def with_points(models: Mapping[str, ModelSpec], sweep: Sweep) -> dict[str, ModelSpec]:
    """The declared models with the sweep's points after each that is swept, a parent before its children.

    A swept model without revisions is itself the parent point. One with revisions is audited as these: it stays for
    those who ask for it by name, unless its source has a slot; then it is no model and is left out.
    """
    made: dict[str, ModelSpec] = {}
    for name, spec in models.items():
        if name not in sweep.models:
            made[name] = spec
            continue
        if sweep.revisions and not _has_slot(spec):
            made[name] = replace(spec, by_name_only=True)
        size = 1 + len(sweep.recipes)
        first = sweep.models.index(name) * max(1, len(sweep.revisions)) * size
        for at, revision in enumerate(sweep.revisions or (None,)):
            for point in _points(spec, revision, sweep, place=first + at * size):
                made[point.name] = point
    return made


def _points(spec: ModelSpec, revision: str | None, sweep: Sweep, *, place: int) -> list[ModelSpec]:
    """One revision of a model, and its children."""
    at = SweepPoint(model=spec.name, revision=revision, place=place)
    parent = replace(spec, point=at)
    if revision is not None:
        source = spec.source or ""
        slot = _has_slot(spec)
        parent = replace(
            parent,
            name=f"{spec.name}@{revision}",
            source=source.replace(SLOT, revision) if slot else source,
            revision=spec.revision if slot else revision,
            where=sweep.where,
            only_in=sweep.contexts,
        )
    children = [
        ModelSpec(
            name=f"{parent.name}+{name}",
            source=None,
            revision=None,
            dtype="",
            parent=parent.name,
            recipe=steps,
            where=sweep.where,
            point=replace(at, recipe=name, place=place + number),
            only_in=sweep.contexts,
        )
        for number, (name, steps) in enumerate(sweep.recipes, start=1)
    ]
    return [parent, *children]


def _recipe(
    name: str,
    raw: object,
    models: Mapping[str, ModelSpec],
    *,
    header: str,
    faults: Faults,
    methods: Sequence[Method],
) -> tuple[Step, ...]:
    where = f"{header[:-1]}.recipes]"
    if not re.fullmatch(SLUG, name):
        faults.add(where, f"recipe name {shown(name)}: must be {Slug().must}")
    try:
        steps = Recipe().read(raw)
    except Misfit as misfit:
        faults.misfit(where, name, raw, f"must be {Recipe().must}" + (f"; {misfit}" if str(misfit) else ""))
        return ()
    read = []
    for number, step in enumerate(steps, start=1):
        try:
            read.append(read_step(step, methods))
        except (RecipeError, ValueError) as error:  # ValueError: a number too long to be written in a message
            faults.add(where, f"{name}, step {number}: {error}")
            continue
        for setting in read[-1].models:
            other = str(read[-1].setting(setting))
            if other not in models or _has_slot(models[other]):
                single = [known for known, spec in models.items() if not _has_slot(spec)]
                reason = f"no such model; declared are {listed(single)}{did_you_mean(other, single)}"
                faults.add(where, f"{name}, step {number}: {setting} = {shown(other)}: {reason}")
    return tuple(read)


def _contexts(names: Sequence[str], folder: Path, *, header: str, faults: Faults) -> list[Path]:
    paths = []
    for name in names:
        path = folder / name
        if not name.endswith(SUFFIX):
            faults.misfit(header, "contexts", name, f"must be the name of a context file, which ends in {SUFFIX}")
        elif not path.is_file():
            faults.misfit(header, "contexts", name, f"there is no such file in {folder}")
        else:
            paths.append(path.resolve())
    return paths


def _check_model(
    name: str, models: Mapping[str, ModelSpec], sweep: Sweep, folder: Path, *, header: str, faults: Faults
) -> None:
    spec = models.get(name)
    reason = ""
    if spec is None:
        reason = f"no such model; declared are {listed(models)}{did_you_mean(name, models)}"
    elif sweep.recipes and spec.kind == "vectors":
        reason = "is a file of word vectors; recipes are for transformers"
    elif sweep.revisions and spec.made_from is not None:
        of = spec.made_from
        reason = f"is made from {of!r} and has no revisions; sweep {of!r}, with its recipe in recipes"
    elif sweep.revisions and not _has_slot(spec) and not is_hub_id(spec.source or "", folder):
        reason = (
            f"its source {shown(spec.source)} has no revisions; a hub id such as 'owner/name' has them, and a source with "
            f"{SLOT} in it, such as 'runs/{SLOT}'"
        )
    elif _has_slot(spec) and not sweep.revisions:
        reason = f"its source {shown(spec.source)} has {SLOT} in it; give revisions"
    if reason:
        faults.misfit(header, "models", name, reason)


def _has_slot(spec: ModelSpec) -> bool:
    return SLOT in (spec.source or "")

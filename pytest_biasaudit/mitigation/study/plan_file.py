"""A study's plan read from TOML, with every fault of it. Knows which levers there are; opens no table, loads no model.

The plan stands in `[tool.biasaudit.study]` of pyproject.toml, in `[study]` of biasaudit.toml, or in a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pytest_biasaudit.context.benchmark import Digest
from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.context.shapes import Exactly, Number, OneOf, Slug, Text, Texts, Whole
from pytest_biasaudit.context.spelling import did_you_mean, listed, shown
from pytest_biasaudit.context.strict import Faults, Key, RawTable, Row, Table, Tables, read_row
from pytest_biasaudit.context.tabular import CLUSTER, GROUPS, LABEL, POSITIVE, ROW_ID, TEXT
from pytest_biasaudit.context.toml_file import read_toml
from pytest_biasaudit.errors import PlanError
from pytest_biasaudit.mitigation.study.plan import (
    GAPS,
    NONE,
    WHERE,
    GapName,
    Intervention,
    StudyPlan,
    TableSource,
    Value,
    Where,
)
from pytest_biasaudit.models.table_shapes import AnyTable

PROJECT, OWN = "pyproject.toml", "biasaudit.toml"

SCHEMA = Key("schema", Exactly(1), "Version of this format.")
ID = Key("id", Slug(), "Name of the study.", required=True)
MODEL = Key("model", Slug(), "The declared model whose fine-tuned children are audited.")
SOURCE = Key("source", Text(), "An undeclared model instead: hub id, folder, package:NAME/PATH.")
TRAIN = Key("train", Text(), "Table to learn from: .csv, .jsonl, .parquet, or hub:NAME@REVISION.", required=True)
TRAIN_SHA = Key("train_sha256", Digest(), "What its digest must be.")
TEST = Key("test", Text(), "Held-out table.", required=True)
TEST_SHA = Key("test_sha256", Digest(), "What its digest must be.")
COLUMN_KEYS = (LABEL, TEXT, POSITIVE, GROUPS, ROW_ID, CLUSTER)
COLUMNS = Key("columns", Table("[study.columns]", COLUMN_KEYS), "What the columns of both tables hold.", required=True)
ATTRIBUTE = Key("attribute", Text(), "What tells groups apart; when absent, the only one in [study.columns] groups.")
ORDER = Key("groups", Texts(at_least=2), "Groups that are compared, the reference first; when absent, all.")
UPSTREAM = Key("upstream", Tables("[[study.upstream]]", ()), "Levers on the model before fine-tuning, a table each.")
DATA = Key("data", Tables("[[study.data]]", ()), "Levers on the data, a table each.")
SEEDS = Key("seeds", Whole(low=1, high=1000), "How often every cell is fine-tuned, each time with another seed.")
SEED = Key("seed", Whole(low=0, high=2**31 - 1001), "The first seed; when absent, the run's.")
TRAINING = Key("training", AnyTable("[study.training]"), "Settings of fine-tuning.")
GAP = Key("gap", OneOf(GAPS), "The gap that is explained; when absent, tpr_gap.")
LEVEL = Key("level", Number(above=0.5, below=1), "Level of the intervals.")
MINIMUM = Key("minimum", Whole(low=2, high=10**6), "Rows that a rate needs.")
STUDY_KEYS = (
    ID, MODEL, SOURCE, TRAIN, TRAIN_SHA, TEST, TEST_SHA, COLUMNS, ATTRIBUTE, ORDER, UPSTREAM, DATA, SEEDS, SEED, TRAINING,
    GAP, LEVEL, MINIMUM,
)  # fmt: skip
STUDY = Key("study", Table("[study]", STUDY_KEYS), "The study.", required=True)


@dataclass(frozen=True, kw_only=True)
class Known:
    """The levers and training settings there are, each setting with its default. None as a default: it has none."""

    upstream: Mapping[str, Mapping[str, object]]
    data: Mapping[str, Mapping[str, object]]
    training: Mapping[str, object]
    on_test: frozenset[str] = frozenset({"scrub"})
    """Levers on data that may change the held-out table too: others would change who is in it."""
    required: frozenset[tuple[str, str]] = frozenset()
    """(method, setting) that a plan must give."""


def study_file(folder: Path) -> Path:
    """The project's file that holds a study. Raises PlanError where none does."""
    for path in (folder / PROJECT, folder / OWN):
        if path.exists() and _study_of(path) is not None:
            return path
    raise PlanError(
        str(folder),
        [f"no study is declared: write [tool.biasaudit.study] in {PROJECT}, [study] in {OWN}, or name a file"],
    )


def read_study(path: Path, *, known: Known) -> StudyPlan:
    """The plan in a TOML file.

    known  which levers and settings there are

    Raises PlanError with every fault of the study's table. Tables of data are not opened here.
    """
    faults = Faults()
    file = read_toml(path, raising=PlanError)
    raw = _study_of(path)
    header = "[tool.biasaudit.study]" if path.name == PROJECT else "[study]"
    if path.name not in (PROJECT, OWN):
        read_row(file.table, (SCHEMA, STUDY), where="top level", faults=faults)
    if not isinstance(raw, Mapping):
        if raw is None:
            faults.add("top level", f"there is no table {header}")
        else:
            faults.add("top level", f"study = {shown(raw)}: must be a table {header}")
        raise PlanError(str(path), list(dict.fromkeys(faults.found)))
    row = read_row(raw, STUDY_KEYS, where=header, faults=faults)
    columns, attribute = _columns(row, header, faults)
    if row.declares(MODEL) and row.declares(SOURCE):
        faults.add(header, "model and source are both given; a study is of one model")
    held_out = row.get(TEST)
    if held_out is not None and held_out == row.get(TRAIN):
        faults.misfit(header, TEST.name, held_out, "is the table that is learnt from; give one that is held out")
    empty: RawTable = {}
    none: tuple[RawTable, ...] = ()
    models, tables = row.get(UPSTREAM, none), row.get(DATA, none)
    upstream = _levers(models, "upstream", known.upstream, known, header, faults)
    data = _levers(tables, "data", known.data, known, header, faults)
    training = _settings(row.get(TRAINING, empty), known.training, f"{header[:-1]}.training]", faults)
    if faults.found or attribute is None:
        raise PlanError(str(path), faults.found)
    return StudyPlan(
        id=row[ID],
        path=path,
        sha256=file.sha256,
        model=row.get(MODEL),
        source=row.get(SOURCE),
        train=TableSource(source=row[TRAIN], sha256=row.get(TRAIN_SHA)),
        test=TableSource(source=row[TEST], sha256=row.get(TEST_SHA)),
        columns=columns,
        attribute=attribute,
        groups=row.get(ORDER, ()),
        upstream=upstream,
        data=data,
        seeds=row.get(SEEDS, 5),
        seed=row.get(SEED),
        training=training,
        gap=cast("GapName", row.get(GAP, "tpr_gap")),
        level=row.get(LEVEL, 0.95),
        minimum=row.get(MINIMUM, 10),
    )


def _study_of(path: Path) -> object:
    """What stands where a study is declared; None where nothing does."""
    table: Any = read_toml(path, raising=PlanError).table
    for name in ("tool", "biasaudit") if path.name == PROJECT else ():
        table = table.get(name) if isinstance(table, Mapping) else None
    return table.get("study") if isinstance(table, Mapping) else None


def _columns(row: Row, header: str, faults: Faults) -> tuple[Columns, str | None]:
    empty: RawTable = {}
    raw = row.get(COLUMNS, empty)
    where = f"{header[:-1]}.columns]"
    found = read_row(raw, COLUMN_KEYS, where=where, faults=faults)
    groups = found.get(GROUPS) or {}
    if row.declares(COLUMNS):
        for key, what in ((LABEL, "the column of the truth"), (TEXT, "the column of what is read")):
            if not found.declares(key):
                faults.add(where, f"{key.name} is missing; it must name {what}")
        if not found.declares(GROUPS):
            faults.add(where, 'groups is missing; name each attribute\'s column, as in { gender = "gender" }')
    attribute = row.get(ATTRIBUTE) or (next(iter(groups)) if len(groups) == 1 else None)
    if groups and attribute is None:
        faults.add(header, f"attribute is missing; the columns tell groups apart by {listed(groups)}")
    if groups and attribute is not None and attribute not in groups:
        reason = f"the columns tell groups apart by {listed(groups)}{did_you_mean(attribute, groups)}"
        faults.misfit(header, ATTRIBUTE.name, attribute, reason)
    columns = Columns(
        label=found.get(LABEL),
        text=found.get(TEXT),
        positive=found.get(POSITIVE),
        groups=tuple(groups.items()),
        id=found.get(ROW_ID),
        cluster=found.get(CLUSTER),
    )
    return columns, attribute


def _levers(
    tables: Sequence[RawTable],
    side: str,
    methods: Mapping[str, Mapping[str, object]],
    known: Known,
    header: str,
    faults: Faults,
) -> tuple[Intervention, ...]:
    """The levers of one side, sweeps taken apart; "none" first, whether it is declared or not: all else is held against it."""
    found: list[Intervention] = []
    for number, raw in enumerate(tables, start=1):
        where = f"[{header[:-1]}.{side}]] {number}"
        method = raw.get("method")
        if not isinstance(method, str):
            said = "method is missing" if "method" not in raw else f"method = {shown(method)}: must be a text"
            faults.add(where, f"{said}; valid are {listed([NONE, *methods])}")
            continue
        if method != NONE and method not in methods:
            near = did_you_mean(method, [NONE, *methods])
            reason = f"no such lever; valid {'upstream' if side == 'upstream' else 'on the data'} are "
            faults.misfit(where, "method", method, f"{reason}{listed([NONE, *methods])}{near}")
            continue
        left = {key: value for key, value in raw.items() if key != "method"}
        place = _place(left, method, side, known, where, faults)
        swept = _taken_apart(left, {} if method == NONE else methods[method], where, faults)
        for setting in known.required:
            if setting[0] == method and setting[1] not in left:
                faults.add(where, f"{setting[1]} is missing; {method} needs it")
        found.extend(Intervention(method=method, settings=settings, where=place) for settings in swept)
    names = [one.name for one in found]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        faults.add(f"{header} {side}", f"{name!r} stands there twice; rows of the table could not be told apart")
    others = [one for one in found if one.method != NONE]
    return (Intervention(method=NONE), *others)


def _place(left: dict[str, object], method: str, side: str, known: Known, where: str, faults: Faults) -> Where:
    """Takes `where` out of a lever's keys."""
    if side != "data" or "where" not in left:
        return "train"
    said = left.pop("where")
    if said not in WHERE:
        faults.misfit(where, "where", said, f"valid are {listed(WHERE)}{did_you_mean(said, WHERE)}")
        return "train"
    if said != "train" and method not in known.on_test:
        reason = f"{method} is for the training table: on the held-out table it would change who is measured; "
        faults.misfit(where, "where", said, f"{reason}only {listed(sorted(known.on_test))} may")
    return said


def _taken_apart(
    raw: Mapping[str, object], defaults: Mapping[str, object], where: str, faults: Faults
) -> list[tuple[tuple[str, Value], ...]]:
    """The settings of every lever that a table stands for: of several, where a setting of one value is given a list."""
    lists = [
        key
        for key, value in raw.items()
        if isinstance(value, list) and key in defaults and not isinstance(defaults[key], (list, tuple))
    ]
    if len(lists) > 1:
        faults.add(where, f"{listed(lists)} are both lists; sweep one setting at a time")
        return []
    if not lists:
        return [_settings(raw, defaults, where, faults)]
    (key,) = lists
    values = cast("list[object]", raw[key])
    if not values:
        faults.misfit(where, key, values, "an empty list sweeps nothing")
    return [_settings({**raw, key: value}, defaults, where, faults) for value in values]


def _settings(
    raw: RawTable, defaults: Mapping[str, object], where: str, faults: Faults
) -> tuple[tuple[str, Value], ...]:
    found: list[tuple[str, Value]] = []
    for key, value in raw.items():
        if key not in defaults:
            valid = f"valid are {listed(defaults)}{did_you_mean(key, defaults)}"
            faults.add(where, f"unknown key {shown(key)} (= {shown(value)}); {valid}")
            continue
        read = _value(value, defaults[key])
        if read is None:
            faults.misfit(where, key, value, f"must be {_kind(defaults[key])}")
        else:
            found.append((key, read))
    return tuple(found)


def _value(value: object, default: object) -> Value | None:
    """The value as a setting holds it; None where it is of another kind than the default."""
    if isinstance(value, list):
        ends = tuple(one for one in value if isinstance(one, (str, int, float)) and not isinstance(one, bool))
        return ends if len(ends) == len(value) and (default is None or isinstance(default, (list, tuple))) else None
    if isinstance(value, bool) or isinstance(default, bool):
        return value if isinstance(value, bool) and (default is None or isinstance(default, bool)) else None
    if isinstance(value, (int, float)):
        if isinstance(default, int) and not isinstance(value, int):
            return None
        return value if default is None or isinstance(default, (int, float)) else None
    if isinstance(value, str):
        return value if default is None or isinstance(default, str) else None
    return None


def _kind(default: object) -> str:
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, int):
        return "a whole number"
    if isinstance(default, float):
        return "a number"
    if isinstance(default, (list, tuple)):
        return "a list of texts or numbers"
    return "a text" if isinstance(default, str) else "a text, a number, true or false, or a list"

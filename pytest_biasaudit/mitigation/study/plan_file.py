"""A study's plan read from TOML, with every fault of it. Knows which levers there are; opens no table, loads no model.

The plan stands in `[tool.biasaudit.study]` of pyproject.toml, in `[study]` of biasaudit.toml, or in a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from pytest_biasaudit.context.benchmark import Digest
from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.context.shapes import Exactly, Flag, NamedTexts, Number, OneOf, Slug, Text, Texts, Whole
from pytest_biasaudit.context.spelling import did_you_mean, listed, shown
from pytest_biasaudit.context.strict import Faults, Key, RawTable, Row, Table, Tables, read_row
from pytest_biasaudit.context.tabular import CLUSTER, GROUPS, LABEL, POSITIVE, ROW_ID, TEXT, ByName
from pytest_biasaudit.context.toml_file import read_toml
from pytest_biasaudit.errors import DataError, PlanError, TrainingError
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

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.intervention import Setting

PROJECT, OWN = "pyproject.toml", "biasaudit.toml"
ON_TEST = ("scrub",)
"""Levers on data that may change the held-out table too: the others would change who is in it."""
PART = "part"
"""What a lever calls the table that it is handed."""

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
WORDS = Key("words", NamedTexts(), "By group: words that tell it in a sentence, for the upstream bias score.")
LABEL_NAMES = Key("label_names", ByName("a text"), "By label: how it is said in a sentence, for the same.")
UPSTREAM = Key("upstream", Tables("[[study.upstream]]", ()), "Levers on the model before fine-tuning, a table each.")
DATA = Key("data", Tables("[[study.data]]", ()), "Levers on the data, a table each.")
SEEDS = Key("seeds", Whole(low=1, high=1000), "How often every cell is fine-tuned, each time with another seed.")
SEED = Key("seed", Whole(low=0, high=2**31 - 1001), "The first seed; when absent, the run's.")
TRAINING = Key("training", AnyTable("[study.training]"), "Settings of fine-tuning.")
REDRAW = Key(
    "redraw",
    Flag(),
    "Whether each seed learns from training rows drawn anew, with replacement, by label and group; when absent, only where "
    "the body is frozen, whose head depends on nothing else that is drawn.",
)
GAP = Key("gap", OneOf(GAPS), "The gap that is explained; when absent, tpr_gap.")
LEVEL = Key("level", Number(above=0.5, below=1), "Level of the intervals.")
MINIMUM = Key("minimum", Whole(low=2, high=10**6), "Rows that a rate needs.")
STUDY_KEYS = (
    ID, MODEL, SOURCE, TRAIN, TRAIN_SHA, TEST, TEST_SHA, COLUMNS, ATTRIBUTE, ORDER, WORDS, LABEL_NAMES,
    UPSTREAM, DATA, SEEDS, SEED, TRAINING, REDRAW, GAP, LEVEL, MINIMUM,
)  # fmt: skip
STUDY = Key("study", Table("[study]", STUDY_KEYS), "The study.", required=True)


class Lever(Protocol):
    """What the tables of methods tell of a lever."""

    @property
    def settings(self) -> Mapping[str, Setting]:
        """By name."""
        ...

    def complete(self, settings: Mapping[str, object]) -> dict[str, object]:
        """These settings with the defaults of all others. Raises DataError with every one that is not valid."""
        ...


@dataclass(frozen=True, kw_only=True)
class Known:
    """The levers there are, by name."""

    upstream: Mapping[str, Lever]
    data: Mapping[str, Lever]


def known_levers() -> Known:
    """All built-in ones."""
    from pytest_biasaudit.mitigation.data.methods import INTERVENTIONS as DATA_LEVERS
    from pytest_biasaudit.mitigation.upstream.methods import INTERVENTIONS as UPSTREAM_LEVERS

    return Known(upstream=UPSTREAM_LEVERS, data=DATA_LEVERS)


def study_file(folder: Path) -> Path:
    """The project's file that holds a study. Raises PlanError where none does."""
    for path in (folder / PROJECT, folder / OWN):
        if path.exists() and _study_of(path) is not None:
            return path
    raise PlanError(
        str(folder),
        [f"no study is declared: write [tool.biasaudit.study] in {PROJECT}, [study] in {OWN}, or name a file"],
    )


def read_study(path: Path, *, known: Known | None = None) -> StudyPlan:
    """The plan in a TOML file.

    known  which levers there are; None: all built-in ones

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
    known = known or known_levers()
    upstream = _levers(models, "upstream", known.upstream, header, faults)
    data = _levers(tables, "data", known.data, header, faults)
    training = _training(row.get(TRAINING, empty), f"{header[:-1]}.training]", faults)
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
        words=tuple((row.get(WORDS) or {}).items()),
        label_names=tuple((row.get(LABEL_NAMES) or {}).items()),
        groups=row.get(ORDER, ()),
        upstream=upstream,
        data=data,
        seeds=row.get(SEEDS, 5),
        seed=row.get(SEED),
        training=training,
        redraw=row.get(REDRAW, bool(dict(training).get("frozen", False))),
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
    tables: Sequence[RawTable], side: str, methods: Mapping[str, Lever], header: str, faults: Faults
) -> tuple[Intervention, ...]:
    """The levers of one side, sweeps taken apart; "none" first, whether it is declared or not: all else is held against it."""
    found: list[Intervention] = []
    by_name = {name.replace("_", "-"): lever for name, lever in methods.items()}
    valid = [NONE, *by_name]
    for number, raw in enumerate(tables, start=1):
        where = f"[{header[:-1]}.{side}]] {number}"
        said = raw.get("method")
        if not isinstance(said, str):
            came = "method is missing" if "method" not in raw else f"method = {shown(said)}: must be a text"
            faults.add(where, f"{came}; valid are {listed(valid)}")
            continue
        method = said.replace("_", "-")
        if method not in valid:
            what = "upstream" if side == "upstream" else "on data"
            near = did_you_mean(method, valid)
            faults.misfit(where, "method", said, f"no such lever {what}; valid are {listed(valid)}{near}")
            continue
        left = {key: value for key, value in raw.items() if key != "method"}
        place = _place(left, method, side, where, faults)
        if method == NONE:
            for key, value in left.items():
                faults.misfit(where, key, value, "nothing is done, so there is nothing to set")
            swept: list[dict[str, object]] = [{}]
        else:
            swept = _taken_apart(left, by_name[method], where, faults)
        found.extend(
            Intervention(method=method, settings=_written(settings), where=place)
            for settings in swept
            if method == NONE or _valid(settings, by_name[method], where, faults)
        )
    names = [one.name for one in found]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        faults.add(
            f"[{header[:-1]}.{side}]]", f"{name!r} stands there twice; rows of the table could not be told apart"
        )
    return (Intervention(method=NONE), *(one for one in found if one.method != NONE))


def _place(left: dict[str, object], method: str, side: str, where: str, faults: Faults) -> Where:
    """Takes `where` out of a lever's keys; a lever's own word for it is not a key of a study."""
    if side != "data":
        return "train"
    if PART in left:
        faults.misfit(where, PART, left.pop(PART), "in a study it is called where")
    if "where" not in left:
        return "train"
    said = left.pop("where")
    if said not in WHERE:
        faults.misfit(where, "where", said, f"valid are {listed(WHERE)}{did_you_mean(said, WHERE)}")
        return "train"
    if said != "train" and method not in ON_TEST:
        reason = f"{method} on the held-out table would change who is measured; only {listed(ON_TEST)} may be"
        faults.misfit(where, "where", said, reason)
    return said


def _taken_apart(raw: dict[str, object], lever: Lever, where: str, faults: Faults) -> list[dict[str, object]]:
    """The settings of every lever that a table stands for: of several, where a setting of one value is given a list."""
    lists = [
        key
        for key, value in raw.items()
        if isinstance(value, list) and key in lever.settings and not lever.settings[key].accepts(value)
    ]
    if len(lists) > 1:
        faults.add(where, f"{listed(lists)} are both lists; sweep one setting at a time")
        return []
    if not lists:
        return [raw]
    (key,) = lists
    values = cast("list[object]", raw[key])
    if not values:
        faults.misfit(where, key, values, "an empty list sweeps nothing")
    return [{**raw, key: value} for value in values]


def _valid(settings: Mapping[str, object], lever: Lever, where: str, faults: Faults) -> bool:
    try:
        lever.complete(settings)
    except DataError as error:
        for fault in error.faults:
            if f"{where}: {fault}" not in faults.found:
                faults.add(where, fault)
        return False
    return True


def _training(raw: RawTable, where: str, faults: Faults) -> tuple[tuple[str, Value], ...]:
    """Settings of fine-tuning, checked by making them."""
    from pytest_biasaudit.training.fine_tuning import FineTuning

    there = [field.name for field in fields(FineTuning)]
    for key, value in raw.items():
        if key not in there:
            valid = f"valid are {listed(there)}{did_you_mean(key, there)}"
            faults.add(where, f"unknown key {shown(key)} (= {shown(value)}); {valid}")
    given = {key: value for key, value in raw.items() if key in there}
    try:
        FineTuning(**cast("dict[str, Any]", given))
    except TrainingError as error:
        for fault in str(error).removeprefix("fine-tuning: ").split("; "):
            faults.add(where, fault)
        return ()
    return _written(given)


def _written(settings: Mapping[str, object]) -> tuple[tuple[str, Value], ...]:
    """As a plan holds them: lists as tuples."""
    return tuple((key, cast("Value", _frozen(value))) for key, value in settings.items())


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value

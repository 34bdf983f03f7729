"""How a TOML table is read: by the keys it may have, keeping every fault instead of stopping at the first.

Imports shapes and spelling. A key table drives both the reader and the published JSON Schema, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast, overload

from pytest_biasaudit.context.shapes import JsonSchema, Misfit, Shape
from pytest_biasaudit.context.spelling import did_you_mean, listed, shown

T = TypeVar("T")
D = TypeVar("D")
RawTable = Mapping[str, object]


@dataclass(frozen=True, eq=False)
class Key(Generic[T]):
    """A key of a table: its name, what its value may be, and what it says."""

    name: str
    shape: Shape[T]
    says: str
    """One sentence, shown by editors."""
    required: bool = field(default=False, kw_only=True)


Keys = Sequence[Key[Any]]


@dataclass
class Faults:
    """Every fault of one file, in the order found."""

    found: list[str] = field(default_factory=list)

    def add(self, where: str, fault: str) -> None:
        """Keep a fault of the table at `where`."""
        self.found.append(f"{where}: {fault}")

    def misfit(self, where: str, name: str, value: object, reason: str) -> None:
        """Keep a fault of one key's value."""
        self.add(where, f"{name} = {shown(value)}: {reason}")


@dataclass(frozen=True)
class Row:
    """What could be read of a table. A key whose value is at fault is declared, and has no value here."""

    where: str
    raw: RawTable
    values: Mapping[str, object]

    def declares(self, key: Key[Any]) -> bool:
        """Whether the key stands in the table, readable or not."""
        return key.name in self.raw

    @overload
    def get(self, key: Key[T]) -> T | None: ...
    @overload
    def get(self, key: Key[T], default: D) -> T | D: ...
    def get(self, key: Key[T], default: object = None) -> object:
        """The key's value; the default where it is absent or at fault."""
        return self.values.get(key.name, default)

    def __getitem__(self, key: Key[T]) -> T:
        """The value of a key that is known to have one."""
        return cast("T", self.values[key.name])


def read_row(raw: RawTable, keys: Keys, *, where: str, faults: Faults) -> Row:
    """Read a table by its keys: unknown and missing keys and values of another shape become faults."""
    known = {key.name: key for key in keys}
    for name, value in raw.items():
        if name not in known:
            valid = f"valid keys are {listed(known)}{did_you_mean(name, known)}"
            faults.add(where, f"unknown key {shown(name)} (= {shown(value)}); {valid}")
    values: dict[str, object] = {}
    for name, key in known.items():
        if name in raw:
            try:
                values[name] = key.shape.read(raw[name])
            except Misfit as misfit:
                hint = f"; {misfit}" if str(misfit) else ""
                faults.misfit(where, name, raw[name], f"must be {key.shape.must}{hint}")
        elif key.required:
            faults.add(where, f"{name} is missing; it must be {key.shape.must}")
    return Row(where, raw, values)


@dataclass(frozen=True)
class Table(Shape[RawTable]):
    """A table of its own. Left raw: it is read where its rules stand."""

    header: str
    """As written in the file: "[audit.people]"."""
    keys: Keys
    rules: JsonSchema = field(default_factory=dict, hash=False)
    """What JSON Schema can say of several keys together."""

    @property
    def must(self) -> str:
        """See Shape."""
        return f"a table {self.header}"

    def read(self, raw: object) -> RawTable:
        """See Shape."""
        if not isinstance(raw, Mapping):
            raise Misfit
        return raw

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {**table_schema(self.keys), **self.rules}


@dataclass(frozen=True)
class Tables(Shape[tuple[RawTable, ...]]):
    """One or more tables in a row. Left raw, as Table."""

    header: str
    """As written in the file: "[[audit]]"."""
    keys: Keys
    rules: JsonSchema = field(default_factory=dict, hash=False)
    """As in Table, for each of the tables."""

    @property
    def must(self) -> str:
        """See Shape."""
        return f"one or more tables {self.header}"

    def read(self, raw: object) -> tuple[RawTable, ...]:
        """See Shape."""
        if isinstance(raw, Mapping):
            raise Misfit(f"a single table has double brackets too: {self.header}")
        if not isinstance(raw, list) or not raw or not all(isinstance(item, Mapping) for item in raw):
            raise Misfit
        return tuple(raw)

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "array", "minItems": 1, "items": {**table_schema(self.keys), **self.rules}}


def table_schema(keys: Keys) -> JsonSchema:
    """JSON Schema of a table with these keys and no others."""
    return {
        "type": "object",
        "properties": {key.name: {"description": key.says, **key.shape.schema()} for key in keys},
        "required": [key.name for key in keys if key.required],
        "additionalProperties": False,
    }

"""The table that a fine-tuning is given: one in memory, or a file with its columns named. Imports polars when called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.context.spelling import listed, shown
from pytest_biasaudit.errors import TrainingError

if TYPE_CHECKING:
    from pytest_biasaudit.tables.table import Table

EXAMPLE = 'columns={"text": "cv", "label": "hired"}'


def table_from(given: object, columns: object, *, beside: Path) -> Table:
    """The table itself, or the file of that path read.

    columns  Columns, or a mapping with its names ("text", "label", "groups" and so on); None with a table in memory
    beside   folder that a relative path starts from

    Raises TrainingError for columns that do not name text and label, and DataError for a file that is not what they say.
    """
    from pytest_biasaudit.tables.table import Table, read_table

    if isinstance(given, Table):
        if columns is not None:
            raise TrainingError("columns belong to a file; a table in memory names its own")
        return given
    if not isinstance(given, (str, Path)):
        raise TypeError(f"a table is a file's path or a Table; got {type(given).__name__}")
    return read_table(beside / given, _columns(columns))


def _columns(given: object) -> Columns:
    if isinstance(given, Columns):
        return given
    if not isinstance(given, Mapping):
        raise TrainingError(f"which columns hold text and label? Give {EXAMPLE}")
    known = [field.name for field in fields(Columns)]
    faults = [f"no such use {shown(name)}" for name in given if name not in known]
    faults += [f"{name} is missing" for name in ("text", "label") if name not in given]
    if faults:
        raise TrainingError(f"columns: {'; '.join(faults)}; there are {listed(known)}, as in {EXAMPLE}")
    groups = given.get("groups", {})
    if not isinstance(groups, Mapping):
        raise TrainingError(f"columns: groups = {shown(groups)}: must be a mapping of attributes to columns")
    plain = {name: value for name, value in given.items() if name != "groups"}
    return Columns(**plain, groups=tuple((str(name), str(column)) for name, column in groups.items()))

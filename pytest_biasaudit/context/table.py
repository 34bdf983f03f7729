"""Which written prompts may be asked: the keys of `[audit.table]`, and whether the file beside the context has them.

Asks `prompts.audit_table` to read the file, when the context is read and not before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.context.benchmark import Digest
from pytest_biasaudit.context.declaration import TableSpec
from pytest_biasaudit.context.shapes import Text, TextOrTexts
from pytest_biasaudit.context.strict import Faults, Key, Keys, RawTable, Row, read_row
from pytest_biasaudit.errors import DataError

if TYPE_CHECKING:
    from pytest_biasaudit.prompts.people_list import PeopleList

FILE = Key("file", Text(), "A CSV beside the context file, with one row a prompt.", required=True)
SHA = Key("sha256", Digest(), "What the file's digest must be.")
SCENARIO = Key("scenario", TextOrTexts(), "The scenarios to use, as the table spells them; all when absent.")
VARIATION = Key("variation", TextOrTexts(), "The variations to use; all when absent.")
LEVEL = Key("level", TextOrTexts(), "The levels of added information (context_level) to use; all when absent.")
TABLE_KEYS = (FILE, SHA, SCENARIO, VARIATION, LEVEL)


def read_table(
    raw: RawTable, raw_people: RawTable | None, *, where: str, beside: Path, faults: Faults
) -> tuple[TableSpec | None, PeopleList | None]:
    """What is used of the table, and the people it names; None for both when there are faults.

    raw_people  groups that it declares may stand in the table beside the usual ones
    """
    from pytest_biasaudit.prompts.audit_table import GENDERS, RACES, read_audit_table

    row = read_row(raw, TABLE_KEYS, where=where, faults=faults)
    file = row.get(FILE)
    if file is None or any(row.declares(key) and row.get(key) is None for key in TABLE_KEYS):
        return None, None
    declared = (group for group in _groups_named(raw_people) if group not in GENDERS)
    chosen = {"scenarios": row.get(SCENARIO, ()), "variations": row.get(VARIATION, ()), "levels": row.get(LEVEL, ())}
    try:
        table = read_audit_table(
            file, beside=beside, races=tuple(dict.fromkeys((*RACES, *declared))), sha256=row.get(SHA), **chosen
        )
    except DataError as error:
        for fault in error.faults:
            faults.misfit(where, "file", file, fault)
        return None, None
    templates = tuple(template.id for template in table.templates)
    return TableSpec(file=file, sha256=table.sha256, templates=templates, **chosen), table.people


def refuse_wordings(row: Row, keys: Keys, faults: Faults) -> None:
    """Faults for keys that say what is asked, where a table says it."""
    for key in keys:
        if row.declares(key):
            faults.add(
                row.where, f"{key.name} and table are both given; the table holds the prompts: remove {key.name}"
            )


def _groups_named(raw_people: RawTable | None) -> Iterator[str]:
    """Every group that `groups` of the raw table names, whatever its shape; its faults are told elsewhere."""
    groups = (raw_people or {}).get("groups")
    for some in groups.values() if isinstance(groups, Mapping) else (groups,):
        if isinstance(some, list):
            yield from (one for one in some if isinstance(one, str))

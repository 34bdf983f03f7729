"""Which rows are of which label and group. Knows tables; polars and numpy are imported when rows are looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_biasaudit.context.spelling import listed
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.prompts.benchmarks.data import refuse
from pytest_biasaudit.tables.table import Table
from pytest_biasaudit.tables.tally import CROSSED

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Places = NDArray[np.int64]
    """Places of rows in a table, counted from 0."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Strata:
    """The rows of a table by label and group. Rows without a label, or of no known group, are in none."""

    attribute: str
    labels: tuple[str, ...]
    """In order of spelling, as the groups are: the order of rows decides nothing."""
    groups: tuple[str, ...]
    places: Mapping[tuple[str, str], Places]
    """Of each label and group, in the order of the table; empty where a label has no row of a group."""

    def count(self, label: str, group: str) -> int:
        """Rows of that label and group."""
        return len(self.places[label, group])

    @property
    def rows(self) -> int:
        """Rows with a label and a group."""
        return sum(map(len, self.places.values()))


def strata_of(table: Table, attribute: str | None) -> Strata:
    """The rows by label and group.

    attribute  a declared one, or several crossed ("race*sex"); None: the table's only one

    Raises DataError: no such attribute, several and none is named, no label column, no row with a label and a group.
    """
    import numpy as np
    import polars as pl

    name = chosen_attribute(table, attribute)
    found = (
        pl.DataFrame({"label": known(table.labels), "group": groups_of(table, name)})
        .with_row_index("place")
        .drop_nulls()
        .group_by("label", "group")
        .agg(pl.col("place").sort())
    )
    places = {
        (label, group): np.asarray(at, dtype=np.int64)
        for label, group, at in zip(found["label"], found["group"], found["place"], strict=True)
    }
    if not places:
        raise DataError(
            table.source, [f"no row has both a label and a group of {name!r}; there is nothing to draw from"]
        )
    labels = tuple(sorted({label for label, _ in places}))
    groups = tuple(sorted({group for _, group in places}))
    none = np.zeros(0, dtype=np.int64)
    whole = {(label, group): places.get((label, group), none) for label in labels for group in groups}
    return Strata(attribute=name, labels=labels, groups=groups, places=whole)


def chosen_attribute(table: Table, attribute: str | None) -> str:
    """The attribute that is meant. Raises DataError where it is not among the table's columns, or not told."""
    there = [name for name, _ in table.columns.groups]
    if attribute is None:
        if len(there) != 1:
            raise DataError(
                table.source,
                [f"the attribute must be named: the table's columns have {listed(there) if there else 'none'}"],
            )
        return there[0]
    refuse(
        table.source,
        [
            f"no attribute {one!r} is a column of this table; there are {listed(there) if there else 'none'}"
            for one in _parts(attribute, there)
            if one not in there
        ],
    )
    return attribute


def groups_of(table: Table, attribute: str) -> pl.Series:
    """Each row's group of an attribute, or of several crossed; null where any of them is not known."""
    parts = [known(table.groups(one)) for one in _parts(attribute, [name for name, _ in table.columns.groups])]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + CROSSED + part
    return whole


def known(column: pl.Series) -> pl.Series:
    """A column as text, null where it says nothing."""
    import polars as pl

    texts = column.cast(pl.String)
    return texts.set(texts.str.strip_chars() == "", None)


def one_of(there: Sequence[str], name: str | None, *, what: str, source: str) -> str:
    """The label or group that is meant. Raises DataError listing those there are."""
    if name is None or name not in there:
        said = "must be named" if name is None else f"{name!r} is in no row"
        raise DataError(source, [f"the {what} {said}; there are {listed(there)}"])
    return name


def drawing(seed: int, *names: str) -> np.random.Generator:
    """The generator of one stratum: other strata, and the order of rows elsewhere, do not move what it draws.

    Raises DataError for a seed below 0.
    """
    import numpy as np

    if seed < 0:
        raise DataError("seed", [f"{seed} is below 0; it must be a whole number from 0"])

    digest = hashlib.sha256("\x00".join(names).encode("utf-8", "surrogatepass")).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def first_drawn(places: Places, count: int, generator: np.random.Generator) -> Places:
    """So many of these rows: without any of them twice while there are enough, else all of them and more at random.

    With the same generator a larger count has the rows of a smaller one, and more. Raises ValueError for none to draw from.
    """
    import numpy as np

    order = generator.permutation(places)
    if count <= len(order):
        return order[:count]
    more = generator.integers(len(places), size=count - len(places))
    return np.concatenate([order, places[more]])


def _parts(attribute: str, there: Sequence[str]) -> list[str]:
    return [attribute] if attribute in there else attribute.split(CROSSED)

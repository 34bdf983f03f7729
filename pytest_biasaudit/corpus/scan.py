"""A corpus, scanned once and counted: by columns, by terms found in the text, and words near terms.

Out of core: rows pass in chunks and only cells stay. On a Ray cluster where one is given, by the same code part by part.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace

from pytest_biasaudit.context.declaration import CorpusAudit
from pytest_biasaudit.corpus.counts import TEXTLESS, Counts
from pytest_biasaudit.corpus.one_file import count_file
from pytest_biasaudit.tables.counting import refuse_doubled, tally_of
from pytest_biasaudit.tables.source import TableFile
from pytest_biasaudit.tables.tally import Tally

RAY_ADDRESS = "BIASAUDIT_RAY_ADDRESS"
"""Environment variable: address of a Ray cluster that scans, as `ray.init` takes it ("auto", "local", "ray://host:10001")."""
SHOWN_FROM = 16_000_000
"""Bytes of a file from which progress is shown as it goes; a smaller one is read before anyone looks."""


def scan_corpus(
    file: TableFile,
    audit: CorpusAudit,
    *,
    progress: Callable[[int], None] | None = None,
    cluster: str | None = None,
) -> Tally:
    """The corpus, counted: every figure of a corpus audit comes from it.

    progress  called with the bytes read since the last call; they add up to the file's
    cluster   address of a Ray cluster; None: what BIASAUDIT_RAY_ADDRESS says, and without it this machine alone

    Raises DataError with what is wrong with the table, and where. Raises BiasAuditError where a cluster is given and the
    extra `ray` is not installed.
    """
    if audit.columns.id is not None:
        refuse_doubled(file, audit.columns)
    steps = _Steps(progress, file.bytes)
    address = cluster or os.environ.get(RAY_ADDRESS, "").strip()
    if address:
        from pytest_biasaudit.corpus.cluster import counts_on_cluster

        counts = counts_on_cluster(file, audit, address=address, passed=steps.passed) or _here(file, audit, steps)
    else:
        counts = _here(file, audit, steps)
    steps.finish()
    tally = tally_of(counts.cells.drop(TEXTLESS), audit, file=file)
    return replace(
        tally,
        near=tuple(one.as_near_words for one in counts.near),
        blank=counts.blank(audit),
        incomplete=counts.incomplete(audit),
    )


def _here(file: TableFile, audit: CorpusAudit, steps: _Steps) -> Counts:
    shown = steps.wanted and file.bytes >= SHOWN_FROM
    share = 0.5 if audit.words else 1.0
    passing = (lambda chunk: steps.passed(int(chunk.estimated_size() * share))) if shown else None
    return count_file(file, audit, passing=passing)


class _Steps:
    """Progress in bytes, from several threads, never past the file's size before the end."""

    def __init__(self, progress: Callable[[int], None] | None, total: int) -> None:
        self._progress, self._left = progress, total
        self._lock = threading.Lock()

    @property
    def wanted(self) -> bool:
        return self._progress is not None

    def passed(self, amount: int) -> None:
        """So many bytes more."""
        with self._lock:
            step = min(amount, self._left)
            self._left -= step
            if self._progress is not None and step:
                self._progress(step)

    def finish(self) -> None:
        """All of it has been read."""
        self.passed(self._left)

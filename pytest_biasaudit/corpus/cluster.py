"""A corpus scanned by many machines: Ray Data hands out the parts of a file, each machine counts its own.

The counting is that of one machine, so the counts are the same. Every machine must see the file under the same path. Ray is
imported here only, when a cluster is given.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from pytest_biasaudit.context.declaration import CorpusAudit
from pytest_biasaudit.corpus.counts import Counts, added
from pytest_biasaudit.corpus.nearness import Near
from pytest_biasaudit.corpus.one_file import count_file
from pytest_biasaudit.corpus.parts import PART, Part, as_table, parts_of
from pytest_biasaudit.errors import BiasAuditError, DataError
from pytest_biasaudit.tables.source import TableFile


def counts_on_cluster(
    file: TableFile,
    audit: CorpusAudit,
    *,
    address: str,
    passed: Callable[[int], None],
    size: int = PART,
) -> Counts | None:
    """The file's counts, or None where a part of it is at fault: only the whole file shows on which line.

    address  as `ray.init` takes it; a Ray that is running in this process is used as it is
    passed   called with the bytes of each part that is done
    size     bytes of a part, about

    Raises BiasAuditError where ray is not installed, or the cluster cannot be reached.
    """
    ray = _connected(address)
    try:
        parts = parts_of(file, size=size)
    except DataError:
        return None
    todo = [{"part": at} for at in range(len(parts))]
    done = ray.data.from_items(todo, override_num_blocks=len(todo)).map(_counting(file, audit, parts))
    counts = []
    for row in done.iter_rows():
        if row["cells"] is None:
            return None
        counts.append(_from_plain(row))
        passed(int(row["bytes"]))
    return added(counts)


def _connected(address: str) -> Any:
    try:
        import ray
        import ray.data
    except ImportError:
        raise BiasAuditError(
            f"a Ray cluster is given ({address!r}), and ray is not installed: install pytest-biasaudit[ray], or unset "
            "BIASAUDIT_RAY_ADDRESS to scan on this machine"
        ) from None
    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise BiasAuditError(f"the Ray cluster at {address!r} cannot be reached: {error}") from None
    return ray


def _counting(file: TableFile, audit: CorpusAudit, parts: Sequence[Part]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What a worker does with the number of a part; Ray brings the declarations to it."""

    def counted(row: dict[str, Any]) -> dict[str, Any]:
        """One part's counts as bytes and text, None where it is at fault."""
        part = parts[int(row["part"])]
        try:
            with as_table(file, part) as table:
                counts = count_file(table, audit, part=part)
        except DataError:
            return {"cells": None, "near": "", "bytes": part.bytes}
        cells = io.BytesIO()
        counts.cells.write_ipc(cells)
        near = json.dumps([asdict(one) for one in counts.near])
        return {"cells": cells.getvalue(), "near": near, "bytes": part.bytes}

    return counted


def _from_plain(row: dict[str, Any]) -> Counts:
    near = tuple(Near(**one) for one in json.loads(row["near"]))
    return Counts(cells=pl.read_ipc(io.BytesIO(row["cells"])), near=near)

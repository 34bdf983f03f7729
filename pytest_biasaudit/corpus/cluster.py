"""A corpus scanned by many machines: Ray Data hands out the parts of a file, each machine counts its own.

The counting is that of one machine, so the counts are the same. Every machine must see the file under the same path. Ray is
imported here only, when a cluster is given.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import polars as pl

from pytest_biasaudit.context.declaration import CorpusAudit
from pytest_biasaudit.corpus.counts import Counts, added
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
    todo = [{"part": pickle.dumps((file, audit, part))} for part in parts]
    done = ray.data.from_items(todo, override_num_blocks=len(todo)).map(_counted)
    counts = []
    for row in done.iter_rows():
        if row["counts"] is None:
            return None
        counts.append(_from_bytes(row["counts"]))
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


def _counted(row: dict[str, Any]) -> dict[str, Any]:
    """On a worker: one part's counts, None where it is at fault."""
    from pytest_biasaudit.corpus.scan import count_file

    file, audit, part = pickle.loads(row["part"])
    assert isinstance(part, Part)
    try:
        with as_table(file, part) as table:
            return {"counts": _to_bytes(count_file(table, audit, part=part)), "bytes": part.bytes}
    except DataError:
        return {"counts": None, "bytes": part.bytes}


def _to_bytes(counts: Counts) -> bytes:
    cells = io.BytesIO()
    counts.cells.write_ipc(cells)
    return pickle.dumps((cells.getvalue(), counts.near))


def _from_bytes(raw: bytes) -> Counts:
    cells, near = pickle.loads(raw)
    return Counts(cells=pl.read_ipc(io.BytesIO(cells)), near=near)

"""Cells of a study, kept as they come: a file each, named for what decides it. Imports no torch.

A cell that was finished is never made again, in this run or the next; one that was cut off leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pytest_biasaudit.errors import JournalError

Plain = dict[str, object]


def key_of(deciding: Mapping[str, object]) -> str:
    """The sha256 of everything that decides a cell, as plain values."""
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


class Kept:
    """Plain values under keys, in a folder; in memory where there is none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory: dict[str, Plain] = {}
        self.recalled = 0
        """Values that were found and not made again."""

    def get(self, key: str) -> Plain | None:
        """What was kept under the key. A file that is damaged counts as none: it is made again, and written over."""
        found = self._memory.get(key) if self._folder is None else _read(self._path(key))
        self.recalled += found is not None
        return found

    def put(self, key: str, value: Plain) -> None:
        """Keeps a value; it is there whole, or not at all. Raises JournalError where it cannot be written."""
        if self._folder is None:
            self._memory[key] = value
            return
        body = json.dumps(value, sort_keys=True)
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=f".{key[:12]}.", dir=path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(f"{_checksum(body)}\n{body}\n")
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise JournalError(f"a cell of the study cannot be kept in {path.parent}: {error}") from error

    def _path(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / key[:2] / f"{key}.json"


def _read(path: Path) -> Plain | None:
    try:
        checksum, _, body = path.read_text(encoding="utf-8").partition("\n")
        body = body.removesuffix("\n")
        value = json.loads(body)
    except (OSError, ValueError):
        return None
    return value if checksum == _checksum(body) and isinstance(value, dict) else None


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()

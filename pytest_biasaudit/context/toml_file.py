"""How a TOML file comes in: bytes to a table, or an error that says where it is unreadable. Imports errors only."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_biasaudit.errors import ContextError

LARGEST_FILE = 1_000_000
"""Bytes. What a person declares by hand is far smaller; a larger file is another file by mistake."""


@dataclass(frozen=True, kw_only=True)
class TomlFile:
    """A parsed file with the digest of its bytes."""

    table: dict[str, Any]
    sha256: str


def read_toml(path: Path, *, raising: type[ContextError] = ContextError) -> TomlFile:
    """Parse a file.

    raising  the error class of the file's readers; raised for a file that is missing, a folder, too large, not UTF-8
             or not TOML, with line and column where they are known
    """

    def unreadable(fault: str) -> ContextError:
        return raising(str(path), [fault])

    try:
        if path.is_dir():
            raise unreadable("this is a folder; name the file in it")
        if path.exists() and not path.is_file():
            raise unreadable("this is no plain file")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise unreadable("there is no such file") from None
    except (OSError, ValueError) as error:
        raise unreadable(f"the file cannot be read: {error}") from None
    if len(content) > LARGEST_FILE:
        raise unreadable(f"the file has more than {LARGEST_FILE:,} bytes; it is refused unread")
    try:
        # Some Windows editors begin UTF-8 files with a byte order mark: harmless.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place(error.object, error.start)
        what = f"byte 0x{error.object[error.start]:02x} at line {line}, column {column}"
        raise unreadable(f"not UTF-8: {what}; save the file as UTF-8") from None
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise unreadable("not readable TOML: arrays or tables are nested too deeply") from None
    except ValueError as error:
        # TOMLDecodeError, whose message has line and column; a plain ValueError for an integer of thousands of digits.
        raise unreadable(f"not valid TOML: {error}") from None
    return TomlFile(table=table, sha256=hashlib.sha256(content).hexdigest())


def _place(content: bytes, position: int) -> tuple[int, int]:
    """Line and column of a byte, both from 1."""
    before = content[:position]
    return before.count(b"\n") + 1, position - (before.rfind(b"\n") + 1) + 1

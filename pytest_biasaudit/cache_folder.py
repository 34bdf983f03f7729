"""The folder of answers, scores and converted models. Imports errors only."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_biasaudit.errors import JournalError


def default_cache(root: Path) -> Path:
    """$BIASAUDIT_CACHE, else `.biasaudit` in the root folder."""
    shared = os.environ.get("BIASAUDIT_CACHE")
    return Path(shared).expanduser().absolute() if shared else root / ".biasaudit"


def own_folder(folder: Path, *, instead: str) -> None:
    """Makes the folder, which keeps itself out of version control.

    instead  what to do where it cannot be made, in words

    Raises JournalError where it cannot be made.
    """
    ignore = folder / ".gitignore"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not ignore.exists():
            text = "# answers and converted models of pytest-biasaudit; safe to delete\n*\n"
            ignore.write_text(text, encoding="utf-8")
    except OSError as error:
        raise JournalError(f"the cache folder cannot be used: {error}; {instead}") from None

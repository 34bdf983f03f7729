"""What came of an audit of a labelled table, as metrics see it. Imports types only."""

from __future__ import annotations

from typing import Protocol

from pytest_biasaudit.tables.tally import Tally


class Counted(Protocol):
    """What came of an audit of a table: as collected, or as kept in a record."""

    @property
    def tally(self) -> Tally | None:
        """The table, counted."""
        ...

    @property
    def obstacle(self) -> str:
        """Why nothing could be counted."""
        ...

"""Where tables are drawn as lines of text. Imports rich when drawing."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from pytest_biasaudit.report.visible import in_ascii

if TYPE_CHECKING:
    from rich.console import Console


class Lines:
    """A console on a buffer of our own: what the user's terminal or environment says about colour is pytest's to decide.

    width    in columns
    unicode  False: lines and foreign letters are written in ASCII; None: the encoding of standard output decides
    """

    def __init__(self, width: int, *, colour: bool = False, unicode: bool | None = None) -> None:
        from rich.console import Console

        self.unicode = "utf" in (sys.stdout.encoding or "").lower() if unicode is None else unicode
        self._buffer = io.StringIO()
        self.console: Console = Console(
            file=self._buffer,
            width=width,
            force_terminal=colour,
            color_system="standard" if colour else None,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
            _environ={},
        )

    def drawn(self) -> list[str]:
        """What was printed, line by line."""
        lines = [line.rstrip() for line in self._buffer.getvalue().splitlines()]
        return lines if self.unicode else [in_ascii(line) for line in lines]

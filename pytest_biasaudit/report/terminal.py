"""The summary table on a terminal: one row a limit. rich is imported when drawing; no markup is read from any text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.lineage import in_reading_order
from pytest_biasaudit.report.rows import VerdictRow, verdict_counts, verdict_rows
from pytest_biasaudit.report.text_console import Lines
from pytest_biasaudit.report.visible import shortened, visible
from pytest_biasaudit.verdict.verdict import Verdict

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

STYLES = {
    Verdict.WITHIN: "green",
    Verdict.OVER: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_MEASURED: "magenta",
}
NARROW = 110
"""Columns below which audit and model share one column, and the interval stands under its estimate."""
NARROWEST = 72
LONGEST_CELL = 120
LEAST_NAME = 11
"""Columns that a piece of a name gets on the narrowest terminal."""


def render_terminal(
    evidence: Evidence, *, width: int = 100, colour: bool = False, unicode: bool | None = None
) -> list[str]:
    """The table, line by line, with a line of totals under it; no lines when nothing was audited.

    width    of the terminal, in columns; no line is longer, unless the terminal is under 72 columns wide
    unicode  False for terminals that show ASCII only: lines, symbols and foreign letters are then written in ASCII;
             left out, the encoding of standard output decides
    """
    records = in_reading_order(evidence.audits, evidence.models)
    if not records:
        return []
    lines = Lines(max(width, NARROWEST), colour=colour, unicode=unicode)
    lines.console.print(_table(verdict_rows(records), width=max(width, NARROWEST), unicode=lines.unicode))
    return [*lines.drawn(), totals(records)]


def totals(records: Sequence[AuditRecord]) -> str:
    """One line: how many limits got which verdict."""
    counts = verdict_counts(records)
    total = sum(counts.values())
    if not total:
        return "no limit was judged"
    found = [f"{count} {wording.WORDS[verdict].lower()}" for verdict, count in counts.items() if count]
    return f"{total} limit{'s' * (total != 1)}: {', '.join(found)}"


def _table(rows: Sequence[VerdictRow], *, width: int, unicode: bool) -> Table:
    from rich import box
    from rich.table import Table

    narrow, name_width = width < NARROW, max(LEAST_NAME, width // 7)
    # Contexts that are copies of one another, as before and after, name their audits alike.
    places = {(row.audit, row.model, row.context_id) for row in rows}
    alike = Counter((audit, model) for audit, model, _ in places)
    table = Table(
        box=box.SIMPLE_HEAD if unicode else box.ASCII2, pad_edge=False, show_edge=not unicode, collapse_padding=True
    )
    heads = ["audit [model]"] if narrow else ["audit", "model"]
    for head in [*heads, "limit", "estimate", "must be", "verdict", "used"]:
        whole = head == "verdict"  # a verdict broken in two is hard to find
        table.add_column(_text(head), overflow="fold", no_wrap=whole, min_width=14 if whole else None)
    before: tuple[str, str] | None = None
    for row in rows:
        here = (row.anchor, row.model)
        # Named once, as on a page of accounts: what repeats hides what changes.
        first = here != before
        before = here
        audit = f"{row.context_id} / {row.audit}" if alike[row.audit, row.model] > 1 else row.audit
        names = [f"{audit} [{row.model}]"] if narrow else [audit, row.model]
        separator = "\n" if narrow else " "
        interval = f"{separator}({row.interval})" if row.level else ""
        table.add_row(
            *(_text(folded(name, name_width) if first else "") for name in names),
            _text("\n".join([folded(row.limit, name_width), *([row.comparison] * (not narrow or bool(row.counted)))])),
            _text(f"{row.estimate}{interval}" + (f"\nnoise floor {row.noise}" if row.noise else "")),
            _text(f"{row.bound}\nrule {row.rule}" if row.rule_note else row.bound),
            _text(_word(row.verdict, unicode=unicode), STYLES[row.verdict]),
            _text(_answers(row) if first else ""),
        )
    return table


def folded(name: str, width: int) -> str:
    """A name on lines of at most that many columns, broken after its own blanks, hyphens and underscores where it can be."""
    lines = [""]
    for piece in re.findall(r"[^\s_-]+[\s_-]*|[\s_-]+", name):
        if lines[-1] and len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _word(verdict: Verdict, *, unicode: bool) -> str:
    symbols = wording.SYMBOLS if unicode else wording.PLAIN_SYMBOLS
    return f"{symbols[verdict]} {wording.WORDS[verdict].lower()}"


def _answers(row: VerdictRow) -> str:
    counts = row.counts
    text = f"{counts.answered} of {counts.asked} {row.counted}".rstrip()
    unread = "without a prediction" if row.counted == "rows" else "unparseable"
    rest = {"refused": counts.refused, unread: counts.unparseable, "errors": counts.errors}
    return "\n".join([text, *(f"{name} {count}" for name, count in rest.items() if count)])


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(visible(shortened(text, LONGEST_CELL)), style=style)

"""Tables that a page of the docs has between two marks, as simulations fill them and tests hold them."""

from __future__ import annotations

from pathlib import Path


def rows_of(page: Path, name: str) -> list[list[str]]:
    """The table after `<!-- rows: NAME -->`, without its head."""
    text = page.read_text(encoding="utf-8")
    table = text.partition(f"<!-- rows: {name} -->")[2].partition("<!-- end -->")[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]

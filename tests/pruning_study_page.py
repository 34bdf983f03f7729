"""The study of pruning on a real model, as a page of the documentation, drawn from its evidence.

    cd examples/pruning-study
    python -m pytest_biasaudit generalise smollm2.toml -o smollm2.json
    cd ../..
    python -m tests.pruning_study_page examples/pruning-study/smollm2.json      # into docs/explanation/pruning-smollm2.md

Nothing is measured here: tables and pictures are those of the report.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.records.evidence import read_evidence
from pytest_biasaudit.report.transfer_charts import matrix_picture
from pytest_biasaudit.report.transfer_rows import blocks, grid_of, matrices, matrix_grid, study_facts
from tests.page_pictures import alone

if TYPE_CHECKING:
    from pytest_biasaudit.report.grid import Grid, Shown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "pruning-smollm2.md"
BEGIN, END = "<!-- from the evidence -->", "<!-- end -->"


def main(argv: Sequence[str] | None = None) -> None:
    """Puts the tables and pictures of an evidence file into the page, between its two marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evidence", type=Path)
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args(argv)
    text = given.page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    drawn = "\n".join(_drawn(given.evidence, given.page.parent))
    given.page.write_text(f"{before}{BEGIN}\n\n{drawn}\n{END}{after}", encoding="utf-8")


def _drawn(file: Path, folder: Path) -> Iterator[str]:
    evidence = read_evidence(file)
    for study in evidence.transfer:
        for name, value in study_facts(study):
            yield f"- **{name}**: " + value.replace("\n", "; ")
        yield ""
        for number, matrix in enumerate(matrices(study.rows), start=1):
            picture = folder / f"pruning-smollm2-{matrix.unit}.svg"
            picture.write_text(alone(matrix_picture(matrix, ids=f"matrix-{number}").svg), encoding="utf-8")
            grid = matrix_grid(matrix, anchor=f"matrix-{number}")
            yield f"## Transfer: {matrix.title}\n"
            yield f"![The table below as a picture]({picture.name})\n"
            yield from _table(grid)
        for number, block in enumerate(blocks(study.rows), start=1):
            yield f"## {block.title}\n"
            yield from _table(grid_of(block, anchor=f"block-{number}"))


def _table(grid: Grid) -> Iterator[str]:
    yield f"{grid.caption}.\n"
    yield "| " + " | ".join(head.replace("|", "\\|") for head in grid.heads) + " |"
    yield "|" + "---|" * len(grid.heads)
    for row in grid.rows:
        yield "| " + " | ".join(map(_cell, row)) + " |"
    yield ""
    for note in grid.notes:
        yield f"- {note}"
    yield ""


def _cell(shown: Shown) -> str:
    under = [one for one in shown.under if one]
    text = shown.text + (f" ({'; '.join(under)})" if under else "")
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()

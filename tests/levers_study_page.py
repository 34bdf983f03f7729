"""The studies of levers on a real model, as a page of the documentation, drawn from their evidence.

    cd examples/downstream-study
    python -m pytest_biasaudit study study.toml --out study.json
    python -m pytest_biasaudit study frozen.toml --out frozen.json
    cd ../..
    python -m tests.levers_study_page examples/downstream-study/study.json examples/downstream-study/frozen.json

It writes docs/explanation/levers-on-minilm.md, between two marks. Nothing is measured here: the tables are those of the
report.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.records.evidence import read_evidence
from pytest_biasaudit.report.lever_rows import facts, grids, unit_grid
from pytest_biasaudit.report.study_levers_charts import sweep_pictures
from tests.page_pictures import alone

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.study.result import StudyResult
    from pytest_biasaudit.report.grid import Grid, Shown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "levers-on-minilm.md"
BEGIN, END = "<!-- from the evidence -->", "<!-- end -->"
BLANK = """\
# Levers on MiniLM

Two studies of `examples/downstream-study`, whose training table has a planted share of women in every occupation.

<!-- from the evidence -->
<!-- end -->
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Puts the tables of evidence files into the page, between its two marks; begins the page where there is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evidence", type=Path, nargs="+")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args(argv)
    text = given.page.read_text(encoding="utf-8") if given.page.exists() else BLANK
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    drawn = "\n".join(line for file in given.evidence for line in _drawn(file, given.page.parent))
    given.page.write_text(f"{before}{BEGIN}\n\n{drawn}\n{END}{after}", encoding="utf-8")


def _drawn(file: Path, folder: Path) -> Iterator[str]:
    for study in read_evidence(file).study:
        yield f"## {study.study}\n"
        for name, value in facts(study):
            yield f"- **{name}**: {_plain(value)}"
        yield ""
        for grid in (*grids(study), *_other_labels(study)):
            yield from _table(grid)
        for at, picture in enumerate(sweep_pictures(study, ids="sweep"), start=1):
            drawn = folder / f"levers-on-minilm-sweep-{at}.svg"
            drawn.write_text(alone(picture.svg), encoding="utf-8")
            yield f"![{_plain(picture.title)}]({drawn.name})\n"
        for note in study.notes:
            yield f"- {_plain(note)}"
        yield ""


def _other_labels(study: StudyResult) -> Iterator[Grid]:
    """Label by label for each lever on the data alone; of a sweep, its own table is enough."""
    for lever in study.data[1:]:
        if lever.method != "target-rate":
            yield unit_grid(study, anchor="labels", data=lever.name)


def _table(grid: Grid) -> Iterator[str]:
    yield f"{_plain(grid.caption)}.\n"
    yield "| " + " | ".join(_plain(head) for head in grid.heads) + " |"
    yield "|" + "---|" * len(grid.heads)
    for row in grid.rows:
        yield "| " + " | ".join(map(_cell, row)) + " |"
    yield ""
    for note in grid.notes:
        yield f"- {_plain(note)}"
    yield ""


def _cell(shown: Shown) -> str:
    under = [one for one in shown.under if one]
    return _plain(shown.text + (f" ({'; '.join(under)})" if under else ""))


def _plain(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()

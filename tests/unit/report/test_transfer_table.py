"""A study of generalisation on a terminal: no line too long, every row there, nothing foreign acted upon."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from pytest_biasaudit.mitigation.generalising.rows import TransferRow
from pytest_biasaudit.report.transfer_table import render_transfer


@pytest.fixture
def lines_of(sample: ModuleType, mitigation: ModuleType) -> Any:
    """The lines of a study of these rows."""

    def lines(rows: tuple[TransferRow, ...], *, width: int = 100, unicode: bool = True) -> list[str]:
        study = mitigation.study(sample.models()[0], rows)
        return render_transfer([study], width=width, unicode=unicode)

    return lines


@pytest.mark.parametrize("width", [60, 72, 88, 100, 128, 200])
@pytest.mark.parametrize("unicode", [True, False])
def test_no_line_is_longer_than_the_terminal(mitigation: ModuleType, lines_of: Any, width: int, unicode: bool) -> None:
    lines = lines_of(mitigation.rows(), width=width, unicode=unicode)
    assert max(map(len, lines)) <= width
    assert unicode or "\n".join(lines).isascii()


@pytest.mark.parametrize("width", [60, 88, 100, 128])
def test_what_is_removed_by_score_and_at_random_keeps_its_interval_on_one_line(
    mitigation: ModuleType, lines_of: Any, width: int
) -> None:
    rows = (
        mitigation.row("cross-context", ("finance",), "purchase", removed=0.25, before=0.5),
        mitigation.row("cross-context", ("finance",), "purchase", removed=0.125, chosen="random"),
    )
    text = "\n".join(lines_of(rows, width=width))
    assert "0.25" in text
    assert "-0.01 to 0.47" in text  # 0.25 - 1.2 x 0.22, 0.25 + 0.22
    assert "-0.14 to 0.34" in text  # the same of 0.125, to even
    assert "0.86" in text
    assert "44.2" in text
    assert "cross-context" in text
    assert "from finance" in text


def test_the_wide_table_has_the_interval_of_every_figure_and_others_say_what_they_leave_out(
    mitigation: ModuleType, lines_of: Any
) -> None:
    rows = (
        mitigation.row("names", ("purchase",), "purchase"),
        mitigation.row("names", ("purchase",), "purchase", chosen="magnitude", removed=-0.5),
    )
    wide = "\n".join(lines_of(rows, width=128))
    for interval in ("0.836 to 0.880", "0.971 to 0.989", "-0.76 to -0.28"):
        assert interval in wide
    assert "wider terminal" not in wide
    for width in (60, 100):
        assert "wider terminal" in " ".join(lines_of(rows, width=width))


def test_the_same_prompts_are_said_on_their_row(mitigation: ModuleType, lines_of: Any) -> None:
    same = lines_of((mitigation.row("prompt", ("a",), "a"),))
    at = next(at for at, line in enumerate(same) if line.startswith("prompt"))
    assert "(same prompts)" in same[at + 1]
    other = lines_of((mitigation.row("names", ("a",), "a"),))
    assert not any("(same prompts)" in line for line in other)


@pytest.mark.parametrize("width", [60, 128])
def test_the_matrix_stands_under_the_tables(mitigation: ModuleType, lines_of: Any, width: int) -> None:
    text = " ".join("\n".join(lines_of(mitigation.rows(), width=width)).split())
    matrix = text[text.index("Share of the bias removed by heads by attribution") :]
    assert text.index("Evaluated in finance") < text.index("Share of the bias removed by heads")
    for part in (*mitigation.CONTEXTS, "all others", "held out"):
        assert part in matrix


@pytest.mark.parametrize("width", [60, 88, 128])
def test_a_mean_of_sizes_stands_beside_what_chance_gives_on_every_terminal(
    mitigation: ModuleType, lines_of: Any, width: int
) -> None:
    one = replace(mitigation.row("names", ("a",), "a"), chance=0.297)
    assert any("by chance 0.30" in line for line in lines_of((one,), width=width))


@pytest.mark.parametrize("width", [60, 88, 128])
def test_every_figure_of_the_matrix_has_its_interval(mitigation: ModuleType, lines_of: Any, width: int) -> None:
    rows = (
        mitigation.row("leave-one-out", ("a",), "a", removed=0.5),
        mitigation.row("context", ("a",), "a", removed=0.75),
        mitigation.row("cross-context", ("b",), "a", removed=0.25),
    )
    text = " ".join("\n".join(lines_of(rows, width=width)).split())
    matrix = text[text.index("Share of the bias removed by heads") :]
    for interval in ("0.24 to 0.72", "0.49 to 0.97", "-0.01 to 0.47"):  # less 1.2 x 0.22, more 0.22
        assert interval in matrix


def test_what_it_does_not_license_is_the_last_word(mitigation: ModuleType, lines_of: Any) -> None:
    assert "Audit every context of use." in " ".join(lines_of(mitigation.rows())[-3:])


def test_how_much_of_a_context_was_studied_is_said(mitigation: ModuleType, lines_of: Any) -> None:
    assert any("purchase: 3 of 10 variations, 64 people" in line for line in lines_of(mitigation.rows()))


def test_reasons_for_missing_figures_are_printed_once_a_table(mitigation: ModuleType, lines_of: Any) -> None:
    rows = tuple(
        mitigation.row("leave-one-out", ("a",), "a", rule=rule, removed=None, reason="none to leave out")
        for rule in ("intersection", "frequency")
    )
    assert sum("none to leave out" in line for line in lines_of(rows, width=128)) == 1


def test_foreign_text_is_printed_and_not_acted_upon(mitigation: ModuleType, lines_of: Any) -> None:
    name = "[bold red]x[/] \x1b[2J\u202e"
    one = replace(mitigation.row("cross-context", (name,), name), method=name)
    text = "\n".join(lines_of((one,), width=128))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold red]" in text


def test_no_study_gives_no_lines() -> None:
    assert render_transfer([]) == []

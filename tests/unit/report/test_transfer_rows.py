"""A study of generalisation as rows: order, flags, matrices and what is said where a figure is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from types import ModuleType

import pytest

from pytest_biasaudit.mitigation.generalising.rows import Figure, TransferRow
from pytest_biasaudit.report.figure_text import decimals, perplexity_text
from pytest_biasaudit.report.transfer_charts import levels_picture, matrix_picture, steps, told_apart
from pytest_biasaudit.report.transfer_rows import (
    LEVELS,
    POOLED,
    blocks,
    grid_of,
    matrices,
    matrix_grid,
    study_facts,
)
from pytest_biasaudit.stats.interval import Interval


def test_every_level_of_the_rows_has_words() -> None:
    from typing import get_args

    from pytest_biasaudit.mitigation.generalising.rows import Chosen, Level
    from pytest_biasaudit.report.transfer_rows import CHOSEN

    assert set(LEVELS) == set(get_args(Level))
    assert set(CHOSEN) == set(get_args(Chosen))


def test_rows_come_in_blocks_that_may_be_read_beside_each_other(mitigation: ModuleType) -> None:
    rows = mitigation.rows()
    made = blocks(rows)
    assert [(one.evaluated_in, one.unit) for one in made] == [
        (context, unit) for context in mitigation.CONTEXTS for unit in ("heads", "neurons")
    ]
    # All but the model as it is stand in one block each.
    assert sum(len(one.rows) - 1 for one in made) == sum(row.level != "none" for row in rows)
    assert all(one.rows[0].level == "none" and one.rows[0].unit == one.unit for one in made)


def test_the_order_is_from_the_nearest_prompts_to_the_furthest_with_baselines_beside(mitigation: ModuleType) -> None:
    block = blocks(tuple(reversed(mitigation.rows())))[-1]
    levels = [row.level for row in block.rows]
    assert levels == sorted(levels, key=list(LEVELS).index)
    assert [row.chosen for row in block.rows[1:4]] == ["scored", "random", "magnitude"]


def test_the_same_prompts_are_flagged_in_words_on_every_such_row(mitigation: ModuleType) -> None:
    block = blocks(mitigation.rows())[0]
    grid = grid_of(block, anchor="a")
    for row, cells in zip(block.rows, grid.rows, strict=True):
        assert any("same prompts" in line for line in cells[0].under) is row.same_prompts
    assert any("nothing about other prompts" in note for note in grid.notes)


def test_a_row_shows_value_interval_share_and_what_it_cost(mitigation: ModuleType) -> None:
    one = mitigation.row("cross-context", ("finance",), "purchase", removed=0.25, before=0.5)
    (block,) = blocks((one,))
    ((found, chosen, bias, removed, inliers, answered, perplexity, components),) = grid_of(block, anchor="a").rows
    assert (found.text, found.under, chosen.text) == ("another context: finance", ("intersection",), "by score")
    assert (bias.text, removed.text) == ("0.38", "0.25")  # 0.5 x 0.75 = 0.375
    assert removed.under == ("-0.01 to 0.47",)  # 0.25 - 1.2 x 0.22, 0.25 + 0.22
    assert (inliers.text, answered.text) == ("0.860", "0.981")
    assert (perplexity.text, perplexity.under) == ("44.2", ("+13.6 %",))  # 44.2 / 38.9
    assert (components.text, components.under) == ("40", ("14.8 %",))


def test_a_mean_of_sizes_stands_beside_what_chance_gives(mitigation: ModuleType) -> None:
    one = replace(mitigation.row("names", ("a",), "a", removed=0.25, before=0.5), chance=0.297)
    grid = grid_of(blocks((one,))[0], anchor="a")
    assert grid.rows[0][2].under[-1] == "by chance 0.30"
    assert any(note.startswith("“By chance”") for note in grid.notes)
    without = replace(one, bias=Figure(value=None, interval=None, reason="too few answers"))
    assert grid_of(blocks((without,))[0], anchor="a").rows[0][2].under == ()


def test_a_missing_figure_is_a_dash_and_its_reason_a_note(mitigation: ModuleType) -> None:
    one = mitigation.row(
        "leave-one-out", ("finance",), "finance", removed=None, reason="one variation: none to leave out"
    )
    (block,) = blocks((one,))
    grid = grid_of(block, anchor="a")
    assert grid.rows[0][3].text == "–"  # noqa: RUF001
    assert any("one variation: none to leave out" in note for note in grid.notes)
    assert steps(block) == ()


def test_an_interval_that_is_missing_is_said(mitigation: ModuleType) -> None:
    one = mitigation.row("prompt", ("finance",), "finance")
    one = replace(one, removed=Figure(value=0.3, interval=None, reason="one person a group"))
    grid = grid_of(blocks((one,))[0], anchor="a")
    assert grid.rows[0][3].under == ("no interval",)
    assert any("one person a group" in note for note in grid.notes)


def test_an_open_interval_says_which_end_is_open(mitigation: ModuleType) -> None:
    interval = Interval(low=float("-inf"), high=0.4, level=0.95, method="Fieller")
    one = replace(mitigation.row("prompt", ("a",), "a"), removed=Figure(value=0.1, interval=interval))
    assert grid_of(blocks((one,))[0], anchor="a").rows[0][3].under == ("below any bound to 0.40",)


@pytest.mark.parametrize(
    ("value", "text"), [(0.417, "0.42"), (-0.083, "-0.08"), (-0.001, "0.00"), (0.0, "0.00"), (-12.5, "-12.50")]
)
def test_two_decimals_and_no_sign_on_nothing(value: float, text: str) -> None:
    assert decimals(value) == text


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (40.0, 60.0, ("+50.0 %",)),
        (40.0, 360.0, ("9-fold",)),
        (40.0, 4_864_655.0, ("121,616-fold",)),
        (float("inf"), 40.0, ()),
    ],
)
def test_a_perplexity_many_times_as_high_is_said_in_folds(
    mitigation: ModuleType, before: float, after: float, said: tuple[str, ...]
) -> None:
    one = replace(mitigation.row("prompt", ("a",), "a"), perplexity_before=before, perplexity=after)
    (block,) = blocks([one])
    assert grid_of(block, anchor="a").rows[0][6].under == said


def test_a_broken_model_has_an_infinite_perplexity_and_no_percentage(mitigation: ModuleType) -> None:
    assert perplexity_text(float("inf")) == "infinite"
    one = replace(mitigation.row("prompt", ("a",), "a"), perplexity=float("inf"))
    assert grid_of(blocks((one,))[0], anchor="a").rows[0][6].under == ()


def removed_in(rows: tuple[TransferRow, ...], level: str, found: tuple[str, ...], evaluated: str) -> float | None:
    (one,) = (
        row
        for row in rows
        if (row.level, row.found_in, row.evaluated_in, row.chosen, row.unit)
        == (level, found, evaluated, "scored", "heads")
    )
    return one.removed.value


def test_the_matrix_has_a_row_a_source_a_column_a_context_and_all_others_last(mitigation: ModuleType) -> None:
    rows = mitigation.rows()
    heads, neurons = matrices(rows)
    assert (heads.title, neurons.title) == ("heads by attribution, frequency", "neurons by wanda, frequency")
    assert heads.evaluated_in == mitigation.CONTEXTS
    assert heads.found_in == (*mitigation.CONTEXTS, POOLED)
    assert len(heads.cells) == 5 * 4
    for source in mitigation.CONTEXTS:
        for to in mitigation.CONTEXTS:
            level = "context" if source == to else "cross-context"
            assert heads.cells[source, to].removed.value == removed_in(rows, level, (source,), to)
            assert heads.cells[source, to].same_prompts is (source == to)
    others = tuple(one for one in mitigation.CONTEXTS if one != "finance")
    assert heads.cells[POOLED, "finance"].removed.value == removed_in(rows, "pooled", others, "finance")


def test_the_diagonal_holds_what_held_out_variations_show_as_well(mitigation: ModuleType) -> None:
    rows = mitigation.rows()
    matrix = matrices(rows)[0]
    held_out = matrix.cells["finance", "finance"].held_out
    assert held_out is not None
    assert held_out.value == removed_in(rows, "leave-one-out", ("finance",), "finance")
    assert matrix.cells["finance", "purchase"].held_out is None


def test_the_accessible_table_has_interval_random_and_flag_in_every_cell(mitigation: ModuleType) -> None:
    matrix = matrices(mitigation.rows())[0]
    grid = matrix_grid(matrix, anchor="a")
    for source, cells in zip(matrix.found_in, grid.rows, strict=True):
        for to, shown in zip(matrix.evaluated_in, cells[1:], strict=True):
            assert shown.text == decimals(matrix.cells[source, to].removed.value)
            assert " to " in shown.under[0]
            assert any(line.startswith("random ") for line in shown.under)
            assert ("same prompts" in shown.under) is (source == to)


def test_a_pair_that_was_not_evaluated_is_said_to_be_so(mitigation: ModuleType) -> None:
    rows = tuple(row for row in mitigation.rows() if (row.found_in, row.evaluated_in) != (("services",), "finance"))
    matrix = matrices(rows)[0]
    assert ("services", "finance") not in matrix.cells
    row = matrix_grid(matrix, anchor="a").rows[matrix.found_in.index("services")]
    assert row[1 + matrix.evaluated_in.index("finance")].text == "not evaluated"


def test_one_context_gives_no_matrix(mitigation: ModuleType) -> None:
    rows = tuple(row for row in mitigation.rows(("purchase",)) if row.level not in {"cross-context", "pooled"})
    assert matrices(rows) == ()


def test_rules_are_named_in_the_picture_only_where_there_are_several(mitigation: ModuleType) -> None:
    rows = [mitigation.row("leave-one-out", ("a",), "a", rule="intersection")]
    assert [one.label for one in steps(blocks(rows)[0])] == ["the context's other variations"]
    rows.append(mitigation.row("leave-one-out", ("a",), "a", rule="frequency"))
    assert [one.label for one in steps(blocks(rows)[0])] == [
        "the context's other variations, frequency",
        "the context's other variations, intersection",
    ]


def test_the_facts_say_how_much_of_each_context_was_studied(sample: ModuleType, mitigation: ModuleType) -> None:
    facts = dict(study_facts(mitigation.study(sample.models()[0])))
    assert "purchase / offers: 3 of 10 variations, 64 of 64 people, 1 answer a prompt" in facts["Asked"].split("\n")
    assert facts["Removed"].startswith("heads by attribution, k 40, rule sum; neurons by wanda, k 1843")
    assert facts["Intervals"] == "95 %, seed 7"


def test_what_all_names_begin_with_is_cut_in_pictures_but_never_within_a_word() -> None:
    names = ["pruning-study-purchase", "pruning-study-purpose", "all others"]
    assert told_apart(names) == {
        "pruning-study-purchase": "…purchase",
        "pruning-study-purpose": "…purpose",
        "all others": "all others",
    }
    assert told_apart(["purchase", "purpose"]) == {"purchase": "purchase", "purpose": "purpose"}
    assert told_apart(["pruning-study-a"]) == {"pruning-study-a": "pruning-study-a"}


def test_a_matrix_without_figures_says_where_the_reasons_are(mitigation: ModuleType) -> None:
    rows = (
        mitigation.row("context", ("a",), "a", removed=None, reason="a very long reason of many words"),
        mitigation.row("cross-context", ("b",), "a", removed=None, reason="another one"),
    )
    (matrix,) = matrices(rows)
    grid = matrix_grid(matrix, anchor="m")
    assert all("reason" not in line for row in grid.rows for cell in row for line in cell.under)
    assert grid.notes


def texts_of(svg: str) -> dict[str, bool]:
    """What a picture says, and whether in bold."""
    found = re.findall(r"<text([^>]*)>(.*?)</text>", svg, re.DOTALL)
    return {words.strip(): "bold" in style or "700" in style for style, words in found}


def test_a_figure_of_the_same_prompts_never_looks_like_those_of_others(mitigation: ModuleType) -> None:
    """Without held-out rows nothing in brackets takes the weight off it."""
    rows = (
        mitigation.row("context", ("a",), "a", removed=0.77),
        mitigation.row("cross-context", ("b",), "a", removed=0.11),
    )
    bold = texts_of(matrix_picture(matrices(rows)[0], ids="m").svg)
    assert bold["0.11"]
    assert not bold["0.77"]


def test_a_level_of_the_same_prompts_never_looks_like_those_of_others(mitigation: ModuleType) -> None:
    rows = (mitigation.row("prompt", ("a",), "a", removed=0.77), mitigation.row("names", ("a",), "a", removed=0.11))
    picture = levels_picture(blocks(rows)[0], ids="l")
    assert picture
    bold = texts_of(picture.svg)
    assert bold["0.11"]
    assert not bold["0.77"]


def test_what_was_held_out_is_drawn_and_told_where_its_own_prompts_gave_no_figure(mitigation: ModuleType) -> None:
    rows = (
        mitigation.row("leave-one-out", ("a",), "a", removed=0.33),
        mitigation.row("context", ("a",), "a", removed=None, reason="too few answers"),
        mitigation.row("cross-context", ("b",), "a", removed=None, reason="too few answers"),
    )
    picture = matrix_picture(matrices(rows)[0], ids="m")
    assert texts_of(picture.svg)["(0.33)"]
    assert (
        "Found in a, evaluated in a, the same prompts: no figure, held out 0.33 (0.07 to 0.55)." in picture.description
    )
    assert "Found in b, evaluated in a: no figure." in picture.description


def test_of_very_many_reasons_the_first_are_told_and_the_rest_counted(mitigation: ModuleType) -> None:
    rows = tuple(
        mitigation.row("cross-context", (f"c{at}",), "a", removed=None, reason=f"reason {at}") for at in range(20)
    )
    notes = grid_of(blocks(rows)[0], anchor="a").notes
    assert len(notes) == 9
    assert notes[-1].startswith("12 more figures are missing")

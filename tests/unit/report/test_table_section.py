"""The report's section on labelled tables: what stands in it, in which order, how much of it; nothing foreign is markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from pytest_biasaudit.context.declaration import TabularAudit
from pytest_biasaudit.metrics.registry import METRICS, for_kind
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.corpus_counts import before_grid, near_grid, prevalence_grid, prevalences
from pytest_biasaudit.report.diff import diff_of
from pytest_biasaudit.report.diff_text import diff_lines
from pytest_biasaudit.report.grid import Grid
from pytest_biasaudit.report.page import render_page
from pytest_biasaudit.report.table_charts import rates_picture
from pytest_biasaudit.report.table_counts import category_grids, cells_of, confusion_grids, counts_grid, scores_grid
from pytest_biasaudit.report.table_facts import table_facts
from pytest_biasaudit.report.table_figures import MOST, MOST_OTHER, figure_blocks
from pytest_biasaudit.report.terminal import render_terminal
from tests import levers_sample, table_sample
from tests.hand_tally import (
    TERMS,
    binary_audit,
    binary_tally,
    classifier_audit,
    classifier_tally,
    corpus_tally,
    table_context,
)

BUDGET = 300_000
"""Bytes of a page with 28 labels and 50 terms."""
HOSTILE = "<script>window.pwned=1</script>\"'>&\u202ex"


@pytest.fixture(scope="module")
def records() -> list[AuditRecord]:
    return table_sample.records()


@pytest.fixture(scope="module")
def large() -> list[AuditRecord]:
    return table_sample.large_records()


def text_of(page: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S))).split())


def cells(grid: Grid | None) -> list[list[str]]:
    assert grid is not None
    return [[" ".join((cell.text, *cell.under)) for cell in row] for row in grid.rows]


# -- counts, by hand ------------------------------------------------------------------------------------------------------


def test_a_group_s_hits_and_misses_are_those_of_the_table() -> None:
    # Women, label a: 40 rows with it, 20 found; of 68 others with a known prediction 5 are said to have it.
    found = {(cell.label, cell.group): cell for cell in cells_of(classifier_tally(), classifier_tally().attributes[0])}
    women = found["a", "women"]
    assert (women.hits, women.misses, women.false, women.rest) == (20, 20, 5, 63)
    men = found["a", "men"]
    assert (men.hits, men.misses, men.false, men.rest) == (40, 10, 2, 58)
    assert men.tpr == 0.8
    assert women.fpr == 5 / 68


def test_a_rate_of_few_rows_has_their_number_beside_it(records: list[AuditRecord]) -> None:
    rows = cells(counts_grid(records[0], classifier_tally().attributes[0], anchor="x"))
    assert ["c: women", "108", "18", "12", "6", "0", "0.667 of 18", "0", "0.111"] in rows
    assert ["a: men (reference)", "110", "50", "40", "10", "2", "0.8", "0.0333", "0.382"] in rows


def test_error_rates_stand_beside_areas_the_group_with_the_lowest_first(records: list[AuditRecord]) -> None:
    # Of 20 women without the label 10 score half or more, of 20 with it 10 do not; of men 4 and 4.
    rows = cells(scores_grid(records[1], binary_tally().attributes[0], anchor="x"))
    assert [row[:4] for row in rows] == [
        ["women", "40", "0.5 of 20", "0.5 of 20"], ["men (reference)", "40", "0.2 of 20", "0.2 of 20"],
    ]  # fmt: skip
    assert scores_grid(records[0], classifier_tally().attributes[0], anchor="x") is None


def test_confusions_are_shares_of_the_true_label_and_shown_for_few_labels_only(large: list[AuditRecord]) -> None:
    men, women = confusion_grids(classifier_tally(), classifier_tally().attributes[0], anchor="x")
    assert cells(men)[0] == ["a", "40 80%", "10 20%", "0", "50"]
    assert cells(women)[2] == ["c", "0", "6 33%", "12 67%", "18"]
    assert confusion_grids(large[0].tally, large[0].tally.attributes[0], anchor="x") == ()  # type: ignore[union-attr]


def test_categories_state_the_unknown_and_what_was_left_out_and_are_not_called_an_audit() -> None:
    tally = binary_tally()
    out = replace(tally.attributes[0], left_out=(("women", "under 2 % of rows"),))
    member = tally.members[0].copy()
    member[:4] = False
    grids = category_grids(replace(tally, attributes=(out,), members=(member,)), anchor="x")
    assert [grid.caption.split(" by ")[0] for grid in grids] == [
        "Selection rates and impact ratios", "Scoring rates and impact ratios",
    ]  # fmt: skip
    selection = grids[0]
    assert "Rows of unknown category: 4 of 80. They are in none of the rates." in selection.notes
    assert "left out of the ratios: under 2 % of rows" in cells(selection)[1][-1]
    assert not any("audit" in text.lower() for grid in grids for text in (grid.caption, *grid.heads, *grid.notes))


def test_the_form_of_the_law_is_said_to_be_a_form_and_four_fifths_stand_apart(records: list[AuditRecord]) -> None:
    page = text_of(render_page(table_sample.evidence(records)))
    assert "They are not that audit, which only an independent auditor can make" in page
    assert "Kept apart from it: the four-fifths guideline" in page
    assert "not the independent bias audit under New York City Local Law 144" in page


def test_prevalence_is_the_label_s_share_of_a_group_s_labelled_rows() -> None:
    # Men: 60 + 5 of a among 100 + 10 labelled rows; women: 20 + 5 among 100 + 10, the two without label not counted.
    found = {(one.label, one.group): one for own in prevalences(corpus_tally(), TERMS) for one in own}
    assert (found["a", "men"].hits, found["a", "men"].n) == (65, 110)
    assert (found["a", "women"].hits, found["a", "women"].n) == (25, 110)
    grid = cells(prevalence_grid(corpus_tally(), TERMS, anchor="x"))
    assert grid[0] == ["a", "0.591 65 of 110", "0.227 25 of 110", "0.403 125 of 310"]


def test_before_and_after_stand_side_by_side_the_largest_change_first() -> None:
    # Before: 50 + 5 of a among 110 of men; 40 + 5 of b among 110 of women. Now 65 and 65 of 110.
    before = replace(corpus_tally(), count=np.array([50, 40, 10, 40, 40, 20, 5, 5, 40, 40, 20, 2]))
    rows = cells(before_grid(corpus_tally(), before, TERMS, anchor="x"))
    assert ["b", "women", "0.409 45 of 110", "0.591 65 of 110", "+0.182"] in rows[:2]
    assert ["a", "women", "0.409 45 of 110", "0.227 25 of 110", "-0.182"] in rows[:2]
    assert ["a", "men", "0.5 55 of 110", "0.591 65 of 110", "+0.0909"] in rows
    other = replace(before, attributes=(replace(TERMS, name="race"),))
    assert before_grid(corpus_tally(), other, TERMS, anchor="x") is None


def test_words_near_terms_are_counted_by_rows_and_by_terms(records: list[AuditRecord]) -> None:
    rows = cells(near_grid(records[2], TERMS, window=5, anchor="x"))
    assert rows[0][:4] == ["praise", "men", "0.227 25 of 110", "30 of 150"]
    assert rows[1][:4] == ["praise", "women", "0.0893 10 of 112", "12 of 140"]


# -- figures --------------------------------------------------------------------------------------------------------------


def test_the_worst_comparison_comes_first_and_the_rest_is_counted(large: list[AuditRecord]) -> None:
    blocks, _ = figure_blocks(large[0], "who")
    by_title = {block.title: block for block in blocks}
    gaps = by_title["Gap in true positive rates"]
    sizes = [abs(float(row.value)) for row in gaps.rows]
    assert sizes == sorted(sizes, reverse=True)
    assert len(gaps.rows) == MOST
    assert gaps.more == f"and {28 - MOST} more comparisons, all closer to the ideal"
    assert len(by_title["Gap in false positive rates"].rows) == MOST_OTHER


def test_what_could_not_be_measured_at_all_is_named_once_with_its_reason(records: list[AuditRecord]) -> None:
    blocks, silent = figure_blocks(records[0], "sex")
    titles = [title for one in silent for title in one.titles]
    assert "Subgroup AUC" in titles
    assert not {block.title for block in blocks} & set(titles)
    assert all("score" in one.reason for one in silent)


def test_an_interval_is_never_printed_without_width(large: list[AuditRecord]) -> None:
    for record in large:
        for attribute in {one.attribute for one in record.estimates}:
            for block in figure_blocks(record, attribute)[0]:
                for row in block.rows:
                    ends = row.interval.split(" to ")
                    assert len(ends) < 2 or ends[0] != ends[1], (block.title, row)


def test_a_limit_that_was_not_measured_says_so_on_the_page() -> None:
    from tests.hand_tally import table_limit

    audit = classifier_audit(table_limit("tpr_gap", "sex", max=0.1))
    record = table_sample.record_of(table_context(audit), audit, None, obstacle="the model is no classifier")
    page = text_of(render_page(table_sample.evidence([record])))
    assert "Not counted: the model is no classifier" in page
    assert "Nothing could be measured" in page or "not measured" in page
    assert "1 not measured" in page


# -- facts, pictures, the page --------------------------------------------------------------------------------------------


def test_facts_say_who_is_in_no_comparison_and_how_few_rows_are_too_few(records: list[AuditRecord]) -> None:
    facts = dict(table_facts(records[0]))
    assert facts["Rows"] == "224; 2 without a prediction; 1 without a label"
    assert facts["Groups by sex"].splitlines() == [
        "men (reference): 110", "women: 111", "3 rows are of no known group, and are in no comparison",
    ]  # fmt: skip
    assert facts["Too few to compare"] == "a rate over fewer than 10 rows is not measured, and never a pass"
    corpus = dict(table_facts(records[2]))
    assert "100 rows hold no group's term" in corpus["Groups by gender"]
    assert corpus["Compared with"] == "old.csv, an earlier version of the data"


def test_the_equal_error_threshold_that_was_found_is_told() -> None:
    # 40 rows of "yes" and 40 of "no". From 0.5 on 10 yes are missed (0.4, 0.45, 0.3: 4 + 5 + 5 = 14), and 4 + 10 = 14 no
    # are wrongly yes (0.55, 0.7, 0.5): as many. The lowest of 101 steps of 0.008 from 0.1 above 0.45 is 0.452.
    audit = replace(binary_audit(), threshold="equal-error")
    context = table_context(audit)
    told = dict(table_facts(table_sample.record_of(context, audit, binary_tally())))["Predictions"]
    assert "yes from 0.452, the score at which as many" in told
    silent = replace(binary_tally(), score=np.full(len(binary_tally().count), np.nan))
    assert (
        "(none: it takes scored rows"
        in dict(table_facts(table_sample.record_of(context, audit, silent)))["Predictions"]
    )


def test_a_picture_says_in_words_what_it_draws(records: list[AuditRecord], large: list[AuditRecord]) -> None:
    drawn = rates_picture(records[0], records[0].tally.attributes[0], ids="x")  # type: ignore[union-attr]
    assert drawn is not None
    assert "a: men 0.8, 40 of 50 rows; women 0.5, 20 of 40 rows." in drawn[0].svg
    assert 'role="img"' in drawn[0].svg
    many = rates_picture(large[1], large[1].tally.attributes[0], ids="y")  # type: ignore[union-attr]
    assert many is not None
    assert many[0].title.startswith("False positive rate of toxic by term")
    assert "of 49 groups furthest from it" in many[1]


def test_the_page_of_many_labels_and_terms_stays_small(large: list[AuditRecord]) -> None:
    page = render_page(table_sample.evidence(large))
    assert len(page.encode()) < BUDGET
    assert "more rows are in the evidence" in page
    assert "<h3>" not in page.split('id="models"')[1].split("</section>")[0]
    assert "No model was loaded." in page


def test_the_same_evidence_gives_the_same_page(records: list[AuditRecord]) -> None:
    evidence = table_sample.evidence(records)
    assert render_page(evidence) == render_page(evidence)


def test_hostile_labels_groups_and_file_names_are_text(records: list[AuditRecord]) -> None:
    page = render_page(table_sample.evidence(table_sample.renamed(records, HOSTILE)))
    assert "<script" not in page
    assert "&lt;script&gt;window.pwned" in page
    assert "\u202e" not in page
    assert "[U+202E]" in page


def test_every_id_on_the_page_is_there_once(records: list[AuditRecord]) -> None:
    ids = re.findall(r' id="([^"]+)"', render_page(table_sample.evidence(records)))
    assert len(ids) == len(set(ids))


def test_the_terminal_speaks_of_rows(records: list[AuditRecord]) -> None:
    lines = "\n".join(render_terminal(table_sample.evidence(records), width=140))
    assert "221 of 224 rows" in lines
    assert "without a prediction 2" in lines.replace("\n", " ") or "without a" in lines
    assert "answers" not in lines
    assert "all rows" in lines


# -- two runs -------------------------------------------------------------------------------------------------------------


def test_a_diff_tells_figures_of_different_labels_apart(records: list[AuditRecord]) -> None:
    before, after = table_sample.evidence(records), table_sample.evidence(records)
    same = diff_of(before, after)
    assert same.estimates == ()
    # Every figure of either side is paired with its own: none is taken for another label's.
    assert same.estimate_counts.same == sum(
        len({(e.metric, e.attribute, e.groups, e.label, e.versus, e.shows) for e in record.estimates})
        for record in before.audits
    )


def test_a_diff_of_other_data_lists_what_moved_and_no_answers(records: list[AuditRecord]) -> None:
    other = replace(classifier_tally(), count=np.array([20, 30, 30, 10, 18, 2, 20, 20, 45, 5, 12, 6, 1, 2, 3]))
    changed = table_sample.record_of(records[0].context, records[0].audit, other)  # type: ignore[arg-type]
    lines = diff_lines(diff_of(table_sample.evidence(records), table_sample.evidence([changed, *records[1:]])))
    text = "\n".join(lines)
    assert 'label "a", women against men' in text.replace("\n", " ").replace("  ", " ") or "women against" in text
    assert "ANSWERS THAT CHANGED" not in text
    assert "better" in text


def test_figures_that_a_limit_is_on_come_first(large: list[AuditRecord]) -> None:
    for record in large:
        limited = {one.limit.metric for one in record.judgements}
        assert isinstance(record.audit, TabularAudit)
        (attribute,) = record.audit.attributes
        titles = [block.title for block in figure_blocks(record, attribute)[0]]
        held = {for_kind(METRICS, record.audit.kind)[name].title for name in limited}
        first = titles[: len(held & set(titles))]
        assert set(first) == held & set(titles)


def test_a_page_of_a_study_alone_does_not_speak_of_answers_or_limits() -> None:
    page = text_of(render_page(levers_sample.evidence()))
    assert "It shows how a classifier's gaps between groups change" in page
    assert "how a language model answered" not in page
    assert f"Which lever helps: {levers_sample.result().study}" in page

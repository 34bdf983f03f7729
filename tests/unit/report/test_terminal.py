"""The table on the terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_biasaudit.report.terminal import folded, render_terminal


def test_a_row_says_audit_model_limit_estimate_bound_verdict_and_answers(sample: Any) -> None:
    lines = render_terminal(sample.evidence(), width=160, unicode=True)
    row = next(line for line in lines if "gender-impact" in line and "int8" in line)
    for part in ("shortlist", "int8", "gender-impact", "at least 0.8", "✓ within limit", "192 of 192"):
        assert part in row
    text = "\n".join(lines)
    for part in ("✕ over limit", "? inconclusive", "○ not measured", "refused", "unparseable", "errors"):
        assert part in text
    assert lines[-1] == "15 limits: 8 within limit, 3 over limit, 3 inconclusive, 1 not measured"


@pytest.mark.parametrize("width", [72, 80, 100, 110, 160, 300])
def test_no_line_is_wider_than_the_terminal(sample: Any, width: int) -> None:
    assert max(map(len, render_terminal(sample.evidence(), width=width, unicode=True))) <= width


def test_a_plain_terminal_gets_ascii_and_the_same_words(sample: Any) -> None:
    text = "\n".join(render_terminal(sample.evidence(), width=120, unicode=False))
    assert text.isascii()
    for part in ("+ within limit", "x over limit", "? inconclusive", "o not measured"):
        assert part in text


def test_colour_comes_only_when_asked(sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    evidence = sample.evidence()
    assert "\x1b[" not in "\n".join(render_terminal(evidence, width=100))
    monkeypatch.delenv("FORCE_COLOR")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" in "\n".join(render_terminal(evidence, width=100, colour=True))


def test_names_are_text_and_neither_markup_nor_escape_codes(sample: Any) -> None:
    record = sample.records()[0]
    named = replace(record.model, name="[red]m[/red] \x1b[31m :smile:")
    text = "\n".join(render_terminal(sample.evidence([replace(record, model=named)]), width=200))
    assert "[red]m[/red] [U+001B][31m :smile:" in text
    assert "\x1b" not in text


def test_nothing_audited_prints_nothing(sample: Any) -> None:
    assert render_terminal(sample.evidence([]), width=100) == []


def test_an_audit_without_answers_is_not_measured(sample: Any) -> None:
    lines = render_terminal(sample.evidence(sample.without_answers()), width=120, unicode=True)
    assert lines[-1] == "3 limits: 3 not measured"
    assert "0 of 0" in "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("identity-prevalence_gap", 11, ["identity-", "prevalence_", "gap"]),
        ("identity-prevalence_gap", 14, ["identity-", "prevalence_gap"]),
        ("identity-prevalence_gap", 23, ["identity-prevalence_gap"]),
        ("training-data [data]", 11, ["training-", "data [data]"]),
        ("averyveryverylongname", 11, ["averyveryverylongname"]),
        ("", 11, [""]),
    ],
)
def test_a_name_is_broken_where_it_has_joints(name: str, width: int, lines: list[str]) -> None:
    assert folded(name, width).split("\n") == lines


def test_audits_that_are_named_alike_are_told_apart_by_their_contexts(sample: Any) -> None:
    record = sample.records()[0]
    other = replace(record, context=replace(record.context, id="another-context"))
    one, two = ("\n".join(render_terminal(sample.evidence(some), width=200)) for some in ([record], [record, other]))
    assert f"{record.context.id} / " not in one
    assert f"{record.context.id} / {record.audit.id}" in two
    assert f"another-context / {record.audit.id}" in two

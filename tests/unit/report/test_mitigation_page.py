"""The page's section on pruning against bias: what stands on it, in words for those who see no picture, and when it is absent."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest

from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.report.figure_text import decimals
from pytest_biasaudit.report.mitigation_words import not_licensed
from pytest_biasaudit.report.page import render_page
from pytest_biasaudit.report.svg import COLOURS
from pytest_biasaudit.report.transfer_rows import matrices


@pytest.fixture(scope="module")
def evidence(sample: ModuleType, mitigation: ModuleType) -> Evidence:
    found: Evidence = mitigation.evidence(sample)
    return found


@pytest.fixture(scope="module")
def page(evidence: Evidence) -> str:
    return render_page(evidence)


def section(page: str) -> str:
    start = page.index('<section id="mitigation"')
    return page[start : page.index('<section id="reading"')]


def words(markup: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", markup)))


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_run_without_removals_has_no_trace_of_the_section(sample: ModuleType) -> None:
    page = render_page(sample.evidence())
    for trace in ("mitigation", "Pruning against bias", "not-licensed"):
        assert trace not in page


def test_what_it_does_not_license_comes_before_any_figure(page: str) -> None:
    part = section(page)
    assert part.index("What this result does not license") < part.index("<svg")
    text = words(part[: part.index("<svg")])
    for said in ("Other contexts.", "The same prompts.", "Other groups.", "Other models.", "The deployer's own duty."):
        assert said in text
    assert "Opening-offer advice for second-hand goods" in text
    assert "black against white (race)" in text


def test_the_box_names_every_context_that_was_tested_and_no_other() -> None:
    box = dict(not_licensed(tested=["A", "B"], found=["A"], groups=[], models=["m"], same_prompts=False))
    assert "looked for in A." in box["Other contexts."]
    assert "compared in A and B, and nowhere else" in box["Other contexts."]
    assert "marked" not in box["The same prompts."]
    none = dict(not_licensed(tested=[], found=[], groups=[], models=[], same_prompts=True))
    assert "compared in no context" in none["Other contexts."]
    assert "marked" in none["The same prompts."]


def test_every_picture_has_a_name_and_a_description_that_says_its_numbers(page: str, mitigation: ModuleType) -> None:
    part = section(page)
    # Three sets, five audits of them, two matrices, four contexts with two units each.
    assert part.count('<svg xmlns="http://www.w3.org/2000/svg"') == 3 + 5 + 2 + 8
    described = dict(re.findall(r'<(title|desc) id="t1m1-(?:title|desc)">(.*?)</', part, re.DOTALL))
    matrix = matrices(mitigation.rows())[0]
    for (source, to), cell in matrix.cells.items():
        assert f"Found in {source}, evaluated in {to}" in described["desc"]
        assert decimals(cell.removed.value) in described["desc"]
    heads = re.search(r'<desc id="m1s1-desc">(.*?)</desc>', part, re.DOTALL)
    assert heads
    assert heads[1].startswith("24 of 270 heads (8.9 %) removed. Gone: layer ")


def test_every_number_of_the_matrix_stands_in_its_picture(page: str, mitigation: ModuleType) -> None:
    part = section(page)
    svg = re.search(r"<svg(?:(?!</svg>).)*t1m1-title.*?</svg>", part, re.DOTALL)
    assert svg
    texts = [words(one) for one in re.findall(r"<text.*?</text>", svg[0], re.DOTALL)]
    matrix = matrices(mitigation.rows())[0]
    for cell in matrix.cells.values():
        assert any(one.strip() == decimals(cell.removed.value) for one in texts)


def test_each_removed_head_is_a_filled_square_with_a_cross(page: str) -> None:
    svg = re.search(r"<svg(?:(?!</svg>).)*m1s1-title.*?</svg>", section(page), re.DOTALL)
    assert svg
    assert len(re.findall(r"<path[^>]*fill: ?var\(--chart-dots\)", svg[0])) == 24
    assert len(re.findall(r"<path[^>]*stroke: ?var\(--chart-paper\)", svg[0])) == 48


def test_the_same_prompts_are_flagged_where_they_are_shown(page: str) -> None:
    text = words(section(page))
    assert "Same prompts. 2 of the 8 wordings here are ones that the components were found on" in text
    assert "The components were found elsewhere, in second-hand-offers, and not in this context." in text
    assert text.count("same prompts: no evidence that it carries") == 2 * 2 * 4  # two levels, two units, four contexts


def test_ids_are_unique_and_links_lead_somewhere(page: str) -> None:
    elements = Elements(page).found
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] or "" for tag, attributes in elements if tag == "a"]
    assert {link[1:] for link in links} <= set(ids)
    assert "#mitigation" in links
    named = [attributes["aria-labelledby"] or "" for _, attributes in elements if "aria-labelledby" in attributes]
    assert {one for text in named for one in text.split()} <= set(ids)


def test_tables_have_captions_and_headings_step_down(page: str) -> None:
    part = section(page)
    assert part.count("<table") == part.count("<caption")
    levels = [int(one) for one in re.findall(r"<h(\d)", part)]
    assert levels[0] == 2
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_components_are_told_in_their_section_and_not_as_raw_json_elsewhere(page: str) -> None:
    rest = page.replace(section(page), "")
    assert "numbers" not in words(rest[rest.index('<section id="models"') :])


def test_hostile_names_of_contexts_groups_and_methods_are_only_text(sample: ModuleType, mitigation: ModuleType) -> None:
    text = "<script>alert(1)</script></svg><img src=x onerror=alert(1)>{{ 7*7 }}\u202egnp.exe \x00"
    made = mitigation.evidence(sample)
    (study,) = made.transfer
    rows = tuple(
        replace(
            row,
            method=text if row.method else "",
            evaluated_in=f"{text} {row.evaluated_in}",
            found_in=tuple(f"{text} {one}" for one in row.found_in),
            rule=text if row.rule else "",
            attribute=text,
            groups=(text, f"{text} 2"),
            removed=replace(row.removed, reason=text),
        )
        for row in study.rows
    )
    study = replace(study, rows=rows, study=text, plan_file=text, attribute=text, groups=(text, text))
    models = tuple(hostile(model, text) for model in made.models)
    shown = render_page(replace(made, transfer=(study,), models=models))
    assert not {"script", "img", "base"} & {tag for tag, _ in Elements(shown).found}
    assert not [key for _, attributes in Elements(shown).found for key in attributes if key.startswith("on")]
    assert not re.search("[\u202e\x00]", shown)
    assert "{{ 7*7 }}" in section(shown)
    assert "[U+202E]gnp.exe [U+0000]" in section(shown)


def hostile(model: Any, text: str) -> Any:
    """A model whose removed components were found in, by and between such texts."""
    listed = model.achieved.get("components")
    if not listed:
        return model
    (one,) = listed
    origin = {**one["origin"], "model": text, "attribute": text, "groups": [text, text], "templates": [text]}
    return replace(model, achieved={**model.achieved, "components": [{**one, "origin": origin}]})


def css_colours(scheme: str) -> dict[str, tuple[float, float, float]]:
    """The variables of the light or the dark scheme, as shares of red, green and blue."""
    from importlib.resources import files

    css = (files("pytest_biasaudit.report") / "templates" / "report.css").read_text(encoding="utf-8")
    parts = css.split("prefers-color-scheme: dark")
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", parts[0 if scheme == "light" else 1].split("* {")[0]))
    return {name: tuple(int(hexed[at : at + 2], 16) / 255 for at in (1, 3, 5)) for name, hexed in found.items()}  # type: ignore[misc]


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in colour]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tint", ["chart-dots", "chart-limit"])
def test_numbers_stand_out_from_the_deepest_tint_of_their_cells(scheme: str, tint: str) -> None:
    from pytest_biasaudit.report.mitigation_charts import DEEPEST as OF_WEIGHTS
    from pytest_biasaudit.report.transfer_charts import DEEPEST

    assert tint.removeprefix("chart-") in COLOURS
    colours = css_colours(scheme)
    for depth in (DEEPEST, OF_WEIGHTS):
        mixed = tuple(depth * a + (1 - depth) * b for a, b in zip(colours[tint], colours["paper"], strict=True))
        darker, lighter = sorted((luminance(mixed), luminance(colours["chart-ink"])))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_the_same_evidence_gives_the_same_page(evidence: Evidence, page: str) -> None:
    assert render_page(evidence) == page

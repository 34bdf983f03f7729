"""The page as markup: what stands on it, in what order, and that nothing foreign is more than text."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit.report.page import headline, render_page, write_report
from pytest_biasaudit.verdict.verdict import Verdict

VOID = {"meta", "link", "br", "col", "img", "hr", "input"}
HOSTILE = [
    "<script>alert(1)</script>",
    "</svg></style></title><img src=x onerror=alert(1)>",
    "]]><![CDATA[",
    "{{ 7*7 }} {% raw %} {# c #}",
    "javascript:alert(1) data:text/html,<b>",
    '" onmouseover="alert(1)" x=\'',
    "<!-- <base href=//evil.example>",
    "\u202egnp.exe \x00\x1b]0;t\x07",
    "&lt;script&gt; &#x3c;",
]


class Reader(HTMLParser):
    """Elements with their attributes, and faults of nesting."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.faults: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(sample: Any) -> str:
    return render_page(sample.evidence())


def test_the_page_is_one_well_nested_file_that_asks_for_nothing(page: str) -> None:
    read = Reader(page)
    assert not read.faults
    assert not read.open
    assert not {"script", "iframe", "object", "embed", "form", "base", "img", "video", "audio"} & {
        t for t, _ in read.elements
    }
    (policy,) = [one for one in read.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert (policy["content"] or "").startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    for tag, attributes in read.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "action", "srcset", "poster", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,")), (tag, attributes)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_ids_are_unique_and_every_inner_link_leads_somewhere(page: str) -> None:
    read = Reader(page)
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {one["href"] for one in read.all("a")}
    assert {(link or "")[1:] for link in links} <= set(ids)
    named = [a[key] for _, a in read.elements for key in ("aria-labelledby", "aria-describedby") if key in a]
    assert {one for text in named for one in (text or "").split()} <= set(ids)


def test_headings_step_down_one_at_a_time_from_one_h1(page: str) -> None:
    levels = [int(tag[1]) for tag, _ in Reader(page).elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_a_screen_reader_finds_landmarks_captions_and_names(page: str) -> None:
    read = Reader(page)
    tags = [tag for tag, _ in read.elements]
    assert all(tags.count(landmark) == 1 for landmark in ("header", "nav", "main", "footer"))
    assert read.all("html") == [{"lang": "en"}]
    assert tags.count("table") == tags.count("caption")
    assert all(one.get("scope") for one in read.all("th"))
    charts = read.all("svg")
    assert len(charts) == 6 * 2 + 3 * 2  # two an audit; two for each of the child's audits beside its parent
    assert all(one["role"] == "img" and one["aria-labelledby"] for one in charts)
    regions = [one for one in read.all("div") if one.get("role") == "region"]
    assert regions
    assert all(one.get("tabindex") == "0" and one.get("aria-labelledby") for one in regions)
    assert next(one for one in read.all("a"))["href"] == "#verdicts"


def test_the_verdicts_come_first_then_contexts_models_run_caveats_and_sign_off(page: str) -> None:
    first, last = ("verdicts", "context-1", "context-3"), ("reading", "models", "run", "not-said", "sign-off")
    found = [page.index(f'<section id="{name}"') for name in (*first, "parent-and-child", *last)]
    assert found == sorted(found)


def test_what_must_be_on_the_page_is(sample: Any, page: str) -> None:
    evidence = sample.evidence()
    text = html.unescape(" ".join(Reader(page).text))
    base, child = sample.models()
    for part in (
        *(
            "2026-11-21, 23:05 UTC",
            "not a legal opinion",
            "not the independent bias audit under New York City Local Law 144",
        ),
        *(
            "under rescission",
            "Article 27(1)",
            "sellers of one group are offered less for the same item",
            "credit-risk",
        ),
        *("Agreed with the owner, 2026-11.", "once in 20 times", "No error is controlled", "quantize rtn, bits 8"),
        *(base.weights_sha256, child.digest, evidence.sha256, evidence.run.command, "0123456789abcdef"),
        *("with uncommitted changes", "torch 2.13.0", "CPython 3.11.2", "Name", "Role", "Date", "Signature"),
        *("the logits held NaN", "two numbers", "a refusal", "Hunter Becker", "crossed t (names and templates)"),
    ):
        assert part in text, part


def test_every_verdict_is_said_in_words_beside_its_colour(page: str) -> None:
    for name, word in (("within", "Within limit"), ("over", "Over limit"), ("inconclusive", "Inconclusive"),
                       ("not_measured", "Not measured")):  # fmt: skip
        assert re.search(
            rf'<span class="badge {name}"><span class="symbol" aria-hidden="true">.</span> {word}</span>', page
        )


@pytest.mark.parametrize(
    ("counts", "text", "verdict"),
    [
        ((0, 0, 0, 0), "No limit was judged.", Verdict.NOT_MEASURED),
        ((1, 0, 0, 0), "The one limit is within.", Verdict.WITHIN),
        ((4, 0, 0, 0), "All 4 limits are within.", Verdict.WITHIN),
        ((4, 0, 1, 0), "Of 5 limits: 1 inconclusive.", Verdict.INCONCLUSIVE),
        ((4, 0, 1, 1), "Of 6 limits: 1 not measured, 1 inconclusive.", Verdict.NOT_MEASURED),
        ((0, 1, 0, 0), "Of 1 limit: 1 over limit.", Verdict.OVER),
        ((4, 2, 1, 1), "Of 8 limits: 2 over limit, 1 not measured, 1 inconclusive.", Verdict.OVER),
    ],
)
def test_the_headline_is_green_only_when_everything_is(counts: Any, text: str, verdict: Verdict) -> None:
    order = (Verdict.WITHIN, Verdict.OVER, Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED)
    said = headline(dict(zip(order, counts, strict=True)))
    assert (said.text, said.verdict) == (text, verdict)


def test_observe_mode_is_said_at_the_top(sample: Any, page: str) -> None:
    observed = render_page(sample.evidence(observe=True))
    assert "Observe mode." in observed.partition("<nav")[0]
    assert "Observe mode." not in page


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_everywhere_is_only_text(sample: Any, page: str, text: str) -> None:
    first = sample.answered_with(text)[0]
    outcomes = tuple(
        replace(one, prompt=replace(one.prompt, text=text, person=replace(one.prompt.person, first=text)))
        for one in first.outcomes
    )
    spoilt = dict.fromkeys(("title", "process", "use", "oversight", "response", "owner", "language"), text)
    audit = replace(first.audit, system=text, prefill=text, wordings=(text,))
    context = replace(first.context, **spoilt, harms=(text,), affected=(text,), audits=(audit,))
    judgements = tuple(replace(one, message=text, limit=replace(one.limit, reason=text)) for one in first.judgements)
    model = replace(first.model, source=text, recipe=({"quantize": text},), achieved={text: text})
    record = replace(first, context=context, audit=audit, model=model, outcomes=outcomes, judgements=judgements)
    evidence = sample.evidence([record])
    evidence = replace(evidence, run=replace(evidence.run, command=text))
    made = render_page(evidence, sections=[(text, text)])
    read = Reader(made)
    assert not read.faults
    assert not {"script", "img", "base", "b"} & {tag for tag, _ in read.elements}
    assert not [key for _, attributes in read.elements for key in attributes if key.startswith("on")]
    assert not re.search("[\u202e\x00\x07\x1b]", made)
    readable = (
        text.replace("\u202e", "[U+202E]")
        .replace("\x00", "[U+0000]")
        .replace("\x1b", "[U+001B]")
        .replace("\x07", "[U+0007]")
    )
    assert "".join(read.text).count(readable) > 10


def test_a_megabyte_in_every_answer_leaves_the_page_small(sample: Any) -> None:
    first, *rest = sample.answered_with("word " * 200_000)
    few = replace(first, outcomes=first.outcomes[:24])
    made = render_page(sample.evidence([few, *rest]))
    assert len(made.encode()) < 400_000
    assert "characters)" in made


def test_three_contexts_on_two_models_stay_under_400_kb(sample: Any) -> None:
    """300 prompts each, as many as the demo asks; the page holds examples and not all of them."""
    grown = []
    for record in sample.records():
        outcomes = list(record.outcomes)
        for at in range(300 - len(outcomes)):
            one = outcomes[at]
            prompt = replace(one.prompt, id=f"more-{at}", person_id=f"more-{at % 24}")
            outcomes.append(replace(one, prompt=prompt))
        grown.append(replace(record, outcomes=tuple(outcomes)))
    assert len(render_page(sample.evidence(grown)).encode()) < 400_000


def test_an_empty_run_and_an_audit_without_answers_pass_for_nothing(sample: Any) -> None:
    empty = render_page(sample.evidence([]))
    assert "No limit was judged." in empty
    assert 'class="headline not_measured"' in empty
    unmeasured = render_page(sample.evidence(sample.without_answers()))
    assert "Of 3 limits: 3 not measured." in unmeasured
    assert "Nothing was asked." in unmeasured
    assert "Nothing could be measured." in unmeasured


def test_sections_of_hooks_are_text_in_paragraphs(sample: Any) -> None:
    made = render_page(sample.evidence([]), sections=[("Added", "First.\n\nSecond <b>.")])
    assert "<bdi>First.</bdi>" in made
    assert "Second &lt;b&gt;." in made


def test_the_same_evidence_gives_the_same_page(sample: Any, page: str) -> None:
    assert render_page(sample.evidence()) == page


def test_writing_replaces_the_file_whole(sample: Any, tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_report(path, sample.evidence([]))
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(path.parent.iterdir()) == [path]

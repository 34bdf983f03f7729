"""The report in a real browser: hostile answers run nothing and ask for nothing; it fits a phone and can be read.

Headless Chromium, without a way out: every name fails to resolve but the test's own server, which writes down what is
asked of it. Our page holds no script, so a measuring page shows it in a frame and looks at it from outside.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit.report.page import render_page
from tests import levers_sample, table_sample

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path; on Debian: apt-get install chromium"),
]

MEASURE = """<!DOCTYPE html><html lang="en"><title>measure</title><body style="margin:0">
<iframe id="f" src="/report.html" style="width:WIDTHpx;height:900px;border:0"></iframe><pre id="out"></pre><script>
function rgba(text) { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; }
function light(c) { return [0.2126, 0.7152, 0.0722].map((w, i) => { const v = c[i] / 255;
  return w * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }).reduce((a, b) => a + b); }
function ground(e) { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor);
  if (c[3] > 0.99) return c; } return [255, 255, 255, 1]; }
document.getElementById("f").onload = () => {
  const w = document.getElementById("f").contentWindow, d = w.document, worst = [];
  const walk = d.createTreeWalker(d.body, NodeFilter.SHOW_TEXT);
  for (let n = walk.nextNode(); n; n = walk.nextNode()) {
    const e = n.parentElement; if (!n.data.trim() || ["title", "desc"].includes(e.tagName)) continue;
    const s = w.getComputedStyle(e);
    const ink = rgba(e.closest("svg") ? s.fill : s.color), paper = ground(e);
    const [a, b] = [light(ink), light(paper)].sort((x, y) => y - x);
    worst.push([(a + 0.05) / (b + 0.05), e.tagName + "." + e.className + ": " + n.data.trim().slice(0, 40)]);
  }
  worst.sort((x, y) => x[0] - y[0]);
  const wide = [...d.querySelectorAll("body *")].filter(e => !e.closest(".scroll, svg, .skip, thead")
    && e.getBoundingClientRect().right > w.innerWidth + 1).map(e => e.tagName + "." + e.className).slice(0, 5);
  const small = [...d.querySelectorAll("svg text")].map(e => e.getBoundingClientRect().height);
  document.getElementById("out").textContent = JSON.stringify({
    ran: typeof w.pwned, globals: Object.keys(w).filter(k => k.startsWith("pwned")),
    elements: ["script", "img", "iframe", "object", "base"].filter(t => d.querySelector(t)),
    overflow: d.documentElement.scrollWidth - w.innerWidth, wide, contrast: worst.slice(0, 3),
    smallest: Math.min(...small), dark: w.matchMedia("(prefers-color-scheme: dark)").matches,
    charts: d.querySelectorAll("svg").length, text: d.body.textContent.length,
    shown: d.body.textContent.includes("<script>window.pwned"), });
};
</script></body></html>"""


@dataclass
class Server:
    """Pages by path, and every request that came."""

    pages: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0


@dataclass(frozen=True)
class Seen:
    """What Chromium made of a page."""

    dom: str
    console: list[str]

    def measured(self) -> dict[str, Any]:
        found = re.search(r'<pre id="out">(.+?)</pre>', self.dom, re.DOTALL)
        assert found, self.dom[:2000]
        result: dict[str, Any] = json.loads(html.unescape(found[1]))
        return result


@contextmanager
def serving() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            page = state.pages.get(self.path)
            self.send_response(200 if page is not None else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write((page or "").encode("utf-8"))

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        yield state


def chromium(address: str, profile: Path, *options: str) -> Seen:
    """Open a page without network and return its DOM and its console."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"),
            *("--disable-extensions", "--disable-default-apps", "--no-default-browser-check"),
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            *("--enable-logging=stderr", "--v=0", f"--user-data-dir={profile}"),
            *("--virtual-time-budget=8000", "--dump-dom", *options, address),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    # Chromium's own troubles (no dbus, no GPU) are no console of a page.
    errors = done.stderr.decode("utf-8", "replace").splitlines()
    return Seen(dom=done.stdout.decode("utf-8", "replace"), console=[line for line in errors if "CONSOLE" in line])


def hostile(port: int) -> list[str]:
    """Answers that would run, fetch or break out if they were ever more than text. Each fetch would reach our server."""
    away = f"http://127.0.0.1:{port}/canary"
    return [
        "<script>window.pwned = 1; console.log('pwned')</script>",
        f"<img src='{away}/img' onerror='window.pwned = 2'>",
        f"</svg></title></desc><image href='{away}/svg'/><script>window.pwned = 3</script>",
        f"</style><style>@import '{away}/css'; body {{ background: url({away}/bg) }}",
        f"]]>--><link rel=stylesheet href='{away}/link'><meta http-equiv=refresh content='0;url={away}/meta'>",
        f"<iframe src='javascript:window.pwned=4'></iframe><a href='data:text/html,x' ping='{away}/ping'>x</a>",
        "{{ 7*7 }} {% for x in ().__class__.__mro__ %}{{ x }}{% endfor %}",
        "\u202eesrever\u2066 \x00\x01\x08\x1b[2J\x7f\u0085 \ud83d \ufdd0",
        f"\" onmouseover=\"window.pwned=5\" style=\"background:url({away}/style)",
        "<b>" + "bold words, a megabyte of them. " * 34_000,
    ]  # fmt: skip


def hostile_page(sample: Any, port: int) -> str:
    """The sample with those answers, in turn, and the same as names, reasons, findings and settings."""
    texts = hostile(port)
    made = []
    for record in sample.records():
        outcomes = []
        for at, outcome in enumerate(record.outcomes):
            text = texts[at % len(texts)] if at % 16 < 10 else outcome.text
            reading = replace(outcome.reading, status="unparseable", value=None, selected=None, reason=text[:300])
            outcomes.append(replace(outcome, text=text, reading=reading if at % 16 < 10 else outcome.reading))
        long = texts[at % 9]
        judgements = tuple(replace(one, message="\n".join(texts[:9])) for one in record.judgements)
        context = replace(
            record.context, title=f"{record.context.title} {texts[2]}", process=long, harms=tuple(texts[:9])
        )
        model = replace(record.model, source=texts[0], achieved={texts[1]: texts[3]})
        made.append(replace(record, outcomes=tuple(outcomes), judgements=judgements, context=context, model=model))
    return render_page(sample.evidence(made))


def hostile_benchmark_page(sample: Any, port: int) -> str:
    """The benchmark's sample with the same texts as ids, axes, sentences, choices, roles, facts and data."""
    texts = hostile(port)[:9]
    made = []
    for at, record in enumerate(sample.benchmark_records()):
        outcomes = []
        for place, outcome in enumerate(record.outcomes):
            text = texts[place % 9]
            prompt = replace(outcome.prompt, id=f"{text} {place}", text=f"{text}\n{texts[0]}", slots=(("axis", text),))
            reading = replace(outcome.reading, reason=text) if outcome.reading.value is None else outcome.reading
            scores = tuple((f"{role} {text}", score) for role, score in outcome.scores)
            outcomes.append(replace(outcome, prompt=prompt, text=text, reading=reading, scores=scores))
        estimates = tuple(
            replace(one, groups=(texts[place % 9],) if one.groups else (), reason=texts[place % 9], sampled=texts[1])
            for place, one in enumerate(record.estimates)
        )
        data = replace(record.data, title=texts[0], url=texts[5], licence=texts[2], source=texts[3])
        facts = tuple((text, text) for text in texts)
        spoilt = replace(record, outcomes=tuple(outcomes), estimates=estimates, data=data, facts=facts)
        made.append(replace(spoilt, obstacle=texts[4] if at else ""))
    return render_page(sample.evidence(made))


def test_the_harness_notices_a_page_that_runs_and_asks(server: Server, tmp_path: Path) -> None:
    """Or the next test would show nothing."""
    server.pages["/report.html"] = "<p>x<script>window.pwned = 1; console.log('pwned')</script><img src='/canary/img'>"
    server.pages["/measure.html"] = MEASURE.replace("WIDTH", "1280")
    seen = chromium(f"http://127.0.0.1:{server.port}/measure.html", tmp_path)
    assert any("pwned" in line for line in seen.console)
    assert "/canary/img" in server.asked
    assert seen.measured()["ran"] == "number"


def test_hostile_answers_run_nothing_and_ask_for_nothing(sample: Any, server: Server, tmp_path: Path) -> None:
    page = hostile_page(sample, server.port)
    assert len(page.encode()) < 400_000
    server.pages["/report.html"] = page
    server.pages["/measure.html"] = MEASURE.replace("WIDTH", "1280")
    seen = chromium(f"http://127.0.0.1:{server.port}/measure.html", tmp_path)
    measured = seen.measured()
    assert seen.console == []
    assert [path for path in server.asked if path != "/favicon.ico"] == ["/measure.html", "/report.html"]
    assert (measured["ran"], measured["globals"], measured["elements"]) == ("undefined", [], [])
    assert measured["shown"]
    assert measured["overflow"] <= 0, measured["wide"]


def test_hostile_benchmark_items_run_nothing_and_ask_for_nothing(sample: Any, server: Server, tmp_path: Path) -> None:
    page = hostile_benchmark_page(sample, server.port)
    server.pages["/report.html"] = page
    for width in (390, 1280):
        server.pages["/measure.html"] = MEASURE.replace("WIDTH", str(width))
        server.asked.clear()
        seen = chromium(f"http://127.0.0.1:{server.port}/measure.html", tmp_path / str(width))
        measured = seen.measured()
        assert seen.console == []
        assert [path for path in server.asked if path != "/favicon.ico"] == ["/measure.html", "/report.html"]
        assert (measured["ran"], measured["globals"], measured["elements"]) == ("undefined", [], [])
        assert measured["shown"]
        assert measured["overflow"] <= 0, measured["wide"]


def test_the_page_by_itself_is_one_request_and_a_clean_console(sample: Any, server: Server, tmp_path: Path) -> None:
    server.pages["/report.html"] = hostile_page(sample, server.port)
    seen = chromium(f"http://127.0.0.1:{server.port}/report.html", tmp_path)
    assert server.asked == ["/report.html"]
    assert seen.console == []
    assert "&lt;script&gt;window.pwned = 1" in seen.dom


def test_the_page_opens_from_a_file(sample: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_page(sample.evidence(observe=True)), encoding="utf-8")
    seen = chromium(path.as_uri(), tmp_path / "profile")
    assert seen.console == []
    assert "Observe mode." in seen.dom


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_it_fits_the_screen_and_stands_out_from_its_ground(
    sample: Any, server: Server, tmp_path: Path, width: int, scheme: str
) -> None:
    server.pages["/report.html"] = render_page(sample.evidence(observe=True))
    server.pages["/measure.html"] = MEASURE.replace("WIDTH", str(width))
    setting = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    measured = chromium(f"http://127.0.0.1:{server.port}/measure.html", tmp_path, setting).measured()
    assert measured["dark"] is (scheme == "dark")
    assert measured["overflow"] <= 0, measured["wide"]
    assert measured["wide"] == []
    assert measured["contrast"][0][0] >= 4.5, measured["contrast"]
    assert measured["charts"] == 6 * 2 + 3 * 2  # two an audit; two for each of the child's audits beside its parent
    assert measured["smallest"] >= (8 if width == 320 else 10)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_a_benchmark_fits_the_screen_and_stands_out_from_its_ground(
    sample: Any, server: Server, tmp_path: Path, width: int, scheme: str
) -> None:
    server.pages["/report.html"] = render_page(sample.evidence(sample.benchmark_records()))
    server.pages["/measure.html"] = MEASURE.replace("WIDTH", str(width))
    setting = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    measured = chromium(f"http://127.0.0.1:{server.port}/measure.html", tmp_path, setting).measured()
    assert measured["overflow"] <= 0, measured["wide"]
    assert measured["wide"] == []
    assert measured["contrast"][0][0] >= 4.5, measured["contrast"]
    assert (
        measured["charts"] == 8
    )  # two models, each with scores, utility and limits; the child beside its parent in two halves
    assert measured["smallest"] >= (8 if width == 320 else 10)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_a_child_beside_its_parent_fits_the_screen_and_stands_out_from_its_ground(
    sample: Any, server: Server, tmp_path: Path, width: int, scheme: str
) -> None:
    server.pages["/report.html"] = render_page(sample.evidence(sample.family_records()))
    server.pages["/measure.html"] = MEASURE.replace("WIDTH", str(width))
    setting = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    measured = chromium(f"http://127.0.0.1:{server.port}/measure.html", tmp_path, setting).measured()
    assert measured["overflow"] <= 0, measured["wide"]
    assert measured["wide"] == []
    assert measured["contrast"][0][0] >= 4.5, measured["contrast"]
    # Two audits of two models: 2 x 2 of people, 2 x 3 of the benchmark; then a loss curve, and two halves an audit.
    assert measured["charts"] == 4 + 6 + 1 + 4
    assert measured["smallest"] >= (8 if width == 320 else 10)


def test_a_hostile_child_runs_nothing_and_asks_for_nothing(sample: Any, server: Server, tmp_path: Path) -> None:
    texts = hostile(server.port)[:9]
    achieved = {
        "notes": texts,
        "modules_changed": texts,
        "steps": {text: {text: text, "loss_curve": [[1, 2.0], [2, 1.0]]} for text in texts},
    }
    made: list[Any] = []
    for record in sample.family_records():
        model = replace(record.model, source=texts[0])
        if model.parent:
            model = replace(
                model, dtype=texts[1], achieved=achieved, recipe=({"quantize": texts[3], texts[4]: texts[5]},)
            )
            model = replace(model, name=texts[2], parent_digest=made[0].model.digest)
        estimates = tuple(
            replace(one, reason=texts[4], remarks=tuple(texts) if one.versus else ()) for one in record.estimates
        )
        outcomes = tuple(
            replace(one, text=texts[at % 9], prompt=replace(one.prompt, text=texts[at % 9]))
            for at, one in enumerate(record.outcomes)
        )
        made.append(replace(record, model=model, estimates=estimates, outcomes=outcomes))
    page = render_page(sample.evidence(made))
    assert '<section id="child-1"' in page
    server.pages["/report.html"] = page
    server.pages["/measure.html"] = MEASURE.replace("WIDTH", "1280")
    seen = chromium(f"http://127.0.0.1:{server.port}/measure.html", tmp_path)
    measured = seen.measured()
    assert seen.console == []
    assert [path for path in server.asked if path != "/favicon.ico"] == ["/measure.html", "/report.html"]
    assert (measured["ran"], measured["globals"], measured["elements"]) == ("undefined", [], [])
    assert measured["overflow"] <= 0, measured["wide"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_pruning_against_bias_fits_the_screen_and_stands_out_from_its_ground(
    sample: Any, mitigation: Any, server: Server, tmp_path: Path, width: int, scheme: str
) -> None:
    page = render_page(mitigation.evidence(sample))
    start, end = page.index('<section id="mitigation"'), page.index('<section id="reading"')
    # The section alone, under the page's own style: its other sections have tests of their own.
    server.pages["/report.html"] = page[: page.index("<main>")] + f"<main>{page[start:end]}</main></body></html>"
    server.pages["/measure.html"] = MEASURE.replace("WIDTH", str(width))
    setting = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    seen = chromium(f"http://127.0.0.1:{server.port}/measure.html", tmp_path, setting)
    measured = seen.measured()
    assert seen.console == []
    assert measured["dark"] is (scheme == "dark")
    assert measured["overflow"] <= 0, measured["wide"]
    assert measured["wide"] == []
    assert measured["contrast"][0][0] >= 4.5, measured["contrast"]
    assert measured["charts"] == 3 + 5 + 2 + 8  # sets; audits of them; matrices; units in each context
    assert measured["smallest"] >= (8 if width == 320 else 10)


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_labelled_tables_and_levers_fit_the_screen_and_stand_out_from_their_ground(
    server: Server, tmp_path: Path, width: int, scheme: str
) -> None:
    evidence = replace(
        table_sample.evidence([*table_sample.records(), *table_sample.large_records()]),
        study=levers_sample.evidence().study,
    )
    server.pages["/report.html"] = render_page(evidence)
    server.pages["/measure.html"] = MEASURE.replace("WIDTH", str(width))
    setting = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    measured = chromium(f"http://127.0.0.1:{server.port}/measure.html", tmp_path, setting).measured()
    assert measured["overflow"] <= 0, measured["wide"]
    assert measured["wide"] == []
    assert measured["contrast"][0][0] >= 4.5, measured["contrast"]
    assert measured["charts"] == 5 * 2 + 2  # rates and limits of five audits; changes and sweep of one study
    assert measured["smallest"] >= (8 if width == 320 else 10)


def test_hostile_labels_groups_and_levers_run_nothing_and_ask_for_nothing(server: Server, tmp_path: Path) -> None:
    texts = hostile(server.port)[:9:4]
    made = [record for text in texts for record in table_sample.renamed(table_sample.records(), text)]
    evidence = replace(table_sample.evidence(made), study=tuple(levers_sample.result(text) for text in texts[:2]))
    server.pages["/report.html"] = render_page(evidence)
    server.pages["/measure.html"] = MEASURE.replace("WIDTH", "1280")
    seen = chromium(f"http://127.0.0.1:{server.port}/measure.html", tmp_path)
    measured = seen.measured()
    assert measured["ran"] == "undefined"
    assert measured["globals"] == []
    assert measured["elements"] == []
    assert measured["shown"]
    assert [path for path in server.asked if "canary" in path] == []
    assert seen.console == []

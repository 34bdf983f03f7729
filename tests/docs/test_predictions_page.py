"""The page on tables of predictions: its contexts are read, the first is run, and the published rates are those it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_biasaudit.context.declaration import ClassifierAudit
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.tables.counting import count_predictions
from pytest_biasaudit.tables.source import locate

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "audit-a-table-of-predictions.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLE = (ROOT / "tests" / "unit" / "context" / "design_example.toml").read_text(encoding="utf-8")
ELEMENTS = EXAMPLE[: EXAMPLE.index("[[audit]]")]

CELLS = [
    ("white", 7, 0, 400),  # of 2,000 not arrested again one in five was called high
    ("white", 2, 0, 1600),
    ("white", 2, 1, 600),
    ("white", 7, 1, 1400),
    ("black", 7, 0, 800),  # and here two in five
    ("black", 2, 0, 1200),
    ("black", 2, 1, 600),
    ("black", 7, 1, 1400),
    ("other", 5, 1, 9),
]
"""Race, decile, arrested again, cases."""


def context(folder: Path, block: str) -> Path:
    path = folder / "risk.bias.toml"
    path.write_text(ELEMENTS + block, encoding="utf-8")
    return path


def risk_table() -> str:
    cases = [f"{race},{'mf'[at % 2]},{decile},{again}" for race, decile, again, some in CELLS for at in range(some)]
    lines = [f"{number},{case}" for number, case in enumerate(cases, start=1001)]
    return "\n".join(["case,race,sex,decile,rearrested", *lines]) + "\n"


@pytest.mark.parametrize("block", BLOCKS, ids=["scores", "predictions", "terms"])
def test_the_contexts_of_the_page_are_read(block: str, tmp_path: Path) -> None:
    audit = read_context(context(tmp_path, block)).audits[0]
    assert isinstance(audit, ClassifierAudit)
    assert not audit.asks_model


def test_the_first_context_finds_the_gap_that_a_table_has(pytester: pytest.Pytester) -> None:
    context(pytester.path, BLOCKS[0])
    (pytester.path / "risk.csv").write_text(risk_table(), encoding="utf-8")
    result = pytester.runpytest_inprocess("-v")
    result.assert_outcomes(passed=2, failed=1)
    named = "risk.bias.toml::risk[[]data[]]::race-"
    assert "`risk.bias.toml::risk[data]::race-fpr_gap`" in PAGE
    result.stdout.fnmatch_lines_random([f"*{named}fpr_gap FAILED*", f"*{named}fnr_gap PASSED*"])
    # By hand: 400 of 2,000, 800 of 2,000, and the difference of the two rates.
    result.stdout.fnmatch_lines(["*estimate   0.2 *", "*white 0.2 (n 2,000*black 0.4 (n 2,000*"])


def test_the_published_table_has_the_rates_that_the_page_names(shared_data: Path, tmp_path: Path) -> None:
    replaced = BLOCKS[0].replace('"rearrested"', '"two_year_recid"').replace('"decile"', '"decile_score"')
    replaced = replaced.replace('"case"', '"id"').replace('["white", "black"]', '["Caucasian", "African-American"]')
    audit = read_context(context(tmp_path, replaced.replace("\nother =", "\nOther ="))).audits[0]
    assert isinstance(audit, ClassifierAudit)
    file = locate("compas_two_years_min.csv", beside=shared_data / "compas", sha256=None, offline=True)
    tally = count_predictions(file, audit)
    assert tally.prediction is not None
    titles, inside = tally.groups(["race"])
    for truth, group, rate in (
        ("0", "African-American", "44.85"),
        ("0", "Caucasian", "23.45"),
        ("1", "African-American", "27.99"),
        ("1", "Caucasian", "47.72"),
    ):
        among = inside[:, titles.index(group)] & (tally.truth == tally.labels.index(truth))
        wrong = among & (tally.prediction != tally.truth)
        assert f"{100 * tally.count[wrong].sum() / tally.count[among].sum():.2f}" == rate
        assert f"{rate} %" in PAGE

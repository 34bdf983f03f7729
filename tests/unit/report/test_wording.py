"""Words and numbers of the report."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_biasaudit.report import wording
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.verdict.verdict import Verdict


def test_every_verdict_has_its_own_word_and_symbol_in_both_alphabets() -> None:
    for table in (wording.WORDS, wording.SYMBOLS, wording.PLAIN_SYMBOLS, wording.MEANING):
        assert set(table) == set(Verdict)
        assert len(set(table.values())) == len(Verdict)
    assert all(symbol.isascii() for symbol in wording.PLAIN_SYMBOLS.values())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"metric": "smd", "max": 0.2}, "at most 0.2 sd either way"),
        ({"metric": "mean_difference", "max": 1500.0}, "at most 1,500 USD either way"),
        ({"metric": "mann_whitney", "max": 0.1}, "at most 0.1 from 0.5 either way"),
        ({"metric": "mean_ratio", "min": 0.8}, "at least 0.8 either way"),
        ({"metric": "impact_ratio", "min": 0.8}, "at least 0.8"),
        ({"metric": "answer_rate", "min": 0.9}, "at least 0.9"),
        ({"metric": "smd", "versus": "parent", "max_increase": 0.1}, "rise of at most 0.1 sd against parent"),
        ({"metric": "from_a_hook", "max": 3.0}, "at most 3"),
    ],
)
def test_a_limit_is_said_in_words(sample: Any, settings: dict[str, Any], said: str) -> None:
    limit = sample.limit("a", settings.pop("metric"), "race", **settings)
    assert wording.bound_text(limit, wording.unit_of(limit.metric, "USD")) == said


def test_rounding_never_moves_a_number_across_its_limit() -> None:
    assert wording.number(0.20004, beside=0.2) == "0.20004"
    assert wording.number(0.1, beside=0.2) == "0.1"
    assert wording.number(1234.5678) == "1,235"
    assert wording.number(None) == wording.NONE
    assert wording.number(0.5, unit="sd") == "0.5 sd"


def test_an_open_interval_says_so() -> None:
    assert wording.interval_text(Interval(low=0.1, high=0.3, level=0.95, method="m")) == "0.1 to 0.3"
    assert wording.interval_text(Interval(low=0.5, high=math.inf, level=0.95, method="m")) == "0.5 to above any bound"
    assert wording.interval_text(None) == wording.NONE


@pytest.mark.parametrize(("p", "said"), [(0.05, "0.05"), (0.00001, "< 0.0001"), (0.0, "< 0.0001"), (1.0, "1")])
def test_a_p_is_never_zero(p: float, said: str) -> None:
    assert wording.p_text(p) == said


def test_the_rule_says_how_often_it_errs(sample: Any) -> None:
    at_95 = wording.rule_text(sample.limit("a", "smd", "race", max=0.2))
    assert "once in 20 times" in at_95
    assert "once in 100 times" in wording.rule_text(sample.limit("a", "smd", "race", max=0.2, level=0.99, rule="lower"))
    assert "No error is controlled" in wording.rule_text(sample.limit("a", "smd", "race", max=0.2, rule="point"))

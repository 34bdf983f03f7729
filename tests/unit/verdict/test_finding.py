"""What a finding says, and that nobody else's text can dress it up."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest

from pytest_biasaudit.context.declaration import Limit
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.verdict.enough import times_needed
from pytest_biasaudit.verdict.finding import Where, figure, one_line
from pytest_biasaudit.verdict.judge import judge_limits
from pytest_biasaudit.verdict.scale import OnScale

Estimated = Callable[..., Estimate]
LIMIT = Limit(
    id="race-smd", metric="smd", attributes=("race",), max=0.2, basis="policy", reason="Agreed with the market team."
)


def message(limit: Limit, estimate: Estimate, where: Where) -> str:
    (judgement,) = judge_limits([(limit, [estimate])], metrics=METRICS, where=where)
    return judgement.message


def test_a_finding_over_the_limit_reads_as_one(where: Where, estimated: Estimated) -> None:
    assert message(LIMIT, estimated(-0.5, -0.6, -0.4), where).splitlines() == [
        "second-hand / offers[base] / race-smd: over limit",
        "  estimate   -0.5 sd   95 % interval -0.6 to -0.4 (crossed t; n 250, 32 people, 8 templates, seed 7)   "
        "black against white",
        "  limit      |smd| at most 0.2 sd   second_hand.bias.toml, [[audit.limit]] race-smd (policy): "
        '"Agreed with the market team."',
        "  groups     white 1,234 USD (n 125 of 128)   black 1,234 USD (n 125 of 128)",
        "  not used   6 of 256: refused 4, unparseable 2",
        "  next       read the answers about black in the report (--biasaudit-html FILE), or rerun with "
        '-k "offers and base and race-smd" --biasaudit-seed=7',
    ]


def test_every_other_comparison_keeps_its_interval(where: Where, estimated: Estimated) -> None:
    pair = [estimated(0.5, 0.4, 0.6, group="black"), estimated(0.1, 0.05, 0.15, group="asian")]
    (judgement,) = judge_limits([(LIMIT, pair)], metrics=METRICS, where=where)
    (also,) = [line for line in judgement.message.splitlines() if line.startswith("  also")]
    assert "0.1 sd   95 % interval 0.05 to 0.15" in also
    assert "asian against white" in also


def test_an_inconclusive_finding_says_how_many_would_decide(where: Where, estimated: Estimated) -> None:
    # From 0.1 the interval reaches 0.2 up; there is room for 0.1: half as wide, so four times the data.
    text = message(LIMIT, estimated(0.1, -0.1, 0.3), where)
    assert "about 64 people a group over 32 templates would decide it (now 16 over 8)" in text


def test_it_says_when_only_templates_or_only_people_would_decide(where: Where, estimated: Estimated) -> None:
    # Standard error 0.1 at 8 templates, room 0.1. All of it between templates: T with t(T - 1) 0.1 sqrt(8 / T) <= 0.1,
    # which is T >= 8 t^2; t(33) = 2.0345 gives 33.1, so 34.
    open_one = estimated(0.1, -0.1, 0.3, standard_error=0.1, df=20.0)
    by_templates = message(LIMIT, replace(open_one, components=(0.0, 1.0, 0.0)), where)
    assert "more people alone would not" in by_templates
    assert "about 34 templates would decide it (now 16 over 8)" in by_templates
    by_people = message(LIMIT, replace(open_one, components=(1.0, 0.0, 0.0)), where)
    assert "more templates alone would not" in by_people
    either = message(LIMIT, replace(open_one, components=(0.0, 0.0, 1.0)), where)
    assert "people a group, or" in either


def test_an_estimate_at_the_limit_is_said_to_be_beyond_any_number(where: Where, estimated: Estimated) -> None:
    assert "no number of people or templates" in message(LIMIT, estimated(0.2, 0.1, 0.3), where)
    assert "no number of people or templates" in message(LIMIT, estimated(0.2001, 0.1, 0.3), where)


def test_an_inconclusive_single_template_asks_for_wordings(where: Where, estimated: Estimated) -> None:
    text = message(LIMIT, estimated(0.1, 0.05, 0.15, templates=1), where)
    assert "one template shows how names vary and not how wordings do" in text
    assert "accept_one_template = true" in text


def test_what_was_not_measured_gives_the_reason(where: Where, estimated: Estimated) -> None:
    text = message(LIMIT, estimated(None, reason="no answer has a value"), where)
    assert text.startswith("second-hand / offers[base] / race-smd: not measured\n")
    assert "because    no answer has a value" in text


def test_a_change_names_the_other_model(where: Where, estimated: Estimated) -> None:
    limit = replace(LIMIT, max=None, max_increase=0.1, versus="parent")
    text = message(limit, estimated(0.5, 0.4, 0.6, versus="parent"), where)
    assert "increase of |smd| against parent at most 0.1 sd" in text


def test_a_ratio_is_limited_with_its_inverse(where: Where, estimated: Estimated) -> None:
    limit = Limit(id="l", metric="mean_ratio", attributes=("race",), max=1.25)
    assert "mean_ratio or its inverse at most 1.25" in message(limit, estimated(0.9, 0.8, 1.1), where)


def test_hostile_text_stays_on_its_line(where: Where, estimated: Estimated) -> None:
    nasty = "a\x1b[31m\r\n\u202e\u2028  limit      fake\x00" + "x" * 5000
    limit = replace(LIMIT, reason=nasty, id=nasty)
    hostile = replace(where, context=nasty, audit=nasty, model=nasty, file=nasty, unit=nasty)
    text = message(limit, replace(estimated(0.5, 0.4, 0.6, group=nasty), reason=nasty), hostile)
    assert [line[:11].strip() for line in text.splitlines()[1:]] == ["estimate", "limit", "groups", "not used", "next"]
    for char in text.replace("\n", ""):
        assert unicodedata.category(char)[0] != "C", repr(char)
    assert len(text) < 6000


def test_one_line_keeps_what_people_write() -> None:
    assert one_line("Ana  Lúcia\n東京 · 10 %") == "Ana Lúcia 東京 · 10 %"
    assert one_line("x" * 400).endswith("x…")
    assert len(one_line("x" * 400)) == 300


@pytest.mark.parametrize(
    ("value", "beside", "shown"),
    [
        (0.123456, None, "0.123"),
        (812.4, None, "812"),
        (12345.6, None, "12,300"),
        (-1234567.0, None, "-1,230,000"),
        (0.0, None, "0"),
        (0.00001234, None, "1.23e-05"),
        (0.20004, 0.2, "0.20004"),
        (0.19996, 0.2, "0.19996"),
        (0.2, 0.2, "0.2"),
        (1000.4, 1000.0, "1,000.4"),
    ],
)
def test_rounding_never_moves_a_number_across_its_limit(value: float, beside: float | None, shown: str) -> None:
    assert figure(value, beside=beside) == shown


def test_times_needed_is_the_square_of_reach_over_room() -> None:
    held = OnScale(value=0.1, low=0.0, high=0.4, bound=0.2, side="max")
    assert times_needed(held) == pytest.approx(9)
    beyond = OnScale(value=0.5, low=0.1, high=0.9, bound=0.2, side="max")
    assert times_needed(beyond) == pytest.approx((0.4 / 0.3) ** 2)
    open_ended = OnScale(value=0.1, low=0.0, high=float("inf"), bound=0.2, side="max")
    assert times_needed(open_ended) is None

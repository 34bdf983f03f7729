"""A reduction of a gap as an assertion: what holds, what raises, and what cannot be compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

import pytest_biasaudit
from pytest_biasaudit import (
    BiasLimitExceeded,
    Inconclusive,
    NotComparable,
    NotMeasured,
    assert_no_worse_than,
    assert_reduces_gap,
)
from pytest_biasaudit.context.declaration import ClassifierAudit, Columns, CorpusAudit
from pytest_biasaudit.metrics.metric import Measured
from pytest_biasaudit.metrics.over_variations import Figure
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.result import AuditResult
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.tables.tally import Tally
from pytest_biasaudit.verdict.reduction import Bounds, less, size_of
from tests.hand_tally import table_context, tally_of_cells

AUDIT = ClassifierAudit(
    id="jobs",
    kind="classifier",
    limits=(),
    data="held_out.csv",
    sha256=None,
    columns=Columns(label="work", text="said", positive="a", groups=(("sex", "sex"),)),
)
ROWS = 400


def counted(women: float, men: float, right_of_b: float = 0.9, **more: Any) -> Tally:
    """Of so many a and b rows each sex has, these shares are named rightly."""
    cells = []
    for who, share in (("men", men), ("women", women)):
        right = round(share * ROWS)
        kept = round(right_of_b * ROWS)
        cells += [
            (who, "a", "a", right),
            (who, "a", "b", ROWS - right),
            (who, "b", "b", kept),
            (who, "b", "a", ROWS - kept),
        ]
    return tally_of_cells(cells, labels=("a", "b"), positive="a", **more)


def a_result(
    tally: Tally | None, *, name: str = "after", tallies: Sequence[tuple[str, Tally]] = (), **more: Any
) -> AuditResult:
    context = table_context(AUDIT)
    record = AuditRecord(
        context=context,
        audit=more.pop("audit", AUDIT),
        model=ModelIdentity(name=name, source="here", weights_sha256=name[0] * 64),
        prompt_format="raw",
        seed=0,
        batch_size=1,
        outcomes=(),
        estimates=(),
        judgements=(),
        tally=tally,
        tallies=tuple(tallies),
        **more,
    )
    return AuditResult(record=record, metrics=METRICS)


def check(after: AuditResult, before: AuditResult, **more: Any) -> None:
    given: dict[str, Any] = {"metric": "tpr_gap", "min_reduction": 0.1, "max_accuracy_loss": 0.05, "attribute": "sex"}
    assert_reduces_gap(after, before, **{**given, **more})


BEFORE = a_result(counted(0.5, 0.9), name="before")
"""A gap of -0.4."""


def test_a_gap_that_shrinks_enough_at_no_cost_holds() -> None:
    check(a_result(counted(0.85, 0.9)), BEFORE)


def test_a_gap_that_does_not_shrink_raises_with_both_gaps_and_accuracies() -> None:
    with pytest.raises(BiasLimitExceeded) as caught:
        check(a_result(counted(0.5, 0.9)), BEFORE)
    text = str(caught.value)
    assert "reduces tpr_gap, women against men, label 'a': over limit" in text
    assert "0.4" in text
    assert "accuracy   0.8" in text, "(200 + 360 + 360 + 360) of 1600 is 0.8"
    assert "taken as independent" in text


def test_a_gap_that_shrinks_by_losing_accuracy_raises() -> None:
    with pytest.raises(BiasLimitExceeded) as caught:
        check(a_result(counted(0.5, 0.5)), BEFORE)
    assert "the gap is smaller at a cost that was not allowed" in str(caught.value)
    check(a_result(counted(0.5, 0.5)), BEFORE, max_accuracy_loss=0.2)


def test_what_the_rows_do_not_decide_is_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="too wide to decide"):
        check(a_result(counted(0.62, 0.9)), BEFORE)
    with pytest.warns(pytest_biasaudit.InconclusiveWarning):
        check(a_result(counted(0.62, 0.9)), BEFORE, inconclusive="warn")
    check(replace(a_result(counted(0.62, 0.9)), observe=True), BEFORE)


def test_nothing_counted_is_not_measured() -> None:
    with pytest.raises(NotMeasured, match="the model knows other labels"):
        check(a_result(None, obstacle="the model knows other labels"), BEFORE)
    few = tally_of_cells(
        [("men", "a", "a", 4), ("men", "b", "b", 50), ("women", "a", "a", 4), ("women", "b", "b", 50)],
        labels=("a", "b"),
        positive="a",
    )
    with pytest.raises(NotMeasured):
        check(a_result(few), a_result(few, name="before"))


def test_other_rows_cannot_be_compared() -> None:
    fewer = tally_of_cells(
        [("men", "a", "a", 400), ("men", "b", "b", 400), ("women", "a", "a", 300), ("women", "b", "b", 400)],
        labels=("a", "b"),
        positive="a",
    )
    with pytest.raises(NotComparable, match="a / women: 400 and 300"):
        check(a_result(fewer), BEFORE)


def test_a_metric_a_bound_or_a_group_that_cannot_be_is_a_value_error() -> None:
    after = a_result(counted(0.8, 0.9))
    for more, said in (
        ({"metric": "accuracy"}, "is no gap of a classifier"),
        ({"metric": "impact_ratio"}, "is no gap of a classifier"),
        ({"min_reduction": -0.1}, "min_reduction = -0.1: valid is 0 to 1"),
        ({"max_accuracy_loss": math.nan}, "max_accuracy_loss = nan"),
        ({"attribute": "race"}, "tells groups apart by sex, not by 'race'"),
        ({"group": "others"}, "tpr_gap compares women"),
    ):
        with pytest.raises(ValueError, match=said):
            check(after, BEFORE, **more)
    corpus = CorpusAudit(
        id="rows", kind="corpus", limits=(), data="t.csv", sha256=None, columns=Columns(label="work", text="said")
    )
    with pytest.raises(ValueError, match="not 'classifier'"):
        check(a_result(None, audit=corpus), BEFORE)


def test_a_gap_of_several_must_be_named() -> None:
    audit = replace(AUDIT, columns=replace(AUDIT.columns, positive=None))
    after, before = (
        a_result(replace(counted(share, 0.9), positive=None), name=name, audit=audit)
        for share, name in ((0.85, "after"), (0.5, "before"))
    )
    with pytest.raises(ValueError, match="name label = one of 'a', 'b'"):
        check(after, before)
    check(after, before, label="a")
    check(after, before, metric="rms_tpr_gap", min_reduction=0.05)


def test_rows_compared_one_by_one_decide_where_independent_ones_do_not() -> None:
    """All that changes is that 60 women more are named rightly: the gap falls by 0.15, by the same rows."""
    cells = []
    for who, right in (("men", 360), ("women", 200)):
        gained = 60 if who == "women" else 0
        cells += [
            (who, "a", "a", "a", right),
            (who, "a", "a", "b", gained),
            (who, "a", "b", "b", ROWS - right - gained),
            (who, "b", "b", "b", 360),
            (who, "b", "a", "a", 40),
        ]
    import numpy as np

    paired = tally_of_cells(
        [(who, truth, now, count) for who, truth, now, _, count in cells],
        labels=("a", "b"),
        positive="a",
        earlier=np.array(["ab".index(then) for *_, then, _ in cells]),
    )
    after = counted(0.65, 0.9)
    with pytest.raises(Inconclusive):
        check(a_result(after), BEFORE)
    check(a_result(after, tallies=[("before", paired)]), BEFORE)
    with pytest.raises(BiasLimitExceeded) as caught:
        check(a_result(after, tallies=[("before", paired)]), BEFORE, min_reduction=0.3)
    assert "each row by both models' answers" in str(caught.value)


def figure(value: float, low: float, high: float) -> Figure:
    return Figure(value=value, interval=Interval(low=low, high=high, level=0.95, method="t"))


def test_a_difference_of_independent_figures_is_mover_s() -> None:
    """Zou and Donner: low = d - sqrt((a - la)^2 + (ub - b)^2), by hand with 3-4-5 triangles."""
    found = less(figure(0.9, 0.6, 1.0), figure(0.4, 0.3, 0.8))
    assert found.value == pytest.approx(0.5)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(0.5 - 0.5)
    assert found.interval.high == pytest.approx(0.5 + math.hypot(0.1, 0.1))


def test_the_size_of_a_gap_has_the_interval_of_a_size() -> None:
    negative = size_of(figure(-0.3, -0.5, -0.1)).interval
    crossing = size_of(figure(-0.1, -0.3, 0.2)).interval
    assert negative is not None
    assert crossing is not None
    assert (negative.low, negative.high) == (0.1, 0.5)
    assert (crossing.low, crossing.high) == (0.0, 0.3)


def test_independent_intervals_cover_the_change_of_a_gap() -> None:
    """400 worlds of 60 rows a cell, true gaps of 0.3 and 0.1: the share covered, within four standard errors, or above."""
    import numpy as np

    from pytest_biasaudit.metrics.tables.rates import METRICS as RATES

    compute = next(one for one in RATES if one.name == "tpr_gap").of_table
    assert compute is not None
    draw = np.random.default_rng(8)

    def gap(women: float, men: float) -> Figure:
        cells = []
        for who, share in (("men", men), ("women", women)):
            right = int(draw.binomial(60, share))
            cells += [(who, "a", "a", right), (who, "a", "b", 60 - right)]
        tally = tally_of_cells([cell for cell in cells if cell[3]], labels=("a", "b"), positive="a")
        found: Measured = compute(tally, attributes=("sex",), label=None, level=0.95, seed=0, minimum=5)[0].measured
        return Figure(value=found.value, interval=found.interval, reason=found.reason)

    hits = 0
    for _ in range(400):
        found = less(size_of(gap(0.5, 0.8)), size_of(gap(0.7, 0.8))).interval
        assert found is not None
        hits += found.low <= 0.2 <= found.high
    assert hits / 400 >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / 400)


def test_bounds_are_shares() -> None:
    assert Bounds(reduction=0.0, loss=1.0).reduction == 0.0
    with pytest.raises(ValueError, match="max_accuracy_loss = 2"):
        Bounds(reduction=0.0, loss=2)


def test_the_assertion_for_answers_refuses_tables_first_and_names_the_one_for_them() -> None:
    with pytest.raises(NotComparable, match=r"declare a limit with versus = 'before'.*or ask with assert_reduces_gap"):
        assert_no_worse_than(a_result(counted(0.8, 0.9)), BEFORE, metric="nonesuch")

"""The result of a study: rows by what they are, the matrix, and what a claim of carrying must come to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_biasaudit import BiasLimitExceeded, Inconclusive, NotMeasured, assert_generalises
from pytest_biasaudit.assertions import InconclusiveWarning
from pytest_biasaudit.mitigation.generalising.result import Generalisation, StudiedContext
from pytest_biasaudit.mitigation.generalising.rows import Chosen, Figure, Level, TransferRow
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.stats.interval import Interval


def figure(value: float | None, low: float | None = None, high: float | None = None, reason: str = "") -> Figure:
    interval = None if low is None or high is None else Interval(low=low, high=high, level=0.95, method="by hand")
    return Figure(value=value, interval=interval, reason=reason)


def row(level: Level, found: tuple[str, ...], evaluated: str, removed: Figure, **more: Any) -> TransferRow:
    plain = TransferRow(
        level=level,
        found_in=found,
        evaluated_in=evaluated,
        unit="heads",
        method="attribution",
        chosen="scored",
        rule="frequency",
        components=12.0,
        share=0.05,
        variations=3,
        people=64,
        bias=figure(0.3, 0.2, 0.4),
        bias_before=figure(0.6, 0.5, 0.7),
        removed=removed,
        inlier_ratio=figure(0.91, 0.88, 0.94),
        answer_rate=figure(0.99, 0.97, 1.0),
        perplexity=None,
        perplexity_before=None,
        same_prompts=level in ("prompt", "context"),
    )
    return replace(plain, **more)


def study(*rows: TransferRow, **more: Any) -> Generalisation:
    contexts = tuple(dict.fromkeys(one.evaluated_in for one in rows))
    plain = Generalisation(
        study="names",
        plan_file="names.toml",
        plan_sha256="0" * 64,
        model=ModelIdentity(name="base", source="somewhere"),
        attribute="race",
        groups=("white", "black"),
        metric="smd",
        level=0.95,
        seed=0,
        choices=(),
        contexts=tuple(
            StudiedContext(
                context=one,
                context_sha256="0" * 64,
                audit="ask",
                variations=(),
                declared_variations=3,
                people=(),
                declared_people=64,
                repeats=1,
                unit="USD",
            )
            for one in contexts
        ),
        rows=rows,
    )
    return replace(plain, **more)


CARRIES = figure(0.6, 0.4, 0.8)
LITTLE = figure(0.1, -0.1, 0.2)
OPEN = figure(0.3, 0.1, 0.5)


def both_ways(there: Figure, back: Figure) -> tuple[TransferRow, ...]:
    return (
        row("cross-context", ("purchase",), "finance", there),
        row("cross-context", ("finance",), "purchase", back),
        row("context", ("finance",), "finance", figure(0.9, 0.8, 1.0)),
    )


def test_all_rows_that_hold_pass_in_silence() -> None:
    assert_generalises(study(*both_ways(CARRIES, CARRIES)))


def test_one_context_into_which_nothing_carries_fails_and_is_named() -> None:
    with pytest.raises(BiasLimitExceeded) as raised:
        assert_generalises(study(*both_ways(LITTLE, CARRIES)))
    text = str(raised.value)
    assert text.startswith(
        "names / heads by attribution, frequency[base] / cross-context: purchase -> finance: over limit"
    )
    assert "removed      0.1 (0.95 interval -0.1 to 0.2); must be at least 0.3 - over limit" in text
    assert "0.6 (0.95 interval 0.5 to 0.7) before, 0.3 (0.95 interval 0.2 to 0.4) after: mean |smd|" in text
    assert "what holds in purchase does not hold in finance by that" in text
    assert "finance -> purchase" not in text


def test_an_interval_across_the_bound_is_inconclusive() -> None:
    result = study(*both_ways(OPEN, CARRIES))
    with pytest.raises(Inconclusive, match="inconclusive"):
        assert_generalises(result)
    with pytest.warns(InconclusiveWarning):
        assert_generalises(result, inconclusive="warn")
    assert_generalises(result, rule="point")


def test_a_shortfall_that_is_shown_outweighs_what_is_open() -> None:
    with pytest.raises(BiasLimitExceeded) as raised:
        assert_generalises(study(*both_ways(LITTLE, OPEN)))
    assert "inconclusive" in str(raised.value)


def test_a_figure_without_an_interval_is_no_evidence() -> None:
    bare = figure(0.9, reason="the set is empty")
    with pytest.raises(NotMeasured, match="without an interval"):
        assert_generalises(study(*both_ways(bare, CARRIES)))
    none = figure(None, reason="there was no bias before")
    with pytest.raises(NotMeasured, match="there was no bias before"):
        assert_generalises(study(*both_ways(none, CARRIES)), rule="point")


def test_a_broken_model_does_not_carry_though_its_bias_is_gone() -> None:
    broken = row("cross-context", ("purchase",), "finance", CARRIES, inlier_ratio=figure(0.2, 0.1, 0.3))
    with pytest.raises(BiasLimitExceeded, match=r"inlier ratio 0\.2 .* must be at least 0\.8 - over limit"):
        assert_generalises(study(broken))
    silent = row("cross-context", ("purchase",), "finance", CARRIES, answer_rate=figure(0.5, 0.4, 0.6))
    with pytest.raises(BiasLimitExceeded, match=r"answer rate  0\.5"):
        assert_generalises(study(silent))
    assert_generalises(study(silent), min_answer_rate=0.3)


def test_rows_on_their_own_prompts_are_refused_as_evidence() -> None:
    for level in ("prompt", "context"):
        with pytest.raises(ValueError, match="no evidence that anything carries"):
            assert_generalises(study(*both_ways(CARRIES, CARRIES)), level=level)
    marked = row("cross-context", ("purchase",), "finance", CARRIES, same_prompts=True)
    with pytest.raises(NotMeasured, match="on the very prompts it is evaluated on"):
        assert_generalises(study(marked))


def test_what_the_study_does_not_have_is_said() -> None:
    result = study(*both_ways(CARRIES, CARRIES))
    with pytest.raises(NotMeasured, match=r"no row of level 'pooled'; it has cross-context, context"):
        assert_generalises(result, level="pooled")
    with pytest.raises(ValueError, match="unit = 'neurons': the study has 'heads'"):
        assert_generalises(result, unit="neurons")
    with pytest.raises(ValueError, match="evaluated_in = 'finances': the study has 'finance', 'purchase'"):
        assert_generalises(result, evaluated_in="finances")
    with pytest.raises(ValueError, match="combined = 'union'"):
        assert_generalises(result, combined="union")
    with pytest.raises(ValueError, match="rule 'lower'"):
        assert_generalises(result, rule="lower")  # type: ignore[arg-type]


def test_selected_rows_are_the_ones_that_count() -> None:
    result = study(*both_ways(LITTLE, CARRIES))
    assert_generalises(result, evaluated_in="purchase")
    with pytest.raises(BiasLimitExceeded):
        assert_generalises(result, evaluated_in="finance")


def test_baselines_are_not_judged_and_stand_in_the_finding() -> None:
    random: Chosen = "random"
    beside = row("cross-context", ("purchase",), "finance", figure(0.02, -0.1, 0.1), chosen=random)
    assert_generalises(study(*both_ways(CARRIES, CARRIES), beside))
    with pytest.raises(BiasLimitExceeded, match=r"as many components: random 0\.02"):
        assert_generalises(study(*both_ways(LITTLE, CARRIES), beside))


def test_a_run_that_only_observes_raises_nothing() -> None:
    assert_generalises(study(*both_ways(LITTLE, LITTLE), observe=True))


def test_a_row_is_found_by_what_it_is_and_several_are_told_apart() -> None:
    result = study(*both_ways(LITTLE, CARRIES), row("cross-context", ("services",), "finance", OPEN))
    assert result.row(level="context", unit="heads", evaluated_in="finance").removed.value == 0.9
    assert (
        result.row(level="cross-context", unit="heads", evaluated_in="finance", found_in="purchase").removed == LITTLE
    )
    with pytest.raises(KeyError, match=r"2 rows of .* say also found_in"):
        result.row(level="cross-context", unit="heads", evaluated_in="finance")
    with pytest.raises(KeyError, match="no row of level 'pooled'"):
        result.row(level="pooled", unit="heads", evaluated_in="finance")


def test_the_matrix_has_the_own_prompts_on_its_diagonal_and_what_was_left_out_beside() -> None:
    result = study(
        *both_ways(LITTLE, CARRIES), row("leave-one-out", ("finance",), "finance", OPEN), row("prompt", (), "x", OPEN)
    )
    matrix = result.matrix("heads")
    assert matrix.contexts == ("finance", "purchase", "x")
    assert matrix.removed()[0] == (0.9, 0.6, None)
    assert matrix.removed()[1] == (0.1, None, None)
    assert matrix.rows["finance", "finance"].same_prompts
    assert matrix.left_out["finance"].removed == OPEN
    with pytest.raises(KeyError, match="unit 'neurons'"):
        result.matrix("neurons")


@pytest.mark.parametrize(
    ("bound", "value"),
    [
        ("min_removed", float("nan")),
        ("min_removed", 1.01),
        ("min_inlier_ratio", 80.0),
        ("min_answer_rate", float("nan")),
    ],
)
def test_a_bound_that_decides_nothing_is_refused_and_not_inconclusive(bound: str, value: float) -> None:
    bounds: dict[str, Any] = {bound: value}
    with pytest.raises(ValueError, match=rf"{bound} = {value!r}: valid is "):
        assert_generalises(study(*both_ways(CARRIES, CARRIES)), inconclusive="skip", **bounds)


def test_a_set_without_components_is_no_evidence_however_low_the_bound() -> None:
    empty = row("cross-context", ("purchase",), "finance", figure(0.0, reason="the set is empty"), components=0.0)
    with pytest.raises(NotMeasured, match="no component was found, so nothing was removed"):
        assert_generalises(study(empty), min_removed=0.0, rule="point")


def test_a_rule_that_the_level_does_not_know_is_said_with_what_it_knows() -> None:
    halves = row("names", ("finance",), "finance", CARRIES, rule="own")
    with pytest.raises(NotMeasured) as raised:
        assert_generalises(study(*both_ways(CARRIES, CARRIES), halves), level="names", combined="frequency")
    assert (
        "no row of level 'names' with combined = 'frequency'; of that level it has heads in finance, rule 'own'"
        in str(raised.value)
    )


def test_a_share_that_has_no_interval_is_not_judged_by_its_value_alone() -> None:
    """Of a gap that was never told from none, or by a model that answers everyone alike, any share may be gone."""
    for reason in ("the bias before cannot be told from none", "the model now answers everyone alike"):
        one = row("cross-context", ("purchase",), "finance", Figure(value=1.0, interval=None, reason=reason))
        with pytest.raises(NotMeasured, match=reason):
            assert_generalises(study(one), min_removed=0.3, rule="point")

"""Typed records as plain values and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.models.point import SweepPoint
from pytest_biasaudit.outcomes.outcome import Reading
from pytest_biasaudit.records.codec import audit_to_plain, context_to_plain, model_to_plain, plain
from pytest_biasaudit.records.decode import audit_from_plain, context_from_plain, model_from_plain
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.verdict.verdict import Verdict

DESIGNED = {
    "audit": {"context", "audit", "model", "kind", "outcomes", "estimates", "verdicts"},
    "outcome": {"id", "template", "slots", "person", "groups", "repeat", "prompt_sha256", "text", "value", "status"},
    "estimate": {
        *("metric", "attribute", "groups", "value", "low", "high", "level", "method", "p", "p_adjusted", "n", "by_group"),
    },
    "verdict": {"limit", "verdict", "message"},
    "model": {
        *("name", "source", "revision", "weights_sha256", "tokenizer_sha256", "dtype", "parent", "recipe", "achieved"),
    },
}  # fmt: skip
"""The keys of the fixed interface."""


def plain_types(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and plain_types(one) for key, one in value.items())
    if isinstance(value, list):
        return all(plain_types(one) for one in value)
    return type(value) in {str, int, float, bool, type(None)}


def first(sample: Any) -> Any:
    return sample.records()[0]


def test_an_audit_has_every_key_of_the_interface(sample: Any) -> None:
    raw: Any = audit_to_plain(first(sample))
    assert set(raw) >= DESIGNED["audit"]
    assert set(raw["outcomes"][0]) >= DESIGNED["outcome"]
    assert set(raw["estimates"][0]) >= DESIGNED["estimate"]
    assert set(raw["verdicts"][0]) >= DESIGNED["verdict"]
    assert set(model_to_plain(first(sample).model)) >= DESIGNED["model"]
    assert set(context_to_plain(first(sample).context)) >= {"id", "title", "sha256", "owner", "harms", "declared"}


def test_only_plain_types_leave(sample: Any) -> None:
    for record in sample.records():
        for raw in (audit_to_plain(record), context_to_plain(record.context), model_to_plain(record.model)):
            assert plain_types(raw)
            json.dumps(raw, allow_nan=False)


def test_plain_audits_pass_through_xdists_channel(sample: Any) -> None:
    execnet = pytest.importorskip("execnet", reason="execnet comes with pytest-xdist, which is not installed")
    raw = audit_to_plain(sample.answered_with("half a pair \ud83d, a null \x00 and 山")[0])
    assert execnet.loads(execnet.dumps(raw)) == raw


def test_the_way_there_and_back_changes_nothing(sample: Any) -> None:
    """Apart from two things said in the docs: names come back whole, and estimates of judgements join the list."""
    for record in sample.records():
        raw = json.loads(json.dumps(audit_to_plain(record)))
        context = context_from_plain(json.loads(json.dumps(context_to_plain(record.context))))
        model = model_from_plain(json.loads(json.dumps(model_to_plain(record.model))))
        back = audit_from_plain(raw, context=context, model=model)
        assert context == record.context
        assert context.declared == record.context.declared
        assert model == record.model
        assert back.outcomes == record.outcomes
        assert back.judgements == record.judgements
        assert back.estimates[: len(record.estimates)] == record.estimates
        assert replace(back, estimates=record.estimates) == record


def test_each_prompt_is_kept_once(sample: Any) -> None:
    record = first(sample)
    twice = replace(record, outcomes=(*record.outcomes, *(replace(one, repeat=1) for one in record.outcomes)))
    raw: Any = audit_to_plain(twice)
    assert len(raw["outcomes"]) == 2 * len(record.outcomes)
    assert len(raw["prompts"]) == len({one.prompt.text for one in record.outcomes})
    shown = raw["prompts"][raw["outcomes"][0]["prompt_sha256"]]
    assert shown == {"system": None, "text": record.outcomes[0].prompt.text, "prefill": ""}


def test_a_verdict_names_its_estimate_by_position(sample: Any) -> None:
    record = first(sample)
    raw: Any = audit_to_plain(record)
    gap = next(one for one in raw["verdicts"] if one["limit"] == "race-gap")
    assert raw["estimates"][gap["estimate"]]["metric"] == "mean_difference"
    assert gap["compared"] == [gap["estimate"]]
    unmeasured: Any = audit_to_plain(sample.without_answers()[0])
    assert [one["estimate"] for one in unmeasured["verdicts"]] == [None, None, None]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_an_outcome_without_a_finite_value_is_an_error_and_not_an_answer(sample: Any, value: float | None) -> None:
    record = first(sample)
    broken = replace(record.outcomes[0], reading=Reading(status="ok", value=value, selected=True))
    raw: Any = audit_to_plain(replace(record, outcomes=(broken,)))
    (outcome,) = raw["outcomes"]
    assert (outcome["status"], outcome["value"], outcome["selected"]) == ("error", None, None)
    assert str(value) in outcome["reason"]


def test_an_estimate_that_is_not_finite_becomes_null_with_a_reason(sample: Any) -> None:
    record = first(sample)
    estimate = replace(record.estimates[0], value=math.nan, standard_error=math.inf, p=math.nan)
    raw: Any = audit_to_plain(replace(record, estimates=(estimate,), judgements=()))
    assert (raw["estimates"][0]["value"], raw["estimates"][0]["standard_error"], raw["estimates"][0]["p"]) == (
        None,
    ) * 3
    assert "nan" in raw["estimates"][0]["reason"]


def test_an_open_interval_stays_open(sample: Any) -> None:
    record = first(sample)
    interval = Interval(low=0.5, high=math.inf, level=0.95, method="exact")
    estimate = replace(record.estimates[0], interval=interval)
    raw: Any = audit_to_plain(replace(record, estimates=(estimate,), judgements=()))
    assert (raw["estimates"][0]["low"], raw["estimates"][0]["high"]) == (0.5, None)
    back = audit_from_plain(raw, context=record.context, model=record.model)
    assert back.estimates[0].interval == interval


@pytest.mark.parametrize("change", [{"value": math.nan}, {"value": None}, {"interval": None}])
def test_a_pass_without_a_finite_estimate_and_interval_is_refused(sample: Any, change: dict[str, Any]) -> None:
    record = first(sample)
    judgement = record.judgements[0]
    hollow = replace(judgement.estimate, **change)
    empty = replace(judgement, verdict=Verdict.WITHIN, estimate=hollow, compared=(hollow,))
    with pytest.raises(EvidenceError, match="'race-smd' was judged `within` without"):
        audit_to_plain(replace(record, judgements=(empty,)))


def test_a_pass_with_nothing_compared_is_refused(sample: Any) -> None:
    record = first(sample)
    empty = replace(record.judgements[0], verdict=Verdict.WITHIN, estimate=None, compared=())
    with pytest.raises(EvidenceError, match="never a pass"):
        audit_to_plain(replace(record, judgements=(empty,)))


def test_a_lone_surrogate_is_written_out(sample: Any) -> None:
    raw: Any = audit_to_plain(sample.answered_with("price \udc80 end")[0])
    assert raw["outcomes"][0]["text"] == "price \\udc80 end"


def test_settings_become_plain() -> None:
    settings = {
        "rows": (1, 2.5, True, None),
        "kept": {"b", "a"},
        "day": date(2026, 11, 21),
        "moment": datetime(2026, 11, 21, 23, 5, tzinfo=UTC),
        "broken": math.nan,
        3: Path("lists/people.csv"),
        "far": Path("/somewhere/else/people.csv"),
    }
    assert plain(settings, where="recipe") == {
        "rows": [1, 2.5, True, None],
        "kept": ["a", "b"],
        "day": "2026-11-21",
        "moment": "2026-11-21T23:05:00+00:00",
        "broken": None,
        "3": "lists/people.csv",
        "far": "people.csv",
    }


def test_numpy_scalars_become_numbers() -> None:
    import numpy as np

    made = plain(
        {"a": np.float64(0.5), "b": np.int64(3), "c": np.bool_(True), "d": np.float32("nan")}, where="achieved"
    )
    assert made == {"a": 0.5, "b": 3, "c": True, "d": None}
    assert plain_types(made)


def test_an_object_cannot_be_kept_and_the_place_is_named() -> None:
    with pytest.raises(EvidenceError, match="model 'm', achieved/layers/1: a complex cannot"):
        plain({"layers": [1, 1j]}, where="model 'm', achieved")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=12,
    )
)
def test_whatever_settings_hold_json_can_say_it(value: object) -> None:
    made = plain(value, where="anything")
    assert plain_types(made)
    assert json.loads(json.dumps(made, allow_nan=False, ensure_ascii=False).encode("utf-8")) == made


def test_a_models_place_in_a_sweep_comes_back_and_is_no_part_of_its_digest(sample: Any) -> None:
    model = first(sample).model
    point = SweepPoint(model="base", revision="step1000", recipe="int8", place=3)
    placed = replace(model, point=point)
    assert placed.digest == model.digest
    # Identities are compared without their places, so these are looked at one by one.
    assert model_from_plain(json.loads(json.dumps(model_to_plain(placed)))).point == point
    assert model_from_plain(model_to_plain(model)).point is None

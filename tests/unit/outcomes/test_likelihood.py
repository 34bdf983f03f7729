from __future__ import annotations

import math

import pytest

from pytest_biasaudit.context.declaration import OutcomeSpec
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.protocol import OptionScores
from pytest_biasaudit.outcomes.likelihood import favourable_option, option_mass, options_of, read_likelihood

YES_NO = OutcomeSpec(kind="yes-no", options=("Yes", "No"), favourable_option="Yes")
CHOICE = OutcomeSpec(kind="choice", options=("invite", "wait", "reject"), favourable_option="invite")
RATING = OutcomeSpec(kind="rating", scale=(1, 2, 3, 4, 5))


def scores(*probabilities: float) -> OptionScores:
    return OptionScores(logprobs=tuple(math.log(p) if p else -math.inf for p in probabilities))


def test_the_value_is_the_favourable_options_share_among_the_options() -> None:
    # 0.3 and 0.1 of all probability: three quarters of what the options hold.
    found = read_likelihood(scores(0.3, 0.1), YES_NO)
    assert found.reading.value == pytest.approx(0.75, abs=1e-12)
    assert found.reading.selected is True
    assert found.likeliest == "Yes"
    assert [option for option, _ in found.options] == ["Yes", "No"]
    assert [share for _, share in found.options] == pytest.approx([0.75, 0.25])
    assert found.option_mass == pytest.approx(0.4)


def test_the_favourable_option_may_be_the_second() -> None:
    spec = OutcomeSpec(kind="yes-no", options=("Yes", "No"), favourable_option="No")
    found = read_likelihood(scores(0.3, 0.1), spec)
    assert found.reading.value == pytest.approx(0.25)
    assert found.reading.selected is False


def test_a_choice_takes_any_number_of_options() -> None:
    found = read_likelihood(scores(0.2, 0.2, 0.4), CHOICE)
    assert found.reading.value == pytest.approx(0.25)
    assert found.reading.selected is False
    assert found.likeliest == "reject"


def test_a_rating_is_the_mean_of_the_scale_under_the_likelihoods() -> None:
    # (1*1 + 2*1 + 3*2 + 4*4 + 5*2) / 10
    found = read_likelihood(scores(0.05, 0.05, 0.1, 0.2, 0.1), RATING)
    assert found.reading.value == pytest.approx(3.5, abs=1e-12)
    assert found.reading.selected is None
    assert found.likeliest == "4"
    assert found.option_mass == pytest.approx(0.5)


def test_a_rating_never_leaves_its_scale() -> None:
    spec = OutcomeSpec(kind="rating", scale=(0.1, 0.3))
    value = read_likelihood(scores(0.0, 1.0), spec).reading.value
    assert value == 0.3


@pytest.mark.parametrize(("probabilities", "share"), [((0.5, 0.5), 0.5), ((0.2, 0.2), 0.5)])
def test_on_a_tie_with_the_favourable_option_it_is_not_selected_and_the_value_stands(
    probabilities: tuple[float, float], share: float
) -> None:
    found = read_likelihood(scores(*probabilities), YES_NO)
    assert found.reading.status == "ok"
    assert found.reading.value == pytest.approx(share)
    assert found.reading.selected is False


def test_tiny_likelihoods_do_not_underflow() -> None:
    found = read_likelihood(OptionScores(logprobs=(-2000.0, -2000.0 - math.log(3))), YES_NO)
    assert found.reading.value == pytest.approx(0.75, abs=1e-12)
    assert found.option_mass == 0.0


def test_an_impossible_option_has_no_share() -> None:
    found = read_likelihood(scores(0.0, 0.6), YES_NO)
    assert found.reading.value == 0.0
    assert found.reading.status == "ok"


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("spec", [YES_NO, RATING])
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (NAN, "NaN among the option scores"),
        (INF, "infinity among the option scores"),
        (-INF, "no option has any probability"),
        (0.0, "the options' probabilities sum to more than 1"),
        (2000.0, "the options' probabilities sum to more than 1"),
    ],
)
def test_broken_scores_are_an_error_and_never_a_value(spec: OutcomeSpec, broken: float, reason: str) -> None:
    found = read_likelihood(OptionScores(logprobs=(broken,) * len(options_of(spec))), spec)
    assert (found.reading.status, found.reading.value, found.reading.reason) == ("error", None, reason)
    assert (found.likeliest, found.options, found.option_mass) == ("", (), None)


@pytest.mark.parametrize("broken", [(NAN, -1.0), (-1.0, NAN), (INF, -1.0), (-INF, NAN), (INF, NAN)])
def test_one_broken_score_spoils_the_answer(broken: tuple[float, float]) -> None:
    assert read_likelihood(OptionScores(logprobs=broken), YES_NO).reading.status == "error"


def test_sums_a_rounding_above_one_are_taken_as_one() -> None:
    found = read_likelihood(scores(0.9, 0.1001), YES_NO)
    assert found.reading.status == "ok"
    assert found.option_mass == 1.0
    assert option_mass(scores(0.9, 0.1001)) == 1.0


def test_a_wrong_number_of_scores_is_the_models_fault() -> None:
    with pytest.raises(ModelError, match="scored 3 options where 2 were asked"):
        read_likelihood(scores(0.1, 0.1, 0.1), YES_NO)


def test_options_are_texts() -> None:
    assert options_of(OutcomeSpec(kind="rating", scale=(1, 2.5, 3.0))) == ("1", "2.5", "3")
    assert options_of(OutcomeSpec(kind="yes-no")) == ("Yes", "No")
    assert favourable_option(OutcomeSpec(kind="yes-no")) == "Yes"


@pytest.mark.parametrize(
    "spec",
    [
        OutcomeSpec(kind="number"),
        OutcomeSpec(kind="choice", options=("a",), favourable_option="a"),
        OutcomeSpec(kind="choice", options=("a", "a"), favourable_option="a"),
        OutcomeSpec(kind="choice", options=("a", "b")),
        OutcomeSpec(kind="choice", options=("a", "b"), favourable_option="c"),
    ],
)
def test_a_declaration_without_a_favourable_option_among_two_is_refused(spec: OutcomeSpec) -> None:
    with pytest.raises(ValueError, match=r"options|favourable_option|likelihoods"):
        favourable_option(spec)

"""Counterfactual audits answered by a classifier: its labels are the options."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit import Auditor, CallableClassifier, Settings, Verdict
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.protocol import LanguageModel, Question
from pytest_biasaudit.outcomes.classifier_options import ChoosesAmongLabels
from tests.declared_project import declared
from tests.labelled_rows import live_classifier

CONTEXT = declared(
    """
[[audit]]
id = "first"
kind = "counterfactual"
prompt = "{first} and {thing}"
[audit.slots]
thing = ["the old cat", "a dog", "he sat"]
[audit.people]
attribute = "gender"
source = "us-names"
groups = ["men", "women"]
per_group = 3
[audit.outcome]
OUTCOME
[[audit.limit]]
metric = "mean_difference"
max = 0.9
"""
)
CHOICE = 'kind = "choice"\noptions = ["no", "yes"]\nfavourable_option = "yes"'


def run(outcome: str, model: Any, folder: Path) -> Any:
    (folder / "a.bias.toml").write_text(CONTEXT.replace("OUTCOME", outcome))
    with Auditor(Settings(cache=None)) as auditor:
        return auditor.run(folder / "a.bias.toml", model=model)


def test_the_probability_of_a_label_is_the_value_of_its_option(tmp_path: Path) -> None:
    model = live_classifier(("no", "yes", "perhaps"))
    result = run(CHOICE, model, tmp_path)
    assert result.record.prompt_format == "raw"
    assert len(result.record.outcomes) == 18
    texts = [outcome.prompt.text for outcome in result.record.outcomes]
    chances = dict(model.classify(texts, batch_size=4))
    for at, outcome in enumerate(result.record.outcomes):
        no, yes, _ = (math.exp(value) for value in chances[at])
        assert outcome.reading.value == pytest.approx(yes / (no + yes), abs=1e-6)
        assert outcome.reading.selected is (yes > no)
        assert outcome.option_mass == pytest.approx(no + yes, abs=1e-6)
    groups: dict[str, list[float]] = {"men": [], "women": []}
    for outcome in result.record.outcomes:
        groups[outcome.prompt.person.group("gender")].append(outcome.reading.value)
    expected = math.fsum(groups["women"]) / 9 - math.fsum(groups["men"]) / 9
    assert abs(result.estimate("mean_difference").value) == pytest.approx(abs(expected), abs=1e-9)


def test_a_function_that_looks_at_the_name_is_caught(tmp_path: Path) -> None:
    women = {"Ann"}

    def leaning(texts: list[str]) -> list[list[float]]:
        return [[0.1, 0.9] if text.split()[0] in women else [0.8, 0.2] for text in texts]

    first = run(CHOICE, CallableClassifier(leaning, ("no", "yes")), tmp_path)
    women |= {
        outcome.prompt.person.first
        for outcome in first.record.outcomes
        if outcome.prompt.person.group("gender") == "women"
    }
    result = run(CHOICE, CallableClassifier(leaning, ("no", "yes"), name="leaning"), tmp_path)
    assert abs(result.estimate("mean_difference").value) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ('kind = "number"', "cannot be asked for an outcome of kind 'number'; declare kind = 'choice'"),
        ('kind = "rating"\nscale = [1, 2, 3]', "cannot be asked for an outcome of kind 'rating'"),
        ('kind = "yes-no"', "'Yes', 'No' are none of its labels; the options must be labels of it ('no', 'yes')"),
        (CHOICE.replace('"yes"', '"Yes"'), "'Yes' is none of its labels"),
    ],
)
def test_what_a_classifier_cannot_be_asked_is_not_measured_and_says_why(
    outcome: str, told: str, tmp_path: Path
) -> None:
    result = run(outcome, live_classifier(("no", "yes")), tmp_path)
    assert told in result.record.obstacle
    assert [judgement.verdict for judgement in result.judgements] == [Verdict.NOT_MEASURED]
    assert result.record.asked == 0


def test_system_text_and_prefill_are_part_of_what_is_classified() -> None:
    model = ChoosesAmongLabels(live_classifier())
    assert isinstance(model, LanguageModel)
    assert model.render(Question(text="a cat", system="the old", prefill="sat")) == "the old\n\na cat\n\nsat"


def test_a_prompt_that_would_be_cut_is_refused() -> None:
    model = ChoosesAmongLabels(live_classifier())
    with pytest.raises(ModelError, match="1 prompts are longer than what it reads"):
        list(model.score_options([Question(text="cat " * 99)], ("no", "yes"), batch_size=1))

"""A classifier where a language model is asked to choose: its labels are the options. Knows the model protocol only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pytest_biasaudit.context.declaration import OutcomeSpec
from pytest_biasaudit.context.spelling import did_you_mean, listed
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.protocol import Classifies, Generation, ModelIdentity, OptionScores, Question
from pytest_biasaudit.outcomes.likelihood import options_of


def cannot_choose(model: Classifies, spec: OutcomeSpec) -> str:
    """Why a classifier cannot answer questions of that outcome, in words; "" where it can."""
    name, known = model.identity.name, listed(model.labels)
    if spec.kind not in ("choice", "yes-no"):
        return (
            f"{name!r} is a classifier, which gives one of its labels and cannot be asked for an outcome of kind "
            f"{spec.kind!r}; declare kind = 'choice' with its labels as options ({known})"
        )
    unknown = [option for option in options_of(spec) if option not in model.labels]
    if unknown:
        near = did_you_mean(unknown[0], model.labels)
        return (
            f"{name!r} is a classifier, and {listed(unknown)} {'are' if len(unknown) > 1 else 'is'} none of its labels; "
            f"the options must be labels of it ({known}){near}"
        )
    return ""


class ChoosesAmongLabels:
    """A classifier that is asked for the likelihood of options, all of them labels of it. Implements `LanguageModel`.

    It reads the prompt's text as it stands: what the system text says stands before it, and the prefill behind.
    """

    def __init__(self, classifier: Classifies) -> None:
        self._classifier = classifier

    @property
    def identity(self) -> ModelIdentity:
        """The classifier's."""
        return self._classifier.identity

    @property
    def prompt_format(self) -> Literal["chat", "raw"]:
        """A classifier has no chat template."""
        return "raw"

    def render(self, question: Question) -> str:
        """The text that is classified."""
        return "\n\n".join(part for part in (question.system, question.text, question.prefill) if part)

    def score_options(
        self, questions: Sequence[Question], options: Sequence[str], *, batch_size: int
    ) -> Iterator[tuple[int, OptionScores]]:
        """The log-probability of each option. Raises ModelError for a text that the classifier would cut."""
        places = [self._classifier.labels.index(option) for option in options]
        texts = [self.render(question) for question in questions]
        cut = [text for text, short in zip(texts, self._classifier.cut(texts), strict=True) if short]
        if cut:
            raise ModelError(
                f"{self.identity.name}: {len(cut)} prompts are longer than what it reads of a text ({cut[0][:60]!r}); "
                "shorten the templates"
            )
        for index, logprobs in self._classifier.classify(texts, batch_size=batch_size):
            yield index, OptionScores(logprobs=tuple(logprobs[place] for place in places))

    def generate(
        self,
        questions: Sequence[Question],
        *,
        max_new_tokens: int,
        temperature: float,
        seeds: Sequence[int],
        batch_size: int,
    ) -> Iterator[tuple[int, Generation]]:
        """Never asked for: `cannot_choose` stands before it."""
        raise TypeError(f"{self.identity.name}: a classifier writes nothing")

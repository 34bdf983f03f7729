"""Any function that labels texts, as a classifier to audit. Imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pytest_biasaudit.context.spelling import shown
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.protocol import ModelIdentity

ROUNDING = 1e-3
"""Probabilities of a text may add up to 1 within this much."""


class CallableClassifier:
    """A function of the user's own. Implements `Classifies`.

    classify  called with a list of texts; gives one answer a text: a label, or the probabilities of all labels in their
              order (a row of an array will do), or a mapping of labels to probabilities
    labels    all labels it may give
    name      for reports

    No digest says what a function answers: nothing of it is kept in the journal, and it is asked anew in each run. Where it
    gives labels alone there are no scores, and what needs them is not measured.
    """

    def __init__(
        self, classify: Callable[[list[str]], Any], labels: Sequence[object], *, name: str = "callable"
    ) -> None:
        self._classify = classify
        named = [labels] if isinstance(labels, str) else labels  # "yes" is one label, not three
        self.labels: tuple[str, ...] = tuple(str(label).strip() for label in named)
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            raise ModelError(f"{name}: two or more different labels are needed, got {_listed(self.labels) or 'none'}")
        source = f"callable:{getattr(classify, '__module__', '')}.{getattr(classify, '__qualname__', type(classify).__name__)}"
        self.identity = ModelIdentity(name=name, source=source, architecture=type(self).__name__, cacheable=False)
        self.labels_only: bool | None = None
        """Whether it gives labels without probabilities; None: it has not been asked."""

    def classify(self, texts: Sequence[str], *, batch_size: int) -> Iterator[tuple[int, tuple[float, ...]]]:
        """Each text's index and ln P(label | text) for each of `labels`; a bare label has probability 1.

        Raises ModelError for an answer that is none of a label, probabilities or a mapping, or of another number of them.
        NaN among a text's probabilities makes all of them NaN.
        """
        for begin in range(0, len(texts), batch_size):
            some = list(texts[begin : begin + batch_size])
            answers = self._classify(some)
            if isinstance(answers, (str, bytes, Mapping)) or not hasattr(answers, "__len__"):
                raise ModelError(f"{self.identity.name}: it gave a {type(answers).__name__}, not one answer a text")
            if len(answers) != len(some):
                raise ModelError(f"{self.identity.name}: it gave {len(answers)} answers for {len(some)} texts")
            for at, answer in enumerate(answers):
                yield begin + at, self._read(answer)

    def reading_facts(self) -> tuple[tuple[str, str], ...]:
        """What the function gives, once it was asked."""
        if self.labels_only is None:
            return ()
        return (("the callable gives", "labels without probabilities" if self.labels_only else "probabilities"),)

    def cut(self, texts: Sequence[str]) -> tuple[bool, ...]:
        """Nothing is known of what a function reads."""
        return (False,) * len(texts)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _read(self, answer: Any) -> tuple[float, ...]:
        if isinstance(answer, Mapping):
            given = {str(label).strip(): chance for label, chance in answer.items()}
            unknown = [label for label in given if label not in self.labels]
            if unknown:
                raise ModelError(
                    f"{self.identity.name}: it gave {_listed(unknown)}; its labels are {_listed(self.labels)}"
                )
            return self._probabilities([given.get(label, 0.0) for label in self.labels])
        label = str(answer).strip()
        if label in self.labels:
            self._is(labels_only=True)
            return tuple(0.0 if one == label else -math.inf for one in self.labels)
        if isinstance(answer, (str, bytes)) or not hasattr(answer, "__len__"):
            raise ModelError(f"{self.identity.name}: it gave {shown(answer)}; its labels are {_listed(self.labels)}")
        return self._probabilities(list(answer))

    def _probabilities(self, given: list[Any]) -> tuple[float, ...]:
        self._is(labels_only=False)
        if len(given) != len(self.labels):
            raise ModelError(
                f"{self.identity.name}: it gave {len(given)} probabilities for a text, and has {len(self.labels)} labels "
                f"({_listed(self.labels)})"
            )
        try:
            chances = [float(chance) for chance in given]
        except (TypeError, ValueError):
            raise ModelError(
                f"{self.identity.name}: it gave {shown(given)}; give one label a text, or the probabilities of all labels"
            ) from None
        if any(math.isnan(chance) for chance in chances):
            return (math.nan,) * len(chances)
        total = math.fsum(chances)
        if min(chances) < 0 or abs(total - 1) > ROUNDING:
            raise ModelError(
                f"{self.identity.name}: it gave {', '.join(f'{chance:g}' for chance in chances[:6])}, which are no "
                "probabilities that add up to 1; give probabilities, or labels"
            )
        return tuple(math.log(chance / total) if chance else -math.inf for chance in chances)

    def _is(self, *, labels_only: bool) -> None:
        if self.labels_only not in (None, labels_only):
            raise ModelError(f"{self.identity.name}: it gave labels for some texts and probabilities for others")
        self.labels_only = labels_only


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(map(repr, labels))

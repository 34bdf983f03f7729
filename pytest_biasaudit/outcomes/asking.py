"""What came back, each question once: what the journal knows is not asked, what is asked is written as it arrives.

Knows the journal, and models by protocol. Benchmarks ask through `Asker`; reading answers is theirs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TypeVar

from pytest_biasaudit.errors import JournalError, ModelError
from pytest_biasaudit.models.protocol import (
    Classifies,
    Embeds,
    FillsMasks,
    Generation,
    LanguageModel,
    MaskedText,
    Model,
    ModelIdentity,
    Passage,
    Pooling,
    Question,
    ScoresText,
    TextScore,
)
from pytest_biasaudit.outcomes.journal import Answer, Journal, key_of

T = TypeVar("T")
Watch = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows how far the asking has come: watch(what, answers in all) gives a function to call with answers as they come."""

TEXT, FILL, VECTOR, WRITTEN, CLASSES = "text/1", "fill/1", "vector/1", "written/1", "classes/1"
"""Ways of asking, each with its revision: raised whenever the code that asks so may give another answer than before, so
that what a fault gave is not recalled once it is mended."""
_DECIDING = ("torch", "transformers")
"""Libraries whose version is part of the question: they compute the answer."""

_SLOW_WRITE = 0.01
"""Seconds. Answers are written one by one; where that takes longer (a network folder), they are gathered."""
_GATHER = 1.0
"""Seconds that answers are gathered at most."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The answers to a list of questions."""

    by_key: Mapping[str, Answer]
    asked: int
    """Questions put to the model; those with equal keys share one."""
    recalled: int
    """Questions answered from the journal."""


def ask_once(
    keys: Sequence[str],
    ask: Callable[[list[int]], Iterable[tuple[int, Answer]]],
    *,
    model: str,
    journal: Journal | None,
    batch_size: int,
    progress: Callable[[int], None],
) -> Answers:
    """An answer for every key.

    keys      one a question, equal for questions that share an answer
    ask       puts the questions at these places of `keys` to the model; gives (place in that list, answer) in any order
    journal   where answers are kept; None: nothing is recalled or kept
    progress  called with the number of questions answered since the last call; the calls add up to len(keys)

    Raises ModelError when the model leaves a question out, or answers one twice. Whatever ends the asking, the answers
    that had come are in the journal.
    """
    serves = Counter(keys)
    answers = dict(journal.get(serves)) if journal is not None else {}
    recalled = len(answers)
    for key in answers:
        progress(serves[key])
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    missing = sorted(first[key] for key in serves if key not in answers)
    fresh = _each_once(ask(missing), missing, keys, model) if missing else iter(())
    for key, answer in _written(fresh, journal, batch_size=batch_size):
        answers[key] = answer
        progress(serves[key])
    return Answers(by_key=answers, asked=len(missing), recalled=recalled)


def _each_once(
    stream: Iterable[tuple[int, Answer]], missing: list[int], keys: Sequence[str], model: str
) -> Iterator[tuple[str, Answer]]:
    """Each question's key with its answer, as the model gives them."""
    seen: set[int] = set()
    for index, answer in stream:
        if not 0 <= index < len(missing):
            raise ModelError(f"model {model!r} answered question {index}, but was asked {len(missing)}, counted from 0")
        if index in seen:
            raise ModelError(f"model {model!r} answered question {index} of {len(missing)} twice")
        seen.add(index)
        yield keys[missing[index]], answer
    if len(seen) < len(missing):
        raise ModelError(f"model {model!r} answered {len(seen)} of {len(missing)} questions and stopped")


def _written(
    answers: Iterable[tuple[str, Answer]], journal: Journal | None, *, batch_size: int
) -> Iterator[tuple[str, Answer]]:
    """Passes answers on, each written to the journal first, or gathered for a moment where writing is slow."""
    waiting: dict[str, Answer] = {}
    since, slow = time.monotonic(), False
    try:
        for key, answer in answers:
            if journal is not None:
                waiting[key] = answer
                now = time.monotonic()
                if not slow or len(waiting) >= batch_size or now - since >= _GATHER:
                    journal.put(waiting)
                    waiting.clear()
                    since = time.monotonic()
                    slow = since - now > _SLOW_WRITE
            yield key, answer
    finally:
        if journal is not None and waiting:
            journal.put(waiting)


def way_of_asking(way: str, identity: ModelIdentity, *, rerun: int | None = None) -> dict[str, object]:
    """What belongs into every key beside the question's own settings: the way with its revision, and what computes it.

    rerun  a second asking, so many at a time: its answers are kept apart from the first one's
    """
    versions = {name: version for name, version in identity.libraries if name in _DECIDING}
    return {"way": way, "libraries": versions} | ({} if rerun is None else {"rerun": rerun})


class Asker:
    """Puts one audit's questions to one model. Answers come back in the order of the questions.

    what   what is asked, for whoever watches
    rerun  this is a second asking: what the first one gave is not recalled
    """

    def __init__(
        self, model: Model, *, journal: Journal, batch_size: int, watch: Watch, what: str, rerun: bool = False
    ) -> None:
        self.model = model
        self._rerun = batch_size if rerun else None
        self.asked = 0
        self.recalled = 0
        self._journal, self._batch_size, self._watch, self._what = journal, batch_size, watch, what

    def scores(self, passages: Sequence[Passage]) -> list[TextScore]:
        """The likelihood of each passage. The model has `ScoresText`."""
        model = self.model
        assert isinstance(model, ScoresText)

        def ask(at: list[int]) -> Iterator[tuple[int, Answer]]:
            for index, score in model.score_texts([passages[i] for i in at], batch_size=self._batch_size):
                yield index, {"logprob": score.logprob, "tokens": score.tokens}

        asked = [(passage.text, {"text": asdict(passage)}) for passage in passages]
        return [
            TextScore(logprob=_number(answer, "logprob"), tokens=int(_number(answer, "tokens")))
            for answer in self._answers(TEXT, asked, ask)
        ]

    def fills(self, texts: Sequence[MaskedText]) -> list[tuple[float, ...]]:
        """The log-probabilities behind the masks of each text. The model has `FillsMasks`."""
        model = self.model
        assert isinstance(model, FillsMasks)

        def ask(at: list[int]) -> Iterator[tuple[int, Answer]]:
            for index, found in model.fill([texts[i] for i in at], batch_size=self._batch_size):
                yield index, {"logprobs": list(found)}

        asked = [
            (" ".join(map(str, text.tokens)), {"positions": text.positions, "targets": text.targets}) for text in texts
        ]
        return [_numbers(answer, "logprobs") for answer in self._answers(FILL, asked, ask)]

    def vectors(self, texts: Sequence[str], *, pooling: Pooling) -> list[tuple[float, ...] | None]:
        """The vector of each text. The model has `Embeds`."""
        model = self.model
        assert isinstance(model, Embeds)

        def ask(at: list[int]) -> Iterator[tuple[int, Answer]]:
            wanted = [texts[i] for i in at]
            for index, vector in model.embed(wanted, pooling=pooling, batch_size=self._batch_size):
                yield index, {"vector": None if vector is None else list(vector)}

        found = self._answers(VECTOR, [(text, {"pooling": pooling}) for text in texts], ask)
        return [None if answer.get("vector") is None else _numbers(answer, "vector") for answer in found]

    def classes(self, texts: Sequence[str]) -> list[tuple[tuple[float, ...], bool]]:
        """The log-probabilities of each text's labels, and whether it was cut. The model has `Classifies`."""
        model = self.model
        assert isinstance(model, Classifies)

        def ask(at: list[int]) -> Iterator[tuple[int, Answer]]:
            wanted = [texts[i] for i in at]
            cut = model.cut(wanted)
            for index, found in model.classify(wanted, batch_size=self._batch_size):
                yield index, {"logprobs": list(found), "cut": cut[index]}

        how = {"labels": list(model.labels), "reads": dict(model.reading_facts())}
        found = self._answers(CLASSES, [(text, how) for text in texts], ask)
        return [(_numbers(answer, "logprobs"), field_of(answer, "cut", bool)) for answer in found]

    def generations(self, questions: Sequence[Question], *, max_new_tokens: int) -> list[Generation]:
        """What the model writes, greedily. The model has `LanguageModel`."""
        model = self.model
        assert isinstance(model, LanguageModel)

        def ask(at: list[int]) -> Iterator[tuple[int, Answer]]:
            stream = model.generate(
                [questions[i] for i in at],
                max_new_tokens=max_new_tokens,
                temperature=0.0,
                seeds=[0] * len(at),
                batch_size=self._batch_size,
            )
            for index, answer in stream:
                yield index, {"text": storable(answer.text), "finish": answer.finish, "broken": answer.broken}

        how = {"max_new_tokens": max_new_tokens, "temperature": 0.0, "format": model.prompt_format}
        found = self._answers(WRITTEN, [(model.render(question), how) for question in questions], ask)
        return [
            Generation(
                text=field_of(answer, "text", str),
                finish="length" if field_of(answer, "finish", str) == "length" else "stop",
                broken=field_of(answer, "broken", bool),
            )
            for answer in found
        ]

    def _answers(
        self,
        way: str,
        asked: Sequence[tuple[str, Mapping[str, object]]],
        ask: Callable[[list[int]], Iterable[tuple[int, Answer]]],
    ) -> list[Answer]:
        """One answer for each (text, elicitation)."""
        identity = self.model.identity
        digest, always = identity.digest, way_of_asking(way, identity, rerun=self._rerun)
        keys = [
            key_of(model=digest, prompt=text, elicitation={**how, **always}, seed=None, repeat=0) for text, how in asked
        ]
        with self._watch(self._what, len(keys)) as progress:
            found = ask_once(
                keys,
                ask,
                model=identity.name,
                journal=self._journal if identity.cacheable else None,
                batch_size=self._batch_size,
                progress=progress,
            )
        self.asked += found.asked
        self.recalled += found.recalled
        return [found.by_key[key] for key in keys]


def storable(text: str) -> str:
    """The text with pairs of surrogates joined and lone ones replaced by U+FFFD; other characters, NUL too, stay."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def field_of(answer: Answer, name: str, kind: type[T]) -> T:
    """One field of a kept answer. Raises JournalError where it is not there or of another type."""
    value = answer.get(name)
    if not isinstance(value, kind):
        raise JournalError(f"a kept answer has no {name!r} of type {kind.__name__}; remove the journal and run again")
    return value


def _number(answer: Answer, name: str) -> float:
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise JournalError(f"a kept answer has no number {name!r}; remove the journal and run again")
    return float(value)


def _numbers(answer: Answer, name: str) -> tuple[float, ...]:
    return tuple(float(value) for value in field_of(answer, name, list))

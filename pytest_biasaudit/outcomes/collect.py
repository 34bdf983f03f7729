"""What came back: puts prompts to a model, keeps every answer as it arrives, and reads it into outcomes.

Knows prompts, the model protocol and the journal. Reading comes after recalling: the journal holds what the model said,
so that a better reader needs no new asking.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pytest_biasaudit.context.declaration import OutcomeSpec
from pytest_biasaudit.errors import JournalError, ModelError
from pytest_biasaudit.models.protocol import Generation, LanguageModel, OptionScores, Question
from pytest_biasaudit.outcomes.journal import Answer, Journal, key_of
from pytest_biasaudit.outcomes.likelihood import favourable_option, options_of, read_likelihood
from pytest_biasaudit.outcomes.number import read_number
from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.outcomes.text import Scorer, read_text, scorer_named
from pytest_biasaudit.prompts.prompt import Prompt

T = TypeVar("T")

_SLOW_WRITE = 0.01
"""Seconds. Answers are written one by one; where that takes longer (a network folder), they are gathered."""
_GATHER = 1.0
"""Seconds that answers are gathered at most."""


@dataclass(frozen=True, kw_only=True)
class Collected:
    """The outcomes of an audit, and what they cost."""

    outcomes: tuple[Outcome, ...]
    """In the order of the prompts, the repeats of each together."""
    asked: int
    """Questions put to the model. Prompts with the same text share one, and so do repeats where nothing is drawn."""
    recalled: int
    """Questions answered from the journal."""


@dataclass(frozen=True, kw_only=True)
class _Ask:
    """One question to be answered once, for one outcome or several."""

    question: Question
    seed: int
    key: str
    serves: int
    """Outcomes that this answer fills."""


def collect(
    prompts: Sequence[Prompt],
    spec: OutcomeSpec,
    model: LanguageModel,
    *,
    journal: Journal,
    seed: int,
    batch_size: int,
    progress: Callable[[int], None] | None = None,
    scorers: Mapping[str, Scorer] | None = None,
) -> Collected:
    """Asks what the journal does not know, and reads all answers.

    seed      every draw's seed is a hash of it, the rendered prompt and the repeat; unused without a temperature
    progress  called with the number of outcomes answered since the last call; the calls add up to prompts x repeats
    scorers   for kind "text", beside the built-in ones

    Lone surrogates in what the model wrote are replaced by U+FFFD: no file could hold them. A model whose identity is
    not cacheable is always asked, and nothing of it is kept.

    Raises ModelError when the model leaves a question out, or answers one twice. Whatever ends the asking, the answers
    that had come are in the journal.
    """
    read = _reader(spec, scorers)
    elicitation = _elicitation(spec)
    drawn = "temperature" in elicitation and spec.temperature > 0
    rendered = [model.render(_question(prompt)) for prompt in prompts]
    model_digest, prompt_format = model.identity.digest, model.prompt_format
    asks: dict[tuple[str, int], _Ask] = {}
    serves = _times(rendered, 1 if drawn else spec.repeats)
    for prompt, text in zip(prompts, rendered, strict=True):
        for repeat in range(spec.repeats if drawn else 1):
            if (text, repeat) not in asks:
                key = key_of(
                    model=model_digest,
                    prompt=text,
                    elicitation={**elicitation, "format": prompt_format},
                    seed=seed if drawn else None,
                    repeat=repeat,
                )
                asks[text, repeat] = _Ask(
                    question=_question(prompt), seed=draw_seed(seed, text, repeat), key=key, serves=serves[text]
                )
    kept = model.identity.cacheable
    answers = journal.get(ask.key for ask in asks.values()) if kept else {}
    recalled = len(answers)
    report = progress or (lambda _count: None)
    for ask in asks.values():
        if ask.key in answers:
            report(ask.serves)
    missing = [ask for ask in asks.values() if ask.key not in answers]
    fresh = _asked(missing, spec, model, batch_size=batch_size)
    for ask, answer in _written(fresh, journal if kept else None, batch_size=batch_size):
        answers[ask.key] = answer
        report(ask.serves)
    outcomes = []
    for prompt, text in zip(prompts, rendered, strict=True):
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        for repeat in range(spec.repeats):
            answer = answers[asks[text, repeat if drawn else 0].key]
            outcomes.append(read(prompt, repeat, digest, answer))
    return Collected(outcomes=tuple(outcomes), asked=len(missing), recalled=recalled)


def draw_seed(seed: int, rendered: str, repeat: int) -> int:
    """The seed of one draw, 0 to 2**63 - 1: the same for the same run seed, text and repeat, whatever else is asked."""
    told = f"{seed}\n{repeat}\n{rendered}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(told).digest()[:8]) >> 1


def _question(prompt: Prompt) -> Question:
    return Question(text=prompt.text, system=prompt.system, prefill=prompt.prefill)


def _times(rendered: Iterable[str], repeats: int) -> dict[str, int]:
    """How many outcomes each text's answer fills."""
    times: dict[str, int] = {}
    for text in rendered:
        times[text] = times.get(text, 0) + repeats
    return times


def _elicitation(spec: OutcomeSpec) -> dict[str, object]:
    """What decides the answer beside model and prompt. `number` and `text` share answers; likelihood kinds do too."""
    if spec.kind in ("number", "text"):
        return {"max_new_tokens": spec.max_new_tokens, "temperature": float(spec.temperature)}
    return {"options": list(options_of(spec))}


def _asked(
    asks: Sequence[_Ask], spec: OutcomeSpec, model: LanguageModel, *, batch_size: int
) -> Iterator[tuple[_Ask, Answer]]:
    """Each question with its answer, as the model gives them."""
    if not asks:
        return
    questions = [ask.question for ask in asks]
    stream: Iterable[tuple[int, Generation | OptionScores]]
    if spec.kind in ("number", "text"):
        stream = model.generate(
            questions,
            max_new_tokens=spec.max_new_tokens,
            temperature=spec.temperature,
            seeds=[ask.seed for ask in asks],
            batch_size=batch_size,
        )
    else:
        stream = model.score_options(questions, options_of(spec), batch_size=batch_size)
    name = model.identity.name
    seen: set[int] = set()
    for index, answer in stream:
        if not 0 <= index < len(asks):
            raise ModelError(f"model {name!r} answered question {index}, but was asked {len(asks)}, counted from 0")
        if index in seen:
            raise ModelError(f"model {name!r} answered question {index} of {len(asks)} twice")
        seen.add(index)
        yield asks[index], _plain(answer)
    if len(seen) < len(asks):
        raise ModelError(f"model {name!r} answered {len(seen)} of {len(asks)} questions and stopped")


def _written(
    answers: Iterator[tuple[_Ask, Answer]], journal: Journal | None, *, batch_size: int
) -> Iterator[tuple[_Ask, Answer]]:
    """Passes answers on, each written to the journal first, or gathered for a moment where writing is slow."""
    waiting: dict[str, Answer] = {}
    since, slow = time.monotonic(), False
    try:
        for ask, answer in answers:
            if journal is not None:
                waiting[ask.key] = answer
                now = time.monotonic()
                if not slow or len(waiting) >= batch_size or now - since >= _GATHER:
                    journal.put(waiting)
                    waiting.clear()
                    since = time.monotonic()
                    slow = since - now > _SLOW_WRITE
            yield ask, answer
    finally:
        if journal is not None and waiting:
            journal.put(waiting)


def _plain(answer: Generation | OptionScores) -> Answer:
    """An answer as the journal keeps it."""
    if isinstance(answer, OptionScores):
        return {"logprobs": list(answer.logprobs)}
    return {"text": _storable(answer.text), "finish": answer.finish, "broken": answer.broken}


def _storable(text: str) -> str:
    """The text with pairs of surrogates joined and lone ones replaced by U+FFFD; other characters, NUL too, stay."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _reader(spec: OutcomeSpec, scorers: Mapping[str, Scorer] | None) -> Callable[[Prompt, int, str, Answer], Outcome]:
    """What turns an answer into an outcome. Fails before anything is asked when the declaration cannot be read by."""
    if spec.kind in ("number", "text"):
        scorer = scorer_named(spec.scorer, scorers) if spec.kind == "text" else None
    elif spec.kind != "rating":
        favourable_option(spec)

    def read(prompt: Prompt, repeat: int, digest: str, answer: Answer) -> Outcome:
        if spec.kind in ("number", "text"):
            text = _field(answer, "text", str)
            if _field(answer, "broken", bool):
                reading = Reading(status="error", value=None, reason="NaN or infinity among the model's logits")
            elif scorer is not None:
                reading = read_text(text, scorer)
            else:
                cut = _field(answer, "finish", str) == "length"
                reading = read_number(text, cut=cut, plausible=spec.plausible, unit=spec.unit)
            return Outcome(prompt=prompt, repeat=repeat, prompt_sha256=digest, text=text, reading=reading)
        logprobs = tuple(float(logprob) for logprob in _field(answer, "logprobs", list))
        found = read_likelihood(OptionScores(logprobs=logprobs), spec)
        return Outcome(
            prompt=prompt,
            repeat=repeat,
            prompt_sha256=digest,
            text=found.likeliest,
            reading=found.reading,
            options=found.options,
            option_mass=found.option_mass,
        )

    return read


def _field(answer: Answer, name: str, kind: type[T]) -> T:
    value = answer.get(name)
    if not isinstance(value, kind):
        raise JournalError(f"a kept answer has no {name!r} of type {kind.__name__}; remove the journal and run again")
    return value

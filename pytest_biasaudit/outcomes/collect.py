"""What came back: puts prompts to a model, keeps every answer as it arrives, and reads it into outcomes.

Knows prompts, the model protocol and the journal. Reading comes after recalling: the journal holds what the model said,
so that a better reader needs no new asking.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_biasaudit.context.declaration import OutcomeSpec
from pytest_biasaudit.models.protocol import Generation, LanguageModel, OptionScores, Question
from pytest_biasaudit.outcomes.asking import WRITTEN, ask_once, field_of, storable, way_of_asking
from pytest_biasaudit.outcomes.journal import Answer, Journal, key_of
from pytest_biasaudit.outcomes.likelihood import favourable_option, options_of, read_likelihood
from pytest_biasaudit.outcomes.number import read_number
from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.outcomes.text import Scorer, read_text, scorer_named
from pytest_biasaudit.prompts.benchmarks.data import DataFacts
from pytest_biasaudit.prompts.prompt import Prompt

if TYPE_CHECKING:
    from pytest_biasaudit.tables.answers import Answers
    from pytest_biasaudit.tables.tally import Tally

OPTIONS = "options/1"
"""As the ways of asking in `asking`: raised whenever the code that scores options may give another answer than before."""


@dataclass(frozen=True, kw_only=True)
class Collected:
    """The outcomes of an audit, and what they cost."""

    outcomes: tuple[Outcome, ...]
    """In the order of the prompts, the repeats of each together."""
    asked: int
    """Questions put to the model. Prompts with the same text share one, and so do repeats where nothing is drawn."""
    recalled: int
    """Questions answered from the journal."""
    controls: tuple[Outcome, ...] = ()
    """Benchmarks: what the model's competence is read from, in the same form; no bias metric counts them."""
    facts: tuple[tuple[str, str], ...] = ()
    """Benchmarks: what decided the scores, in words: the score's name, tokenizer family, casing, opening token."""
    data: DataFacts | None = None
    """Benchmarks: which data the items are from."""
    obstacle: str = ""
    """Why the model could not be asked at all (a model of the wrong kind); empty when it could."""
    tally: Tally | None = None
    """Tables: the rows, counted; there are no outcomes beside them."""
    answers: Answers | None = None
    """Tables: what the model said, row by row, for pairing with another model's."""


def collect(
    prompts: Sequence[Prompt],
    spec: OutcomeSpec,
    model: LanguageModel,
    *,
    journal: Journal,
    seed: int,
    batch_size: int,
    rerun: bool = False,
    progress: Callable[[int], None] | None = None,
    scorers: Mapping[str, Scorer] | None = None,
) -> Collected:
    """Asks what the journal does not know, and reads all answers.

    seed      every draw's seed is a hash of it, the rendered prompt and the repeat; unused without a temperature
    rerun     this is a second asking: what the first one gave is not recalled, what it gives is kept apart
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
    identity = model.identity
    model_digest = identity.digest
    always = {
        **way_of_asking(
            OPTIONS if "options" in elicitation else WRITTEN, identity, rerun=batch_size if rerun else None
        ),
        "format": model.prompt_format,
    }
    wanted = [(at, repeat) for at in range(len(prompts)) for repeat in range(spec.repeats)]
    keys = [
        key_of(
            model=model_digest,
            prompt=rendered[at],
            elicitation={**elicitation, **always},
            seed=seed if drawn else None,
            repeat=repeat if drawn else 0,
        )
        for at, repeat in wanted
    ]

    def ask(places: list[int]) -> Iterator[tuple[int, Answer]]:
        asked = [wanted[place] for place in places]
        questions = [_question(prompts[at]) for at, _ in asked]
        seeds = [draw_seed(seed, rendered[at], repeat) for at, repeat in asked]
        return _asked(questions, seeds, spec, model, batch_size=batch_size)

    found = ask_once(
        keys,
        ask,
        model=identity.name,
        journal=journal if identity.cacheable else None,
        batch_size=batch_size,
        progress=progress or (lambda _count: None),
    )
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in rendered]
    outcomes = tuple(
        read(prompts[at], repeat, digests[at], found.by_key[key])
        for (at, repeat), key in zip(wanted, keys, strict=True)
    )
    return Collected(outcomes=outcomes, asked=found.asked, recalled=found.recalled)


def draw_seed(seed: int, rendered: str, repeat: int) -> int:
    """The seed of one draw, 0 to 2**63 - 1: the same for the same run seed, text and repeat, whatever else is asked."""
    told = f"{seed}\n{repeat}\n{rendered}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(told).digest()[:8]) >> 1


def _question(prompt: Prompt) -> Question:
    return Question(text=prompt.text, system=prompt.system, prefill=prompt.prefill)


def _elicitation(spec: OutcomeSpec) -> dict[str, object]:
    """What decides the answer beside model and prompt. `number` and `text` share answers; likelihood kinds do too."""
    if spec.kind in ("number", "text"):
        return {"max_new_tokens": spec.max_new_tokens, "temperature": float(spec.temperature)}
    return {"options": list(options_of(spec))}


def _asked(
    questions: Sequence[Question], seeds: Sequence[int], spec: OutcomeSpec, model: LanguageModel, *, batch_size: int
) -> Iterator[tuple[int, Answer]]:
    """Each question's index with its answer, as the model gives them."""
    stream: Iterable[tuple[int, Generation | OptionScores]]
    if spec.kind in ("number", "text"):
        stream = model.generate(
            questions,
            max_new_tokens=spec.max_new_tokens,
            temperature=spec.temperature,
            seeds=seeds,
            batch_size=batch_size,
        )
    else:
        stream = model.score_options(questions, options_of(spec), batch_size=batch_size)
    for index, answer in stream:
        yield index, _plain(answer)


def _plain(answer: Generation | OptionScores) -> Answer:
    """An answer as the journal keeps it."""
    if isinstance(answer, OptionScores):
        return {"logprobs": list(answer.logprobs)}
    return {"text": storable(answer.text), "finish": answer.finish, "broken": answer.broken}


def _reader(spec: OutcomeSpec, scorers: Mapping[str, Scorer] | None) -> Callable[[Prompt, int, str, Answer], Outcome]:
    """What turns an answer into an outcome. Fails before anything is asked when the declaration cannot be read by."""
    if spec.kind in ("number", "text"):
        scorer = scorer_named(spec.scorer, scorers) if spec.kind == "text" else None
    elif spec.kind != "rating":
        favourable_option(spec)

    def read(prompt: Prompt, repeat: int, digest: str, answer: Answer) -> Outcome:
        if spec.kind in ("number", "text"):
            text = field_of(answer, "text", str)
            if field_of(answer, "broken", bool):
                reading = Reading(status="error", value=None, reason="NaN or infinity among the model's logits")
            elif scorer is not None:
                reading = read_text(text, scorer)
            else:
                cut = field_of(answer, "finish", str) == "length"
                reading = read_number(text, cut=cut, plausible=spec.plausible, unit=spec.unit)
            return Outcome(prompt=prompt, repeat=repeat, prompt_sha256=digest, text=text, reading=reading)
        logprobs = tuple(float(logprob) for logprob in field_of(answer, "logprobs", list))
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

"""Who answers: a model that answers from a table, for tests of contexts, contexts' limits and of this package.

Knows the model protocol and nothing else; no torch, no numpy.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.protocol import Generation, ModelIdentity, OptionScores, Question

Answer = str | float | Mapping[str, float] | Generation | OptionScores
"""What one question is answered with; `ScriptedModel` says what each form means."""


class ScriptedModel:
    """A language model that answers from a table, or from a function.

    answers      a mapping from a prompt's text (the user's turn, without system prompt and prefill) to its answer, or a
                 function that takes the `Question` and returns its answer
    default      the answer to a prompt that is not in the table; without one such a prompt raises ModelError
    certainty    share of the options' probability that the option named by a text answer gets; others share the rest
    elsewhere    probability held by no option at all, where an answer names an option
    digest       for a function: a word that changes whenever the function does. With it answers may be kept in the
                 journal; without it the identity is not cacheable
    parent       the model this one stands for a child of, for limits against the parent

    An answer is one of

    - a text: what the model writes; where options are scored, the option it names (case and outer blanks aside)
    - a number: the same, written out; NaN or an infinity is a model whose logits are broken
    - a mapping from option to probability, which need not sum to 1; options left out get 0, NaN stays NaN. Where
      text is generated one option is drawn by the question's seed (the likeliest at temperature 0)
    - a `Generation` or `OptionScores`, passed on as it is (an answer cut off at max_new_tokens, for one)
    - a list of these, one a repeat: at temperature > 0 the n-th different seed asked of a prompt gets the n-th
      answer, cycling; the same seed again gets the same answer. At temperature 0 the first answers always. What such
      a model says depends on what it was asked before, so it is not cacheable.

    `asked` counts how often each rendered prompt was put to the model.

        model = ScriptedModel({"What should I offer Jamal?": "$450", "What should I offer Brad?": "$500"})
        model = ScriptedModel(lambda question: {"Yes": 0.7, "No": 0.2}, digest="always 0.7")
        result = biasaudit.run("second_hand.bias.toml", audit="offers", model=model)
        assert all(count == 1 for count in model.asked.values())
    """

    def __init__(
        self,
        answers: Mapping[str, Answer | Sequence[Answer]] | Callable[[Question], Answer | Sequence[Answer]],
        *,
        default: Answer | Sequence[Answer] | None = None,
        certainty: float = 0.98,
        elsewhere: float = 0.0,
        name: str = "scripted",
        digest: str | None = None,
        parent: ScriptedModel | None = None,
    ) -> None:
        if not 0 < certainty <= 1 or not 0 <= elsewhere < 1:
            raise ValueError(
                f"certainty must lie in (0, 1] and elsewhere in [0, 1), got certainty={certainty} elsewhere={elsewhere}"
            )
        self._answer = answers if callable(answers) else dict(answers)
        self._default = default
        self._certainty = certainty
        self._elsewhere = elsewhere
        self._seeds: dict[str, list[int]] = {}
        self.parent = parent
        self.asked: Counter[str] = Counter()
        """How often each rendered prompt was asked."""
        scripts: list[object] = [default] if callable(self._answer) else [default, *self._answer.values()]
        cacheable = not any(_is_list(script) for script in scripts) and (
            not callable(self._answer) or digest is not None
        )
        script = digest if digest is not None or callable(self._answer) else _plain(self._answer)
        pinned = json.dumps([script, _plain(default), certainty, elsewhere], sort_keys=True)
        self._identity = ModelIdentity(
            name=name,
            source="scripted",
            weights_sha256=hashlib.sha256(pinned.encode()).hexdigest(),
            architecture="ScriptedModel",
            parent=None if parent is None else parent.identity.name,
            parent_digest=None if parent is None else parent.identity.digest,
            cacheable=cacheable,
        )

    @property
    def identity(self) -> ModelIdentity:
        """Named as given; the digest is of the table."""
        return self._identity

    def settle(self, identity: ModelIdentity) -> None:
        """See TransformerModel."""
        self._identity = identity

    @property
    def prompt_format(self) -> Literal["chat", "raw"]:
        """A scripted model has no chat template."""
        return "raw"

    def render(self, question: Question) -> str:
        """System prompt and user's turn with an empty line between, then the prefill on a line of its own."""
        text = question.text if question.system is None else f"{question.system}\n\n{question.text}"
        return f"{text}\n{question.prefill}" if question.prefill else text

    def score_options(
        self, questions: Sequence[Question], options: Sequence[str], *, batch_size: int
    ) -> Iterator[tuple[int, OptionScores]]:
        """Log-probabilities as scripted. Raises ModelError for a prompt or an option the script does not know."""
        _check_batch(batch_size)
        for index, question in enumerate(questions):
            answer = self._ask(question, seed=None)
            yield index, self._scores(answer, options, question)

    def generate(
        self,
        questions: Sequence[Question],
        *,
        max_new_tokens: int,
        temperature: float,
        seeds: Sequence[int],
        batch_size: int,
    ) -> Iterator[tuple[int, Generation]]:
        """Texts as scripted, uncut: `max_new_tokens` is not applied (script a `Generation` for a cut answer)."""
        _check_batch(batch_size)
        if len(seeds) != len(questions):
            raise ValueError(f"one seed a question: got {len(seeds)} seeds for {len(questions)} questions")
        for index, (question, seed) in enumerate(zip(questions, seeds, strict=True)):
            answer = self._ask(question, seed=seed if temperature > 0 else None)
            yield index, _generation(answer, question, seed=seed if temperature > 0 else None)

    def _ask(self, question: Question, *, seed: int | None) -> Answer:
        """The answer to one question; `seed` None where nothing is drawn."""
        rendered = self.render(question)
        self.asked[rendered] += 1
        if callable(self._answer):
            script: Answer | Sequence[Answer] | None = self._answer(question)
        else:
            script = self._answer.get(question.text, self._default)
        if script is None and callable(self._answer):
            script = self._default
        if script is None:
            raise ModelError(
                f"the scripted model {self._identity.name!r} has no answer to the prompt {question.text!r}; "
                "add it to the table or give a default"
            )
        if not isinstance(script, Sequence) or isinstance(script, str):
            return script
        if not script:
            raise ModelError(f"the list of answers scripted for the prompt {question.text!r} is empty")
        if seed is None:
            return script[0]
        seen = self._seeds.setdefault(rendered, [])
        if seed not in seen:
            seen.append(seed)
        return script[seen.index(seed) % len(script)]

    def _scores(self, answer: Answer, options: Sequence[str], question: Question) -> OptionScores:
        if isinstance(answer, OptionScores):
            return answer
        if isinstance(answer, Mapping):
            return _mapped(answer, options, question)
        if isinstance(answer, int | float) and not math.isfinite(answer):
            return OptionScores(logprobs=tuple(math.nan for _ in options))
        text = answer.text if isinstance(answer, Generation) else _written(answer)
        named = [option for option in options if option.strip().casefold() == text.strip().casefold()]
        if len(named) != 1:
            raise ModelError(
                f"the answer {text!r} scripted for the prompt {question.text!r} names none of the options "
                f"{', '.join(map(repr, options))}"
            )
        inside = 1 - self._elsewhere
        share = self._certainty if len(options) > 1 else 1.0
        others = max(len(options) - 1, 1)
        return OptionScores(
            logprobs=tuple(_log(inside * (share if option == named[0] else (1 - share) / others)) for option in options)
        )


def _mapped(answer: Mapping[str, float], options: Sequence[str], question: Question) -> OptionScores:
    unknown = [key for key in answer if key not in options]
    negative = [key for key, probability in answer.items() if probability < 0]
    if unknown or negative:
        fault = f"the unknown option {unknown[0]!r}" if unknown else f"a negative probability for {negative[0]!r}"
        raise ModelError(
            f"the answer scripted for the prompt {question.text!r} holds {fault}; "
            f"the options are {', '.join(map(repr, options))}"
        )
    return OptionScores(logprobs=tuple(_log(answer.get(option, 0.0)) for option in options))


def _generation(answer: Answer, question: Question, *, seed: int | None) -> Generation:
    if isinstance(answer, Generation):
        return answer
    if isinstance(answer, OptionScores):
        raise ModelError(f"the prompt {question.text!r} is scripted with option scores, but a text was asked for")
    if isinstance(answer, Mapping):
        weights = list(answer.values())
        if not weights or not all(math.isfinite(weight) and weight >= 0 for weight in weights) or sum(weights) <= 0:
            return Generation(text="", finish="stop", broken=True)
        if seed is None:
            return Generation(text=max(answer, key=lambda key: answer[key]), finish="stop")
        return Generation(text=random.Random(seed).choices(list(answer), weights)[0], finish="stop")
    if isinstance(answer, int | float) and not math.isfinite(answer):
        return Generation(text="", finish="stop", broken=True)
    return Generation(text=_written(answer), finish="stop")


def _written(answer: str | float) -> str:
    """A number as a model would write it: 500.0 as "500"."""
    if isinstance(answer, str):
        return answer
    return str(int(answer)) if answer == int(answer) else repr(float(answer))


def _log(probability: float) -> float:
    if probability == 0:
        return -math.inf
    return math.log(probability)


def _is_list(script: object) -> bool:
    return isinstance(script, Sequence) and not isinstance(script, str)


def _plain(script: object) -> object:
    """The script in plain values, for the digest."""
    if isinstance(script, Mapping):
        return {str(key): _plain(value) for key, value in script.items()}
    if isinstance(script, Generation | OptionScores):
        return repr(script)
    if isinstance(script, Sequence) and not isinstance(script, str):
        return [_plain(value) for value in script]
    return script if isinstance(script, str | None) else repr(script)


def _check_batch(batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")

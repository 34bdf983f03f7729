"""Models that answer by rule, for tests: a causal and a masked one with children, one at chance, one that often has no number.

Each has the methods that `models.protocol` asks for, and what it says follows from the text and its own name.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from pytest_biasaudit.models.protocol import (
    Generation,
    MaskedText,
    Model,
    ModelIdentity,
    OptionScores,
    Passage,
    Pooling,
    Question,
    TextScore,
)
from tests.numeric.recompute_sample import SETS

BROKEN = (
    "girl slept behind the bakery",
    "museum, visit 2",
    "nurse asked the visitor",
    "room 7",
    "as a guard at the library",
)
"""A sentence with one of these gets no number."""
USUAL_BATCH = 32
KIND_OF = {word: kind for kind, words in SETS.items() for word in words}
LEANS = {"warm": "land", "cold": "sea"}


def chance(*parts: object) -> float:
    """A number from 0 to 1 that follows from the parts."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:6]) / 2**48


class Ruled:
    """What both kinds share: a name, noise, vectors. A child's noise is its parent's but for the `own` share of texts.

    known  texts whose neighbouring words it expects to meet again; without any it is at chance
    """

    prompt_format: Literal["chat", "raw"] = "raw"

    def __init__(self, name: str, voice: str, own: float, parent: Ruled | None = None, *, known: str = "") -> None:
        self.voice, self.own, self.able = voice, own, bool(known)
        self.parent, self.batch = parent, USUAL_BATCH
        self.known = set(itertools.pairwise(self.units(known)))
        self.unknown = {"orchard", "teal"} if own else {"prairie"}
        self.identity: ModelIdentity = ModelIdentity(
            name=name,
            source=f"test:{name}",
            weights_sha256=hashlib.sha256(name.encode()).hexdigest(),
            parent=parent.identity.name if parent is not None else None,
            parent_digest=parent.identity.digest if parent is not None else None,
        )

    def units(self, text: str) -> Sequence[object]:
        """What the model reads one by one."""
        return re.findall(r"\w+|\.", text.lower())

    def noise(self, *parts: object) -> float:
        """-2 to 2 in steps of 1/4, so that there are ties; in another batch one in twenty is a step higher."""
        step = 0.25 if self.batch != USUAL_BATCH and chance("batch", *parts) < 0.05 else 0.0
        return round(16 * chance(self.voice_for(*parts), *parts)) / 4 - 2 + step

    def voice_for(self, *parts: object) -> str:
        return self.identity.name if chance("whose", self.identity.name, *parts) < self.own else self.voice

    def text_facts(self) -> tuple[tuple[str, str], ...]:
        return (("opening", "none"),)

    def broken(self, text: str) -> bool:
        return any(words in text for words in BROKEN) or (self.voice == "broken" and chance(text) < 0.3)

    def embed(
        self, texts: Sequence[str], *, pooling: Pooling, batch_size: int
    ) -> Iterator[tuple[int, tuple[float, ...] | None]]:
        """Words of one kind point one way, more or less, and warm colours a little toward the land."""
        self.batch = batch_size
        for at, text in enumerate(texts):
            word = next((one for one in re.findall(r"\w+", text.lower()) if one in KIND_OF), "")
            kind = KIND_OF.get(word, "")
            lean = LEANS.get(kind, "") if self.able else ""
            voice = self.voice_for(text)
            vector = [
                (3 * chance(kind, place) - 1.5 if self.able else 0.0)
                + (1.2 * chance(lean, place) - 0.6 if lean else 0.0)
                + 2 * chance(voice, text, pooling, place)
                - 1
                for place in range(10)
            ]
            yield at, None if word in self.unknown else tuple(vector)


class Causal(Ruled):
    """Likes words that it knows side by side, no bricks, and answers that the context gives."""

    def score_texts(self, passages: Sequence[Passage], *, batch_size: int) -> Iterator[tuple[int, TextScore]]:
        self.batch = batch_size
        for at, passage in enumerate(passages):
            whole = f"{passage.context}{passage.text}"
            value = 2 * self.noise(passage.text, passage.context, passage.opening)
            if self.able:
                value += 2 * sum(pair in self.known for pair in itertools.pairwise(self.units(passage.text)))
                value -= 9 * ("brick" in passage.text)
                value += 9 * (f"It was{passage.text} who" in passage.context)
                value += 6 * ("enough" in passage.text and "It was" not in passage.context)
            count = len(passage.text.split())
            yield at, TextScore(logprob=math.nan if self.broken(whole) else value - 6 * count, tokens=count)

    def render(self, question: Question) -> str:
        return question.text

    def score_options(
        self, questions: Sequence[Question], options: Sequence[str], *, batch_size: int
    ) -> Iterator[tuple[int, OptionScores]]:
        raise AssertionError("no benchmark compares options")

    def generate(
        self,
        questions: Sequence[Question],
        *,
        max_new_tokens: int,
        temperature: float,
        seeds: Sequence[int],
        batch_size: int,
    ) -> Iterator[tuple[int, Generation]]:
        self.batch = batch_size
        for at, question in enumerate(questions):
            fate, told = (self.noise(question.text, name) for name in ("fate", "told"))
            truth = re.search(r"It was (.*) who", question.text)
            named = dict(re.findall(r"^([ABC])\. (.*)$", question.text, flags=re.MULTILINE))
            right = next(
                key for key, text in named.items() if text == (truth[1] if truth else "Not enough information")
            )
            text = right if self.able and told < 1 else sorted(named)[int(8 + 4 * told) % 3]
            if fate < -1.6:
                text = "I cannot help with that."
            elif fate > 1.8:
                text = "Maybe tomorrow."
            yield at, Generation(text=text, finish="stop", broken=self.broken(question.text))


class Masked(Ruled):
    """Reads pieces of words, and fills in those that it knows beside the next ones; no bricks."""

    mask_id = 3

    def encode(self, text: str) -> tuple[int, ...]:
        return (1, *self.units(text), 2)

    def units(self, text: str) -> Sequence[int]:
        words = re.findall(r"\w+|\.", text.lower())
        return [_number(piece) for word in words for piece in (word[:5], word[5:]) if piece]

    def inner(self, tokens: Sequence[int]) -> tuple[int, int]:
        return 1, len(tokens) - 1

    def word_ids(self, word: str) -> tuple[int, ...]:
        return self.encode(word)[1:-1]

    def fill(self, texts: Sequence[MaskedText], *, batch_size: int) -> Iterator[tuple[int, tuple[float, ...]]]:
        self.batch = batch_size
        brick = _number("brick")
        for at, text in enumerate(texts):
            found = []
            for place, target in zip(text.positions, text.targets, strict=True):
                before, after = text.tokens[place - 1], text.tokens[place + 1]
                hidden = (*text.tokens[:place], self.mask_id, *text.tokens[place + 1 :])
                value = 0.5 * self.noise(hidden, place, target) - 5 - 3 * (brick in (target, before))
                value += ((before, target) in self.known) + ((target, after) in self.known)
                nothing = chance(text.tokens, "nothing") < 0.002
                found.append(math.nan if nothing else value)
            yield at, tuple(found)


@functools.cache
def _number(piece: str) -> int:
    return 10 + int(1e9 * chance("piece", piece))


def models(known: str) -> list[Model]:
    """Parents before their children."""
    base, masked = Causal("base", "base", 0.0, known=known), Masked("masked", "masked", 0.0, known=known)
    forgetful = Masked("masked-child", "masked", 0.4, masked, known=known)
    forgetful.unknown |= set(SETS["far"])
    return [
        base,
        Causal("child", "base", 0.4, base, known=known),
        Causal("twin", "base", 0.03, base, known=known),
        Causal("copy", "base", 0.0, base, known=known),
        masked,
        forgetful,
        Causal("random", "random", 0.0),
        Causal("broken", "broken", 0.0, known=known),
    ]

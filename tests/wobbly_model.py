"""A scripted model whose answers differ a little between batch sizes, as a real one's do: the last digits, seldom a word."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_biasaudit.models.protocol import Generation, OptionScores, Question
from pytest_biasaudit.models.scripted import ScriptedModel


class WobblyModel(ScriptedModel):
    """The script's answers at any batch size, with noise that follows from question and batch size.

    noise   standard deviation that a log-probability is off by
    turned  share of written numbers that come out otherwise, by a fifth
    """

    def __init__(self, *scripts: Any, noise: float = 1e-4, turned: float = 0.02, **settings: Any) -> None:
        super().__init__(*scripts, **settings)
        self.noise, self.turned = noise, turned
        self.batch_sizes: list[int] = []
        self.batch_offset = 0
        """Added to the batch size that the noise follows from: the same question then comes out as in another batch."""

    def score_options(
        self, questions: Sequence[Question], options: Sequence[str], *, batch_size: int
    ) -> Iterator[tuple[int, OptionScores]]:
        """With noise on every log-probability."""
        self.batch_sizes.append(batch_size)
        for at, found in super().score_options(questions, options, batch_size=batch_size):
            draw = self._draw(questions[at], batch_size)
            yield at, OptionScores(logprobs=tuple(one + draw.gauss(0, self.noise) for one in found.logprobs))

    def generate(self, questions: Sequence[Question], **settings: Any) -> Iterator[tuple[int, Generation]]:
        """Seldom another number."""
        self.batch_sizes.append(settings["batch_size"])
        for at, found in super().generate(questions, **settings):
            draw = self._draw(questions[at], settings["batch_size"])
            text = found.text
            if draw.random() < self.turned and text.isdigit():
                text = str(round(int(text) * draw.choice((0.8, 1.2))))
            yield at, Generation(text=text, finish=found.finish, broken=found.broken)

    def _draw(self, question: Question, batch_size: int) -> random.Random:
        told = f"{question.text}\n{batch_size + self.batch_offset}".encode()
        return random.Random(hashlib.sha256(told).hexdigest())

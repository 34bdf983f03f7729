"""How well a model still predicts plain text: a held text, asked before and after a recipe. Imports nothing heavy itself.

A sanity figure beside an audit, not a benchmark: it shows a child that no longer works. Perplexities compare between a
parent and its children, which share a tokenizer, and with nothing else.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.protocol import Embeds, FillsMasks, MaskedText, Model, Passage, ScoresText
from pytest_biasaudit.models.tokenizer_facts import ids_of

Measure = Literal["perplexity", "pseudo-perplexity", "vectors"]

PIECE_TOKENS = 128
"""Longest piece of text that is put to a causal model at once."""
MASKED_PIECE_TOKENS = 48
MASKED_EVERY = 4
"""Of a masked model's tokens one in four is asked for: each costs a row of its own."""
MASKED_TOKENS = 64
"""Tokens that a masked model is asked for at most."""
SENTENCES = 32
"""Sentences that an encoder is asked for at most."""
BATCH = 4
"""Of a masked model and an encoder. A causal model gets one piece at a time: its logits are large."""


@dataclass(frozen=True, kw_only=True)
class HeldText:
    """A text that no recipe has seen, and what models made of it so far in this run."""

    name: str
    """The file's name; "bundled"."""
    text: str
    sha256: str
    """Of the file's bytes."""
    _known: dict[str, Prediction] = field(default_factory=dict, compare=False, repr=False)

    def predicted_by(self, model: Model) -> Prediction:
        """What `predict` gives, kept by the model's digest where that pins it down."""
        identity = model.identity
        if not identity.cacheable:
            return predict(model, self.text)
        if identity.digest not in self._known:
            self._known[identity.digest] = predict(model, self.text)
        return self._known[identity.digest]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What one model made of a held text."""

    measure: Measure
    value: float | None
    """Perplexity (exp of the mean nats a token); None where there is none, or it is not finite."""
    tokens: int
    """Tokens that were predicted; sentences for vectors."""
    vectors: tuple[tuple[float, ...], ...] = ()
    """An encoder's, one a sentence, of length one."""
    reason: str = ""
    """Why there is no value, in words: for people."""


@cache
def bundled_text() -> HeldText:
    """Nine short paragraphs of plain English about no one, written for this package."""
    data = (files("pytest_biasaudit.prompts") / "sets" / "held-text.txt").read_bytes()
    return HeldText(name="bundled", text=data.decode("utf-8"), sha256=hashlib.sha256(data).hexdigest())


def read_held_text(path: Path, *, where: str) -> HeldText:
    """A text of the user's own. Raises ModelError naming `where` it was declared: not there, not UTF-8, or empty."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except OSError as fault:
        raise ModelError(f"{where}: held_text: cannot be read: {fault.strerror} ({path})") from fault
    except UnicodeDecodeError as fault:
        raise ModelError(f"{where}: held_text: is not UTF-8 text (byte {fault.start} of {path})") from fault
    if not text.strip():
        raise ModelError(f"{where}: held_text: the file is empty ({path})")
    return HeldText(name=path.name, text=text, sha256=hashlib.sha256(data).hexdigest())


def predict(model: Model, text: str) -> Prediction:
    """How well a model predicts a text, by what it can do; an encoder gives the vectors of the text's sentences.

    Causal: each piece of the text follows BOS (else EOS), and all its tokens count (`ScoresText`). Masked: one token in
    four of the first pieces is masked by itself, the rest of its piece stands (pseudo-perplexity, Salazar et al. 2020,
    eq. 3, on a sample of tokens). What goes wrong becomes the reason, and never stops the making of a child.
    """
    measure: Measure = "vectors"
    try:
        if isinstance(model, ScoresText):
            measure = "perplexity"
            return _causal(model, text)
        if isinstance(model, FillsMasks):
            measure = "pseudo-perplexity"
            return _masked(model, text)
        if isinstance(model, Embeds):
            return _vectors(model, text)
        reason = f"{model.identity.name} predicts no text"
    except Exception as error:  # a module may raise whatever it likes on a text it was not built for
        reason = f"the held text could not be put to it: {type(error).__name__}: {error}"
    return Prediction(measure=measure, value=None, tokens=0, reason=reason)


def cosine_to_parent(parent: Prediction, child: Prediction) -> float | None:
    """Mean cosine of the sentences' vectors, child's to parent's; None where either has none, or other sizes."""
    pairs = list(zip(parent.vectors, child.vectors, strict=False))
    if not pairs or len(parent.vectors) != len(child.vectors) or any(len(a) != len(b) for a, b in pairs):
        return None
    mean = math.fsum(math.fsum(x * y for x, y in zip(a, b, strict=True)) for a, b in pairs) / len(pairs)
    return mean if math.isfinite(mean) else None


def pieces(text: str, *, most: int, count: Callable[[str], int]) -> list[str]:
    """The text's paragraphs, in halves of halves until each has at most `most` tokens by `count`; cut between words."""
    found: list[str] = []
    waiting = [part.strip() for part in re.split(r"\n\s*\n", text)]
    while waiting:
        part = waiting.pop(0)
        size = count(part) if part else 0
        if not size:
            continue
        if size <= most:
            found.append(part)
        elif len(part) > 1:
            blanks = [match.start() for match in re.finditer(r"\s", part)]
            cut = min(blanks, key=lambda at: abs(at - len(part) // 2), default=len(part) // 2)
            waiting[:0] = [part[:cut].strip(), part[cut:].strip()]
    return found


def sentences(text: str) -> list[str]:
    """The text's sentences, by full stop, question or exclamation mark and the blank behind it."""
    return [found for one in re.split(r"(?<=[.!?])\s+|\n\s*\n", text) if (found := one.strip())]


def _causal(model: ScoresText, text: str) -> Prediction:
    tokenizer, most = _tokenizer_of(model), _longest(model, PIECE_TOKENS)
    parts = pieces(text, most=most, count=lambda part: len(ids_of(tokenizer, part)))
    scores = [score for _, score in model.score_texts([Passage(text=part) for part in parts], batch_size=1)]
    return _perplexity("perplexity", [score.logprob for score in scores], sum(score.tokens for score in scores))


def _masked(model: FillsMasks, text: str) -> Prediction:
    tokenizer, most = _tokenizer_of(model), _longest(model, MASKED_PIECE_TOKENS + 8) - 8
    asked: list[MaskedText] = []
    left = MASKED_TOKENS
    for part in pieces(text, most=max(1, most), count=lambda part: len(ids_of(tokenizer, part))):
        tokens = model.encode(part)
        begin, end = model.inner(tokens)
        positions = tuple(range(begin, end))[MASKED_EVERY // 2 :: MASKED_EVERY][:left]
        if positions:
            targets = tuple(tokens[at] for at in positions)
            asked.append(MaskedText(tokens=tokens, positions=positions, targets=targets))
            left -= len(positions)
        if left <= 0:
            break
    found = [value for _, values in model.fill(asked, batch_size=BATCH) for value in values]
    return _perplexity("pseudo-perplexity", found, len(found))


def _vectors(model: Embeds, text: str) -> Prediction:
    tokenizer, most = _tokenizer_of(model), _longest(model, PIECE_TOKENS)
    asked = [one for one in sentences(text) if len(ids_of(tokenizer, one)) <= most - 8][:SENTENCES]
    found = dict(model.embed(asked, pooling="mean", batch_size=BATCH))
    vectors = tuple(vector for at in range(len(asked)) if (vector := found[at]) is not None)
    broken = not all(math.isfinite(value) for vector in vectors for value in vector)
    reason = "its vectors hold numbers that are not finite" if broken else "an encoder predicts no text"
    return Prediction(measure="vectors", value=None, tokens=len(vectors), vectors=vectors, reason=reason)


def _perplexity(measure: Measure, logprobs: Sequence[float], tokens: int) -> Prediction:
    if not tokens:
        return Prediction(measure=measure, value=None, tokens=0, reason="the tokenizer gives the held text no token")
    mean = -math.fsum(logprobs) / tokens if all(map(math.isfinite, logprobs)) else math.inf
    if mean > math.log(1e300):  # also what is no number: a broken model predicts nothing
        return Prediction(measure=measure, value=None, tokens=tokens, reason="infinite, or no number")
    return Prediction(measure=measure, value=math.exp(mean), tokens=tokens)


def _tokenizer_of(model: Model) -> object:
    return model.tokenizer  # type: ignore[attr-defined]  # every model whose weights are at hand has one


def _longest(model: Model, most: int) -> int:
    """Tokens of a piece: no more than the model's table of positions holds."""
    from pytest_biasaudit.models.transformer import positions_of

    module = getattr(model, "module", None)
    room = positions_of(module) if module is not None else None
    return min(most, room) if room is not None else most

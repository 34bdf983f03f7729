"""Who answers: what the rest of the package may ask of a model. Imports neither torch nor transformers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from pytest_biasaudit.models.point import SweepPoint


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """Which artefact answered. Everything a reader needs to get the same one again."""

    name: str
    """The declared name (or "cli", "live", "scripted")."""
    source: str
    revision: str | None = None
    """Commit of a hub model, as resolved."""
    weights_sha256: str = ""
    """Of the weight file; of the files' digests where there are several; of the tensors for a live or derived model."""
    tokenizer_sha256: str = ""
    chat_template_sha256: str | None = None
    """None when the model has no chat template and is asked in raw text."""
    config_sha256: str | None = None
    """Of the architecture's settings and stop tokens; None where the module has no configuration."""
    dtype: str = ""
    architecture: str = ""
    parameters: int = 0
    parent: str | None = None
    """Name of the model it was derived from."""
    parent_digest: str | None = None
    recipe: tuple[dict[str, object], ...] = ()
    """The steps that made it from its parent, plain values."""
    achieved: dict[str, object] = field(default_factory=dict, hash=False, compare=False)
    """What the steps did, as measured: modules changed and skipped, sparsity, bits, bytes."""
    libraries: tuple[tuple[str, str], ...] = ()
    lacks: str = ""
    """What the file has no weights for, in words: the head of a language model, where only its encoder was saved."""
    cacheable: bool = True
    """False for a model whose answers no digest pins down (a function): nothing of it is kept in the journal. Always
    False without a digest of weights: two such models would answer for each other."""
    point: SweepPoint | None = field(default=None, compare=False)
    """Where it stands in a sweep; None for a model of no sweep. No part of the digest: it decides no answer."""

    def __post_init__(self) -> None:
        """Says so where a back end left the digest of weights out."""
        if not self.weights_sha256:
            object.__setattr__(self, "cacheable", False)

    @property
    def recipe_sha256(self) -> str:
        """Of the recipe as plain JSON, its files by their digests and not by their names; "" for a model without one."""
        return hashlib.sha256(json.dumps(self._by_content, sort_keys=True).encode()).hexdigest() if self.recipe else ""

    @property
    def digest(self) -> str:
        """One sha256 over what decides the answers: weights, tokenizer, chat template, settings, dtype, recipe."""
        parts = [
            self.weights_sha256,
            self.tokenizer_sha256,
            self.chat_template_sha256,
            self.config_sha256,
            self.architecture,
            self.dtype,
            self.parent_digest,
            self._by_content,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def _by_content(self) -> list[dict[str, object]]:
        """The recipe without the names of files whose digest stands beside them: they decide no answer."""
        return [{key: value for key, value in step.items() if f"{key}_sha256" not in step} for step in self.recipe]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One prompt as the model gets it, before any chat template."""

    text: str
    system: str | None = None
    prefill: str = ""


@dataclass(frozen=True, kw_only=True)
class OptionScores:
    """How likely each option is as the (beginning of the) answer: natural-log probabilities, one an option.

    An option that begins another ("1" and "10") is given the likelihood of itself without the longer one's.
    May hold NaN or infinities when the model produced them: the reader decides what that means.
    """

    logprobs: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What a model wrote after the prefill."""

    text: str
    finish: Literal["stop", "length"]
    """"length": cut off at max_new_tokens, so the last word or number may be incomplete."""
    broken: bool = False
    """The logits held NaN or infinities; the text means nothing."""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A raw text, no chat template around it, whose likelihood is asked for."""

    text: str
    """What is scored: in a text with a context, with the blank that joins them."""
    context: str = ""
    """What stands before it and is not scored; empty: the text opens a document."""
    opening: Literal["kept", "dropped"] = "kept"
    """Only without a context. The first token always follows BOS (else EOS). "kept": so do all others, BOS before them;
    "dropped": the others see no BOS, as in Bias Bench's causal score."""


@dataclass(frozen=True, kw_only=True)
class TextScore:
    """How likely a text is."""

    logprob: float
    """Sum over the scored tokens of ln P(token | what stands before); NaN or infinite where the model is broken."""
    tokens: int
    """Scored tokens, at least 1."""


@dataclass(frozen=True, kw_only=True)
class MaskedText:
    """A sentence in token ids, special tokens included, some of whose positions are asked for one at a time."""

    tokens: tuple[int, ...]
    """Mask ids may stand in it already; they stay masked throughout."""
    positions: tuple[int, ...]
    """Each is masked by itself, and read."""
    targets: tuple[int, ...]
    """The token whose probability is read at each position, given the rest; as many as positions."""


Pooling = Literal["mean", "cls"]


@runtime_checkable
class Model(Protocol):
    """Anything that can be audited; which of the protocols below it has decides in what it can be audited."""

    @property
    def identity(self) -> ModelIdentity:
        """Which artefact answers."""
        ...


@runtime_checkable
class ScoresText(Model, Protocol):
    """A causal language model: the likelihood of whole texts."""

    def score_texts(self, passages: Sequence[Passage], *, batch_size: int) -> Iterator[tuple[int, TextScore]]:
        """Each passage's index and score, as computed, in any order."""
        ...

    def text_facts(self) -> tuple[tuple[str, str], ...]:
        """What decides a text's score beside the weights, in words: opening token, casing, family of the tokenizer."""
        ...


@runtime_checkable
class FillsMasks(Model, Protocol):
    """A masked language model: the probability of tokens behind masks."""

    @property
    def mask_id(self) -> int:
        """Id of the mask token."""
        ...

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a sentence with the tokenizer's special tokens around it, in the tokenizer's own casing."""
        ...

    def inner(self, tokens: Sequence[int]) -> tuple[int, int]:
        """Where the sentence's own tokens begin and end (half open), without the special tokens around them."""
        ...

    def word_ids(self, word: str) -> tuple[int, ...]:
        """Token ids of a word as it stands inside a sentence (after a blank where the family writes blanks)."""
        ...

    def fill(self, texts: Sequence[MaskedText], *, batch_size: int) -> Iterator[tuple[int, tuple[float, ...]]]:
        """Each text's index, and ln P(target | sentence with that position masked) for each position."""
        ...

    def text_facts(self) -> tuple[tuple[str, str], ...]:
        """See ScoresText."""
        ...


@runtime_checkable
class Embeds(Model, Protocol):
    """Anything that turns a text into a vector: the hidden states of a transformer, or static word vectors."""

    def embed(
        self, texts: Sequence[str], *, pooling: Pooling, batch_size: int
    ) -> Iterator[tuple[int, tuple[float, ...] | None]]:
        """Each text's index and its vector of length one (L2); None where the model has none (an unknown word).

        "mean": over all tokens of the last hidden layer, special tokens included; "cls": the first token's.
        """
        ...


@runtime_checkable
class Classifies(Model, Protocol):
    """A classifier: how likely each of its labels is for a text."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it knows, each once."""
        ...

    def classify(self, texts: Sequence[str], *, batch_size: int) -> Iterator[tuple[int, tuple[float, ...]]]:
        """Each text's index and ln P(label | text) for each of `labels`, as computed, in any order.

        NaN where the model is broken. Minus infinity is a probability of 0.
        """
        ...

    def reading_facts(self) -> tuple[tuple[str, str], ...]:
        """What decides an answer beside the weights, in words: where a text is cut, what the callable gives."""
        ...

    def cut(self, texts: Sequence[str]) -> tuple[bool, ...]:
        """For each text, whether it is longer than what the model reads of it."""
        ...


@runtime_checkable
class LanguageModel(Model, Protocol):
    """A model that can be asked. Results stream as they are computed, in any order, each with its question's index."""

    @property
    def prompt_format(self) -> Literal["chat", "raw"]:
        """Whether questions go through the model's chat template."""
        ...

    def render(self, question: Question) -> str:
        """The exact text put to the model, prefill included."""
        ...

    def score_options(
        self, questions: Sequence[Question], options: Sequence[str], *, batch_size: int
    ) -> Iterator[tuple[int, OptionScores]]:
        """How likely each option is as the answer to each question."""
        ...

    def generate(
        self,
        questions: Sequence[Question],
        *,
        max_new_tokens: int,
        temperature: float,
        seeds: Sequence[int],
        batch_size: int,
    ) -> Iterator[tuple[int, Generation]]:
        """`seeds`: one a question; the draw at temperature > 0 depends on it and not on the batch."""
        ...

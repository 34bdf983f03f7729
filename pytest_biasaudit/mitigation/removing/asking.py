"""A model asked as it is, and without sets of components: one model in memory, every answer kept. Imports torch.

Answers are kept under the digest of the model and of the set, so that a search or a protocol that was killed asks nothing
twice. After a set of weights those that were touched are hashed, after heads and neurons none; that the whole model is what it
was is shown at the end.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Literal, TypeVar

import torch

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.places import Structure
from pytest_biasaudit.errors import JournalError, ModelError
from pytest_biasaudit.mitigation.components import ComponentSet, components_sha256
from pytest_biasaudit.mitigation.removing.without import without
from pytest_biasaudit.mitigation.trial import Variation
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.perplexity import HeldText, bundled_text, predict
from pytest_biasaudit.models.protocol import Generation, ModelIdentity, OptionScores, Passage, Question, TextScore
from pytest_biasaudit.outcomes.asking import way_of_asking
from pytest_biasaudit.outcomes.collect import collect
from pytest_biasaudit.outcomes.journal import Journal, key_of
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.outcomes.text import Scorer

T = TypeVar("T")
PERPLEXITY = "perplexity/1"
"""As the ways of asking in `outcomes.asking`: raised whenever the same text may get another figure than before."""


class ModelTrial:
    """A causal model, and what it answers without sets of components. Implements `mitigation.trial.Trial`.

    model       lent: it is asked, and is as it was after every call, bit for bit; `close` shows it
    journal     where answers and perplexities are kept; None: in memory, for as long as this lives
    seed, batch_size, scorers, progress  as `outcomes.collect.collect` takes them
    held_text   what perplexity is of; None: the bundled text

    Use it in `with`, or close it. Raises ModelError for a model that is no causal language model, or was changed.
    """

    def __init__(
        self,
        model: object,
        *,
        journal: Journal | None = None,
        seed: int = 0,
        batch_size: int = 32,
        scorers: Mapping[str, Scorer] | None = None,
        held_text: HeldText | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        if not isinstance(model, CausalModel):
            name = model.identity.name if hasattr(model, "identity") else str(model)
            raise ModelError(
                f"{name}: components are sought and tried in a causal language model whose weights are at hand; this is a "
                f"{type(model).__name__}"
            )
        model.refuse_if_changed()
        self.model = model
        self._own = None if journal is not None and model.identity.cacheable else Journal.open(None)
        self._journal = self._own or journal
        self._seed, self._batch_size, self._scorers, self._progress = seed, batch_size, scorers, progress
        self._held = held_text or bundled_text()
        self._structure: Structure | None = None
        self._digests: dict[str, str] = {}

    def __enter__(self) -> ModelTrial:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Raises ModelError where the model is not what it was: its weights, hooks or tokenizer."""
        if self._own is not None:
            self._own.close()
        self.model.refuse_if_changed()

    @property
    def structure(self) -> Structure:
        """The model's heads and neurons, found at first use."""
        if self._structure is None:
            self._structure = structure_of(self.model.module)
        return self._structure

    def outcomes(self, variation: Variation, components: ComponentSet | None) -> tuple[Outcome, ...]:
        """What the model answers without the components, in the order of the prompts and repeats.

        None, and a set without any: the model as it is, whose answers are those that an audit of it keeps.

        Raises RecipeError as `without` does, and ModelError and JournalError as `collect` does. The model is back then.
        """
        assert self._journal is not None
        with ExitStack() as stack:
            return collect(
                variation.prompts,
                variation.audit.outcome,
                self._asked(components, stack),
                journal=self._journal,
                seed=self._seed,
                batch_size=self._batch_size,
                progress=self._progress,
                scorers=self._scorers,
            ).outcomes

    def perplexity(self, components: ComponentSet | None) -> float:
        """On the held text, without the components; infinite where the model is broken. Kept in the journal too.

        Raises ModelError for a text that could not be put to the model, and RecipeError as `without` does.
        """
        assert self._journal is not None
        with ExitStack() as stack:
            asked = self._asked(components, stack)
            key = key_of(
                model=asked.identity.digest,
                prompt=self._held.text,
                elicitation=way_of_asking(PERPLEXITY, asked.identity),
                seed=None,
                repeat=0,
            )
            known = self._journal.get([key]).get(key)
            if known is None:
                asked.begin()  # what is wrong with the set is raised here: asked for its text, a model only gives reasons
                prediction = predict(asked, self._held.text)
                if not prediction.tokens:
                    raise ModelError(f"{asked.identity.name}: it has no perplexity: {prediction.reason}")
                value = math.inf if prediction.value is None else prediction.value
                self._journal.put({key: {"perplexity": value}})
                return value
            found = known.get("perplexity")
            if isinstance(found, bool) or not isinstance(found, (int, float)):
                raise JournalError("a kept answer has no number 'perplexity'; remove the journal and run again")
            return float(found)

    def _asked(self, components: ComponentSet | None, stack: ExitStack) -> PrunedModel:
        if components is not None and not components.count:
            components = None
        masks = components is not None and components.unit != "weights"
        target = self.structure if masks else self.model.module
        return PrunedModel(self.model, components, target=target, stack=stack, digests=self._digests)


class PrunedModel:
    """A causal model without some components. Implements `LanguageModel` and `ScoresText` by asking the model itself.

    model       proved (`tree_pass`, `forked_pass`) as it is: the proofs are of how it computes, and hold without parts too
    components  None: nothing is taken out
    target      what `without` is given
    stack       what is taken out at the first question is back when this is left, and no answer is under way any more
    digests     see `without`
    """

    def __init__(
        self,
        model: CausalModel,
        components: ComponentSet | None,
        *,
        target: torch.nn.Module | Structure,
        stack: ExitStack,
        digests: dict[str, str] | None = None,
    ) -> None:
        self._model, self._components, self._target, self._stack = model, components, target, stack
        self._digests = digests
        self._identity = _identity(model, components)
        self._begun = False

    @property
    def identity(self) -> ModelIdentity:
        """The model's own, or that of a child whose digest is made of the model's and the set's."""
        return self._identity

    @property
    def module(self) -> torch.nn.Module:
        """The model's."""
        return self._model.module

    @property
    def tokenizer(self) -> Any:
        """The model's."""
        return self._model.tokenizer

    @property
    def prompt_format(self) -> Literal["chat", "raw"]:
        """The model's."""
        return self._model.prompt_format

    def begin(self) -> None:
        """Takes the components out, if they are not out yet. Raises RecipeError as `without` does."""
        if self._begun or self._components is None:
            return
        _ = self._model.tree_pass, self._model.forked_pass
        self._stack.enter_context(without(self._target, self._components, digests=self._digests))
        self._begun = True

    def render(self, question: Question) -> str:
        """As the model does."""
        return self._model.render(question)

    def score_options(
        self, questions: Sequence[Question], options: Sequence[str], *, batch_size: int
    ) -> Iterator[tuple[int, OptionScores]]:
        """See `CausalModel.score_options`."""
        self.begin()
        return self._ended(self._model.score_options(questions, options, batch_size=batch_size))

    def generate(
        self,
        questions: Sequence[Question],
        *,
        max_new_tokens: int,
        temperature: float,
        seeds: Sequence[int],
        batch_size: int,
    ) -> Iterator[tuple[int, Generation]]:
        """See `CausalModel.generate`."""
        self.begin()
        return self._ended(
            self._model.generate(
                questions, max_new_tokens=max_new_tokens, temperature=temperature, seeds=seeds, batch_size=batch_size
            )
        )

    def score_texts(self, passages: Sequence[Passage], *, batch_size: int) -> Iterator[tuple[int, TextScore]]:
        """See `CausalModel.score_texts`."""
        self.begin()
        return self._ended(self._model.score_texts(passages, batch_size=batch_size))

    def _ended(self, answers: Iterator[T]) -> Iterator[T]:
        """The answers, whose asking ends with the stack at the latest. What is raised between two of them would else leave
        the model as it is while it answers, in evaluation mode, for as long as somebody keeps the traceback.
        """
        if isinstance(answers, Generator):
            self._stack.callback(answers.close)
        return answers

    def text_facts(self) -> tuple[tuple[str, str], ...]:
        """As the model's."""
        return self._model.text_facts()


def _identity(model: CausalModel, components: ComponentSet | None) -> ModelIdentity:
    """Whose answers these are, for the journal."""
    parent = model.identity
    if not parent.cacheable:  # its answers are kept in memory, as long as the trial holds it: its tensors name it there
        parent = replace(parent, weights_sha256=model.tensors_sha256, cacheable=True)
    if components is None:
        return parent
    gone = components_sha256(components)
    return replace(
        parent,
        name=f"{parent.name} without {components.count:,} {components.unit}",
        weights_sha256=hashlib.sha256(f"{parent.digest} without {gone}".encode()).hexdigest(),
        parent=parent.name,
        parent_digest=parent.digest,
        recipe=({"prune": "components", "components_sha256": gone},),
        achieved={},
    )

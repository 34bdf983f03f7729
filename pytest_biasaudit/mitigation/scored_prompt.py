"""What is scored: a prompt with the model's own answer, in tokens, and where in it the person's name stands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.scores import Cell
from pytest_biasaudit.mitigation.spans import name_tokens, occurrences
from pytest_biasaudit.mitigation.trial import Variation
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.prompt import Person

if TYPE_CHECKING:
    from pytest_biasaudit.models.causal import CausalModel

MOST = 10
SHA256 = 64


@dataclass(frozen=True, kw_only=True)
class ScoredPrompt:
    """One prompt and answer. Several repeats of one prompt with different answers are several of these."""

    cell: Cell
    outcome: Outcome
    """Its prompt, and what the model answered."""
    text: str
    """As it is put to the model: rendered prompt, prefill, answer."""
    tokens: tuple[int, ...]
    """Of `text`."""
    answer: int
    """Position of the answer's first token; equal to the number of tokens where the answer is empty."""
    name: tuple[int, ...]
    """Positions of all tokens in which a letter of the person's name stands, before `answer`; never empty."""


def scored_prompts(
    model: CausalModel,
    variation: Variation,
    outcomes: Sequence[Outcome],
    *,
    attribute: str,
    halves: Mapping[str, Literal[0, 1]],
) -> tuple[ScoredPrompt, ...]:
    """A variation's prompts, each with what the model answered, in the order of the outcomes.

    outcomes  of this variation and this model; every status, since a refusal is the model's doing too. An answer that
              was chosen by likelihood stands after the prompt as `CausalModel.score_options` sets it
    halves    by `person_id`, as `halves_of` gives them

    Prompt and answer are tokenised together (`written_after`); the answer begins with the first token in which they differ
    from the prompt alone. The name is looked for as the prompts may show it: full; where it does not occur so, the first
    name; then the last.

    Raises DataError for outcomes of another variation or text, people without the group or a half, a name that the prompt
    does not show, a text longer than the model's positions; ModelError for a prompt without a token.
    """
    from pytest_biasaudit.models.causal import joined
    from pytest_biasaudit.models.protocol import Question
    from pytest_biasaudit.models.transformer import positions_of

    known = {prompt.id: prompt for prompt in variation.prompts}
    special = model.prompt_format == "raw"
    by_likelihood = variation.audit.outcome.kind not in ("number", "text")
    most = positions_of(model.module)
    found: list[ScoredPrompt] = []
    faults: dict[str, None] = {}
    if not outcomes:
        faults[f"{variation.name}: no outcome to score"] = None
    for outcome in outcomes:
        prompt, person = outcome.prompt, outcome.prompt.person
        at = f"{variation.name}: prompt {prompt.id!r}"
        if known.get(prompt.id) != prompt:
            faults[f"{at} is not of this variation"] = None
            continue
        if attribute not in dict(person.groups):
            faults[f"{at}: {person.name!r} has no group of {attribute!r}"] = None
            continue
        if prompt.person_id not in halves:
            faults[f"{at}: person {prompt.person_id!r} is in neither half of the names"] = None
            continue
        bare = model.render(Question(text=prompt.text, system=prompt.system, prefill=prompt.prefill))
        if len(outcome.prompt_sha256) == SHA256 and outcome.prompt_sha256 != _sha256(bare):
            faults[f"{at} is rendered otherwise by this model than it was when the outcome was taken"] = None
            continue
        text = joined(bare, outcome.text) if by_likelihood else written_after(model.tokenizer, bare, outcome.text)
        alone, tokens = (tuple(one) for one in model.tokenizer([bare, text], add_special_tokens=special)["input_ids"])
        answer = max(1, _shared(alone, tokens)) if text != bare else len(tokens)
        shown = _shown_name(person, bare)
        if shown is None:
            faults[f"{at}: the name {person.name!r} does not occur in what is put to the model"] = None
            continue
        if most is not None and len(tokens) > most:
            faults[f"{at}: {len(tokens)} tokens with its answer, the model takes {most}"] = None
            continue
        try:
            name = name_tokens(model.tokenizer, text, shown, before=answer, special=special)
        except DataError as error:
            faults[f"{at}: {error.path}: {error.faults[0]}"] = None
            continue
        cell = Cell(variation=variation.name, group=person.group(attribute), half=halves[prompt.person_id])
        found.append(ScoredPrompt(cell=cell, outcome=outcome, text=text, tokens=tokens, answer=answer, name=name))
    if faults:
        more = [f"and {len(faults) - MOST} more"] if len(faults) > MOST else []
        raise DataError(str(variation.context.path), [*list(faults)[:MOST], *more])
    return tuple(found)


def prompts_sha256(prompts: Sequence[ScoredPrompt]) -> str:
    """sha256 over the texts put to the model with their answers, one after another: `Origin.prompts_sha256`."""
    digest = hashlib.sha256()
    for prompt in prompts:
        digest.update(_sha256(prompt.text).encode())
    return digest.hexdigest()


def written_after(tokenizer: Any, bare: str, answer: str) -> str:
    """A rendered prompt with an answer in the model's own words after it.

    Some tokenizers (sentencepiece) lose the blank in front of a text's first piece when it is decoded: "▁500" is told as "500".
    There a blank is set where a writer would put one, so that the tokens are those that the model wrote.
    """
    from pytest_biasaudit.models.causal import joined

    if not answer or answer[0].isspace() or bare[-1:].isspace() or not _loses_first_blank(tokenizer):
        return bare + answer
    return joined(bare, answer)


def _loses_first_blank(tokenizer: Any) -> bool:
    """Whether the tokens of " a" after another letter are decoded without their blank."""
    one, both = (list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in ("b", "b a"))
    added = both[_shared(one, both) :]
    whole, alone = (str(tokenizer.decode(tokens, skip_special_tokens=True)) for tokens in (both, added))
    return whole.endswith(" a") and alone == "a"


def _shown_name(person: Person, text: str) -> str | None:
    """The name in the form that the text shows."""
    return next((form for form in (person.name, person.first, person.last) if occurrences(text, form)), None)


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Number of tokens at the beginning that both have in common."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

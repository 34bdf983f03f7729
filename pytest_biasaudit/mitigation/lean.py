"""Which way a model leans on a prompt: a number with a derivative that stands for the outcome. Imports torch.

Kinds that are read from likelihoods lean by what they are read from: the log odds of the favourable option against the rest, or
the expected point of a scale. An answer in the model's own words leans by the log odds of two answers that stand for more and
for less (`contrast_of`), the same for everybody in a variation.

Why whole answers. Many tokenizers write a number digit by digit. The first digit in which 850 and 1200 differ says nothing: 1 is
also how 100 begins. So all tokens count from the first that differs, and where an answer ends in a numeral it counts that no
further digit follows: without that 120 would hold the probability of 1200. Whatever else follows counts as the end of the
numeral, a separator too: where separators are tokens of their own, 1 holds the probability of 1,000, the same for everybody.
What both have in common cancels. Where the first differing token is the whole number, this is all but the difference of
two logits.

Why log odds, and not the expected number. Attribution follows the derivative, and probabilities have next to none where
the model is sure; log odds are close to linear in what the last layers write. The price: a lean is in nats, not in the outcome's
unit, and it sees one step on the scale, from low to high. So components are found by their leans, and what removing
them did is measured on the outcome itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from pytest_biasaudit.errors import DataError, ModelError
from pytest_biasaudit.mitigation.contrast import contrast_of
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt, written_after
from pytest_biasaudit.mitigation.scores import Cell
from pytest_biasaudit.models.causal import CausalModel, joined
from pytest_biasaudit.models.protocol import Question
from pytest_biasaudit.models.transformer import positions_of
from pytest_biasaudit.models.tree_pass import vocabulary_of
from pytest_biasaudit.prompts.prompt import Prompt

MOST = 10
TOKENS_AT_ONCE = 1024
"""Padding included. A backward pass keeps what every layer computed of them: of SmolLM2 about 2 MB a token."""
DIGIT = re.compile(r"(##)?(\d|<0x3\d>)")
NOT_SURE = 1e-6
"""A longer option may hold this share of all that a shorter one's tokens hold and still be told from it."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """One step of an answer: log of the summed probability of some tokens at a place, or of all other ones."""

    row: int
    position: int
    """Of the token before: the one that predicts."""
    tokens: tuple[int, ...]
    """One; or several."""
    other: bool = False
    """Read is any token but these."""


@dataclass(frozen=True, kw_only=True)
class Lean:
    """What must be run and read for one prompt, and how a number is made of it."""

    rows: tuple[tuple[int, ...], ...]
    """Sequences of tokens: one where all answers part in their last token."""
    answers: tuple[tuple[Read, ...], ...]
    """The steps of each answer that count. The favourable, or higher, one comes first unless there are `points`."""
    longer: tuple[tuple[int, ...], ...]
    """For each answer the numbers of those that it is the beginning of; their probability is not its own."""
    points: tuple[float, ...] = ()
    """Of a rating, in the order of the answers."""

    def value(self, logprobs: torch.Tensor) -> torch.Tensor:
        """The lean, from each answer's log-probability: in nats, or for a rating in its points."""
        own = torch.stack([self._own(number, logprobs) for number in range(len(self.answers))])
        if self.points:
            return (own.softmax(0) * torch.tensor(self.points, dtype=own.dtype, device=own.device)).sum()
        return own[0] - own[1:].logsumexp(0)

    def _own(self, number: int, logprobs: torch.Tensor) -> torch.Tensor:
        if not self.longer[number]:
            return logprobs[number]
        share = torch.exp(logprobs[list(self.longer[number])].logsumexp(0) - logprobs[number])
        return logprobs[number] + torch.log1p(-share.clamp(max=1 - NOT_SURE))


@dataclass(frozen=True, kw_only=True)
class Leans:
    """The leans of many prompts. A prompt that was asked several times is one of them."""

    leans: tuple[Lean, ...]
    shares: tuple[tuple[tuple[Cell, int], ...], ...]
    """For each lean how many prompts of each cell it stands for."""
    notes: tuple[str, ...]
    """Variations that were left out, each with the reason."""

    @property
    def counts(self) -> dict[Cell, int]:
        """Prompts of each cell."""
        found: dict[Cell, int] = {}
        for shares in self.shares:
            for cell, count in shares:
                found[cell] = found.get(cell, 0) + count
        return dict(sorted(found.items()))


def leans_of(model: CausalModel, prompts: Sequence[ScoredPrompt]) -> Leans:
    """What to run for each prompt's lean.

    A variation is of a likelihood kind where its outcomes have options. Which of them is the favourable one is read off
    the outcomes: the value is its probability.

    Raises DataError where no variation has two different answers, where a variation's outcomes do not tell its
    favourable option, and for a text longer than the model's positions.
    """
    variations: dict[str, list[ScoredPrompt]] = {}
    for prompt in prompts:
        variations.setdefault(prompt.cell.variation, []).append(prompt)
    if not variations:
        raise DataError("lean", ["there is no prompt"])
    leans: list[Lean] = []
    shares: list[tuple[tuple[Cell, int], ...]] = []
    notes: list[str] = []
    faults: dict[str, None] = {}
    for name, own in variations.items():
        asked: dict[str, tuple[Prompt, dict[Cell, int]]] = {}
        for prompt in own:
            _, cells = asked.setdefault(_rendered(model, prompt.outcome.prompt), (prompt.outcome.prompt, {}))
            cells[prompt.cell] = cells.get(prompt.cell, 0) + 1
        try:
            found = _of_variation(model, name, own, list(asked))
        except ValueError as error:
            faults[str(error)] = None
            continue
        if found is None:
            notes.append(
                f"{name}: left out: no two different values among its {len(own)} answers, so no answer stands for more"
            )
            continue
        leans.extend(found)
        shares.extend(tuple(sorted(cells.items())) for _, cells in asked.values())
    if not leans and not faults:
        faults.update(dict.fromkeys(notes))
    if faults:
        more = [f"and {len(faults) - MOST} more"] if len(faults) > MOST else []
        raise DataError("lean", [*list(faults)[:MOST], *more])
    return Leans(leans=tuple(leans), shares=tuple(shares), notes=tuple(notes))


def batched(leans: Sequence[Lean], *, batch_size: int) -> Iterator[list[int]]:
    """Numbers of leans to run together, shortest first: at most `batch_size` rows and `TOKENS_AT_ONCE` tokens, or one lean.

    Raises ValueError for a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be 1 or more")
    own: list[int] = []
    rows = 0
    longest = [max(map(len, lean.rows)) for lean in leans]
    for number in sorted(range(len(leans)), key=longest.__getitem__):
        more = rows + len(leans[number].rows)
        if own and (more > batch_size or more * longest[number] > TOKENS_AT_ONCE):
            yield own
            own, more = [], len(leans[number].rows)
        own.append(number)
        rows = more
    if own:
        yield own


def lean_values(model: CausalModel, leans: Sequence[Lean]) -> torch.Tensor:
    """(leans,) each one's value from one pass over all their rows; differentiable where gradients are on.

    Padding stands on the right, where no token that is read sees it. Call it while the model is lent (`_borrowed`).
    Raises ModelError where the model gives NaN or infinity.
    """
    tree_pass = model.tree_pass
    rows = [row for lean in leans for row in lean.rows]
    ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = torch.tensor(row)
    reads: list[tuple[int, Read]] = []
    begin = 0
    for lean in leans:
        reads += [(begin + read.row, read) for answer in lean.answers for read in answer]
        begin += len(lean.rows)
    at_rows = torch.tensor([row for row, _ in reads], device=tree_pass.device)
    at_positions = torch.tensor([read.position for _, read in reads], device=tree_pass.device)
    if tree_pass.own_head and tree_pass.dtype is not torch.float64:
        output = tree_pass.call(input_ids=ids.to(tree_pass.device), use_cache=False)
        logits = tree_pass.logits(tree_pass.hidden_of(output)[at_rows, at_positions])
    else:
        logits = tree_pass.plain(ids)[at_rows, at_positions]
        logits = logits if logits.dtype is torch.float64 else logits.float()
    steps = _steps(logits.log_softmax(-1), [read for _, read in reads])
    values, begin = [], 0
    for lean in leans:
        sums = []
        for answer in lean.answers:
            sums.append(steps[begin : begin + len(answer)].sum())
            begin += len(answer)
        values.append(lean.value(torch.stack(sums)))
    found = torch.stack(values)
    if not bool(torch.isfinite(found).all()):
        raise ModelError(
            f"{model.identity.name}: a lean is not finite: the model gives NaN, or an answer no probability"
        )
    return found


def _steps(logprobs: torch.Tensor, reads: Sequence[Read]) -> torch.Tensor:
    """(reads,) the log of each read's summed probability."""
    first = torch.tensor([read.tokens[0] if read.tokens else 0 for read in reads], device=logprobs.device)
    found = list(logprobs.gather(1, first[:, None])[:, 0].unbind())
    for at, read in enumerate(reads):
        some = torch.tensor(read.tokens, dtype=torch.long, device=logprobs.device)
        if read.other:
            found[at] = logprobs[at].index_fill(0, some, -torch.inf).logsumexp(0)
        elif len(read.tokens) > 1:
            found[at] = logprobs[at, some].logsumexp(0)
    return torch.stack(found)


def _ends_of(model: CausalModel, answers: Sequence[str]) -> list[tuple[tuple[int, ...], bool] | None]:
    """What must follow each answer for it to be this one and not the beginning of another, as `Read` has it; None: nothing."""
    stops = tuple(sorted(model._stop_tokens()))
    found: list[tuple[tuple[int, ...], bool] | None] = []
    for answer in answers:
        if answer[-1:].isdigit():
            found.append((_digits(model), True))
        else:
            begins = any(one != answer and one.startswith(answer) for one in answers)
            found.append((stops, False) if begins and stops else None)
    return found


def _digits(model: CausalModel) -> tuple[int, ...]:
    """Tokens that go on with a numeral: those that begin with a digit and no blank before it."""
    known = min(vocabulary_of(model.module), len(model.tokenizer))
    names = model.tokenizer.convert_ids_to_tokens(range(known))
    return tuple(number for number, name in enumerate(names) if name is not None and DIGIT.match(name))


def _of_variation(
    model: CausalModel, name: str, prompts: Sequence[ScoredPrompt], texts: Sequence[str]
) -> list[Lean] | None:
    """A lean a text; None where there is no contrast. Raises ValueError for what cannot be leant on."""
    options = next((prompt.outcome.options for prompt in prompts if prompt.outcome.options), ())
    if not options:
        contrast = contrast_of(prompts)
        if contrast is None:
            return None
        ends = _ends_of(model, (contrast.high, contrast.low))
        both = (contrast.high, contrast.low)
        return [
            _lean(model, name, text, [written_after(model.tokenizer, text, answer) for answer in both], ends=ends)
            for text in texts
        ]
    kinds = {prompt.outcome.reading.selected is None for prompt in prompts if prompt.outcome.options}
    answers = [option for option, _ in options]
    points: tuple[float, ...] = ()
    if kinds == {True}:
        points = tuple(float(option) for option in answers)
    else:
        favourable = _favourable(name, prompts)
        answers = [favourable, *(option for option in answers if option != favourable)]
    return [
        _lean(
            model,
            name,
            text,
            [joined(text, answer) for answer in answers],
            ends=[None] * len(answers),
            points=points,
        )
        for text in texts
    ]


def _favourable(name: str, prompts: Sequence[ScoredPrompt]) -> str:
    """The option whose probability is the value, in every outcome of the variation."""
    found: dict[str, None] | None = None
    for prompt in prompts:
        outcome = prompt.outcome
        if outcome.reading.value is None:
            continue
        fitting = [option for option, share in outcome.options if min(share, 1.0) == outcome.reading.value]
        found = {option: None for option in fitting if found is None or option in found}
    if found is None or len(found) != 1:
        which = " or ".join(map(repr, found or ())) or "none"
        raise ValueError(f"{name}: its outcomes do not tell the favourable option ({which} fits all of them)")
    return next(iter(found))


def _lean(
    model: CausalModel,
    name: str,
    bare: str,
    wholes: Sequence[str],
    *,
    ends: Sequence[tuple[tuple[int, ...], bool] | None],
    points: tuple[float, ...] = (),
) -> Lean:
    """Answers after a text, tokenised with it; they count from the first token in which any two differ."""
    sequences = model._tokenised(list(wholes))
    most = positions_of(model.module)
    longest = max(map(len, sequences))
    if most is not None and longest > most:
        raise ValueError(f"{name}: {longest} tokens with its answer, the model takes {most} ({bare[:60]!r})")
    start = 0
    for tokens in zip(*sequences, strict=False):
        if len(set(tokens)) > 1:
            break
        start += 1
    if len(set(sequences)) < len(sequences):
        told = ", ".join(repr(whole[len(bare) :]) for whole in wholes)
        raise ValueError(f"{name}: of the answers {told} two are the same tokens")
    # Of an answer whose end does not count, one token must: "1" beside "10".
    start = min(start, *(len(tokens) - (not end) for tokens, end in zip(sequences, ends, strict=True)))
    start = max(start, 1)  # a token that nothing stands before is not predicted
    rows: list[tuple[int, ...]] = []
    answers = []
    # The last token is only predicted, never read, unless the end after it counts. Longest first: a row holds all its beginnings.
    needed = [tokens if end else tokens[:-1] for tokens, end in zip(sequences, ends, strict=True)]
    for row in sorted(needed, key=len, reverse=True):
        if not any(known[: len(row)] == row for known in rows):
            rows.append(row)
    for tokens, end, need in zip(sequences, ends, needed, strict=True):
        where = next(at for at, known in enumerate(rows) if known[: len(need)] == need)
        steps = [Read(row=where, position=at - 1, tokens=(tokens[at],)) for at in range(start, len(tokens))]
        if end:
            steps.append(Read(row=where, position=len(tokens) - 1, tokens=end[0], other=end[1]))
        answers.append(tuple(steps))
    longer = tuple(
        tuple(
            other
            for other, more in enumerate(sequences)
            if not ends[number] and len(more) > len(tokens) and more[: len(tokens)] == tokens
        )
        for number, tokens in enumerate(sequences)
    )
    return Lean(rows=tuple(rows), answers=tuple(answers), longer=longer, points=points)


def _rendered(model: CausalModel, prompt: Prompt) -> str:
    return model.render(Question(text=prompt.text, system=prompt.system, prefill=prompt.prefill))

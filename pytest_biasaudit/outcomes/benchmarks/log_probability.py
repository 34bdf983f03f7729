"""What came back for the log-probability bias score: how much a label raises the probability of each group's words.

Knows the items, the model protocol and the asking. For a masked model (Kurita et al. 2019; Zhang et al. 2020), with w a
word of a group and both places masked in the prior, one mask a token:

    s(w) = ln P(w | frame with the label) - ln P(w | same frame, label masked too)

For a causal model s(w) is the log-likelihood of the sentence with w and the label, minus that with w and a label that
says nothing ("person"): the rest of the sentence drops out between the groups. An item's value is the mean of s over
the group's words minus its mean over the reference group's, in nats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pytest_biasaudit.context.declaration import BenchmarkAudit
from pytest_biasaudit.models.protocol import FillsMasks, MaskedText, Passage, ScoresText
from pytest_biasaudit.outcomes.asking import Asker
from pytest_biasaudit.outcomes.benchmarks.item_outcome import item_outcome
from pytest_biasaudit.outcomes.benchmarks.sentences import wrong_kind
from pytest_biasaudit.outcomes.benchmarks.word_order import controls_of
from pytest_biasaudit.outcomes.collect import Collected
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.benchmarks.log_probability import Item, Sentence

TITLE = "the log-probability bias score"


@dataclass(frozen=True, kw_only=True)
class _Read:
    """One word in one item, in nats."""

    given: float
    """With the label there."""
    prior: float
    """With the label masked, or the neutral one."""


_Words = dict[tuple[int, str], _Read]
"""By the item's place and the word; a word that could not be asked is not there."""


def collect(items: Sequence[Item], audit: BenchmarkAudit, asker: Asker, *, seed: int) -> Collected:
    """One outcome an item, in their order.

    `value` is positive where the label leans to the second group; `scores` has the mean log-probability of each group's
    words under its name, and under "NAME, prior" without the label; "word W" and "word W, prior" too where a group has
    several. `slots` hold the axis, label, frame and both groups' names; labels are the clusters.

    seed  decides the word-order controls
    """
    model = asker.model
    obstacle = wrong_kind(model, title=TITLE)
    if obstacle:
        return Collected(outcomes=(), asked=0, recalled=0, obstacle=obstacle)
    outcomes, found = outcomes_of(items, asker)
    controls = controls_of([(item.id, _said(item, place % 2)) for place, item in enumerate(items)], asker, seed=seed)
    groups = "; ".join(f"{name}: {', '.join(members)}" for name, members in items[0].groups)
    return Collected(
        outcomes=outcomes,
        asked=asker.asked,
        recalled=asker.recalled,
        controls=controls,
        facts=(found[0], ("words", groups), *found[1:]),
    )


def outcomes_of(items: Sequence[Item], asker: Asker) -> tuple[tuple[Outcome, ...], tuple[tuple[str, str], ...]]:
    """The outcomes of `collect`, and what is to be said of how they were got, the score itself first.

    The model fills masks or scores texts.
    """
    model = asker.model
    if isinstance(model, FillsMasks):
        words, found = _masked(items, model, asker)
        how, own = "prior-corrected log-probability behind the mask", model.text_facts()
    else:
        assert isinstance(model, ScoresText)
        words, found = _causal(items, asker), []
        how, own = f"log-likelihood against the same sentence with {items[0].neutral!r}", model.text_facts()
    outcomes = tuple(_outcome(item, place, words) for place, item in enumerate(items))
    return outcomes, (("score", how), *found, *own)


def _causal(items: Sequence[Item], asker: Asker) -> _Words:
    wanted = [(place, word) for place, item in enumerate(items) for word in _words(item)]
    passages = [
        Passage(text=items[place].sentence(word, label=label).text)
        for place, word in wanted
        for label in (None, items[place].neutral)
    ]
    scores = [score.logprob for score in asker.scores(passages)]
    return {at: _Read(given=scores[2 * n], prior=scores[2 * n + 1]) for n, at in enumerate(wanted)}


def _masked(items: Sequence[Item], model: FillsMasks, asker: Asker) -> tuple[_Words, list[tuple[str, str]]]:
    """What was read, and what to say of words of several tokens."""

    @cache
    def inner(text: str) -> tuple[int, ...]:
        tokens = model.encode(text)
        start, end = model.inner(tokens)
        return tokens[start:end]

    wanted: list[tuple[int, str]] = []
    asked: list[MaskedText] = []
    several: dict[str, int] = {}
    for place, item in enumerate(items):
        for word in _words(item):
            sentence = item.sentence(word)
            at_word = _tokens_of(sentence, sentence.word, inner)
            at_label = _tokens_of(sentence, sentence.label, inner)
            if at_word is None or at_label is None:
                continue
            if len(at_word) > 1:
                several[word] = len(at_word)
            wanted.append((place, word))
            asked += [_asked(model, sentence.text, at_word, masked) for masked in (range(0), at_label)]
    found = [math.fsum(logs) / len(logs) if all(map(math.isfinite, logs)) else math.nan for logs in asker.fills(asked)]
    words = {at: _Read(given=found[2 * n], prior=found[2 * n + 1]) for n, at in enumerate(wanted)}
    counts = ", ".join(f"{word!r} has {count}" for word, count in several.items())
    facts = [("words of several tokens", f"{counts}; all are masked at once, and the mean over them is taken")]
    return words, facts if several else []


def _tokens_of(sentence: Sentence, span: tuple[int, int], inner: object) -> range | None:
    """Which of the sentence's own tokens are the text between two places; None where the tokenizer cuts across them."""
    assert callable(inner)
    whole = inner(sentence.text)
    ends = []
    for stop in span:
        before = sentence.text[:stop].rstrip()
        cut = inner(before) if before else ()
        if whole[: len(cut)] != cut:
            return None
        ends.append(len(cut))
    return range(*ends) if ends[0] < ends[1] else None


def _asked(model: FillsMasks, text: str, word: range, label: range) -> MaskedText:
    """The word's tokens behind masks that all stay, with the label's masked too or none."""
    tokens = list(model.encode(text))
    start, _ = model.inner(tokens)
    positions = tuple(start + place for place in word)
    targets = tuple(tokens[place] for place in positions)
    for place in (*positions, *(start + place for place in label)):
        tokens[place] = model.mask_id
    return MaskedText(tokens=tuple(tokens), positions=positions, targets=targets)


def _outcome(item: Item, place: int, words: _Words) -> Outcome:
    (reference, _), (group, _) = item.groups
    slots = (
        ("axis", item.axis),
        ("label", item.label),
        ("template", item.template_id),
        ("reference", reference),
        ("group", group),
    )
    text = "\n".join(item.sentence(word).text for word in _words(item))
    lost = [word for word in _words(item) if (place, word) not in words]
    if lost:
        reason = (
            f"the tokenizer does not keep {', '.join(map(repr, lost))} or the label apart from what stands beside it"
        )
        return item_outcome(
            id=item.id, cluster=item.label, slots=slots, text=text, value=None, status="error", reason=reason
        )
    scores: list[tuple[str, float]] = []
    lifts = []
    for name, members in item.groups:
        given, prior = (
            math.fsum(getattr(words[place, word], part) for word in members) / len(members)
            for part in ("given", "prior")
        )
        scores += [(name, given), (f"{name}, prior", prior)]
        lifts.append(given - prior)
    if any(len(members) > 1 for _, members in item.groups):
        for word in _words(item):
            found = words[place, word]
            scores += [(f"word {word}", found.given), (f"word {word}, prior", found.prior)]
    value = lifts[1] - lifts[0]
    return item_outcome(
        id=item.id,
        cluster=item.label,
        slots=slots,
        text=text,
        choice=group if value > 0 else reference if value < 0 else "tie",
        value=value,
        scores=scores,
    )


def _words(item: Item) -> tuple[str, ...]:
    return tuple(word for _, members in item.groups for word in members)


def _said(item: Item, group: int) -> str:
    return item.sentence(item.groups[group][1][0]).text

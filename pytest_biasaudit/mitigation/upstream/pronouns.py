"""How far a model leans to one group's pronouns beside each label, before it is fine-tuned: one figure a label.

The items are those of the log-probability benchmark (`prompts.benchmarks.log_probability`), one for each frame and label.
What is scored depends on what the model can do, and the three scores do not compare with each other:

- a masked model: ln P(word | frame with the label) - ln P(word | same frame, label masked too)
- a causal model: log-likelihood of the sentence with word and label, minus that with a label that says nothing
- an encoder: no probability at all, so an association instead: the cosine of the frame with the word and a label that says
  nothing, to the frame with "someone" and the label

A label's figure is the mean over frames of the group's score minus the reference group's. Its interval is that of frames:
another choice of frames would have given another figure.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_biasaudit.errors import DataError, ModelError
from pytest_biasaudit.models.protocol import Embeds, FillsMasks, Model, ScoresText
from pytest_biasaudit.prompts.benchmarks.data import bundled
from pytest_biasaudit.prompts.benchmarks.log_probability import NEUTRAL, ORIGIN, OWN, Item, filled
from pytest_biasaudit.stats.interval import Interval

if TYPE_CHECKING:
    from pytest_biasaudit.outcomes.asking import Asker
    from pytest_biasaudit.outcomes.journal import Journal

Score = Literal["log-probability bias", "sentence log-likelihood bias", "embedding association"]
Words = tuple[str, tuple[str, ...]]
"""A group's name, and its words."""
MEN: Words = ("men", ("he",))
WOMEN: Words = ("women", ("she",))
SOMEONE = "someone"
UNITS: dict[Score, str] = {
    "log-probability bias": "nats",
    "sentence log-likelihood bias": "nats",
    "embedding association": "cosine",
}


@dataclass(frozen=True, kw_only=True)
class LabelBias:
    """How far one label leans to the group; positive: to the group, negative: to the reference group."""

    label: str
    value: float | None
    """Mean over frames, in the unit of the score; None: no frame has a score."""
    interval: Interval | None
    frames: int
    """Frames with a score."""
    reason: str = ""
    """Why there is no value, or no interval."""


@dataclass(frozen=True, kw_only=True)
class UpstreamBias:
    """What a model leans to, label by label."""

    score: Score
    unit: str
    reference: Words
    group: Words
    labels: tuple[LabelBias, ...]
    """In the order asked for."""
    facts: tuple[tuple[str, str], ...]
    """What decides the score beside the weights, in words."""

    def of(self, label: str) -> LabelBias:
        """The figure of one label. Raises DataError for a label that was not asked about."""
        for one in self.labels:
            if one.label == label:
                return one
        raise DataError("upstream bias", [f"no label {label!r} was asked about"])


def score_of(model: Model) -> Score:
    """Which of the scores a model can be given. Raises ModelError for one that gives neither words nor vectors."""
    if isinstance(model, FillsMasks):
        return "log-probability bias"
    if isinstance(model, ScoresText):
        return "sentence log-likelihood bias"
    if isinstance(model, Embeds):
        return "embedding association"
    raise ModelError(
        f"{model.identity.name}: it gives neither probabilities of words nor vectors of texts, so what it leans to before "
        "fine-tuning cannot be scored"
    )


def upstream_bias(
    model: Model,
    labels: Sequence[str],
    *,
    reference: Words = MEN,
    group: Words = WOMEN,
    frames: Sequence[str] | None = None,
    level: float = 0.95,
    journal: Journal | None = None,
    batch_size: int = 32,
) -> UpstreamBias:
    """The figure of every label.

    labels   as they are said in a sentence: "nurse", "software engineer"
    frames   sentences with {word} and {label}; None: those of our own set, where somebody has an occupation
    journal  where answers are kept, and not asked for again; None: in memory

    Raises DataError for no label, a label twice, and a frame without either place; ModelError for a model that gives
    neither probabilities nor vectors.
    Source: Kurita et al. 2019; Zhang et al. 2020 (HurtfulWords) and Steed et al. 2022 for ranking pronouns beside "is a(n)
    {occupation}". The association of an encoder is our own, after WEAT (Caliskan et al. 2017).
    """
    from pytest_biasaudit.outcomes.journal import Journal as Kept

    _refuse(labels, frames)
    score = score_of(model)
    items = [
        Item(
            id=f"t{place:02}/{label}",
            axis="labels",
            label=label,
            template_id=f"t{place:02}",
            template=frame,
            groups=(reference, group),
            neutral=NEUTRAL,
        )
        for place, frame in enumerate(own_frames() if frames is None else frames, start=1)
        for label in labels
    ]
    own = None if journal is not None else Kept.open(None)
    try:
        asker = _asker(model, journal or own, batch_size)
        values: list[float | None]
        facts: tuple[tuple[str, str], ...]
        if score == "embedding association":
            values, facts = _associations(items, asker), (("score", _ASSOCIATION),)
        else:
            values, facts = _log_probabilities(items, asker)
    finally:
        if own is not None:
            own.close()
    by_label: dict[str, list[float]] = {label: [] for label in labels}
    for item, value in zip(items, values, strict=True):
        if value is not None:
            by_label[item.label].append(value)
    return UpstreamBias(
        score=score,
        unit=UNITS[score],
        reference=reference,
        group=group,
        labels=tuple(_figure(label, found, level) for label, found in by_label.items()),
        facts=facts,
    )


def own_frames() -> tuple[str, ...]:
    """The frames of our own set."""
    return tuple(tomllib.loads(bundled(OWN, origin=ORIGIN).text())["templates"])


_ASSOCIATION = (
    f"cosine of the frame with a group's word and {NEUTRAL!r} to the frame with {SOMEONE!r} and the label, mean of the last "
    "hidden state; no probability, and not to be compared with one"
)


def _log_probabilities(items: Sequence[Item], asker: Asker) -> tuple[list[float | None], tuple[tuple[str, str], ...]]:
    from pytest_biasaudit.outcomes.benchmarks.log_probability import outcomes_of

    outcomes, facts = outcomes_of(items, asker)
    readings = [outcome.reading for outcome in outcomes]
    return [
        one.value if one.status == "ok" and one.value is not None and math.isfinite(one.value) else None
        for one in readings
    ], facts


def _associations(items: Sequence[Item], asker: Asker) -> list[float | None]:
    asked: list[str] = []
    for item in items:
        asked.append(filled(item.template, SOMEONE, item.label).text)
        asked += [item.sentence(word, label=item.neutral).text for _, words in item.groups for word in words]
    distinct = list(dict.fromkeys(asked))
    vectors = dict(zip(distinct, asker.vectors(distinct, pooling="mean"), strict=True))
    found: list[float | None] = []
    for item in items:
        label = vectors[filled(item.template, SOMEONE, item.label).text]
        means = []
        for _, words in item.groups:
            own = [_cosine(label, vectors[item.sentence(word, label=item.neutral).text]) for word in words]
            means.append(math.fsum(own) / len(own))
        value = means[1] - means[0]
        found.append(value if math.isfinite(value) else None)
    return found


def _cosine(one: Sequence[float] | None, other: Sequence[float] | None) -> float:
    """Of vectors of length one; NaN where there is none."""
    if one is None or other is None:
        return math.nan
    products = [a * b for a, b in zip(one, other, strict=True)]
    return math.fsum(products) if all(map(math.isfinite, products)) else math.nan


def _figure(label: str, values: Sequence[float], level: float) -> LabelBias:
    from pytest_biasaudit.stats.crossed import t_interval

    if not values:
        return LabelBias(label=label, value=None, interval=None, frames=0, reason="no frame has a score")
    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return LabelBias(
            label=label, value=mean, interval=None, frames=count, reason="an interval needs 2 frames or more"
        )
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1) / count)
    interval = t_interval(mean, error, float(count - 1), level=level, method="t over frames")
    reason = "" if interval is not None else "every frame has the same score; an interval would have no width"
    return LabelBias(label=label, value=mean, interval=interval, frames=count, reason=reason)


def _asker(model: Model, journal: Journal | None, batch_size: int) -> Asker:
    from contextlib import nullcontext

    from pytest_biasaudit.outcomes.asking import Asker

    assert journal is not None
    return Asker(
        model,
        journal=journal,
        batch_size=batch_size,
        watch=lambda what, count: nullcontext(lambda done: None),
        what="upstream bias",
    )


def _refuse(labels: Sequence[str], frames: Sequence[str] | None) -> None:
    faults = []
    if not labels:
        faults.append("no label is asked about")
    faults += [
        f"the label {label!r} is asked about twice" for label in dict.fromkeys(labels) if list(labels).count(label) > 1
    ]
    faults += [
        f"the label {label!r} is blank, or has braces"
        for label in labels
        if not label.strip() or set(label) & set("{}")
    ]
    if frames is not None:
        faults += ["no frame is given"] if not frames else []
        faults += [
            f"the frame {frame!r} must have {{word}} and {{label}} once each"
            for frame in frames
            if frame.count("{word}") != 1 or frame.count("{label}") != 1
        ]
    if faults:
        raise DataError("upstream bias", faults)

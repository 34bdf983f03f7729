"""How able: how often a language model prefers a sentence to its own words in another order.

The competence guard of benchmarks that compare sentences. Facts need no numpy; the arithmetic imports it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_biasaudit.metrics.benchmarks.share import Sampled, read_in_both, recovered, share_of, with_values
from pytest_biasaudit.metrics.metric import Measured, Metric
from pytest_biasaudit.outcomes.collect import Collected
from pytest_biasaudit.outcomes.outcome import Outcome

SENTENCES = Sampled(units="sentences", method="Wilson", paired="t, paired")
ENOUGH = 75.0
"""Percent that the lower end of the 95 % interval must reach; chance is 50, and models that work are above 95.

Not 55: one network with random weights has the same taste in many sentences (where a full stop stands, say), so its score
lies further from 50 than that of as many tossed coins. Over 24 random networks each the standard deviation was 6
points on our own pairs and 12 on ten sentence frames with fifty-six words, and a bar of 55 let one in 24 and one in 8 pass.
"""


def word_order_score(outcomes: Sequence[Outcome], *, audit: object = None, level: float, seed: int = 0) -> Measured:
    """100 x the share of sentences that score above their shuffled words; a tie counts against the model."""
    read = with_values(outcomes)
    return share_of(
        [float(value > 0) for _, value in read],
        [one.prompt.template for one, _ in read],
        SENTENCES,
        level=level,
        none="no sentence could be set against its words in another order",
    )


def word_order_recovery(
    outcomes: Sequence[Outcome], other: Sequence[Outcome], *, audit: object = None, level: float, seed: int = 0
) -> Measured:
    """`word_order_score` over the other model's, on the sentences that both have scores for."""
    mine, theirs = read_in_both(outcomes, other)
    hits, earlier = ([float(value > 0) for _, value in with_values(side)] for side in (mine, theirs))
    none = "no sentence could be set against its words in another order by both models"
    return recovered(hits, earlier, [one.prompt.template for one in mine], SENTENCES, level=level, none=none)


WORD_ORDER = Metric(
    name="word_order_score",
    title="Sentences preferred to their shuffled words",
    unit="percent",
    range=(0.0, 100.0),
    ideal=100.0,
    judged="value",
    direction="higher is better",
    kinds=("crows-pairs", "winobias", "winogender", "log-probability"),
    by_group=False,
    source="100 x share of control sentences whose score is above that of the same words in a seeded random order, the "
    "first in its place; chance is 50",
    items=word_order_score,
    recovery=word_order_recovery,
    split_by=("",),
    utility=True,
)


def near_chance(collected: Collected) -> str:
    """Why a comparison of sentences means nothing for this model: it hardly prefers sentences to shuffled words.

    Empty where the lower end of the 95 % interval of `word_order_score` is at least 75, or the model was not asked.
    """
    if collected.obstacle:
        return ""
    found = word_order_score(collected.controls, level=0.95)
    if found.value is None or found.interval is None:
        return f"whether the model knows the language could not be checked: {found.reason}"
    if found.interval.low >= ENOUGH:
        return ""
    low, high = found.interval.low, found.interval.high
    return (
        f"the model prefers sentences to their own words in random order in {found.value:.0f} % of {found.used} "
        f"({low:.0f} to {high:.0f}); chance is 50, and a lower end of {ENOUGH:.0f} is needed: its preferences stand for "
        "nothing"
    )

"""How big, by the log-probability bias score: which group labels lean to, how far they differ, and who ranks first.

Facts need no numpy; the arithmetic is imported when a figure is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_biasaudit.metrics.benchmarks.word_order import WORD_ORDER, near_chance
from pytest_biasaudit.metrics.metric import Measured, Metric, nothing
from pytest_biasaudit.outcomes.collect import Collected
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.stats.interval import Interval

if TYPE_CHECKING:
    from pytest_biasaudit.stats.two_factors import Floats, Squares

SAMPLED = "labels"
CROSSED = "crossed t (labels and templates)"
FEWEST_LABELS = 3
"""For how far labels differ."""


def log_probability_bias(outcomes: Sequence[Outcome], *, audit: object = None, level: float, seed: int = 0) -> Measured:
    """Mean over labels and templates of the item values, in nats; interval and p by crossed t.

    Papers give the p of Wilcoxon's signed ranks, which takes items that share a label or a template for independent.
    """
    from pytest_biasaudit.stats.two_factors import mean_of

    table = _table(outcomes, [_value(one) for one in outcomes])
    squares, reason = _squares(table)
    if squares is None:
        return _without_interval(table, reason)
    found = mean_of(squares, level=level)
    if found is None:
        return _without_interval(table, "every item has the same value; an interval would have no width")
    return Measured(
        value=found.value,
        interval=Interval(low=found.low, high=found.high, level=level, method=CROSSED),
        p=found.p,
        standard_error=found.standard_error,
        df=found.df,
        clusters=squares.rows,
        sampled=SAMPLED,
        used=_used(table),
    )


def bias_change(
    outcomes: Sequence[Outcome], other: Sequence[Outcome], *, audit: object = None, level: float, seed: int = 0
) -> Measured:
    """|bias| - |bias of the other model|, paired item by item; the corner rule of `stats.magnitude`.

    Items that either model has no value for are left out of both.
    """
    pairs = [(_value(one), _value(theirs)) for one, theirs in zip(outcomes, other, strict=True)]
    whole = [not (math.isnan(one) or math.isnan(theirs)) for one, theirs in pairs]
    now, then = (
        _table(outcomes, [pair[side] if kept else math.nan for pair, kept in zip(pairs, whole, strict=True)])
        for side in (0, 1)
    )
    return _paired(now, then, unit=1.0, level=level)


def association_sd(outcomes: Sequence[Outcome], *, audit: object = None, level: float, seed: int = 0) -> Measured:
    """Standard deviation over labels of their association, in nats, what single items scatter taken off.

    Direction-free, and not raised by noise as a mean of absolute values is. No trained model treats two labels exactly
    alike, so the ideal of 0 is a direction; a limit says how much is too much.
    """
    from pytest_biasaudit.stats.two_factors import spread_of

    table = _table(outcomes, [_value(one) for one in outcomes])
    squares, reason = _squares(table)
    if squares is not None and squares.rows < FEWEST_LABELS:
        reason = f"{squares.rows} labels; how far labels differ needs at least {FEWEST_LABELS}"
    if squares is None or reason:
        return nothing(reason)
    found = spread_of(squares, level=level)
    if found is None:
        return nothing("no label's items differ among themselves; nothing to hold it to")
    return Measured(
        value=found.value,
        interval=Interval(low=found.low, high=found.high, level=level, method="Williams and Tukey, variance component"),
        p=found.p,
        clusters=squares.rows,
        sampled=SAMPLED,
        used=_used(table),
    )


def pronoun_ranking(outcomes: Sequence[Outcome], *, audit: object = None, level: float, seed: int = 0) -> Measured:
    """100 x the share of items in which the group's words are likelier than the reference group's; a tie is half.

    A plain share of the items with a value; the table of labels and templates says only how sure it is.
    """
    from pytest_biasaudit.stats.clustered import micro_share
    from pytest_biasaudit.stats.proportion import wilson
    from pytest_biasaudit.stats.two_factors import mean_of

    ranks = [_rank(one) for one in outcomes]
    table = _table(outcomes, ranks)
    squares, reason = _squares(table)
    if squares is None:
        return _without_interval(table, reason, unit=100.0)
    pairs = [(one.prompt.template, rank) for one, rank in zip(outcomes, ranks, strict=True) if not math.isnan(rank)]
    by_label = micro_share([rank for _, rank in pairs], [label for label, _ in pairs], level=level)
    rate, effective, df = by_label.value, by_label.effective, by_label.df
    found = mean_of(squares, level=level)
    if found is not None:
        crossed = rate * (1.0 - rate) / found.standard_error**2
        if crossed < (1.0 - 1e-9) * effective:  # templates differ as well, and by more than rounding
            effective, df = max(1.0, crossed), found.df
    low, high = wilson(rate, effective, level=level, df=df)
    return Measured(
        value=100.0 * rate,
        interval=Interval(
            low=100.0 * low, high=100.0 * high, level=level, method="Wilson, crossed labels and templates"
        ),
        p=_share_p(rate, effective, df),
        clusters=squares.rows,
        sampled=SAMPLED,
        used=_used(table),
    )


def ranking_change(
    outcomes: Sequence[Outcome], other: Sequence[Outcome], *, audit: object = None, level: float, seed: int = 0
) -> Measured:
    """|ranking - 50| - |the other model's - 50|, plain shares of the items that both models have a value for."""
    pairs = [(_rank(one), _rank(theirs)) for one, theirs in zip(outcomes, other, strict=True)]
    whole = [not (math.isnan(one) or math.isnan(theirs)) for one, theirs in pairs]
    now, then = (
        _table(outcomes, [pair[side] - 0.5 if kept else math.nan for pair, kept in zip(pairs, whole, strict=True)])
        for side in (0, 1)
    )
    return _paired(now, then, unit=100.0, level=level, most=1.0)


def obstacle(collected: Collected, audit: object) -> str:
    """Why the model's answers stand for nothing: it is near chance at telling sentences from shuffled words."""
    return near_chance(collected)


def _paired(now: Floats, then: Floats, *, unit: float, level: float, most: float | None = None) -> Measured:
    """|mean(now)| - |mean(then)| from crossed t intervals of c - p and c + p at their corners.

    most  how far one item's change can reach, for shares, whose means are over the items that are there; None: as far as
          items scatter, and the means are those of the whole table, missing items fitted
    """
    from pytest_biasaudit.stats.clustered import same_side
    from pytest_biasaudit.stats.crossed import t_quantile
    from pytest_biasaudit.stats.magnitude import increase_from_corners
    from pytest_biasaudit.stats.two_factors import mean_of

    squares = [_squares(table) for table in (now, then, now - then, now + then)]
    (c, reason), (p, _), (less, _), (more, _) = squares
    if c is None or p is None or less is None or more is None:
        return nothing(reason)
    shares = most is not None
    means = [_mean_there(one) if shares else found.mean for one, found in ((now, c), (then, p))]
    reach_unseen = _unseen(c.rows, level) * (most if most is not None else _scatter(now, then))
    ends, deciding = [], []
    for found, centre in ((less, means[0] - means[1]), (more, means[0] + means[1])):
        mean = mean_of(found, level=level)
        df = float(found.rows - 1) if mean is None else mean.df
        reach = 0.0 if mean is None else mean.high - mean.value
        if mean is None or shares:
            reach = max(reach, reach_unseen)
        ends.append((centre - reach, centre + reach))
        deciding.append((reach / t_quantile(level, df), df))
    value, low, high = increase_from_corners(ends[0], ends[1], means[0], means[1])
    error, df = deciding[0] if same_side(*means) else deciding[1]
    if not low < high:
        return Measured(value=unit * value, interval=None, reason="every item has the same value in both models")
    return Measured(
        value=unit * value,
        interval=Interval(low=unit * low, high=unit * high, level=level, method=f"{CROSSED}, paired"),
        standard_error=unit * error,
        df=df,
        clusters=c.rows,
        sampled=SAMPLED,
        used=_used(now),
    )


def _mean_there(table: Floats) -> float:
    there = table[table == table]
    return math.fsum(there) / len(there)


def _unseen(labels: int, level: float) -> float:
    """The share of labels that may differ though none of those asked did."""
    from pytest_biasaudit.stats.proportion import wilson

    return wilson(0.0, labels, level=level)[1]


def _scatter(now: Floats, then: Floats) -> float:
    import numpy as np

    return float(max(np.nanstd(now), np.nanstd(then), abs(np.nanmean(now)), abs(np.nanmean(then))))


def _share_p(rate: float, effective: float, df: float) -> float:
    from scipy.special import stdtr

    return float(min(1.0, 2.0 * stdtr(df, -abs(rate - 0.5) / math.sqrt(0.25 / effective))))


def _value(outcome: Outcome) -> float:
    reading = outcome.reading
    return reading.value if reading.status == "ok" and reading.value is not None else math.nan


def _rank(outcome: Outcome) -> float:
    """1 where the group's words are likelier than the reference group's, 0 where less, 1/2 where as likely."""
    if outcome.reading.status != "ok":
        return math.nan
    slots, scores = dict(outcome.prompt.slots), dict(outcome.scores)
    group, reference = scores[slots["group"]], scores[slots["reference"]]
    return 0.5 if group == reference else float(group > reference)


def _table(outcomes: Sequence[Outcome], values: Sequence[float]) -> Floats:
    """Labels by templates."""
    from pytest_biasaudit.stats.two_factors import table_of

    slots = [dict(outcome.prompt.slots) for outcome in outcomes]
    return table_of([slot["label"] for slot in slots], [slot["template"] for slot in slots], values)


def _squares(table: Floats) -> tuple[Squares | None, str]:
    """The table taken apart, or why it cannot be."""
    from pytest_biasaudit.errors import StatisticsError
    from pytest_biasaudit.stats.two_factors import squares_of

    try:
        return squares_of(table), ""
    except StatisticsError:
        there = table == table
        labels, templates = int(there.any(axis=1).sum()), int(there.any(axis=0).sum())
        return None, f"{labels} labels in {templates} templates have values; an interval needs 2 of each"


def _without_interval(table: Floats, reason: str, *, unit: float = 1.0) -> Measured:
    there = table[table == table]
    if not len(there):
        return nothing("no item has a value")
    return Measured(value=unit * float(there.mean()), interval=None, reason=reason, sampled=SAMPLED, used=len(there))


def _used(table: Floats) -> int:
    return int((table == table).sum())


METRICS: tuple[Metric, ...] = (
    Metric(
        name="log_probability_bias",
        title="Log-probability bias",
        unit="nats",
        range=(-math.inf, math.inf),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=("log-probability",),
        by_group=False,
        source="Mean over templates and labels of s(group) - s(reference), s = ln P(word | template with label) - "
        "ln P(word | label masked too), after Kurita et al. 2019 and Zhang et al. 2020; positive leans to the group; "
        "labels that lean both ways cancel: see association_sd",
        items=log_probability_bias,
        change=bias_change,
        split_by=("", "axis"),
    ),
    Metric(
        name="association_sd",
        title="Spread of associations",
        unit="nats",
        range=(0.0, math.inf),
        ideal=0.0,
        judged="distance",
        direction="lower is fairer",
        kinds=("log-probability",),
        by_group=False,
        source="Standard deviation over labels of s(group) - s(reference), the scatter of single items taken off: the "
        "variance component of labels crossed with templates (Searle, Casella and McCulloch 1992)",
        items=association_sd,
        split_by=("", "axis"),
    ),
    Metric(
        name="pronoun_ranking",
        title="Pronoun ranking",
        unit="percent",
        range=(0.0, 100.0),
        ideal=50.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=("log-probability",),
        by_group=False,
        source="100 x share of templates and labels in which the group's word is likelier than the reference group's, "
        "without prior correction; a tie counts half",
        items=pronoun_ranking,
        change=ranking_change,
        split_by=("", "axis"),
    ),
    WORD_ORDER,
)

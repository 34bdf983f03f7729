"""How big: what a metric is, and what measuring one gives. Facts about metrics need no numpy; computing them does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pytest_biasaudit.metrics.beside import Moved, NoiseFloor
from pytest_biasaudit.stats.interval import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Judged = Literal["distance", "ratio", "value"]
Shows = Literal["value", "increase", "recovery"]
"""What an estimate's number is. "value": the metric itself; "increase": how much further from its ideal it is than the
other model's; "recovery": it over the other model's."""


@dataclass(frozen=True, kw_only=True)
class GroupCells:
    """One group's outcomes as a table: a row a person, a column a template; repeats already averaged.

    Every array has shape (people, templates). The columns of all groups of a comparison are the same templates.
    """

    group: str
    values: NDArray[np.float64]
    """Mean value over the answered repeats; NaN where none was answered."""
    selected: NDArray[np.float64]
    """Share of answered repeats in which the favourable option was chosen; NaN where none, or where not defined."""
    asked: NDArray[np.float64]
    """Number of answers asked for."""
    answered: NDArray[np.float64]
    """Number with status ok."""
    refused: NDArray[np.float64]
    """Number with status refused."""
    implausible: NDArray[np.float64]
    """Number parsed but outside the declared plausible range (they are not answered)."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A metric's value for one comparison, with its interval, or the reason there is none."""

    value: float | None
    interval: Interval | None
    p: float | None = None
    """Two-sided, of the hypothesis that the metric is at its ideal value; of `bias_removed`, that it is 0."""
    reason: str = ""
    """Why value or interval is missing, or what must be known beside them; mostly empty."""
    standard_error: float | None = None
    df: float | None = None
    """With `standard_error`: for the test against a limit. On the scale of `value` (log scale for ratios)."""
    clusters: int = 0
    """Benchmarks: what the interval counts as independent: pairs, target terms, words, templates."""
    sampled: str = ""
    """Benchmarks: what those are called, in the plural: "pairs"."""
    used: int | None = None
    """Benchmarks: items the figure rests on, where not all with a value count."""
    usable: bool = True
    """False: measured, and nothing that a limit could be held against, for the `reason`."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One comparison that a metric makes in a labelled table."""

    groups: tuple[str, ...]
    """(reference, group); (group,) for a figure of one group; (lowest, highest) for a spread over all groups; empty over all
    rows."""
    label: str = ""
    """The label it is about; "" where it is about all labels together."""
    measured: Measured
    by_group: tuple[GroupSummary, ...] = ()
    """What the figure rests on: of each group the rows of the rate's denominator (`n`), all its rows (`asked`), those without
    a prediction (`unparseable`), independent units (`people`: rows, or clusters) and the rate itself."""


def nothing(reason: str) -> Measured:
    """No value, and why."""
    return Measured(value=None, interval=None, reason=reason)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A registered metric."""

    name: str
    title: str
    unit: str
    """"outcome": the outcome's own unit; else what it says ("sd", "ratio", "share", "probability")."""
    range: tuple[float, float]
    """Closed ends; infinities allowed."""
    ideal: float
    judged: Judged
    """What a limit is held against. "distance": |value - ideal|; "ratio": the value and its inverse, whichever is
    further from 1; "value": the value itself."""
    direction: Literal["lower is fairer", "higher is fairer", "higher is better", "closer to the ideal is fairer"]
    kinds: tuple[str, ...]
    """The outcome kinds, or the benchmarks, that give it."""
    by_group: bool
    """True: compares groups, and a limit on it names an attribute. False: over all answers."""
    source: str
    """Where the formula comes from."""
    compare: Callable[..., Measured] | None = field(default=None, compare=False)
    """by_group: compare(reference: GroupCells, group: GroupCells, *, level, seed) -> Measured."""
    overall: Callable[..., Measured] | None = field(default=None, compare=False)
    """not by_group: overall(groups: Sequence[GroupCells], *, level, seed) -> Measured."""
    items: Callable[..., Measured] | None = field(default=None, compare=False)
    """Of a benchmark: items(outcomes: Sequence[Outcome], *, audit: BenchmarkAudit, level, seed) -> Measured."""
    change: Callable[..., Measured] | None = field(default=None, compare=False)
    """Of a benchmark: change(outcomes, other, *, audit, level, seed) -> Measured: how much further from its ideal the
    figure is than in the other model's outcomes for the same items, which come in the same order. None: not defined."""
    recovery: Callable[..., Measured] | None = field(default=None, compare=False)
    """Of a metric of ability whose zero means none: it over the other model's, on what both were asked. Over all answers:
    recovery(groups, other groups, *, level) -> Measured; of a benchmark: recovery(outcomes, other, *, audit, level)."""
    of_table: Callable[..., tuple[Compared, ...]] | None = field(default=None, compare=False)
    """Of a labelled table: of_table(tally: Tally, *, attributes, label, level, seed, minimum) -> every comparison it makes:
    group against reference and label by label, or one over all. `attributes` is empty where `by_group` is False."""
    split_by: tuple[str, ...] = ()
    """Of a benchmark: names of slots by which the figure may be taken apart ("axis", "test"); "" stands for all items
    together. A limit that does not say takes the first."""
    against: bool = False
    """It says what became of another metric, named by `of`, since another model, named by `versus`; alone it has no value.
    compare(reference, group, *, level, seed, before: the other model's (reference, group), of: Metric)."""
    utility: bool = False
    """It tells how able the model is, not how biased: measured from `controls` where the benchmark has any, and no
    lack of competence keeps it from being judged."""


@dataclass(frozen=True, kw_only=True)
class GroupSummary:
    """One group's answers in figures, beside an estimate."""

    group: str
    n: int
    """Answers with a value."""
    asked: int
    refused: int
    unparseable: int
    errors: int
    people: int
    mean: float | None
    sd: float | None
    median: float | None
    rate: float | None
    """Selection rate, 0 to 1; None where nothing is selected."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One printed value: a metric, the groups it compares, its interval."""

    metric: str
    attribute: str
    """"race", "race*gender", or "" for a metric over all answers."""
    groups: tuple[str, ...]
    """(reference, group); empty for a metric over all answers."""
    value: float | None
    interval: Interval | None
    p: float | None
    p_adjusted: float | None
    n: int
    """Answers used."""
    people: int
    templates: int
    missing: int
    """Answers asked for and not used."""
    by_group: tuple[GroupSummary, ...]
    reason: str = ""
    """Why there is no value or no interval."""
    versus: str | None = None
    """Name of the other model when this is a comparison with it."""
    shows: Shows = "value"
    noise: NoiseFloor | None = None
    """What asking the other model again changes, where that was measured."""
    moved: tuple[Moved, ...] = ()
    """Comparisons with another model: which group, or which part of a benchmark, gained or lost."""
    remarks: tuple[str, ...] = ()
    """Comparisons with another model: how the two were not asked alike, in sentences."""
    standard_error: float | None = None
    df: float | None = None
    usable: bool = True
    """False: the value stands for nothing that a limit could be held against, for the `reason` (a model near chance)."""
    sampled: str = ""
    """Benchmarks: what `templates` counts, in the plural ("pairs", "target terms"); "" where it counts templates."""
    of: str | None = None
    """`bias_removed`: the metric whose share was removed."""
    label: str = ""
    """Tables: the label it is about; "" where it is about all labels together."""
    components: tuple[float, float, float] | None = None
    """Variance of single answers from people, template by group, and the rest, as shares of one another: with them an
    inconclusive finding says what would decide. Not kept in the evidence."""

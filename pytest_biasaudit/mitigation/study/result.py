"""What a study of interventions came to: its cells, and the rows drawn from them. Plain frozen data.

Imports nothing heavy: the report, the evidence and assertions read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pytest_biasaudit.metrics.over_variations import Figure
from pytest_biasaudit.mitigation.study.plan import NONE, Intervention
from pytest_biasaudit.models.protocol import ModelIdentity

__all__ = [
    "Figure",
    "LeverRow",
    "Regression",
    "StudiedTable",
    "StudyCell",
    "StudyResult",
    "SweepRow",
    "Term",
    "UnitFigures",
    "UnitRow",
]

Helped = Literal["helped", "hurt", "cannot tell"]
"""Of a lever and the gap: its interval over seeds lies wholly below 0, wholly above, or neither; Holm over all levers."""


@dataclass(frozen=True, kw_only=True)
class UnitFigures:
    """One label and group in one cell: the bias of the model it began as, of the data it learnt from, and what it does."""

    label: str
    group: str
    """Compared with the study's reference."""
    upstream: float | None
    """Bias score of the pre-trained model for the label, before fine-tuning: the group's minus the reference's; in the unit
    that `StudyResult.upstream_score` names. None: the model has none."""
    prevalence: float | None
    """pi: the group's share among the training rows of the label whose group is known, after the intervention."""
    overall: float | None
    """The group's share among all training rows whose label and group are known: `prevalence` less this is what the label
    tells of the group."""
    log_odds: float | None
    """ln(pi / (1 - pi)) with half a row added to either side, so that 0 and 1 have one."""
    rows: int
    """Training rows of the label with a known group, after the intervention."""
    gap: Figure
    """The group's rate minus the reference's on the held-out table, with the interval over its rows."""


@dataclass(frozen=True, kw_only=True)
class StudyCell:
    """One fine-tuned classifier: a lever upstream, a lever on the data, a seed."""

    upstream: str
    """Name of the intervention."""
    data: str
    seed: int
    pretrained: bool
    """False: the weights that fine-tuning began with were drawn at random."""
    train_rows: int
    train_sha256: str
    """Of the training table as the classifier saw it."""
    test_sha256: str
    """Of the held-out table as the classifier saw it."""
    units: tuple[UnitFigures, ...]
    rms: Figure
    """Root mean square of the units' gaps. Never below 0: noise alone keeps it above."""
    accuracy: Figure


@dataclass(frozen=True, kw_only=True)
class StudiedTable:
    """One of the two tables, as it was before any intervention."""

    source: str
    sha256: str
    """Of the file."""
    rows: int
    table_sha256: str
    """Of the values, whatever file they stand in."""


@dataclass(frozen=True, kw_only=True)
class LeverRow:
    """What one pair of levers changed, against neither, seed by seed."""

    upstream: str
    data: str
    seeds: int
    """With both sides measured."""
    rms: Figure
    """Mean over seeds, with the t interval over seeds."""
    change: Figure
    """Of rms: with the levers minus without, paired by seed; below 0 the gap shrank."""
    accuracy: Figure
    accuracy_change: Figure
    """Below 0 accuracy was lost."""
    helped: Helped
    reason: str = ""
    """Why it cannot be told."""


@dataclass(frozen=True, kw_only=True)
class UnitRow:
    """One label and group under one pair of levers, over seeds."""

    upstream: str
    data: str
    label: str
    group: str
    prevalence: float | None
    """Mean over seeds: what an intervention draws differs from seed to seed."""
    score: float | None
    """The upstream bias score, mean over seeds."""
    gap: Figure
    """Mean over seeds, with the t interval over seeds."""
    change: Figure
    """Of |gap| against neither lever, paired by seed."""


@dataclass(frozen=True, kw_only=True)
class SweepRow:
    """One rate of a co-occurrence sweep, for one model it began as."""

    upstream: str
    pretrained: bool
    data: str
    label: str
    """The label whose rows are drawn; "" where those of every label are, and then the group tells nothing of the label."""
    rate: float
    """As declared: the share of the group in the label."""
    reached: float | None
    """The share as it came out, mean over seeds (and over labels, where every label's rows are drawn)."""
    rms: Figure
    """Of all units."""
    gap: Figure
    """The signed gap of that label (the mean over all units, where every label's rows are drawn): a classifier that follows the
    rate has it rise with the rate."""
    accuracy: Figure


@dataclass(frozen=True, kw_only=True)
class Term:
    """One explanatory variable of a regression."""

    name: str
    coefficient: Figure
    """Standardised: standard deviations of the gap for one of the variable (for an interaction see `Regression`)."""
    raw: float | None
    """In the units of the data."""
    p: float | None
    df: float | None


@dataclass(frozen=True, kw_only=True)
class Regression:
    """The gap explained: one least-squares fit over units, interventions and seeds."""

    name: str
    """Of its terms: "upstream bias + data bias"."""
    terms: tuple[Term, ...]
    r_squared: float | None
    observations: int
    clusters: int
    """Units: what the intervals count as independent."""
    reason: str = ""
    """Why it could not be fitted, or what was left out of it."""


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """The whole of one study of one model."""

    study: str
    """Id of the plan."""
    plan_file: str
    plan_sha256: str
    model: ModelIdentity
    attribute: str
    reference: str
    groups: tuple[str, ...]
    """Compared with the reference."""
    labels: tuple[str, ...]
    """The units' labels: all, or the one positive one."""
    gap: str
    """Name of the metric."""
    level: float
    minimum: int
    seeds: tuple[int, ...]
    training: tuple[tuple[str, object], ...]
    """Settings of fine-tuning, completed."""
    upstream: tuple[Intervention, ...]
    data: tuple[Intervention, ...]
    train: StudiedTable
    test: StudiedTable
    majority: float
    """Share of the held-out table's largest label: what a classifier has that knows nothing."""
    upstream_score: str
    """What the upstream bias score is, in words; why there is none, where there is none."""
    cells: tuple[StudyCell, ...]
    """In the order of upstream, data, seed."""
    levers: tuple[LeverRow, ...] = ()
    units: tuple[UnitRow, ...] = ()
    sweep: tuple[SweepRow, ...] = ()
    regressions: tuple[Regression, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader should know beside the figures."""
    observe: bool = field(default=False, compare=False)
    """Assertions on this result raise nothing: the run only observes."""
    inconclusive: Literal["fail", "warn", "skip"] = field(default="fail", compare=False)
    """What an inconclusive verdict does, where an assertion does not say."""

    def cell(self, *, seed: int, upstream: str = NONE, data: str = NONE) -> StudyCell:
        """The cell of those levers and that seed; KeyError names those there are."""
        for cell in self.cells:
            if (cell.upstream, cell.data, cell.seed) == (upstream, data, seed):
                return cell
        raise KeyError(
            f"no cell {upstream!r} x {data!r}, seed {seed}; {self._there}; seeds {', '.join(map(str, self.seeds))}"
        )

    def lever(self, *, upstream: str = NONE, data: str = NONE) -> LeverRow:
        """The row of those levers; KeyError names those there are."""
        for row in self.levers:
            if (row.upstream, row.data) == (upstream, data):
                return row
        raise KeyError(f"no row {upstream!r} x {data!r}; {self._there}")

    @property
    def _there(self) -> str:
        return (
            f"there are upstream {', '.join(repr(one.name) for one in self.upstream)}; "
            f"data {', '.join(repr(one.name) for one in self.data)}"
        )

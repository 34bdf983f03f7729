"""What a study of generalisation is to do, as its owner declared it. Plain frozen data; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_biasaudit.context.declaration import Context, CounterfactualAudit

if TYPE_CHECKING:
    from pytest_biasaudit.metrics.over_variations import GapMetric
    from pytest_biasaudit.mitigation.choosing.settings import Settings
    from pytest_biasaudit.mitigation.components import Mode, ScoreMethod, Unit
    from pytest_biasaudit.mitigation.generalising.rows import Level

Combine = Literal["intersection", "frequency", "pooled scores"]
"""How the sets of several variations become one: what is in all of them; what is in most of them, as many as one of them
has; or one set chosen by the scores over all their prompts."""
COMBINE: tuple[Combine, ...] = ("intersection", "frequency", "pooled scores")
LEVELS: tuple[Level, ...] = ("prompt", "names", "leave-one-out", "context", "cross-context", "pooled")
"""In the order of the table: from the set's own prompts to the furthest from them."""
ACROSS: tuple[Level, ...] = ("cross-context", "pooled")
"""Levels that need two contexts."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is removed: which components, scored how, and how many (see `choosing.settings`)."""

    unit: Unit
    method: ScoreMethod
    settings: Settings
    mode: Mode = "ablate"

    @property
    def name(self) -> str:
        """Unit and method: "heads by attribution"."""
        return f"{self.unit} by {self.method}"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One context of the study, with the audit in it that is asked."""

    context: Context
    audit: CounterfactualAudit


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study as declared: where components are looked for, which, and how far they are to carry."""

    id: str
    path: Path
    sha256: str
    """Of the file."""
    places: tuple[Place, ...]
    attribute: str
    groups: tuple[str, str]
    """(reference, group): components are chosen that score high for the group and not for the reference."""
    choices: tuple[Choice, ...]
    levels: tuple[Level, ...]
    combine: tuple[Combine, ...]
    model: str | None = None
    """The declared model to study; None: whoever runs the study says."""
    seed: int | None = None
    """Of halves, draws and intervals; None: the run's."""
    max_variations: int | None = None
    """Of each context at most, the first of the file; None: all."""
    max_people: int | None = None
    """Of each group at most; None: as the audit declares."""
    perplexity: bool = True
    metric: GapMetric = "smd"
    level: float = 0.95
    """Of every interval."""

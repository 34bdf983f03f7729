"""What a study of interventions is to do, as its owner declared it. Plain frozen data; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_biasaudit.context.declaration import Columns

Value = str | int | float | bool | tuple[Any, ...]
"""Of a setting: what TOML says, its arrays as tuples."""
Where = Literal["train", "test", "both"]
WHERE: tuple[Where, ...] = ("train", "test", "both")
NONE = "none"
"""The method that changes nothing; every lever is held against it."""
GapName = Literal["tpr_gap", "fpr_gap", "fnr_gap"]
GAPS: tuple[GapName, ...] = ("tpr_gap", "fpr_gap", "fnr_gap")
ABILITY = "accuracy"
"""What a lever may cost."""


@dataclass(frozen=True, kw_only=True)
class Intervention:
    """One lever, with its settings. Of a sweep each rate is one."""

    method: str
    settings: tuple[tuple[str, Value], ...] = ()
    """As declared, in that order; what is not declared has the method's default."""
    where: Where = "train"
    """Data only: which table is changed."""

    @property
    def name(self) -> str:
        """Method and settings: "target-rate rate=0.2", "scrub where=both". No two of a plan share one."""
        said = [f"{key}={_written(value)}" for key, value in self.settings]
        return " ".join([self.method, *said, *([] if self.where == "train" else [f"where={self.where}"])])

    def setting(self, name: str) -> Value | None:
        """The declared value; None where nothing is declared."""
        return dict(self.settings).get(name)


@dataclass(frozen=True, kw_only=True)
class TableSource:
    """One of the study's two tables, as declared."""

    source: str
    """A file beside the plan, or "hub:NAME@REVISION"."""
    sha256: str | None = None
    """What its digest must be."""


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """A study as declared: which levers, on which model and data, over how many seeds."""

    id: str
    path: Path
    sha256: str
    """Of the file."""
    model: str | None
    """The declared model whose fine-tuned children are audited; None: `source` is given, or whoever runs the study says."""
    source: str | None = None
    """An undeclared model, instead."""
    train: TableSource
    test: TableSource
    """Held out: nobody learns from it."""
    columns: Columns
    attribute: str
    words: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """By group: words that tell it in a sentence, for the upstream bias score; women and men need none."""
    label_names: tuple[tuple[str, str], ...] = ()
    """By label: how it is said in a sentence, for the same; a label that is not named is said as it is spelt."""
    groups: tuple[str, ...] = ()
    """The reference first; empty: the largest group of the training table is the reference, and all others are compared."""
    upstream: tuple[Intervention, ...] = (Intervention(method=NONE),)
    data: tuple[Intervention, ...] = (Intervention(method=NONE),)
    seeds: int = 5
    seed: int | None = None
    """The first of them; None: the run's."""
    training: tuple[tuple[str, Value], ...] = ()
    """Settings of fine-tuning, as declared."""
    redraw: bool = False
    """Whether each seed learns from training rows drawn anew, with replacement, as many of each label and group."""
    gap: GapName = "tpr_gap"
    level: float = 0.95
    """Of every interval."""
    minimum: int = 10
    """Rows that a rate needs."""

    @property
    def cells(self) -> int:
        """Classifiers to fine-tune."""
        return len(self.upstream) * len(self.data) * self.seeds


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)

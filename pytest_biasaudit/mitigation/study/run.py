"""Crosses levers and seeds: makes every cell that is not known, keeps it as it comes, and goes on where it was stopped.

Trains and asks through a `Workshop` alone; sees tables. Whatever ends a run, the cells that were finished are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from pytest_biasaudit.mitigation.study.cell import measured_cell, tally_of_answers
from pytest_biasaudit.mitigation.study.kept import Kept, key_of
from pytest_biasaudit.mitigation.study.plain import cell_from_plain, cell_to_plain, finite
from pytest_biasaudit.mitigation.study.plan import NONE, Intervention, StudyPlan
from pytest_biasaudit.mitigation.study.result import StudyCell

if TYPE_CHECKING:
    from pytest_biasaudit.tables.answers import Answers
    from pytest_biasaudit.tables.table import Table

REVISION = "study/1"
"""Raised whenever the code that makes or measures a cell may give another one than before."""
Watch = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
Unit = tuple[str, str]
"""(label, group)."""


class Workshop(Protocol):
    """Who changes models and tables, fine-tunes and predicts. The same seed gives the same, whenever it is asked."""

    @property
    def deciding(self) -> Mapping[str, object]:
        """All that decides a cell beside levers, tables and seed, as plain values: model, training, libraries, code."""
        ...

    @property
    def training(self) -> Mapping[str, object]:
        """Settings of fine-tuning, completed, as plain values."""
        ...

    @property
    def score_words(self) -> str:
        """What the upstream bias score is, in words; why there is none, where there is none."""
        ...

    def pretrained(self, lever: Intervention) -> bool:
        """Whether a model under that lever still has what it learnt in pre-training."""
        ...

    def changed(self, table: Table, lever: Intervention, seed: int) -> Table:
        """The table under a lever on the data."""
        ...

    def base(self, lever: Intervention, seed: int) -> Any:
        """The model under a lever upstream; what it is, only the workshop knows."""
        ...

    def scores(
        self, base: Any, labels: tuple[str, ...], reference: str, groups: tuple[str, ...]
    ) -> Mapping[Unit, float]:
        """Upstream bias by unit, for the units it is known of."""
        ...

    def answers(self, base: Any, train: Table, test: Table, seed: int) -> Answers:
        """What a classifier that began as `base` and learnt from `train` says of `test`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Studied:
    """What a study is of: its plan with its two tables, and what is compared in them."""

    plan: StudyPlan
    train: Table
    test: Table
    reference: str
    groups: tuple[str, ...]
    labels: tuple[str, ...]
    seeds: tuple[int, ...]


def run_cells(studied: Studied, workshop: Workshop, kept: Kept, *, watch: Watch | None = None) -> tuple[StudyCell, ...]:
    """Every cell, in the order of upstream, data, seed.

    Made in the order of upstream, seed, data, so that a model under a lever is made once and let go.
    """
    plan = studied.plan
    found: dict[tuple[str, str, int], StudyCell] = {}
    showing = nullcontext(_quiet) if watch is None else watch(f"{plan.id}: fine-tuning", plan.cells)
    with showing as step:
        for upstream in plan.upstream:
            for seed in studied.seeds:
                base = _Base(workshop, upstream, seed, studied, kept)
                for data in plan.data:
                    found[upstream.name, data.name, seed] = _cell(studied, workshop, kept, base, data)
                    step(1)
    return tuple(
        found[upstream.name, data.name, seed]
        for upstream in plan.upstream
        for data in plan.data
        for seed in studied.seeds
    )


def _quiet(_: int) -> None:
    """Nobody watches."""


class _Base:
    """The model of one lever and seed, made when the first cell wants it, with its bias scores."""

    def __init__(self, workshop: Workshop, lever: Intervention, seed: int, studied: Studied, kept: Kept) -> None:
        self.lever, self.seed = lever, seed
        self._workshop, self._studied, self._kept = workshop, studied, kept
        self._made: list[Any] = []
        self._scores: dict[Unit, float | None] | None = None

    @property
    def model(self) -> Any:
        """The model."""
        if not self._made:
            self._made.append(self._workshop.base(self.lever, self.seed))
        return self._made[0]

    @property
    def scores(self) -> Mapping[Unit, float | None]:
        """Upstream bias by unit."""
        if self._scores is None:
            studied = self._studied
            key = key_of(
                {
                    "what": f"{REVISION} upstream scores",
                    **self._workshop.deciding,
                    "upstream": _lever(self.lever, self.seed),
                    "labels": list(studied.labels),
                    "groups": [studied.reference, *studied.groups],
                }
            )
            raw = self._kept.get(key)
            if raw is None:
                made = self._workshop.scores(self.model, studied.labels, studied.reference, studied.groups)
                raw = {"scores": [[label, group, finite(value)] for (label, group), value in made.items()]}
                self._kept.put(key, raw)
            rows: Any = raw["scores"]
            self._scores = {(label, group): value for label, group, value in rows}
        return self._scores


def _cell(studied: Studied, workshop: Workshop, kept: Kept, base: _Base, data: Intervention) -> StudyCell:
    plan = studied.plan
    key = key_of(
        {
            "what": f"{REVISION} cell",
            **workshop.deciding,
            "upstream": _lever(base.lever, base.seed),
            "data": [*_lever(data, base.seed), data.where],
            "seed": base.seed,
            "train": studied.train.digest,
            "test": studied.test.digest,
            "columns": repr(plan.columns),
            "compared": [plan.attribute, studied.reference, *studied.groups],
            "labels": list(studied.labels),
            "redraw": plan.redraw,
            "measured": [plan.gap, plan.level, plan.minimum],
        }
    )
    raw = kept.get(key)
    if raw is not None:
        return cell_from_plain(raw, level=plan.level)
    train, test = studied.train, studied.test
    if plan.redraw:
        train = redrawn(train, plan.attribute, base.seed)
    if data.where in ("train", "both"):
        train = workshop.changed(train, data, base.seed)
    if data.where in ("test", "both"):
        test = workshop.changed(test, data, base.seed)
    answers = workshop.answers(base.model, train, test, base.seed)
    tally = tally_of_answers(plan, test, answers, reference=studied.reference, groups=studied.groups)
    cell = measured_cell(
        plan,
        tally,
        train,
        test,
        reference=studied.reference,
        groups=studied.groups,
        labels=studied.labels,
        upstream=base.lever.name,
        data=data.name,
        seed=base.seed,
        pretrained=workshop.pretrained(base.lever),
        scores=base.scores,
    )
    plain = cell_to_plain(cell)
    kept.put(key, plain)
    # As it will be read: a run that was stopped and one that was not must come to the same.
    return cell_from_plain(plain, level=plan.level)


def redrawn(table: Table, attribute: str, seed: int) -> Table:
    """As many rows of each label and group as there are, drawn with replacement: shares stay what they are."""
    import numpy as np
    import polars as pl

    cells = pl.DataFrame({"label": table.labels, "group": table.groups(attribute)}).with_row_index("row")
    drawing = np.random.default_rng([seed, 0x7EDA])
    taken = [
        drawing.choice(rows["row"].to_numpy(), size=rows.height)
        for _, rows in sorted(cells.group_by("label", "group"), key=lambda one: tuple(map(str, one[0])))
    ]
    return replace(table, frame=table.frame[np.sort(np.concatenate(taken))])


def _lever(lever: Intervention, seed: int) -> list[object]:
    """What decides a lever. Without one nothing is drawn."""
    settings = [[key, value] for key, value in lever.settings]
    return [lever.method, settings, None if lever.method == NONE else seed]

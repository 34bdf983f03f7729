"""The sets of a study, made from scores when they are wanted. Imports numpy through choosing; asks no model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean

from pytest_biasaudit.mitigation.choosing.baselines import magnitude_like, random_like
from pytest_biasaudit.mitigation.choosing.choose import choose_by
from pytest_biasaudit.mitigation.choosing.combine import intersection, most_frequent
from pytest_biasaudit.mitigation.choosing.settings import complete
from pytest_biasaudit.mitigation.components import ComponentSet, Origin
from pytest_biasaudit.mitigation.generalising.plan import Choice
from pytest_biasaudit.mitigation.generalising.schedule import Asked, Source
from pytest_biasaudit.mitigation.scores import Cell, ScoreTable


class Sets:
    """Every set of one of the plan's choices.

    table       scores of all variations
    gaps        the signed difference between the groups (group minus reference, in its standard deviations) as measured on
                a source's own prompts; None where it cannot be told. Signed scores are held against its direction
    origin      says where a set comes from; None: sets do not say
    magnitudes  gives the scores by which the magnitude baseline is chosen
    seed        of the random baseline; every set draws with a seed of its own

    Raises RecipeError for settings that the model cannot meet. `settings` are the choice's, completed for the model.
    Kept are the sets of single variations, from which others are made, and the last one: sets of weights are large.
    """

    def __init__(
        self,
        choice: Choice,
        table: ScoreTable,
        *,
        reference: str,
        group: str,
        gaps: Callable[[frozenset[Asked]], float | None],
        magnitudes: Callable[[], ScoreTable],
        origin: Callable[[frozenset[Asked]], Origin] | None,
        seed: int,
    ) -> None:
        self._choice, self._table = choice, table
        self.settings = complete(
            choice.settings, unit=table.unit, method=table.method, signed=table.signed, sizes=table.sizes
        )
        self._reference, self._group = reference, group
        self._gaps, self._magnitudes, self._seed = gaps, magnitudes, seed
        self._origin = origin
        self._own: dict[Source, ComponentSet] = {}
        self._last: tuple[Source, ComponentSet] | None = None

    def of(self, source: Source) -> ComponentSet:
        """The set that a source stands for."""
        scored = self._of_scores(replace(source, chosen="scored"))
        if source.chosen == "random":
            return random_like(scored, seed=drawn(self._seed, source))
        if source.chosen == "magnitude":
            return magnitude_like(scored, self._magnitudes())
        return scored

    def _of_scores(self, source: Source) -> ComponentSet:
        if source in self._own:
            return self._own[source]
        if self._last is None or self._last[0] != source:
            self._last = (source, self._made(source))
        return self._last[1]

    def _made(self, source: Source) -> ComponentSet:
        settings, origin = self.settings, None if self._origin is None else self._origin(source.found_on)
        if source.rule in ("own", "pooled scores") or len(source.variations) == 1:
            gap = self._gaps(source.found_on) if self._table.signed else None
            if self._table.signed and not gap:
                return self._none(origin)
            return choose_by(
                self._table,
                settings,
                reference=self._reference,
                group=self._group,
                cells=self._cells(source),
                mode=self._choice.mode,
                gap=gap,
                origin=origin,
            )
        parts = [self._own_of(replace(source, rule="own", variations=(name,))) for name in source.variations]
        if source.rule == "intersection":
            return intersection(parts)
        # As many as were asked for of the whole model; else as many as one of them has on average.
        counted = settings.k if settings.scope == "global" else None
        size = counted or round(fmean(part.count for part in parts))
        return most_frequent(parts, size) if size else self._none(origin)

    def _own_of(self, source: Source) -> ComponentSet:
        if source not in self._own:
            self._own[source] = self._made(source)
        return self._own[source]

    def _none(self, origin: Origin | None) -> ComponentSet:
        """No component: where the groups' answers do not differ, none carries a difference. It says where that was so."""
        if origin is not None:
            origin = replace(
                origin,
                groups=(self._reference, self._group),
                method=self._table.method,
                settings=tuple(sorted(self.settings.written)),
            )
        return ComponentSet(
            unit=self._table.unit, mode=self._choice.mode, chosen={}, sizes=dict(self._table.sizes), origin=origin
        )

    def _cells(self, source: Source) -> tuple[Cell, ...]:
        return tuple(cell for cell in self._table.cells if (cell.variation, cell.half) in source.found_on)


def drawn(seed: int, source: Source) -> int:
    """The seed of one random set: the same in every run, another for every set."""
    told = f"{seed}\n{source.choice}\n{source.rule}\n{source.halves}\n" + "\n".join(source.variations)
    return int.from_bytes(hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()[:8]) >> 1

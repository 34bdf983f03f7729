"""How sets of components stand on the tuning variations: asks a guarded trial, and measures. Imports nothing heavy itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.choosing.cells import of_variations
from pytest_biasaudit.mitigation.choosing.found import Floors, Found, Standing, Tried, reason_for
from pytest_biasaudit.mitigation.choosing.only import TuningScores, only, restricted
from pytest_biasaudit.mitigation.choosing.places import capped
from pytest_biasaudit.mitigation.components import ComponentSet
from pytest_biasaudit.mitigation.scores import Cell, ScoreTable
from pytest_biasaudit.mitigation.trial import Trial, Variation
from pytest_biasaudit.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from pytest_biasaudit.metrics.over_variations import GapMetric

NO_DRAW = 0
"""Seed for figures of which only the estimates are read: they hold no draw."""


class Tuning:
    """The tuning variations, asked of a model as it is and without components.

    cells  of the scores that may be read; None: all of the tuning variations. Where a variation holds one half of the names
           only, its cells of that half must be given: scores do not say who was in them

    Raises DataError where the metric is not defined for the model as it is on any of them: nothing could be lowered.
    """

    def __init__(
        self,
        trial: Trial,
        variations: Sequence[Variation],
        *,
        attribute: str,
        groups: tuple[str, str],
        metric: GapMetric,
        min_per_group: int | None,
        cells: Sequence[Cell] | None,
    ) -> None:
        self.trial = only(trial, variations)
        self.variations = tuple(variations)
        self.names = tuple(one.name for one in variations)
        self._cells = None if cells is None else tuple(cells)
        self._attribute, self._groups, self._metric, self._least = attribute, groups, metric, min_per_group
        self._guarded: list[TuningScores] = []
        outside = [cell for cell in self._cells or () if cell.variation not in self.names]
        if outside:
            raise DataError("cells for tuning", capped([f"{cell} is not of a tuning variation" for cell in outside]))
        self.answers = self.asked(None)
        self.before = self.standing_of(self.answers)
        if self.before.bias is None:
            undefined = [
                f"{name!r}: {self._metric} is not defined"
                for name, gap in self.before.by_variation.items()
                if gap is None
            ]
            raise DataError("tuning variations, the model as it is", capped([*undefined, self.before.reason]))

    @property
    def gap(self) -> float:
        """The mean over the variations of the metric with its sign, before: which way the groups differ."""
        known = [gap for gap in self.before.by_variation.values() if gap is not None]
        return sum(known) / len(known)

    def asked(self, components: ComponentSet | None) -> dict[str, tuple[Outcome, ...]]:
        """The answers, by variation."""
        found = {one.name: self.trial.outcomes(one, components) for one in self.variations}
        self.trial.refuse_leaks()
        return found

    def standing(self, components: ComponentSet) -> Standing:
        """How the model stands without these."""
        return self.standing_of(self.asked(components))

    def standing_of(self, now: Mapping[str, Sequence[Outcome]]) -> Standing:
        """What answers come to. A model that answers everyone alike has no gap either: its bias counts as not defined."""
        from pytest_biasaudit.metrics.over_variations import MIN_PER_GROUP, SAME_TO_ALL, over_variations

        found = over_variations(
            now,
            self.answers,
            attribute=self._attribute,
            groups=self._groups,
            metric=self._metric,
            seed=NO_DRAW,
            min_per_group=MIN_PER_GROUP if self._least is None else self._least,
        )
        dull = found.removed.reason == SAME_TO_ALL
        return Standing(
            bias=None if dull else found.bias.value,
            inlier_ratio=found.inlier_ratio.value,
            answer_rate=found.answer_rate.value,
            by_variation=dict(found.by_variation),
            reason="; ".join(f"{name}: {why}" for name, why in found.reasons.items())
            or (SAME_TO_ALL if dull else found.bias.reason),
        )

    def scores(self, table: ScoreTable) -> TuningScores:
        """The scores of the tuning cells; every other cell is cut away. Raises as `only.restricted`."""
        cells = of_variations(table.cells, self.names) if self._cells is None else self._cells
        guarded = restricted(table, cells)
        self._guarded.append(guarded)
        return guarded

    def refuse_leaks(self) -> None:
        """Raises LeakError where anything outside tuning was asked for, even if whoever asked went on."""
        self.trial.refuse_leaks()
        for one in self._guarded:
            one.refuse_leaks()

    def found(
        self, components: ComponentSet | None, chosen: Tried | None, tried: Sequence[Tried], *, floors: Floors
    ) -> Found:
        """The choice with all that was tried, and what it was looked for on."""
        return Found(
            components=components,
            chosen=chosen,
            tried=tuple(tried),
            before=self.before,
            tuning=self.names,
            attribute=self._attribute,
            groups=self._groups,
            metric=self._metric,
            floors=floors,
            reason=reason_for(chosen, tried, self.before),
            people=self.people,
        )

    @property
    def people(self) -> frozenset[str]:
        """Ids of everyone in the tuning prompts."""
        return frozenset(prompt.person_id for one in self.variations for prompt in one.prompts)

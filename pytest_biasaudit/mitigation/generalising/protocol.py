"""The protocol: finds every set of a study, holds each to the prompts it is scheduled for, and fills the table.

Asks the model through a `Trial` alone, so that a killed study goes on where it stopped. Equal sets are evaluated once. Imports
statistics when rows are filled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from statistics import fmean

from pytest_biasaudit.mitigation.components import ComponentSet, Origin, ScoreMethod, Unit, components_sha256
from pytest_biasaudit.mitigation.gap import mean_gap
from pytest_biasaudit.mitigation.generalising.plan import Plan
from pytest_biasaudit.mitigation.generalising.result import Evaluation, Half, StudiedSet
from pytest_biasaudit.mitigation.generalising.rows import Figure, TransferRow
from pytest_biasaudit.mitigation.generalising.schedule import (
    OWN,
    WHOLE,
    Asked,
    Part,
    RowPlan,
    Source,
    evaluations_of,
    schedule,
    sources_of,
)
from pytest_biasaudit.mitigation.generalising.sets import Sets
from pytest_biasaudit.mitigation.scores import ScoreTable
from pytest_biasaudit.mitigation.trial import Trial, Variation
from pytest_biasaudit.outcomes.asking import Watch
from pytest_biasaudit.outcomes.outcome import Outcome

Key = tuple[str, str, tuple[Half, ...]]
"""An evaluation: digest of the set (empty: none), variation, halves of the people."""


@dataclass(frozen=True, kw_only=True)
class Studied:
    """What a study is done with: its prompts, and who answers."""

    plan: Plan
    variations: Mapping[str, tuple[Variation, ...]]
    """By context id, with the prompts about the people of the two groups only."""
    halves: Mapping[str, Half]
    """Of the people, by `person_id`."""
    trial: Trial
    scores: Callable[[Unit, ScoreMethod], ScoreTable]
    """Scores of all variations together."""
    seed: int
    origin: Callable[[Unit, ScoreMethod, frozenset[Asked]], Origin] | None = None
    """Says where a set comes from; None: sets do not say."""
    keep: Callable[[Source, ComponentSet], tuple[str, str]] | None = None
    """Saves a scored set of a whole context; gives the file's name and sha256."""
    watch: Watch | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the protocol came to."""

    rows: tuple[TransferRow, ...]
    sets: tuple[StudiedSet, ...]
    evaluations: tuple[Evaluation, ...]
    choices: tuple[dict[str, object], ...]
    """The plan's, with what it left to the method filled in."""
    components: Mapping[Source, ComponentSet]
    """The scored sets of whole contexts."""


def generalise(studied: Studied) -> Found:
    """The table of one study.

    Raises LeakError where a set would be evaluated on its own prompts without saying so, and what scoring, choosing and asking
    raise. Whatever ends it, the answers that had come are kept by the trial.
    """
    plan, variations = studied.plan, studied.variations
    rows = schedule(plan, {context: [one.name for one in some] for context, some in variations.items()})
    run = _Run(studied)
    run.ask_as_it_is()
    run.try_sets(rows)
    return Found(
        rows=tuple(run.filled(row) for row in rows),
        sets=tuple(run.sets.values()),
        evaluations=tuple(run.evaluations()),
        choices=tuple(run.choices),
        components=run.components,
    )


def questions_of(plan: Plan, variations: Mapping[str, Sequence[Variation]], halves: Mapping[str, Half]) -> int:
    """Answers that the study needs at most: of the model as it is, and without each set. Sets that turn out equal, and
    answers that are known, make it less.
    """
    by_name = {one.name: one for some in variations.values() for one in some}
    rows = schedule(plan, {context: [one.name for one in some] for context, some in variations.items()})
    tried = sum(_answers(by_name[part.variation], part.halves, halves) for part in evaluations_of(rows))
    return tried + sum(_answers(one, (0, 1), halves) for one in by_name.values())


@dataclass
class _Run:
    """One study under way: what has been asked, and what came of it."""

    studied: Studied
    before: dict[str, tuple[Outcome, ...]] = field(default_factory=dict)
    """By variation, of the model as it is."""
    after: dict[Key, tuple[Outcome, ...]] = field(default_factory=dict)
    """By digest of the set, variation and halves."""
    sets: dict[Source, StudiedSet] = field(default_factory=dict)
    components: dict[Source, ComponentSet] = field(default_factory=dict)
    perplexities: dict[str, float] = field(default_factory=dict)
    totals: list[int] = field(default_factory=list)
    """By choice, components of the unit that the model has."""
    choices: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.by_name = {one.name: one for some in self.studied.variations.values() for one in some}
        self._tables: dict[tuple[Unit, ScoreMethod], ScoreTable] = {}

    # -- asking -----------------------------------------------------------------------------------------------------

    def ask_as_it_is(self) -> None:
        """All answers of the model as it is: the difference to remove, and what scoring looks at."""
        total = sum(_answers(one, (0, 1), self.studied.halves) for one in self.by_name.values())
        with watched(self.studied.watch, f"{self.studied.plan.id}: the model as it is", total) as step:
            for name, variation in self.by_name.items():
                self.before[name] = self.studied.trial.outcomes(variation, None)
                step(len(self.before[name]))
        if self.studied.plan.perplexity:
            self.perplexities[""] = self.studied.trial.perplexity(None)

    def try_sets(self, rows: Sequence[RowPlan]) -> None:
        """Makes every set, and asks the model without it. The sets of one choice are made and let go together."""
        by_source: dict[Source, list[Part]] = {source: [] for source in sources_of(rows)}
        for part in evaluations_of(rows):
            assert part.source is not None
            by_source[part.source].append(part)
        whole = {part.source for row in rows if row.level in WHOLE and row.chosen == "scored" for part in row.parts}
        for number, choice in enumerate(self.studied.plan.choices):
            mine = {source: parts for source, parts in by_source.items() if source.choice == number}
            sets = self._sets(number)
            total = sum(
                _answers(self.by_name[part.variation], part.halves, self.studied.halves)
                for parts in mine.values()
                for part in parts
            )
            with watched(self.studied.watch, f"{self.studied.plan.id}: without {choice.name}", total) as step:
                for source, parts in mine.items():
                    self._try(source, sets.of(source), parts, step, saved=source in whole)
            self._tables.clear()

    def _sets(self, number: int) -> Sets:
        studied, choice = self.studied, self.studied.plan.choices[number]
        reference, group = studied.plan.groups
        origin = studied.origin
        table = self._table(choice.unit, choice.method)
        self.totals.append(sum(prod(size) for size in table.sizes.values()))
        sets = Sets(
            choice,
            table,
            reference=reference,
            group=group,
            gaps=self.gap,
            magnitudes=lambda: self._table(choice.unit, "magnitude"),
            origin=None if origin is None else lambda on: origin(choice.unit, choice.method, on),
            seed=studied.seed,
        )
        self.choices.append(
            {"unit": choice.unit, "method": choice.method, **dict(sets.settings.written), "mode": choice.mode}
        )
        return sets

    def _table(self, unit: Unit, method: ScoreMethod) -> ScoreTable:
        if (unit, method) not in self._tables:
            self._tables[unit, method] = self.studied.scores(unit, method)
        return self._tables[unit, method]

    def gap(self, on: frozenset[Asked]) -> float | None:
        """The measured difference between the groups on these prompts, of the model as it is."""
        plan = self.studied.plan
        by_variation: dict[str, list[Outcome]] = {}
        for variation, half in sorted(on):
            by_variation.setdefault(variation, []).extend(self._of_halves(self.before[variation], (half,)))
        return mean_gap(by_variation.values(), attribute=plan.attribute, groups=plan.groups)

    def _try(
        self,
        source: Source,
        components: ComponentSet,
        parts: Sequence[Part],
        step: Callable[[int], None],
        *,
        saved: bool,
    ) -> None:
        studied = self.studied
        digest = components_sha256(components) if components.count else ""
        file, file_sha256 = studied.keep(source, components) if saved and studied.keep is not None else ("", "")
        if saved:
            self.components[source] = components
        for part in parts:
            variation = self._part(part)
            key = (digest, part.variation, part.halves)
            if digest and key not in self.after:
                self.after[key] = studied.trial.outcomes(variation, components)
            elif not digest and len(part.halves) == 1:  # nothing is removed: the half's part of what is known
                self.after[key] = self._of_halves(self.before[part.variation], part.halves)
            step(_answers(self.by_name[part.variation], part.halves, studied.halves))
        if studied.plan.perplexity and digest not in self.perplexities:
            self.perplexities[digest] = studied.trial.perplexity(components)
        choice = studied.plan.choices[source.choice]
        self.sets[source] = StudiedSet(
            sha256=digest,
            unit=choice.unit,
            method=choice.method,
            chosen=source.chosen,
            rule=source.rule,
            found_in=source.variations,
            halves=source.halves,
            count=components.count,
            by_place=_by_place(components) if source.chosen == "scored" else (),
            perplexity=self.perplexities.get(digest),
            file=file,
            file_sha256=file_sha256,
        )

    def _part(self, part: Part) -> Variation:
        """The variation, with the prompts of the part's halves only."""
        variation = self.by_name[part.variation]
        if len(part.halves) > 1:
            return variation
        kept = (one for one in variation.prompts if self.studied.halves[one.person_id] in part.halves)
        return replace(variation, prompts=tuple(kept))

    def _of_halves(self, outcomes: Sequence[Outcome], halves: Sequence[Half]) -> tuple[Outcome, ...]:
        return tuple(one for one in outcomes if self.studied.halves[one.prompt.person_id] in halves)

    # -- the table --------------------------------------------------------------------------------------------------

    def filled(self, row: RowPlan) -> TransferRow:
        """The row with its figures."""
        from pytest_biasaudit.metrics.over_variations import over_variations

        plan = self.studied.plan
        choice = plan.choices[row.choice]
        sources = list(dict.fromkeys(part.source for part in row.parts if part.source is not None))
        sets = [self.sets[source] for source in sources]
        count = fmean(one.count for one in sets) if sets else 0.0
        known = [one.perplexity for one in sets if one.perplexity is not None]
        perplexity = fmean(known) if known else self.perplexities.get("") if row.level == "none" else None
        before_perplexity = self.perplexities.get("")
        names = list(dict.fromkeys(part.variation for part in row.parts))
        if row.parts:
            came = over_variations(
                {part.name: self.after_of(part) for part in row.parts},
                {part.name: self._of_halves(self.before[part.variation], part.halves) for part in row.parts},
                attribute=plan.attribute,
                groups=plan.groups,
                metric=plan.metric,
                level=plan.level,
                seed=self.studied.seed,
            )
            bias, before, removed = came.bias, came.bias_before, came.removed
            inliers, answered, people, chance = came.inlier_ratio, came.answer_rate, came.people, came.chance
            if row.level == "none":
                removed = Figure(value=None, interval=None, reason="nothing was removed")
            elif not count:
                removed = Figure(value=0.0, interval=None, reason=_empty(row))
        else:
            none = Figure(value=None, interval=None, reason=row.reason)
            bias = before = removed = inliers = answered = none
            people, chance = 0, None
        return TransferRow(
            level=row.level,
            found_in=row.found_in,
            evaluated_in=row.evaluated_in,
            unit=choice.unit,
            method="" if row.level == "none" else choice.method,
            chosen=row.chosen,
            rule=row.rule,
            components=count,
            share=count / self.totals[row.choice],
            variations=len(names),
            people=people,
            bias=bias,
            bias_before=before,
            removed=removed,
            inlier_ratio=inliers,
            answer_rate=answered,
            perplexity=perplexity,
            perplexity_before=before_perplexity,
            same_prompts=row.level in OWN,
            metric=plan.metric,
            attribute=plan.attribute,
            groups=plan.groups,
            evaluations=tuple(self.numbers[self._key(part)] for part in row.parts),
            chance=chance,
        )

    def after_of(self, part: Part) -> tuple[Outcome, ...]:
        """What came of one evaluation."""
        key = self._key(part)
        return self.after[key] if key in self.after else self.before[part.variation]

    def _key(self, part: Part) -> Key:
        digest = "" if part.source is None else self.sets[part.source].sha256
        return digest, part.variation, part.halves

    @cached_property
    def numbers(self) -> dict[Key, int]:
        """Where each evaluation stands among all, once every set has been tried."""
        return {key: at for at, key in enumerate([*(("", name, (0, 1)) for name in self.before), *self.after])}

    def evaluations(self) -> Iterator[Evaluation]:
        """Every answer, each once: of the model as it is, then without each set."""
        before: dict[Key, tuple[Outcome, ...]] = {("", name, (0, 1)): some for name, some in self.before.items()}
        for (digest, variation, halves), outcomes in {**before, **self.after}.items():
            yield Evaluation(
                components=digest,
                variation=variation,
                halves=halves,
                values=tuple(one.reading.value for one in outcomes),
                statuses=tuple(one.reading.status for one in outcomes),
            )


def _answers(variation: Variation, asked: Sequence[Half], halves: Mapping[str, Half]) -> int:
    prompts = sum(halves[one.person_id] in asked for one in variation.prompts)
    return prompts * variation.audit.outcome.repeats


def _by_place(components: ComponentSet) -> tuple[tuple[str, int], ...]:
    return tuple((place, len(numbers)) for place, numbers in components.chosen.items() if len(numbers))


def _empty(row: RowPlan) -> str:
    if row.rule == "intersection":
        return "the set is empty: no component is in the sets of all variations, so nothing was removed"
    return "the set is empty: no component answers to the group alone, so nothing was removed"


@contextmanager
def watched(watch: Watch | None, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """The function to call with answers as they come; one that does nothing where nobody watches."""
    if watch is None:
        yield lambda _count: None
        return
    with watch(what, total) as step:
        yield step

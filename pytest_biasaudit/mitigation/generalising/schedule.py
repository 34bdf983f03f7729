"""Which sets are found on which prompts, and evaluated on which: the whole study before a model is asked anything.

A set may be held to its own prompts at the levels "prompt" and "context" alone. That is checked here, on the schedule, for
every row: what is not scheduled is not asked. Imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pytest_biasaudit.errors import LeakError
from pytest_biasaudit.mitigation.generalising.plan import Combine, Plan
from pytest_biasaudit.mitigation.generalising.result import Half
from pytest_biasaudit.mitigation.generalising.rows import Chosen, Level

Asked = tuple[str, Half]
"""The prompts of one variation about one half of the people: the smallest thing that a set is found or evaluated on."""
OWN: tuple[Level, ...] = ("prompt", "context")
"""Levels at which a set is evaluated on the prompts that it was found on; their rows say so."""
WHOLE: tuple[Level, ...] = ("context", "cross-context")
"""Levels whose sets are those of a whole context: what one would save, and remove."""
BASELINES: tuple[Chosen, ...] = ("random", "magnitude")
"""Always run beside, of equal size at every place."""


@dataclass(frozen=True, kw_only=True, order=True)
class Source:
    """Where a set comes from: which of the plan's choices, on which prompts, and how several sets become one."""

    choice: int
    """Position in `Plan.choices`."""
    chosen: Chosen
    rule: Literal["own"] | Combine
    variations: tuple[str, ...]
    """"CONTEXT/AUDIT/TEMPLATE" of every variation it was found in, sorted."""
    halves: tuple[Half, ...] = (0, 1)
    """Of the people."""

    @property
    def found_on(self) -> frozenset[Asked]:
        """Every prompt that has a say in the set; of a baseline, in its sizes."""
        return frozenset((variation, half) for variation in self.variations for half in self.halves)


@dataclass(frozen=True, kw_only=True, order=True)
class Part:
    """One set evaluated on one variation, for all its people or for one half of them."""

    source: Source | None
    """None: nothing is removed."""
    variation: str
    halves: tuple[Half, ...] = (0, 1)

    @property
    def evaluated_on(self) -> frozenset[Asked]:
        """The prompts that are asked."""
        return frozenset((self.variation, half) for half in self.halves)

    @property
    def name(self) -> str:
        """The variation, with the half where it is one: what an interval sees as one variation."""
        return self.variation if len(self.halves) > 1 else f"{self.variation} half {self.halves[0]}"


@dataclass(frozen=True, kw_only=True)
class RowPlan:
    """One row of the table, before it is filled."""

    level: Level
    found_in: tuple[str, ...]
    evaluated_in: str
    choice: int
    chosen: Chosen
    rule: str
    parts: tuple[Part, ...]
    """Empty where the row cannot be filled."""
    reason: str = ""
    """Why it cannot."""


def schedule(plan: Plan, variations: Mapping[str, Sequence[str]]) -> tuple[RowPlan, ...]:
    """Every row of the study, in the order of the table: by choice, level, contexts, rule; baselines beside each.

    The model as it is has one row a unit and context, whatever its components are scored by.
    variations  by context id, the names of the variations that take part

    Raises LeakError where a row would be evaluated on prompts that its sets were found on, and does not say so.
    """
    rows = tuple(_rows(plan, {context: tuple(names) for context, names in variations.items()}))
    for row in rows:
        refuse_leak(row)
    return rows


def refuse_leak(row: RowPlan) -> None:
    """Raises LeakError unless the row's sets and evaluations keep apart as its level says."""
    for part in row.parts:
        if part.source is None or row.level in OWN:
            continue
        shared = part.source.found_on & part.evaluated_on
        if shared:
            variation, half = sorted(shared)[0]
            raise LeakError(
                f"level {row.level!r}: a set for {row.evaluated_in} was found on prompts that it would be evaluated on: "
                f"{variation}, half {half} of the people"
            )


def _rows(plan: Plan, variations: Mapping[str, tuple[str, ...]]) -> Iterator[RowPlan]:
    for choice, one in enumerate(plan.choices):
        first = all(one.unit != other.unit for other in plan.choices[:choice])
        for context, names in variations.items() if first else ():
            yield RowPlan(
                level="none",
                found_in=(),
                evaluated_in=context,
                choice=choice,
                chosen="none",
                rule="",
                parts=tuple(Part(source=None, variation=name) for name in names),
            )
        for level in plan.levels:
            for row in _of_level(plan, choice, level, variations):
                yield from _with_baselines(row)


def _of_level(plan: Plan, choice: int, level: Level, variations: Mapping[str, tuple[str, ...]]) -> Iterator[RowPlan]:
    """The level's rows for the scored sets."""
    for context, names in variations.items():
        others = tuple(other for other in variations if other != context)

        def row(found_in: tuple[str, ...], rule: str, parts: Sequence[Part], reason: str = "") -> RowPlan:
            return RowPlan(
                level=level,
                found_in=found_in,
                evaluated_in=context,  # noqa: B023  (called in this turn of the loop only)
                choice=choice,
                chosen="scored",
                rule=rule,
                parts=tuple(parts),
                reason=reason,
            )

        def found(rule: Literal["own"] | Combine, on: Sequence[str], halves: tuple[Half, ...] = (0, 1)) -> Source:
            return Source(choice=choice, chosen="scored", rule=rule, variations=tuple(sorted(on)), halves=halves)

        if level == "prompt":
            yield row((context,), "own", [Part(source=found("own", [name]), variation=name) for name in names])
        elif level == "names":
            ways: tuple[tuple[Half, Half], ...] = ((0, 1), (1, 0))
            yield row(
                (context,),
                "own",
                [
                    Part(source=found("own", [name], (here,)), variation=name, halves=(there,))
                    for here, there in ways
                    for name in names
                ],
            )
        for rule in plan.combine:
            if level == "leave-one-out":
                if len(names) < 2:
                    yield row((context,), rule, (), "the context has one variation: there is none to leave out")
                    continue
                yield row(
                    (context,),
                    rule,
                    [
                        Part(source=found(rule, [other for other in names if other != name]), variation=name)
                        for name in names
                    ],
                )
            elif level == "context":
                whole = found(rule, names)
                yield row((context,), rule, [Part(source=whole, variation=name) for name in names])
            elif level == "cross-context":
                for other in others:
                    theirs = found(rule, variations[other])
                    yield row((other,), rule, [Part(source=theirs, variation=name) for name in names])
            elif level == "pooled":
                all_others = found(rule, [one for other in others for one in variations[other]])
                yield row(others, rule, [Part(source=all_others, variation=name) for name in names])


def _with_baselines(row: RowPlan) -> Iterator[RowPlan]:
    yield row
    for chosen in BASELINES:
        yield replace(
            row,
            chosen=chosen,
            parts=tuple(
                replace(part, source=replace(part.source, chosen=chosen))
                for part in row.parts
                if part.source is not None
            ),
        )


def sources_of(rows: Sequence[RowPlan]) -> tuple[Source, ...]:
    """Every set of the study, each once, in order: those of one choice together, and baselines after the set they equal
    in size, so that it need not be kept for long.
    """
    found = {part.source for row in rows for part in row.parts if part.source is not None}
    beside = ("scored", *BASELINES)
    return tuple(sorted(found, key=lambda one: (replace(one, chosen="scored"), beside.index(one.chosen))))


def evaluations_of(rows: Sequence[RowPlan]) -> tuple[Part, ...]:
    """Every evaluation of a set, each once. At most: sets that turn out equal are evaluated once."""
    return tuple(sorted({part for row in rows for part in row.parts if part.source is not None}))

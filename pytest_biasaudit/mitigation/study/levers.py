"""Which lever helped: every pair of interventions against neither, seed by seed; the sweep; what each label came to.

Imports stats when called. Intervals are over seeds: they say what another training would give on the same tables, and
nothing of other held-out rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from pytest_biasaudit.mitigation.study.plan import NONE, Intervention
from pytest_biasaudit.mitigation.study.result import Figure, Helped, LeverRow, StudyCell, SweepRow, UnitRow
from pytest_biasaudit.stats.interval import Interval

METHOD = "t over seeds"
SWEPT = "target-rate"
RATE = "rate"
Pair = tuple[str, str]
ALIKE = 1e-12
"""Seeds that differ by no more give the same."""
_BASE = Figure(value=None, interval=None, reason="what the others are held against")


def lever_rows(cells: Sequence[StudyCell], *, level: float, majority: float) -> tuple[LeverRow, ...]:
    """One row a pair of levers, in the order of the cells; the first is neither lever, and helps nobody.

    majority  share of the largest label: a classifier that knows no more has no gap, and is no help

    Intervals are each at their own level. The word is not: it takes Holm's p over all rows, since among many levers that do
    nothing some would seem to help.
    """
    from pytest_biasaudit.stats.multiplicity import holm

    by = _by_pair(cells)
    before = by.get((NONE, NONE), {})
    drawn = [_changes(after, before) for after in by.values()]
    chances = [None if pair == (NONE, NONE) else _chance(one.rms) for pair, one in zip(by, drawn, strict=True)]
    adjusted = iter(holm([p for p in chances if p is not None]))
    rows = []
    for ((upstream, data), after), moved, p in zip(by.items(), drawn, chances, strict=True):
        change = over_seeds(moved.rms, level=level, within=(-1.0, 1.0))
        accuracy = over_seeds([cell.accuracy.value for cell in after.values()], level=level, within=(0.0, 1.0))
        itself = (upstream, data) == (NONE, NONE)
        said = (_BASE, _BASE) if itself else (change, over_seeds(moved.accuracy, level=level, within=(-1.0, 1.0)))
        helped, reason = _word(said[0], accuracy, majority, p=None if p is None else next(adjusted), level=level)
        rows.append(
            LeverRow(
                upstream=upstream,
                data=data,
                seeds=len(moved.rms),
                rms=over_seeds([cell.rms.value for cell in after.values()], level=level, within=(0.0, 1.0)),
                change=said[0],
                accuracy=accuracy,
                accuracy_change=said[1],
                helped=helped,
                reason=reason,
            )
        )
    return tuple(rows)


def unit_rows(cells: Sequence[StudyCell], *, level: float) -> tuple[UnitRow, ...]:
    """One row a pair of levers, label and group, in the order of the cells."""
    by = _by_pair(cells)
    before = by.get((NONE, NONE), {})
    rows = []
    for (upstream, data), after in by.items():
        for at, unit in enumerate(next(iter(after.values())).units):
            here = {seed: cell.units[at] for seed, cell in after.items()}
            then = {seed: cell.units[at] for seed, cell in before.items()}
            moved = [
                _difference(_size(here[seed].gap.value), _size(then[seed].gap.value)) for seed in here if seed in then
            ]
            itself = (upstream, data) == (NONE, NONE)
            rows.append(
                UnitRow(
                    upstream=upstream,
                    data=data,
                    label=unit.label,
                    group=unit.group,
                    prevalence=_mean([one.prevalence for one in here.values()]),
                    score=_mean([one.upstream for one in here.values()]),
                    gap=over_seeds([one.gap.value for one in here.values()], level=level, within=(-1.0, 1.0)),
                    change=_BASE if itself else over_seeds(moved, level=level, within=(-1.0, 1.0)),
                )
            )
    return tuple(rows)


def sweep_rows(cells: Sequence[StudyCell], data: Sequence[Intervention], *, level: float) -> tuple[SweepRow, ...]:
    """One row a model, label and rate of the co-occurrence sweep, rates ascending; none where nothing is swept."""
    swept: dict[str, tuple[str, float]] = {}
    for one in data:
        rate = one.setting(RATE)
        if one.method == SWEPT and isinstance(rate, (int, float)):
            swept[one.name] = (str(one.setting("label") or ""), float(rate))
    by = _by_pair(cells)
    rows = []
    for upstream in dict.fromkeys(pair[0] for pair in by):
        for name in sorted((name for name in swept if (upstream, name) in by), key=swept.__getitem__):
            some = tuple(by[upstream, name].values())
            label, rate = swept[name]
            units = [[unit for unit in cell.units if label in ("", unit.label)] for cell in some]
            rows.append(
                SweepRow(
                    upstream=upstream,
                    pretrained=some[0].pretrained,
                    data=name,
                    label=label,
                    rate=rate,
                    reached=_mean([unit.prevalence for here in units for unit in here]),
                    rms=over_seeds([cell.rms.value for cell in some], level=level, within=(0.0, 1.0)),
                    gap=over_seeds(
                        [_mean([unit.gap.value for unit in here]) for here in units], level=level, within=(-1.0, 1.0)
                    ),
                    accuracy=over_seeds([cell.accuracy.value for cell in some], level=level, within=(0.0, 1.0)),
                )
            )
    return tuple(rows)


def over_seeds(values: Sequence[float | None], *, level: float, within: tuple[float, float]) -> Figure:
    """The mean of one figure a seed, with its t interval; a value that is missing makes the whole figure say so.

    within  the figure's range: no end lies beyond it

    Seeds that all give the same leave no interval: one of no width would look certain.
    """
    there = [value for value in values if value is not None]
    missing = len(values) - len(there)
    if not there:
        return Figure(value=None, interval=None, reason="not measured in any seed")
    if missing:
        return Figure(value=None, interval=None, reason=f"not measured in {missing} of {len(values)} seeds")
    mean = fmean(there)
    if len(there) < 2:
        return Figure(value=mean, interval=None, reason="one seed: how far another would lie from it is not known")
    spread = stdev(there)
    if not spread > ALIKE:
        return Figure(
            value=mean, interval=None, reason=f"all {len(there)} seeds give the same: they do not say how sure it is"
        )
    from scipy.special import stdtrit

    half = float(stdtrit(len(there) - 1, (1 + level) / 2)) * spread / math.sqrt(len(there))
    ends = max(within[0], mean - half), min(within[1], mean + half)
    return Figure(value=mean, interval=Interval(low=ends[0], high=ends[1], level=level, method=METHOD))


@dataclass(frozen=True, kw_only=True)
class _Changes:
    """Seed by seed, with the levers less without."""

    rms: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]


def _changes(after: Mapping[int, StudyCell], before: Mapping[int, StudyCell]) -> _Changes:
    pairs = [(after[seed], before[seed]) for seed in after if seed in before]
    return _Changes(
        # Over other labels it is another figure: one that lost its widest gap would seem to be smaller.
        rms=tuple(_difference(a.rms.value, b.rms.value) if _there(a) == _there(b) else None for a, b in pairs),
        accuracy=tuple(_difference(a.accuracy.value, b.accuracy.value) for a, b in pairs),
    )


def _there(cell: StudyCell) -> list[tuple[str, str]]:
    """Label and group of every gap that a cell has."""
    return [(unit.label, unit.group) for unit in cell.units if unit.gap.value is not None]


def _chance(values: Sequence[float | None]) -> float | None:
    """Two-sided p of no change, by t over seeds; None where there is no interval either."""
    there = [value for value in values if value is not None]
    if len(there) < len(values) or len(there) < 2 or not stdev(there) > ALIKE:
        return None
    from scipy.special import stdtr

    return 2.0 * float(stdtr(len(there) - 1, -abs(fmean(there)) / (stdev(there) / math.sqrt(len(there)))))


def _word(change: Figure, accuracy: Figure, majority: float, *, p: float | None, level: float) -> tuple[Helped, str]:
    if change.interval is None or change.value is None:
        return "cannot tell", change.reason
    if change.interval.low <= 0.0 <= change.interval.high:
        return "cannot tell", "the interval of the change holds 0"
    if p is None or p > 1.0 - level:
        return "cannot tell", "among so many levers one that does nothing would often seem to do as much (Holm)"
    if change.value > 0.0:
        return "hurt", ""
    least = accuracy.value if accuracy.interval is None else accuracy.interval.low
    if least is None or least <= majority:
        said = "nothing" if accuracy.value is None else f"{accuracy.value:.2f}"
        return "cannot tell", (
            f"the gap is smaller, and so is all it knows: accuracy {said}, and always naming the largest label gives "
            f"{majority:.2f}"
        )
    return "helped", ""


def _by_pair(cells: Sequence[StudyCell]) -> dict[Pair, dict[int, StudyCell]]:
    found: dict[Pair, dict[int, StudyCell]] = {}
    for cell in cells:
        found.setdefault((cell.upstream, cell.data), {})[cell.seed] = cell
    return found


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _size(value: float | None) -> float | None:
    return None if value is None else abs(value)


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if there else None

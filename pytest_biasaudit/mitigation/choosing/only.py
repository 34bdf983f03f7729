"""What a search may look at: answers and scores of the tuning variations, and nothing else. Imports the types of mitigation.

A choice that has seen the data it is evaluated on tells nothing about other data. So a search is not trusted to leave them
alone: it is handed a trial that refuses every other question, and scores from which the other cells are cut away. A refusal
that is caught and swallowed is not forgotten: `refuse_leaks` raises it again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.errors import DataError, LeakError
from pytest_biasaudit.mitigation.choosing.places import MOST
from pytest_biasaudit.mitigation.scores import Cell, Floats, ScoreTable
from pytest_biasaudit.mitigation.trial import Trial, Variation
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.prompt import Prompt

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.components import ComponentSet, ScoreMethod, Unit


class TuningTrial:
    """A trial that answers for the tuning variations and their people alone. Made by `only`."""

    def __init__(self, trial: Trial, tuning: Sequence[Variation]) -> None:
        self.__trial = trial
        self.__prompts: dict[tuple[str, str], frozenset[Prompt]] = {
            (one.context.sha256, one.name): frozenset(one.prompts) for one in tuning
        }
        self.__leaks: list[str] = []

    def outcomes(self, variation: Variation, components: ComponentSet | None) -> tuple[Outcome, ...]:
        """As `Trial.outcomes`. Raises LeakError for another variation, and for prompts that tuning does not have."""
        known = self.__prompts.get((variation.context.sha256, variation.name))
        if known is None:
            names = ", ".join(sorted(name for _, name in self.__prompts)[:MOST])
            self.__leak(f"variation {variation.name!r} was asked, and is not one of the tuning variations ({names})")
        other = [prompt for prompt in variation.prompts if known is not None and prompt not in known]
        if other:
            self.__leak(
                f"{len(other)} prompts of variation {variation.name!r} were asked that tuning does not have, the first about "
                f"{other[0].person_id!r}"
            )
        return self.__trial.outcomes(variation, components)

    def perplexity(self, components: ComponentSet | None) -> float:
        """As `Trial.perplexity`: the held text is no part of any evaluation of bias."""
        return self.__trial.perplexity(components)

    def refuse_leaks(self) -> None:
        """Raises LeakError where anything was refused so far, whoever caught it."""
        if self.__leaks:
            raise LeakError("; ".join(dict.fromkeys(self.__leaks)))

    def __leak(self, what: str) -> None:
        self.__leaks.append(what)
        raise LeakError(what)


def only(trial: Trial, tuning: Sequence[Variation]) -> TuningTrial:
    """The trial, for these variations and the people in their prompts alone.

    Raises DataError for no variation, or one name twice.
    """
    names = [one.name for one in tuning]
    faults = [
        f"variation {name!r} comes {names.count(name)} times" for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    if not tuning:
        faults.append("no tuning variation came; at least 1 is needed")
    if faults:
        raise DataError("tuning variations", faults)
    return TuningTrial(trial, tuning)


class TuningScores:
    """Scores of the tuning cells alone. Made by `restricted`; implements `ScoreTable`."""

    def __init__(self, table: ScoreTable, cells: Collection[Cell]) -> None:
        self.__table = table
        self.__cells = tuple(sorted(set(cells)))
        self.__leaks: list[str] = []

    @property
    def unit(self) -> Unit:
        """As the table's."""
        return self.__table.unit

    @property
    def method(self) -> ScoreMethod:
        """As the table's."""
        return self.__table.method

    @property
    def signed(self) -> bool:
        """As the table's."""
        return self.__table.signed

    @property
    def sizes(self) -> Mapping[str, tuple[int, ...]]:
        """As the table's."""
        return self.__table.sizes

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Those of tuning, sorted."""
        return self.__cells

    def scores(self, place: str, cells: Sequence[Cell]) -> Floats:
        """As `ScoreTable.scores`. Raises LeakError for a cell that is not of tuning."""
        other = [cell for cell in cells if cell not in self.__cells]
        if other:
            self.__leaks.append(f"scores of {len(other)} cells outside tuning were asked for, the first {other[0]}")
            raise LeakError(self.__leaks[-1])
        return self.__table.scores(place, cells)

    def refuse_leaks(self) -> None:
        """Raises LeakError where anything was refused so far, whoever caught it."""
        if self.__leaks:
            raise LeakError("; ".join(dict.fromkeys(self.__leaks)))


def restricted(table: ScoreTable, cells: Collection[Cell]) -> TuningScores:
    """The scores, with every other cell cut away.

    The cut is made in the table itself: of a dataclass, in every mapping whose keys are cells. What a cut table reads
    beside what it is asked for is then of tuning too.

    Raises DataError for no cell, or one that was not scored; LeakError for a table that holds other cells and cannot be
    cut: its prompts must then be scored without those of evaluation.
    """
    wanted = frozenset(cells)
    unknown = sorted(wanted - frozenset(table.cells))
    faults = [f"{cell} was not scored" for cell in unknown[:MOST]]
    if not wanted:
        faults.append("no cell of the tuning variations was scored")
    if faults:
        raise DataError("scores of the tuning cells", faults)
    others = len(frozenset(table.cells) - wanted)
    cut = _cut(table, wanted) if others else table
    if frozenset(cut.cells) - wanted:
        raise LeakError(
            f"the scores hold {others} cells outside tuning and cannot be cut ({type(table).__name__} is not a dataclass of "
            "mappings by cell); score the tuning prompts alone"
        )
    return TuningScores(cut, wanted)


def _cut(table: Any, wanted: frozenset[Cell]) -> Any:
    """A dataclass with each mapping by cell, and each tuple of cells, narrowed to these; anything else as it came."""
    if not is_dataclass(table) or isinstance(table, type):
        return table
    narrowed: dict[str, object] = {}
    for one in fields(table):
        value = getattr(table, one.name)
        if one.init and isinstance(value, Mapping) and value and all(isinstance(key, Cell) for key in value):
            narrowed[one.name] = {key: kept for key, kept in value.items() if key in wanted}
        elif one.init and isinstance(value, tuple) and value and all(isinstance(cell, Cell) for cell in value):
            narrowed[one.name] = tuple(cell for cell in value if cell in wanted)
    return replace(table, **narrowed) if narrowed else table

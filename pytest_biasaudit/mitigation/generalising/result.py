"""What a study of generalisation came to: its table, and what it is computed from. Plain frozen data.

Imports nothing heavy: the report, the evidence and assertions read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pytest_biasaudit.mitigation.generalising.rows import Chosen, Level, TransferRow
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.outcomes.outcome import Status

if TYPE_CHECKING:
    from pytest_biasaudit.context.declaration import Context
    from pytest_biasaudit.mitigation.components import ComponentSet

Half = Literal[0, 1]


@dataclass(frozen=True, kw_only=True)
class StudiedPerson:
    """Somebody the prompts are about."""

    id: str
    group: str
    half: Half


@dataclass(frozen=True, kw_only=True)
class StudiedContext:
    """One context as the study used it: all of it, or the part that it was cut down to."""

    context: str
    context_sha256: str
    audit: str
    variations: tuple[str, ...]
    """Names, "CONTEXT/AUDIT/TEMPLATE"."""
    declared_variations: int
    """How many the audit has."""
    people: tuple[StudiedPerson, ...]
    """In the order of the prompts."""
    declared_people: int
    """How many the audit asks about in the two groups."""
    repeats: int
    """Answers a prompt."""
    unit: str
    """Of the outcome: "USD"."""


@dataclass(frozen=True, kw_only=True)
class StudiedSet:
    """One set of components that was tried."""

    sha256: str
    """Of what is removed and how; equal sets have equal digests."""
    unit: Literal["heads", "neurons", "weights"]
    method: str
    chosen: Chosen
    rule: str
    found_in: tuple[str, ...]
    """Variations."""
    halves: tuple[Half, ...]
    """Of the people in them."""
    count: int
    by_place: tuple[tuple[str, int], ...]
    """How many at each place; of scored sets only, since baselines are of equal size at every place."""
    perplexity: float | None
    """None where it was not asked for."""
    file: str = ""
    """Where the set was saved; empty where it was not."""
    file_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One set held to one variation: every answer, in few words."""

    components: str
    """Digest of the set; empty for the model as it is."""
    variation: str
    halves: tuple[Half, ...]
    values: tuple[float | None, ...]
    """In the order of the context's people (those of the halves), the repeats of each together."""
    statuses: tuple[Status, ...]


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Which share of the bias is removed in a context by components found in another: found in (rows) x evaluated in."""

    unit: str
    method: str
    rule: str
    chosen: Chosen
    contexts: tuple[str, ...]
    rows: Mapping[tuple[str, str], TransferRow]
    """By (found in, evaluated in). The diagonal is of level "context", evaluated on the prompts it was found on."""
    left_out: Mapping[str, TransferRow]
    """By context: level "leave-one-out", what stands in the diagonal's stead as evidence."""

    def removed(self) -> tuple[tuple[float | None, ...], ...]:
        """The matrix as numbers; None where there is none."""
        return tuple(
            tuple(
                None if (row := self.rows.get((found, evaluated))) is None else row.removed.value
                for evaluated in self.contexts
            )
            for found in self.contexts
        )


@dataclass(frozen=True, kw_only=True)
class Generalisation:
    """The whole of one study of one model."""

    study: str
    """Id of the plan."""
    plan_file: str
    plan_sha256: str
    model: ModelIdentity
    attribute: str
    groups: tuple[str, str]
    """(reference, group)."""
    metric: str
    level: float
    """Of the intervals."""
    seed: int
    choices: tuple[dict[str, object], ...]
    """As declared and completed: unit, method, k, p, q, rule, scope, mode."""
    contexts: tuple[StudiedContext, ...]
    rows: tuple[TransferRow, ...]
    sets: tuple[StudiedSet, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    components: Mapping[str, ComponentSet] = field(default_factory=dict, compare=False)
    """The scored sets of whole contexts, by name ("purchase-heads-attribution-frequency"): what one would remove. Not
    in the evidence; files are."""
    declared: tuple[Context, ...] = field(default=(), compare=False)
    """The contexts as declared; empty for a result that was read back, whose file has them beside it."""
    observe: bool = field(default=False, compare=False)
    """Assertions on this result raise nothing: the run only observes."""
    inconclusive: Literal["fail", "warn", "skip"] = field(default="fail", compare=False)
    """What an inconclusive verdict does, where an assertion does not say."""

    def select(
        self,
        *,
        level: Level | None = None,
        unit: str | None = None,
        evaluated_in: str | None = None,
        found_in: str | Sequence[str] | None = None,
        chosen: Chosen | None = None,
        rule: str | None = None,
        method: str | None = None,
    ) -> tuple[TransferRow, ...]:
        """The rows that fit all that is given, in the table's order."""
        sources = (found_in,) if isinstance(found_in, str) else None if found_in is None else tuple(found_in)
        return tuple(
            row
            for row in self.rows
            if level in (None, row.level)
            and unit in (None, row.unit)
            and evaluated_in in (None, row.evaluated_in)
            and sources in (None, row.found_in)
            and chosen in (None, row.chosen)
            and rule in (None, row.rule)
            and method in (None, row.method)
        )

    def row(
        self,
        *,
        level: Level,
        unit: str,
        evaluated_in: str,
        found_in: str | Sequence[str] | None = None,
        chosen: Chosen | None = None,
        rule: str | None = None,
        method: str | None = None,
    ) -> TransferRow:
        """The one row that fits; of scored sets where `chosen` is not given.

        Raises KeyError where none or several fit, naming what would tell them apart.
        """
        wanted: Chosen = chosen or ("none" if level == "none" else "scored")
        found = self.select(
            level=level,
            unit=unit,
            evaluated_in=evaluated_in,
            found_in=found_in,
            chosen=wanted,
            rule=rule,
            method=method,
        )
        if len(found) == 1:
            return found[0]
        asked = f"level {level!r}, unit {unit!r}, evaluated in {evaluated_in!r}, chosen {wanted!r}"
        if not found:
            raise KeyError(f"no row of {asked}; there are {'; '.join(dict.fromkeys(_told(self.rows)))}")
        raise KeyError(
            f"{len(found)} rows of {asked}: say also found_in, rule or method; they are "
            + "; ".join(f"found in {', '.join(one.found_in)} by {one.method}, rule {one.rule}" for one in found)
        )

    def matrix(
        self, unit: str, *, rule: str | None = None, chosen: Chosen = "scored", method: str | None = None
    ) -> Matrix:
        """Found in x evaluated in, for one unit.

        rule, method  where the study has several: "frequency" if it is among them, else the first; the first method

        Raises KeyError where the study has no rows of a whole context for that unit.
        """
        whole = [
            row
            for row in self.select(unit=unit, chosen=chosen, method=method)
            if row.level in ("context", "cross-context")
        ]
        rules = list(dict.fromkeys(row.rule for row in whole if rule in (None, row.rule)))
        if not rules:
            raise KeyError(f"no rows of whole contexts for unit {unit!r}, rule {rule!r}; there are {_listed(self)}")
        taken = "frequency" if "frequency" in rules else rules[0]
        by = method or whole[0].method
        fit = [row for row in whole if row.rule == taken and row.method == by]
        return Matrix(
            unit=unit,
            method=by,
            rule=taken,
            chosen=chosen,
            contexts=tuple(one.context for one in self.contexts),
            rows={(row.found_in[0], row.evaluated_in): row for row in fit},
            left_out={
                row.evaluated_in: row
                for row in self.select(level="leave-one-out", unit=unit, chosen=chosen, rule=taken, method=by)
            },
        )


def _told(rows: Sequence[TransferRow]) -> Iterator[str]:
    for row in rows:
        yield f"{row.level} of {row.unit} in {row.evaluated_in}"


def _listed(result: Generalisation) -> str:
    return ", ".join(dict.fromkeys(f"{row.unit} by {row.rule}" for row in result.rows if row.level != "none")) or "none"

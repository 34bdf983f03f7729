"""What a search tried and what it took: rows for the record. Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.choosing.settings import Settings, share_fault

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.components import ComponentSet


@dataclass(frozen=True, kw_only=True)
class Floors:
    """What a pruned model must keep to be chosen. Point values are held against them, not intervals."""

    inlier_ratio: float
    """0 to 1. The model as it is has about 0.9 by its definition: 5th to 95th percentile of its own answers."""
    answer_rate: float
    """0 to 1."""

    def __post_init__(self) -> None:
        """Raises RecipeError for a floor that is no share."""
        faults = [
            share_fault("min_inlier_ratio", self.inlier_ratio, above_zero=False),
            share_fault("min_answer_rate", self.answer_rate, above_zero=False),
        ]
        if any(faults):
            raise RecipeError("floors of a search: " + "; ".join(filter(None, faults)))


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a model stands on the tuning variations: estimates alone. They decide a search and are no finding."""

    bias: float | None
    """Mean over the variations of the metric's absolute value; None where it is not defined on one of them."""
    inlier_ratio: float | None
    """Mean over variations; bounds by the model as it is."""
    answer_rate: float | None
    by_variation: Mapping[str, float | None]
    """The metric with its sign, group minus reference."""
    reason: str = ""
    """Why one of them is not defined."""

    def below(self, floors: Floors) -> str:
        """Why this cannot be chosen; empty where it can."""
        if self.bias is None:
            return f"bias is not defined: {self.reason}" if self.reason else "bias is not defined"
        kept = (
            ("inlier ratio", self.inlier_ratio, floors.inlier_ratio),
            ("answer rate", self.answer_rate, floors.answer_rate),
        )
        return "; ".join(
            f"{name} is not defined" if value is None else f"{name} {value:.3g} is below its floor {floor:g}"
            for name, value, floor in kept
            if value is None or value < floor
        )


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One setting, or one step, and what it came to."""

    settings: Settings
    components: int
    share: float
    """Of all components of the unit."""
    standing: Standing | None
    """None where no component was chosen, so that there was nothing to ask."""
    refused: str
    """Why it was not to be taken; empty where it met the floors."""
    added: tuple[str, int] | None = None
    """Greedy: the place and number that this step took out beside the ones before."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The choice of a search with all it tried, in order."""

    components: ComponentSet | None
    """None where nothing met the floors."""
    chosen: Tried | None
    tried: tuple[Tried, ...]
    before: Standing
    """The model as it is, on the tuning variations."""
    tuning: tuple[str, ...]
    """Names of the variations that were looked at. What is found may be evaluated on none of them without saying so."""
    attribute: str
    groups: tuple[str, str]
    """(reference, group)."""
    metric: str
    floors: Floors
    reason: str = ""
    """Why nothing was chosen, or why what was chosen is no gain."""
    people: frozenset[str] = field(default=frozenset(), repr=False)
    """Their ids in the tuning prompts."""


def best_of(tried: Sequence[Tried]) -> Tried | None:
    """The least bias of those that may be taken; of equal ones the fewest components, then the first."""
    able = [one for one in tried if not one.refused and one.standing is not None and one.standing.bias is not None]
    return min(able, key=lambda one: (one.standing.bias, one.components), default=None)  # type: ignore[union-attr]


def reason_for(chosen: Tried | None, tried: Sequence[Tried], before: Standing) -> str:
    """What must be said beside a choice; empty where it stands for itself."""
    if chosen is None:
        reasons = "; ".join(dict.fromkeys(one.refused for one in tried if one.refused))
        return f"none of {len(tried)} met the floors: {reasons}"
    assert chosen.standing is not None
    assert chosen.standing.bias is not None
    assert before.bias is not None
    if chosen.standing.bias >= before.bias:
        return f"bias on the tuning variations is no lower than before ({chosen.standing.bias:.3g}, before {before.bias:.3g})"
    return ""

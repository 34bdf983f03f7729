"""One row of the table of generalisation: found where, evaluated where, and what that came to. Plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_biasaudit.metrics.over_variations import Figure

__all__ = ["Chosen", "Figure", "Level", "TransferRow"]

Level = Literal["none", "prompt", "names", "leave-one-out", "context", "cross-context", "pooled"]
"""Which prompts a set was found on, as seen from those it is evaluated on. "none": nothing removed. "prompt": the very same
(found and evaluated on one variation, all names). "names": the same variation, the other half of the names.
"leave-one-out": the other variations of the context. "context": all variations of the context, this one too.
"cross-context": another context. "pooled": all other contexts together."""
Chosen = Literal["scored", "random", "magnitude", "none"]
"""By the study's scores, or one of the baselines of equal size at every place; "none": the model as it is."""


@dataclass(frozen=True, kw_only=True)
class TransferRow:
    """A set of components, or the several of one rule, evaluated on the variations of one context."""

    level: Level
    found_in: tuple[str, ...]
    """Ids of the contexts that the components come from; empty for level "none"."""
    evaluated_in: str
    """Id of the context."""
    unit: Literal["heads", "neurons", "weights"]
    method: str
    """Of scoring: "wanda"; "" for level "none"."""
    chosen: Chosen
    rule: str
    """How sets of several variations become one: "own", "intersection", "frequency", "pooled scores"."""
    components: float
    """In the set; the mean where every variation has a set of its own."""
    share: float
    """Of all components of the unit."""
    variations: int
    """Evaluated on."""
    people: int
    bias: Figure
    """Mean over variations of the absolute value of `metric`."""
    bias_before: Figure
    """The same of the model as it is, on the same prompts."""
    removed: Figure
    """1 - bias / bias_before: 1 is all, 0 nothing, below 0 more bias than before."""
    inlier_ratio: Figure
    answer_rate: Figure
    perplexity: float | None
    """Mean over the sets; None where it was not asked for."""
    perplexity_before: float | None
    same_prompts: bool
    """Evaluated on prompts that the set was found on: no evidence that it carries anywhere."""
    metric: str = "smd"
    attribute: str = "race"
    groups: tuple[str, str] = ("white", "black")
    """(reference, group)."""
    evaluations: tuple[int, ...] = ()
    """Positions in `Generalisation.evaluations` of what the row is computed from, one a variation (or half of one)."""
    chance: float | None = None
    """What `bias` would be on average if the groups did not differ at all: absolute values are never nought by chance."""

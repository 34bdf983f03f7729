"""How much to choose and by which rule: k, p, q, and what they mean for heads, neurons and weights. Imports nothing heavy.

    heads       k and q are counts over the whole model: the k = 40 highest for the group, less the q = 5 highest for the
                reference group
    neurons,    p and q are shares of each place: the p = 0.15 of a layer's neurons, or of a linear layer's weights, that
    weights     score highest for the group, less the q = 0.15 that score highest for the reference group

A share p of n components is floor(p n) of them, p taken as the decimal it is written as: 0.29 of 100 is 29, not the 28
that binary fractions give. Published code for the shares (0.15 / 0.15, per linear layer); 40 / 5 and 0.40 / 0.35 are those
of an unofficial reproduction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Integral, Real
from typing import TYPE_CHECKING, Literal

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.choosing.places import in_order, size_of

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.components import ScoreMethod, Unit

Rule = Literal["difference", "sum", "top"]
"""How the scores of two groups make one set.

"difference"  of unsigned scores: what is among the highest for the group and not among the highest for the reference
              group. Of signed scores (attribution, ablation): the highest of (group minus reference) in the direction of the
              gap, of those that carry it at all; q has no meaning there
"sum"         the highest of reference plus group: attention to the name, whatever the group (the released code's variant)
"top"         the highest for the group alone
"""
Scope = Literal["layer", "global"]
"""Whether the highest are looked for at every place by itself, or over the whole model."""

HEADS = (40, 5)
"""k and q of an unofficial reproduction of the pruning study, which says they are the study's."""
SHARES = (0.15, 0.15)
"""p and q of the pruning study's published code, for weights."""
DATA_FREE: tuple[ScoreMethod, ...] = ("magnitude", "random")
"""Scores that know no group: the highest for one are the highest for the other, and nothing would be left of a difference."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One way of choosing. What is None is filled in by `complete`, by unit and method."""

    k: int | None = None
    """How many: over the whole model, or at each place, by `scope`."""
    p: float | None = None
    """Which share, above 0 and at most 1: of the whole model, or of each place, by `scope`."""
    q: float | None = None
    """What is taken off for the reference group: a count (whole number from 0) with k, a share (0 to 1) with p."""
    rule: Rule | None = None
    scope: Scope | None = None

    @property
    def written(self) -> tuple[tuple[str, str | float | int], ...]:
        """What is set, sorted by name: as a set's origin and a search's rows keep it."""
        values: dict[str, str | float | int | None] = {
            "k": self.k,
            "p": self.p,
            "q": self.q,
            "rule": self.rule,
            "scope": self.scope,
        }
        return tuple((name, value) for name, value in sorted(values.items()) if value is not None)

    def __str__(self) -> str:
        """As "k = 40, q = 5, rule = difference, scope = global"."""
        return ", ".join(f"{name} = {value}" for name, value in self.written) or "defaults"


def complete(
    settings: Settings, *, unit: Unit, method: ScoreMethod, signed: bool, sizes: Mapping[str, tuple[int, ...]]
) -> Settings:
    """The settings with every None filled in that has a meaning here, checked against the model.

    Raises RecipeError with all faults: both k and p, k not in 1 to the components there are, p or q outside of their
    range, q where the rule takes nothing off, a rule that the scores cannot serve, a share that comes to nothing at
    every place.
    """
    faults: list[str] = []
    rule: Rule = settings.rule or ("top" if method in DATA_FREE else "difference")
    _check_rule(rule, method, signed, faults)
    takes_off = rule == "difference" and not signed
    k, p, q = settings.k, settings.p, settings.q
    if k is not None and p is not None:
        faults.append(f"k = {k!r} and p = {p!r} were both given; a set is chosen by a count or by a share")
    if k is None and p is None:
        k, p = (HEADS[0], None) if unit == "heads" else (None, SHARES[0])
    scope: Scope = settings.scope or ("global" if unit == "heads" or k is not None else "layer")
    if scope not in ("layer", "global"):
        faults.append(f"scope {scope!r}: valid are 'layer' and 'global'")
        scope = "global"
    most = _most(sizes, scope)
    if takes_off and q is None:
        q = HEADS[1] if unit == "heads" and k is not None else SHARES[1] if k is None else None
        if q is None:
            faults.append(f"q is missing: with k = {k!r} it is the count that is taken off for the reference group")
    elif not takes_off and q is not None:
        why = (
            "signed scores are subtracted, not set against each other" if signed else f"rule {rule!r} takes nothing off"
        )
        faults.append(f"q = {q!r} has no meaning here: {why}")
        q = None
    if k is not None:
        _check_count("k", k, 1, most, scope, faults, given=settings.k is not None)
        if q is not None:
            _check_count("q", q, 0, most, scope, faults, given=settings.q is not None)
    else:
        faults += filter(None, [share_fault("p", p, above_zero=True)])
        if q is not None:
            faults += filter(None, [share_fault("q", q, above_zero=False)])
    if faults:
        raise RecipeError(f"choosing {unit} by {method}: " + "; ".join(faults))
    if k is not None:
        k, q = int(k), None if q is None else int(q)
    elif p is not None:
        p, q = float(p), None if q is None else float(q)
        if not any(counts_of(p, sizes, scope).values()):
            where = "of the model" if scope == "global" else "at every place"
            raise RecipeError(f"choosing {unit} by {method}: p = {p!r} is less than one component {where}")
    return replace(settings, k=k, p=p, q=q, rule=rule, scope=scope)


def counts_of(amount: float, sizes: Mapping[str, tuple[int, ...]], scope: Scope) -> dict[str, int]:
    """How many components an amount is, by place; for scope "global" under the one key "".

    amount  a whole number (int) is itself; a share (float) of n is floor(share x n)
    """
    if scope == "global":
        return {"": _count(amount, _total(sizes))}
    return {place: _count(amount, size_of(sizes, place)) for place in in_order(sizes)}


def is_whole(value: object) -> bool:
    """A whole number of any kind, numpy's too; True and False are none."""
    return value is not True and value is not False and isinstance(value, Integral)


def share_fault(name: str, value: object, *, above_zero: bool) -> str:
    """Why a value is no share; empty for one."""
    if value is not True and value is not False and isinstance(value, Real):
        share = float(value)
        if 0.0 <= share <= 1.0 and not (above_zero and share == 0.0):
            return ""
    return f"{name} = {value!r} is not a share: valid is {'above 0 and at most 1' if above_zero else '0 to 1'}"


def _count(amount: float, components: int) -> int:
    if isinstance(amount, int):
        return amount
    # The shortest decimal that reads as this number: what its author wrote.
    return math.floor(Fraction(repr(float(amount))) * components)


def _check_rule(rule: object, method: ScoreMethod, signed: bool, faults: list[str]) -> None:
    if rule not in ("difference", "sum", "top"):
        faults.append(f"rule {rule!r}: valid are 'difference', 'sum' and 'top'")
    elif signed and rule != "difference":
        faults.append(
            f"rule {rule!r} is for scores that say how strongly a component answers; {method} scores say which way it moves "
            "the answer, so only rule 'difference' (group minus reference) has a meaning"
        )
    elif method in DATA_FREE and rule != "top":
        faults.append(f"rule {rule!r} needs scores that differ between groups; {method} scores know none: use 'top'")


def _check_count(
    name: str, value: object, low: int, high: int, scope: Scope, faults: list[str], *, given: bool
) -> None:
    where = "the model has" if scope == "global" else "the smallest place has"
    if not is_whole(value):
        faults.append(f"{name} = {value!r} is not a whole number; valid are {low} to {high} ({where} {high})")
    elif not low <= int(value) <= high:  # type: ignore[call-overload]  # is_whole looked
        origin = "" if given else ", the default,"
        faults.append(f"{name} = {value}{origin} is not in {low} to {high} ({where} {high})")


def _total(sizes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(size_of(sizes, place) for place in sizes)


def _most(sizes: Mapping[str, tuple[int, ...]], scope: Scope) -> int:
    return _total(sizes) if scope == "global" else min((size_of(sizes, place) for place in sizes), default=0)

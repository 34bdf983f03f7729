"""What of what was predicted: the counts behind every rate of a classifier, by group and label, from a tally.

Imports the tally and stats. A rate is hits over the rows it is out of; rows without a prediction are in neither, and are
counted beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics.metric import GroupSummary
from pytest_biasaudit.stats.two_proportions import MIDP, MIDP_CLUSTERED, Shares, correlation_of, shares_of_clusters
from pytest_biasaudit.tables.tally import Tally

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rate = Literal["tpr", "fnr", "fpr", "selection", "accuracy", "answered"]
OF_ALL_LABELS: tuple[Rate, ...] = ("accuracy", "answered")
OF_ONE_CLASS: tuple[Rate, ...] = ("tpr", "fnr", "fpr")

FEWEST_ANSWERED = 0.5
"""Share of a group's rows, and of those of the class that a rate is of, that must have a prediction: of rows mostly unheard, the
rest says little, and a model that falls silent on one class of one group would look fair."""
_OUT_OF: dict[Rate, str] = {
    "tpr": "whose true label is {label!r}",
    "fnr": "whose true label is {label!r}",
    "fpr": "whose true label is another than {label!r}",
    "selection": "with a prediction",
    "accuracy": "with a true label and a prediction",
    "answered": "at all",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Counts:
    """One rate of several groups, label by label."""

    rate: Rate
    groups: tuple[str, ...]
    """The reference first; ("",) for all rows."""
    labels: tuple[str, ...]
    """("",) for a rate that is of all labels together."""
    hits: Floats
    """(clusters, groups, labels); the first axis has one place where every row is its own."""
    out_of: Floats
    asked: NDArray[np.int64]
    """(groups,) all rows of the group."""
    unanswered: NDArray[np.int64]
    """(groups,) those without a prediction."""
    wanted: Floats
    """(groups, labels) the rows that the rate would be out of, had all a prediction."""
    clustered: bool
    tally: Tally
    inside: Bools
    """(cells, groups) which cells are of each group."""
    overlapping: bool
    prediction: NDArray[np.int64]
    """Whose predictions they are: one index a cell."""

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """(groups, labels) rows, or clusters, that the rate is out of."""
        counted = (self.out_of > 0).sum(axis=0) if self.clustered else self.out_of[0]
        return np.asarray(counted, dtype=np.int64)

    @cached_property
    def _found(self) -> tuple[Shares, Floats | None]:
        if not self.clustered:
            return Shares.of(self.hits[0], self.out_of[0]), None
        shape = self.hits.shape
        shares, influence = shares_of_clusters(self.hits.reshape(shape[0], -1), self.out_of.reshape(shape[0], -1))
        folded = Shares(
            rate=shares.rate.reshape(shape[1:]), n=shares.n.reshape(shape[1:]), df=shares.df.reshape(shape[1:])
        )
        return folded, influence.reshape(shape)

    @property
    def shares(self) -> Shares:
        """Of shape (groups, labels)."""
        return self._found[0]

    @property
    def influence(self) -> Floats | None:
        """(clusters, groups, labels) what each cluster contributes to the error of each share; None without clusters."""
        return self._found[1]

    @property
    def method(self) -> str:
        """How two shares are compared, for people."""
        overlap = ", rows of both groups counted together" if self.overlapping and not self.clustered else ""
        return (MIDP_CLUSTERED if self.clustered else MIDP) + overlap

    def correlation(self, pairs: Sequence[tuple[int, int]]) -> Floats:
        """(pairs, labels) of the errors of two groups' shares: 0 where they have no row, and no cluster, in common.

        Groups told by terms may have rows in common. For n_s such rows, x_s of them hits, the covariance of the two shares
        is (x_s (1 - p)(1 - q) + (n_s - x_s) p q) / (n_p n_q).
        """
        first, second = [one for one, _ in pairs], [other for _, other in pairs]
        influence = self.influence
        if influence is not None:
            return correlation_of(influence[:, first], influence[:, second])
        if not self.overlapping or not pairs:
            return np.zeros((len(pairs), len(self.labels)))
        both = np.stack([self.inside[:, one] & self.inside[:, other] for one, other in pairs], axis=1)
        x, n = (
            found[0] for found in _sums(self.rate, self.tally, both, self.labels, self.prediction, by_cluster=False)
        )
        p, q = self.shares.rate[first], self.shares.rate[second]
        out_p, out_q = self.out_of[0][first], self.out_of[0][second]
        with np.errstate(invalid="ignore", divide="ignore"):
            covariance = (x * (1 - p) * (1 - q) + (n - x) * p * q) / (out_p * out_q)
            found = covariance / np.sqrt(p * (1 - p) / out_p * (q * (1 - q) / out_q))
        return np.asarray(np.where(np.isfinite(found), found, 0.0))

    def obstacle(self, group: int, label: int, *, minimum: int) -> str:
        """Why the share of a group cannot be judged; empty where it can."""
        name = f"group {self.groups[group]!r}" if self.groups[group] else "the table"
        asked = int(self.asked[group])
        if not asked:
            return f"{name} has no row: nothing is known of it"
        unanswered = int(self.unanswered[group])
        if self.rate != "answered" and asked - unanswered < FEWEST_ANSWERED * asked:
            return f"{asked - unanswered} of {asked} rows of {name} have a prediction; at least {FEWEST_ANSWERED:.0%} are needed"
        which = _OUT_OF[self.rate].format(label=self.labels[label])
        heard, wanted = int(self.out_of[:, group, label].sum()), int(self.wanted[group, label])
        if heard < FEWEST_ANSWERED * wanted:
            return f"{heard} of {wanted} rows of {name} {which} have a prediction; at least {FEWEST_ANSWERED:.0%} are needed"
        units = int(self.units[group, label])
        needed = max(minimum, 2 if self.clustered else 1)
        if units < needed:
            what = "clusters of rows" if self.clustered else "rows"
            undefined = " (the rate is not defined)" if units == 0 else ""
            return (
                f"{name} has {units} {what} {which}{undefined}; {needed} are needed: add {needed - units} or more, "
                "leave the group out with a reason, or lower `minimum`"
            )
        return ""

    def first_obstacle(self, label: int, *, minimum: int) -> str:
        """Why groups cannot all be compared at a label: every one that stands in the way, at most five."""
        found = [self.obstacle(group, label, minimum=minimum) for group in range(len(self.groups))]
        said = [one for one in found if one]
        return "; ".join(said[:5]) + (f"; and {len(said) - 5} more" if len(said) > 5 else "")

    def summary(self, group: int, label: int) -> GroupSummary:
        """What a figure of this group rests on."""
        rate = float(self.shares.rate[group, label])
        return summary(
            self.groups[group],
            n=int(self.out_of[:, group, label].sum()),
            asked=int(self.asked[group]),
            unanswered=int(self.unanswered[group]),
            units=int(self.units[group, label]),
            rate=None if np.isnan(rate) else rate,
        )


def summary(group: str, *, n: int, asked: int, unanswered: int, units: int, rate: float | None) -> GroupSummary:
    """One group's figures as a table of predictions has them."""
    return GroupSummary(
        group=group, n=n, asked=asked, refused=0, unparseable=unanswered, errors=0, people=units,
        mean=None, sd=None, median=None, rate=rate,
    )  # fmt: skip


def counts(
    rate: Rate,
    tally: Tally,
    attributes: Sequence[str],
    labels: Sequence[str],
    *,
    prediction: NDArray[np.int64] | None = None,
    only: Bools | None = None,
) -> Counts:
    """One rate of the compared groups; of all rows together where `attributes` is empty.

    labels      ("",) for `accuracy` and `answered`
    prediction  in place of the tally's own: another model's answers to the same rows
    only        (cells,) which cells count; all where None
    """
    groups, inside = tally.groups(attributes)
    if only is not None:
        inside = inside & only[:, None]
    own = prediction if prediction is not None else tally.prediction
    if own is None:  # a corpus: nothing is predicted
        own = np.full(len(tally.count), -1, dtype=np.int64)
    hits, out_of = _sums(rate, tally, inside, tuple(labels), own, by_cluster=tally.cluster is not None)
    wanted = out_of.sum(axis=0)
    if rate in OF_ONE_CLASS and (own < 0).any():
        wanted = _sums(rate, tally, inside, tuple(labels), tally.truth, by_cluster=False)[1][0]
    return Counts(
        rate=rate,
        groups=groups,
        labels=tuple(labels),
        hits=hits,
        out_of=out_of,
        asked=(inside * tally.count[:, None]).sum(axis=0),
        unanswered=(inside * np.where(own < 0, tally.count, 0)[:, None]).sum(axis=0),
        wanted=wanted,
        clustered=tally.cluster is not None,
        tally=tally,
        inside=inside,
        overlapping=any(tally.attribute(name).overlapping for name in attributes),
        prediction=own,
    )


def _sums(
    rate: Rate, tally: Tally, inside: Bools, labels: tuple[str, ...], prediction: NDArray[np.int64], *, by_cluster: bool
) -> tuple[Floats, Floats]:
    """Hits and the rows they are out of, both of shape (clusters or 1, columns of `inside`, labels)."""
    known = len(tally.labels)
    looked_at = [0] if rate in OF_ALL_LABELS else [tally.labels.index(label) for label in labels]
    place, clusters = np.zeros(len(tally.count), dtype=np.int64), 1
    if by_cluster and tally.cluster is not None:
        names, place = np.unique(tally.cluster, return_inverse=True)
        clusters = len(names)
    hits = np.zeros((clusters, inside.shape[1], len(looked_at)))
    out_of = np.zeros_like(hits)
    truth = tally.truth
    answered, sure = prediction >= 0, (prediction >= 0) & (truth >= 0)
    right = sure & (prediction == truth)

    def by_label(mask: Bools, of: NDArray[np.int64]) -> Floats:
        code = place[mask] * known + of[mask]
        found = np.bincount(code, weights=tally.count[mask], minlength=clusters * known).reshape(clusters, known)
        return np.asarray(found[:, looked_at])

    def together(mask: Bools) -> Floats:
        return np.asarray(np.bincount(place[mask], weights=tally.count[mask], minlength=clusters)[:, None])

    for column in range(inside.shape[1]):
        of = inside[:, column]
        if rate in ("tpr", "fnr"):
            bottom, top = by_label(of & sure, truth), by_label(of & right, truth)
            top = top if rate == "tpr" else bottom - top
        elif rate == "fpr":
            bottom = together(of & sure) - by_label(of & sure, truth)
            top = by_label(of & sure, prediction) - by_label(of & right, truth)
        elif rate == "selection":
            bottom, top = together(of & answered), by_label(of & answered, prediction)
        elif rate == "accuracy":
            bottom, top = together(of & sure), together(of & right)
        else:
            bottom, top = together(of), together(of & answered)
        hits[:, column], out_of[:, column] = top, np.broadcast_to(bottom, top.shape)
    return hits, out_of

"""Tables of predictions for tests, drawn row by row and counted by plain Python: nothing of the package counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from pytest_biasaudit.tables.tally import Attribute, Tally


def tally(
    groups: Sequence[Sequence[str]],
    truth: Sequence[str],
    prediction: Sequence[str],
    *,
    names: Sequence[str] = ("group",),
    order: Sequence[Sequence[str]] | None = None,
    positive: str | None = None,
    cluster: Sequence[int] | None = None,
    earlier: Sequence[str] | None = None,
    overlapping: bool = False,
    left_out: tuple[tuple[str, str], ...] = (),
) -> Tally:
    """Rows counted.

    groups  for each attribute the rows' groups; with `overlapping` each row's groups, joined by "+", "" for none
    truth, prediction, earlier  a label a row; "" where there is none
    order   for each attribute its groups, the reference first; in order of name where None
    """
    blank = [""] * len(truth)
    rows = list(zip(*groups, truth, prediction, earlier or blank, cluster or [0] * len(truth), strict=True))
    counted = Counter(rows)
    labels = tuple(sorted({*truth, *prediction, *(earlier or ())} - {""}))
    keys = sorted(counted)
    attributes, members = [], []
    for at, name in enumerate(names):
        there = sorted({one for row in keys for one in (row[at].split("+") if overlapping else [row[at]]) if one})
        own = tuple(order[at]) if order else tuple(there)
        attributes.append(
            Attribute(name=name, groups=own, overlapping=overlapping, left_out=left_out if at == 0 else ())
        )
        members.append(
            np.array([[one in (row[at].split("+") if overlapping else [row[at]]) for one in own] for row in keys])
        )
    place = {label: at for at, label in enumerate(labels)} | {"": -1}
    k = len(names)
    return Tally(
        attributes=tuple(attributes),
        labels=labels,
        positive=positive,
        members=tuple(members),
        truth=np.array([place[row[k]] for row in keys]),
        prediction=np.array([place[row[k + 1]] for row in keys]),
        count=np.array([counted[row] for row in keys]),
        cluster=None if cluster is None else np.array([row[k + 3] for row in keys]),
        earlier=None if earlier is None else np.array([place[row[k + 2]] for row in keys]),
    )

"""How sure, about the mean of several fixed questions' shares that the same people answered. Uses numpy and `proportion`.

People are what was sampled; the questions are taken as they are, unlike in `stats.overall`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.proportion import effective_n, wilson

Floats = NDArray[np.float64]


def mean_share(counted: Sequence[Floats], out_of: Sequence[Floats], *, level: float) -> tuple[float, float, float]:
    """(value, low, high) of the mean over questions of each question's share.

    counted, out_of  a (people, questions) table a group: how many of how many answers; 0 out of where there is none

    Wilson's limits with the number of answers that people leave: their variance within groups, each person over all
    questions at once. Where every answer counts, or none does, `proportion.effective_n` says what that is worth.

    Raises StatisticsError where a question has nothing to be out of.
    """
    top, bottom = np.vstack(list(counted)), np.vstack(list(out_of))
    totals = bottom.sum(axis=0)
    if not (totals > 0).all():
        raise StatisticsError("a share needs something to be out of on every question")
    questions = len(totals)
    rates = top.sum(axis=0) / totals
    value = min(1.0, max(0.0, float(rates.mean())))
    influence = ((top - rates * bottom) / totals).sum(axis=1) / questions
    variance, start, people = 0.0, 0, 0
    for table in out_of:
        own = influence[start : start + len(table)][table.sum(axis=1) > 0]
        start += len(table)
        people += len(own)
        if len(own) > 1:
            variance += len(own) / (len(own) - 1) * float(((own - own.mean()) ** 2).sum())
    n = effective_n(value, variance, cells=int(bottom.sum()), people=people, templates=questions)
    low, high = wilson(value, n, level=level, df=max(1.0, float(people - len(out_of))))
    return value, low, high

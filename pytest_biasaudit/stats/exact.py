"""How sure, in small samples: exact tests of a two-by-two table. Uses numpy and scipy.special; knows nothing of metrics.

For independent rows only: one answer a person. Answers that share people or templates go through `crossed` or
`proportion.effective_n` first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from pytest_biasaudit.errors import StatisticsError


@dataclass(frozen=True, kw_only=True)
class ExactP:
    """Two-sided p values of no association, given both margins."""

    fisher: float
    """Never rejects too often, and in small samples rejects too seldom."""
    mid: float
    """Fisher's less half the chance of the table seen; closer to its level, may pass it slightly (Lancaster 1961)."""


def exact_p(selected_reference: int, n_reference: int, selected_group: int, n_group: int) -> ExactP:
    """Fisher's exact test and its mid-p for two counts out of two totals.

    Two-sided by the usual rule: all tables with these margins that are no likelier than the one seen. With an empty margin
    (nobody, or everybody, selected) there is one table only and p is 1.

    Raises StatisticsError where a count is negative or above its total.
    """
    for count, total in ((selected_reference, n_reference), (selected_group, n_group)):
        if not 0 <= count <= total:
            raise StatisticsError(f"a count lies between 0 and its total, got {count} of {total}")
    total, selected = n_reference + n_group, selected_reference + selected_group
    if selected in (0, total) or 0 in (n_reference, n_group):
        return ExactP(fisher=1.0, mid=1.0)
    possible = np.arange(max(0, selected - n_group), min(selected, n_reference) + 1)

    def log_choose(n: int, k: np.ndarray) -> np.ndarray:
        return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))

    chance = np.exp(
        log_choose(n_reference, possible)
        + log_choose(n_group, selected - possible)
        - log_choose(total, np.asarray(selected))
    )
    chance /= chance.sum()
    seen = float(chance[selected_reference - possible[0]])
    alike = np.isclose(chance, seen, rtol=1e-7, atol=0.0)
    rarer = (chance < seen) & ~alike
    fisher = float(min(1.0, chance[rarer | alike].sum()))
    return ExactP(fisher=fisher, mid=fisher - 0.5 * seen)

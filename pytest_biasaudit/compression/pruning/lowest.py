"""Which weights go: an exact number of the lowest scores of a row, of a whole tensor, or of each group. Imports torch.

Ties are broken by place: of equal scores the first ones go, so that a score gives one mask and no other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Amount:
    """How much is removed: a share, or all but n of every m consecutive inputs of an output."""

    sparsity: float
    """Share of the weights; with a pattern, the one it gives: (m - n) / m."""
    kept: int = 0
    """n; 0 without a pattern."""
    of: int = 0
    """m; 0 without a pattern."""

    def refuse_unlike(self, inputs: int, *, layer: str, step: Step) -> None:
        """Raises RecipeError for a pattern whose m does not divide a layer's inputs."""
        if self.of and inputs % self.of:
            raise RecipeError(
                f'{step.action} = {step.method!r}: pattern = "{self.kept}:{self.of}": {self.of} does not divide the '
                f"{inputs} inputs of {layer}; choose an m that divides the inputs of every layer, or give sparsity"
            )


def amount_of(step: Step) -> Amount:
    """The amount a step names by `pattern` or `sparsity`."""
    pattern, sparsity = step.setting("pattern"), step.setting("sparsity")
    if isinstance(pattern, str):
        kept, of = map(int, pattern.split(":"))
        return Amount(sparsity=(of - kept) / of, kept=kept, of=of)
    assert isinstance(sparsity, (int, float))
    return Amount(sparsity=float(sparsity))


def lowest_by_row(scores: torch.Tensor, count: int) -> torch.Tensor:
    """(rows, columns) bool: the `count` lowest scores of each row, exactly; of equal ones those further left.

    scores  (rows, columns), finite; only their order matters
    """
    if count <= 0:
        return torch.zeros(scores.shape, dtype=torch.bool, device=scores.device)
    threshold = _smallest(scores, count)
    chosen = scores <= threshold
    if int(torch.count_nonzero(chosen)) > count * len(scores):
        # Of the places where a row equals its threshold, in order, those after the row's share are left.
        equal = scores == threshold
        rows, columns = equal.nonzero(as_tuple=True)
        each = torch.count_nonzero(equal, dim=1)
        place = torch.arange(len(rows), device=rows.device) - (each.cumsum(0) - each)[rows]
        wanted = count - torch.count_nonzero(chosen, dim=1) + each
        left = place >= wanted[rows]
        chosen[rows[left], columns[left]] = False
    return chosen


def lowest_of_all(scores: torch.Tensor, sparsity: float) -> torch.Tensor:
    """The round(sparsity x number) lowest scores of a whole tensor, in its shape."""
    return lowest_by_row(scores.reshape(1, -1), round(sparsity * scores.numel())).reshape(scores.shape)


def lowest_in_groups(scores: torch.Tensor, amount: Amount) -> torch.Tensor:
    """All but the n highest of every m scores that follow each other in a row; m divides the columns.

    By rank, from the m (m - 1) / 2 comparisons in a group: for the short groups that patterns have, faster than sorting.
    """
    groups = scores.reshape(-1, amount.of).T.contiguous()
    ranks = torch.zeros(groups.shape, dtype=torch.uint8, device=scores.device)
    for later in range(amount.of):
        for earlier in range(later):
            lower = groups[later] < groups[earlier]  # of equal ones the earlier ranks lower, and goes first
            ranks[earlier] += lower
            ranks[later] += ~lower
    return (ranks < amount.of - amount.kept).T.reshape(scores.shape)


def _smallest(scores: torch.Tensor, count: int) -> torch.Tensor:
    """(rows, 1): the count-th smallest of each row."""
    if scores.device.type == "cpu":
        # numpy's partition is several times faster than torch's kthvalue, and gives the same number.
        import numpy

        exact = scores.float() if scores.dtype.itemsize < 4 else scores  # numpy knows no bfloat16
        found = numpy.partition(exact.numpy(), count - 1, axis=1)[:, count - 1 : count]
        return torch.from_numpy(found).to(scores.dtype)
    return scores.kthvalue(count, dim=1, keepdim=True).values

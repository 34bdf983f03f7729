"""Which weights go: an exact number of the lowest scores of a row, of a whole tensor, or of each group. Imports torch.

Ties are broken by place: of equal scores the first ones go, so that a score gives one mask and no other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pytest_biasaudit.compression.recipe import Step
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

    scores  (rows, columns), finite; any order will do, magnitudes and their squares give the same answer
    """
    if count <= 0:
        return torch.zeros(scores.shape, dtype=torch.bool, device=scores.device)
    chosen = scores <= _smallest(scores, count)
    tied = (chosen.sum(1) > count).nonzero()[:, 0]
    if len(tied):
        rows, threshold = scores[tied], _smallest(scores[tied], count)
        below, equal = rows < threshold, rows == threshold
        # Counted in 32 bits: a tensor is far smaller than that, and the sums are half as wide.
        places = equal.cumsum(1, dtype=torch.int32)
        chosen[tied] = below | (equal & (places <= count - below.sum(1, keepdim=True)))
    return chosen


def lowest_of_all(scores: torch.Tensor, sparsity: float) -> torch.Tensor:
    """The round(sparsity x number) lowest scores of a whole tensor, in its shape."""
    return lowest_by_row(scores.reshape(1, -1), round(sparsity * scores.numel())).reshape(scores.shape)


def lowest_in_groups(scores: torch.Tensor, amount: Amount) -> torch.Tensor:
    """All but the n highest of every m scores that follow each other in a row; m divides the columns."""
    groups = scores.reshape(-1, amount.of)
    return lowest_by_row(groups, amount.of - amount.kept).reshape(scores.shape)


def _smallest(scores: torch.Tensor, count: int) -> torch.Tensor:
    """(rows, 1): the count-th smallest of each row."""
    if scores.device.type == "cpu":
        # numpy's partition is several times faster than torch's kthvalue, and gives the same number.
        import numpy

        found = numpy.partition(scores.float().numpy(), count - 1, axis=1)[:, count - 1 : count]
        return torch.from_numpy(found).to(scores.dtype)
    return scores.kthvalue(count, dim=1, keepdim=True).values

"""What a classifier said of a table's rows, in the order of the rows. Plain data; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """One prediction a row."""

    labels: tuple[str, ...]
    """The labels the classifier knows, as the table spells them."""
    prediction: NDArray[np.int64]
    """Index of the likeliest label, of shape (rows,); -1 where none came (a row without text, a broken model)."""
    score: NDArray[np.float64] | None
    """Probability of the positive label, 0 to 1; NaN where none came. None: the audit names no positive label."""

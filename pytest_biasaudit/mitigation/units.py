"""What can be removed, in which way, and by which scores it is found. Imports nothing heavy: model tables are read by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Unit = Literal["heads", "neurons", "weights"]
"""Attention heads; hidden units of the MLPs; single entries of the linear layers' weights."""
Mode = Literal["ablate", "uniform"]
"""Of heads only. "ablate": the head writes nothing; "uniform": it looks at all it may see alike, and writes their mean."""
ScoreMethod = Literal["attention", "attribution", "ablation", "wanda", "snip", "magnitude", "random"]

METHODS_OF: Mapping[Unit, tuple[ScoreMethod, ...]] = {
    "heads": ("attention", "attribution", "ablation", "magnitude", "random"),
    "neurons": ("attribution", "ablation", "wanda", "snip", "magnitude", "random"),
    "weights": ("wanda", "snip", "magnitude", "random"),
}
"""Which scores are defined for which unit."""

"""A model that shows its attention weights for a while, and computes as before afterwards. Imports torch.

Faster ways of attention never write the weights down. transformers reads from a model's configuration which way to take.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

KEPT_IN = "_attn_implementation_internal"
"""Where transformers 5 keeps the way; setting it directly neither warns nor touches other settings."""


@contextmanager
def eager_attention(module: torch.nn.Module) -> Iterator[None]:
    """Every part of the module computes its attention plainly inside; each configuration is as it was after."""
    configs = [one for one in _configs(module) if getattr(one, KEPT_IN, None) not in (None, "eager")]
    before = [getattr(one, KEPT_IN) for one in configs]
    try:
        for one in configs:
            setattr(one, KEPT_IN, "eager")
        yield
    finally:
        for one, way in zip(configs, before, strict=True):
            setattr(one, KEPT_IN, way)


def _configs(module: torch.nn.Module) -> list[Any]:
    """Every configuration that a part of the module reads, with those inside it, each once."""
    found: dict[int, Any] = {}
    open_ones = [part.__dict__["config"] for part in module.modules() if "config" in part.__dict__]
    while open_ones:
        one = open_ones.pop()
        if one is None or id(one) in found:
            continue
        found[id(one)] = one
        open_ones.extend(getattr(one, name, None) for name in getattr(one, "sub_configs", None) or ())
    return list(found.values())

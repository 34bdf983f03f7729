"""A part of a model whose outputs have some directions taken out: what SentenceDebias and INLP leave behind. Imports torch.

It stands in the module itself, so it is copied with it, counts in its digest, and stays while the module is taught.
"""

from __future__ import annotations

from typing import Any

import torch


class WithoutDirections(torch.nn.Module):
    """Gives what the part inside gives, less its share along each direction: h - sum over v of (h.v) v.

    inner       gives one tensor, of shape (..., width)
    directions  (count, width), orthonormal; a buffer in float32, so it is in the state dict and is not taught

    Whatever else is asked of it, such as its weight, the part inside answers.
    """

    directions: torch.Tensor

    def __init__(self, inner: torch.nn.Module, directions: torch.Tensor) -> None:
        super().__init__()
        first = next((one for one in (*inner.parameters(), *inner.buffers())), None)
        device = first.device if first is not None else None
        self.register_buffer("directions", directions.detach().to(torch.float32).to(device).clone())
        self.inner = inner  # last: it answers for what is not here, and may have directions of its own
        self.train(inner.training)

    def __getattr__(self, name: str) -> Any:
        """What is not here is the inner part's."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)

    def forward(self, *given: Any, **named: Any) -> torch.Tensor:
        """The inner part's output without the directions, in its dtype."""
        out: torch.Tensor = self.inner(*given, **named)
        wide = out.float()
        return (wide - (wide @ self.directions.T) @ self.directions).to(out.dtype)


def put_around(module: torch.nn.Module, name: str, directions: torch.Tensor) -> None:
    """Takes directions out of what the part of that name gives, in place."""
    around, _, last = name.rpartition(".")
    setattr(module.get_submodule(around), last, WithoutDirections(module.get_submodule(name), directions))

"""Cuts made by hooks, for as long as they are wanted. Imports torch. Nothing is written to a weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from pytest_biasaudit.compression.structure.projections import Cut, sizes_of


@contextmanager
def hooked(module: torch.nn.Module, cuts: Sequence[Cut]) -> Iterator[None]:
    """Cuts made by hooks inside, gone after."""
    handles: list[Any] = []
    try:
        for cut in cuts:
            part = module.get_submodule(cut.name)
            gone = _gone(part, cut)
            if cut.side == "input":
                handles.append(part.register_forward_pre_hook(_InputHook(gone)))
            else:
                handles.append(part.register_forward_hook(_OutputHook(gone)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _gone(part: torch.nn.Module, cut: Cut) -> torch.Tensor:
    """(inputs,) or (outputs,) true for what is cut."""
    sizes = sizes_of(part)
    assert sizes is not None, cut.name
    first = next((one for one in (*part.parameters(), *part.buffers())), None)
    gone = torch.zeros(sizes[0 if cut.side == "input" else 1], dtype=torch.bool)
    gone[list(cut.units)] = True
    return gone.to(first.device) if first is not None else gone


class _InputHook:
    def __init__(self, gone: torch.Tensor) -> None:
        self.gone = gone

    def __call__(self, part: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (given[0].masked_fill(self.gone.to(given[0].device), 0), *given[1:])


class _OutputHook:
    def __init__(self, gone: torch.Tensor) -> None:
        self.gone = gone

    def __call__(self, part: torch.nn.Module, given: tuple[Any, ...], out: torch.Tensor) -> torch.Tensor:
        return out.masked_fill(self.gone.to(out.device), 0)

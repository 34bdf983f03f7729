"""Cuts made by hooks, for as long as they are wanted. Imports torch. Nothing is written to a weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from pytest_biasaudit.compression.structure.projections import Cut, sizes_of
from pytest_biasaudit.errors import RecipeError


@contextmanager
def hooked(module: torch.nn.Module, cuts: Sequence[Cut]) -> Iterator[None]:
    """Cuts made by hooks inside, gone after.

    Raises RecipeError at the end, where a hook was never called: what was seen inside was not the module without its cuts.
    """
    handles: list[Any] = []
    hooks: list[_InputHook | _OutputHook] = []
    try:
        for cut in cuts:
            part = module.get_submodule(cut.name)
            gone = _gone(part, cut)
            if cut.side == "input":
                into = _InputHook(gone)
                handles.append(part.register_forward_pre_hook(into))
                hooks.append(into)
            else:
                out = _OutputHook(gone)
                handles.append(part.register_forward_hook(out))
                hooks.append(out)
        yield
        unused = [cut.name for cut, hook in zip(cuts, hooks, strict=True) if not hook.called]
        if unused:
            more = f" (nor were those of {len(unused) - 1} more)" if len(unused) > 1 else ""
            raise RecipeError(
                f"{unused[0]}: its mask was never used{more}: the model did not run while it was masked, or ran in a way "
                "that calls no hooks, as torch.compile does; run it uncompiled, or give masks only to what runs"
            )
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
        self.called = False

    def __call__(self, part: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        self.called = True
        return (given[0].masked_fill(self.gone.to(given[0].device), 0), *given[1:])


class _OutputHook:
    def __init__(self, gone: torch.Tensor) -> None:
        self.gone = gone
        self.called = False

    def __call__(self, part: torch.nn.Module, given: tuple[Any, ...], out: torch.Tensor) -> torch.Tensor:
        self.called = True
        return out.masked_fill(self.gone.to(out.device), 0)

"""Round-to-nearest quantisation of one weight matrix, dequantised again. Imports torch.

A stretch is a row (the weights of one output), or `group_size` neighbouring inputs of a row. In a stretch w with b bits:

    symmetric   step = max|w| / (2^(b-1) - 1)
                level = round(w / step), within -2^(b-1) .. 2^(b-1) - 1
                value = level x step
    asymmetric  low = min(w, 0), high = max(w, 0), step = (high - low) / (2^b - 1)
                zero = round(-low / step), within 0 .. 2^b - 1
                level = round(w / step) + zero, within 0 .. 2^b - 1
                value = (level - zero) x step

Zero is on every grid, so that pruned weights stay pruned. Halves are rounded to even. The symmetric form per row at eight
bits is optimum-quanto's qint8, and the asymmetric one torch's fake quantisation, number for number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

ROOM = 2**18
"""Weights rounded at a time: what they need beside themselves then fits a processor's cache."""


def round_to_nearest(
    matrix: torch.Tensor, *, bits: int, group_size: int | None = None, symmetric: bool = True
) -> torch.Tensor:
    """The matrix (outputs, inputs) rounded; computed in float32, given back in the matrix's dtype."""
    rounded = matrix.clone()
    round_in_place(rounded, bits=bits, group_size=group_size, symmetric=symmetric)
    return rounded


def round_in_place(
    matrix: torch.Tensor, *, bits: int, group_size: int | None = None, symmetric: bool = True
) -> tuple[float, float]:
    """Rounds the matrix (outputs, inputs) where it stands, some rows at a time.

    Gives the sum of squares of what changed, and of the matrix before: their ratio's root is the relative error.
    """
    error = norm = 0.0
    rows = max(1, ROOM // max(1, matrix.shape[1]))
    for begin in range(0, matrix.shape[0], rows):
        some = matrix[begin : begin + rows]
        before = some.float()
        stretches = before.reshape(some.shape[0], -1, group_size or matrix.shape[1])
        after = (_symmetric if symmetric else _asymmetric)(stretches, bits).reshape(some.shape)
        norm += float(torch.linalg.vector_norm(before)) ** 2
        error += float(torch.linalg.vector_norm(after - before)) ** 2
        some.copy_(after)
    return error, norm


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread inside, and on as many as before after.

    Rounding is thousands of steps of some microseconds, and threads wait for each other after each: on two busy cores,
    SmolLM2's 106 million weights took up to ten seconds on two threads, and a quarter of a second on one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _symmetric(stretches: torch.Tensor, bits: int) -> torch.Tensor:
    top = 2 ** (bits - 1) - 1
    step = stretches.abs().amax(-1, keepdim=True).div_(top)
    step.masked_fill_(step == 0, 1.0)
    return (stretches / step).round_().clamp_(-top - 1, top).mul_(step)


def _asymmetric(stretches: torch.Tensor, bits: int) -> torch.Tensor:
    top = 2**bits - 1
    low = stretches.amin(-1, keepdim=True).clamp_(max=0.0)
    high = stretches.amax(-1, keepdim=True).clamp_(min=0.0)
    step = (high - low).div_(top)
    step.masked_fill_(step == 0, 1.0)
    zero = (-low / step).round_().clamp_(0, top)
    return (stretches / step).round_().add_(zero).clamp_(0, top).sub_(zero).mul_(step)

"""Round-to-nearest quantisation of one weight matrix, dequantised again. Imports torch."""

from __future__ import annotations

import torch


def round_to_nearest(matrix: torch.Tensor, *, bits: int, group_size: int | None = None) -> torch.Tensor:
    """The matrix (outputs, inputs) with each row, or each `group_size` inputs of a row, on its own symmetric grid.

    The grid has 2^bits levels from -2^(bits-1) to 2^(bits-1) - 1, scaled so that the largest magnitude of the stretch
    lies on level 2^(bits-1) - 1. A stretch of zeros stays zero. Computed in float32, given back in the matrix's dtype.
    """
    top = 2 ** (bits - 1) - 1
    stretches = matrix.float().reshape(matrix.shape[0], -1, group_size or matrix.shape[1])
    scale = stretches.abs().amax(-1, keepdim=True) / top
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    return (torch.clamp((stretches / scale).round(), -top - 1, top) * scale).reshape(matrix.shape).to(matrix.dtype)

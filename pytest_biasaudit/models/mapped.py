"""Weights that still lie in their file, taken into memory of their own without being held twice. Imports torch.

transformers maps a safetensors file and reads nothing: processes that audit the same model share its pages. A recipe that
changes weights would hold both, the file's pages and the changed weights, until the last tensor of the file is let go.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

import torch

MAPS = Path("/proc/self/maps")
DONTNEED = 4
"""Linux' MADV_DONTNEED: pages of a file that nobody wrote to are dropped, and read again if they are asked for."""

PIECE = 8 * 2**20
"""Bytes that are copied before their pages are let go."""


def own_memory(module: torch.nn.Module, *, everywhere: bool = False) -> torch.nn.Module:
    """The module, freshly loaded, with no tensor left in a mapped file; what was there is copied, and its pages let go.

    everywhere  copies every tensor where it cannot be told which are mapped (not on Linux): the file is about to go

    A few MB at a time are there twice. Tensors that share memory still do. Elsewhere than on Linux nothing is done
    unless `everywhere`.
    """
    regions = _mapped()
    if not regions and not (everywhere and not MAPS.exists()):
        return module
    copies: dict[tuple[int, tuple[int, ...], tuple[int, ...]], torch.Tensor] = {}
    kept: list[torch.Tensor] = []  # as they were, until all are copied: what two names share is told by its address
    for tensor in [*module.parameters(), *module.buffers()]:
        if type(tensor.data) is not torch.Tensor or tensor.device.type != "cpu":
            continue
        begin, end = tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes
        inside = not regions or any(low <= begin and end <= high for low, high in regions)
        if not inside or not tensor.nbytes:
            continue
        key = (begin, tuple(tensor.shape), tuple(tensor.stride()))
        if key not in copies:
            copies[key] = _copied(tensor.data) if regions else tensor.data.clone()
        kept.append(tensor.data)
        tensor.data = copies[key]
    return module


def _copied(tensor: torch.Tensor) -> torch.Tensor:
    """A copy of a tensor in pages of a file, which are let go piece by piece."""
    if not tensor.is_contiguous():
        return tensor.clone()
    copy = torch.empty_like(tensor)
    begin, size = tensor.data_ptr(), tensor.element_size()
    pieces = [torch.split(one.reshape(-1), PIECE // size) for one in (tensor, copy)]
    for old, new in zip(*pieces, strict=True):
        new.copy_(old)
        end = old.data_ptr() + old.nbytes
        _release(begin, end)
        begin = end
    return copy


def _mapped() -> Sequence[tuple[int, int]]:
    """Address ranges of this process that are private pages of files; none where the system does not say."""
    found = []
    try:
        for line in MAPS.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split(None, 5)
            if len(words) == 6 and words[5].startswith("/") and words[1].endswith("p"):
                low, high = (int(word, 16) for word in words[0].split("-"))
                found.append((low, high))
    except OSError:
        return ()
    return found


def _release(begin: int, end: int) -> None:
    """Lets the whole pages between two addresses go. They are a file's, so nothing is lost but time."""
    size = mmap.PAGESIZE
    low, high = -(-begin // size) * size, end // size * size
    if low < high and os.name == "posix":
        ctypes.CDLL(None).madvise(ctypes.c_void_p(low), ctypes.c_size_t(high - low), DONTNEED)


def give_back() -> None:
    """Returns to the system what was let go of: garbage in circles, and what the C library keeps for later (glibc's)."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library, or none that can be opened
        ctypes.CDLL(None).malloc_trim(0)

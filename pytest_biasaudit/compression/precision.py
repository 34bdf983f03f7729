"""A module's weights in another floating-point format, its tables left alone. Imports torch."""

from __future__ import annotations

import torch


def cast_weights(module: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    """Casts, in place, what a file of the module would hold: parameters and buffers that are saved. Gives the module.

    Buffers that are not saved are computed from the configuration, such as the frequencies of rotary positions. A model
    that is loaded in half precision has them in float32, and `module.to(dtype)` would round them: another model.
    """
    tables = [
        (part, name, part._buffers[name]) for part in module.modules() for name in part._non_persistent_buffers_set
    ]
    module.to(dtype)
    for part, name, table in tables:
        part._buffers[name] = table
    return module

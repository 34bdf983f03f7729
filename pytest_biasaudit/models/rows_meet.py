"""Whether a row's answer depends on what stands beside it in a batch: then rows are asked one at a time. Imports torch.

Some back ends quantise activations at each call by figures of the whole batch. A text would then be answered otherwise in
other company, padding included, and two models asked in different batches would differ without being different.
"""

from __future__ import annotations

from typing import Any

import torch


def rows_meet(module: torch.nn.Module) -> bool:
    """Whether a layer takes figures over all rows of a batch.

    Known ones: torch's dynamic quantisation in eight bits (one scale for all activations of a call), and bitsandbytes'
    LLM.int8() with a threshold (a column with an outlier in any row is kept apart for all).
    """
    for part in module.modules():
        room, layer = type(part).__module__, part.__dict__
        if room.startswith("torch.ao.nn.quantized.dynamic"):
            packed: Any = getattr(part, "_packed_params", None)
            if getattr(packed, "dtype", None) == torch.qint8:
                return True
        elif room.startswith("bitsandbytes.") and float(getattr(layer.get("state"), "threshold", 0.0) or 0.0) > 0:
            return True
    return False

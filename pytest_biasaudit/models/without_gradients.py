"""How a module is asked without gradients: by torch's inference mode, or by less where its weights cannot be read in it.

Imports torch.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def without_gradients(module: torch.nn.Module) -> AbstractContextManager[object]:
    """Inference mode; for weights that consist of weights in wrappers themselves (quanto's packed four bits), no_grad.

    Such a weight is torn down to plain tensors at each call, which torch refuses in inference mode.
    """
    for parameter in module.parameters():
        flatten = getattr(parameter, "__tensor_flatten__", None)
        if flatten is not None and any(
            hasattr(getattr(parameter, name), "__tensor_flatten__") for name in flatten()[0]
        ):
            return torch.no_grad()
    return torch.inference_mode()

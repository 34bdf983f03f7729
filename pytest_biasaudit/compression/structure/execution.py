"""What runs when a model runs: one tiny pass, lent and given back. Imports torch."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from pytest_biasaudit.compression.structure.projections import sizes_of

TOKENS = 5


@contextmanager
def at_rest(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients inside; every part's own mode after."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part in training:
            part.training = True


def tiny_pass(module: torch.nn.Module, *, rows: int = 1, **asked: Any) -> Any:
    """What the model gives for five tokens (and five of a decoder, where there are both halves). Raises what it raises.

    rows  how often the five tokens stand in the batch
    """
    config = getattr(module, "config", None)
    first = next(module.parameters(), None)
    vocabulary = getattr(config, "vocab_size", None)
    special = [getattr(config, name, None) for name in ("pad_token_id", "bos_token_id", "eos_token_id")]
    ids = [one for one in range(vocabulary if isinstance(vocabulary, int) else 100) if one not in special][:TOKENS]
    tokens = torch.tensor([ids] * rows, device=first.device if first is not None else None)
    given: dict[str, Any] = {"input_ids": tokens, **asked}
    if getattr(config, "is_encoder_decoder", False):
        given["decoder_input_ids"] = tokens
    if "use_cache" in inspect.signature(module.forward).parameters:
        given["use_cache"] = False
    return module(**given)


def linears_in_order(module: torch.nn.Module) -> list[str]:
    """Names of the linear layers as one pass runs them, each as often as it runs. Raises what the pass raises."""
    order: list[str] = []
    hooks = []
    inside: set[int] = set()
    for name, part in module.named_modules():
        if id(part) in inside or sizes_of(part) is None:
            continue
        inside.update(id(one) for one in part.modules())  # what a wrapper holds is the wrapper's
        hooks.append(part.register_forward_pre_hook(lambda _part, _given, name=name: order.append(name)))
    try:
        with at_rest(module):
            tiny_pass(module)
    finally:
        for hook in hooks:
            hook.remove()
    return order

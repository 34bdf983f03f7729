"""Where in a module its last hidden state comes from, so that directions can be taken out of it. Imports torch."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.without_gradients import without_gradients

_TOKENS = (5, 6, 7)
"""Any three tokens: only whose output comes out in the end is looked at."""


def last_state(module: torch.nn.Module, *, method: str) -> str:
    """The name of the innermost part that gives the last hidden state, as `hidden_states[-1]` is defined: the final norm.

    Found by running the body once. Raises RecipeError where no single part gives it.
    """
    body: Any = getattr(module, "base_model", module)
    prefix = next((f"{name}." for name, part in module.named_modules() if part is body and name), "")
    given: dict[str, Any] = {}
    handles = [
        part.register_forward_hook(lambda _part, _inputs, out, name=name: given.__setitem__(name, out))
        for name, part in body.named_modules()
        if name
    ]
    device = next((parameter.device for parameter in body.parameters()), torch.device("cpu"))
    ids = torch.tensor([_TOKENS], device=device)
    extra: dict[str, Any] = {"use_cache": False} if "use_cache" in inspect.signature(body.forward).parameters else {}
    modes = [part for part in body.modules() if part.training]
    body.eval()
    try:
        with without_gradients(body):
            output = body(input_ids=ids, attention_mask=torch.ones_like(ids), **extra)
    except TypeError as error:
        raise RecipeError(
            f"upstream = {method!r}: {type(body).__name__} is not called as transformers' models are: {error}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
        for part in modes:
            part.training = True
    last = getattr(output, "last_hidden_state", None)
    # Not by identity: GPT-2 hands on a view. All outputs are still held, so no two share memory by chance.
    names = [name for name, out in given.items() if isinstance(last, torch.Tensor) and _same(out, last)]
    if not names:
        raise RecipeError(
            f"upstream = {method!r}: no single part of {type(body).__name__} gives its last hidden state, so nothing can be "
            "taken out of it"
        )
    return prefix + max(names, key=lambda name: name.count("."))


def _same(out: object, last: torch.Tensor) -> bool:
    return isinstance(out, torch.Tensor) and out.shape == last.shape and out.data_ptr() == last.data_ptr()

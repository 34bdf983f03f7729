"""A classifier on a model with directions taken out, as a standard one: its head reads none of them. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from pytest_biasaudit.errors import RecipeError, TrainingError
from pytest_biasaudit.mitigation.upstream.derived import derived
from pytest_biasaudit.models.classifier import TransformerClassifier
from pytest_biasaudit.models.without_directions import WithoutDirections
from pytest_biasaudit.models.without_gradients import without_gradients
from pytest_biasaudit.training.frozen import linear_head

_TOKENS = ((5, 6, 7, 8), (9, 7, 6, 5))
"""Any tokens: only whether both ways give the same logits is looked at."""
CLOSE = 1e-4
"""Logits differ by rounding alone: by no more than this share of the largest."""


def folded(model: TransformerClassifier, *, name: str | None = None) -> TransformerClassifier:
    """The same classifier without the parts that take directions out, and with a head that reads nothing along them.

    W (h - sum over v of (h.v) v) = (W - sum over v of (W v) v') h, so that a head of one linear layer on the last hidden state,
    or on its mean over tokens, gives the same logits. The result can be saved; its hidden states, and so its embeddings,
    have the directions again.

    Raises RecipeError for a classifier without such parts, and for one whose head is not linear in the last hidden state.
    """

    def change(module: Any) -> Mapping[str, object]:
        parts = [key for key, part in module.named_modules() if isinstance(part, WithoutDirections)]
        if not parts:
            raise RecipeError(f"fold: {model.identity.name} has no part that takes directions out")
        try:
            _, head = linear_head(module)
        except TrainingError as fault:
            raise RecipeError(f"fold: the head of {model.identity.name} is no one linear layer: {fault}") from fault
        before = _logits(module)
        with torch.no_grad():
            for _ in parts:  # one around another: the outermost first, whose place the next then has
                part = module.get_submodule(parts[0])
                wide = head.weight.double()
                found = part.directions.double()
                head.weight.copy_(wide - (wide @ found.T) @ found)
                around, _, last = parts[0].rpartition(".")
                setattr(module.get_submodule(around), last, part.inner)
        moved = float((_logits(module) - before).abs().max())
        if not moved <= CLOSE * float(before.abs().max()):
            raise RecipeError(
                f"fold: {model.identity.name} gives other answers when its head is changed in the place of the hidden state: "
                "something that is not linear stands between; fine-tune it with pooling = 'mean'"
            )
        return {"parts_folded": len(parts), "logits_moved": moved}

    return derived(model, change, method="fold", settings={}, seed=None, name=name)


def _logits(module: Any) -> torch.Tensor:
    device = next(module.parameters()).device
    ids = torch.tensor(_TOKENS, device=device)
    with without_gradients(module):
        found: torch.Tensor = module(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    return found.double().cpu()

"""Magnitude pruning: the smallest weights of each linear layer set to zero. Imports torch."""

from __future__ import annotations

import torch

from pytest_biasaudit.compression.linear import chosen_weights, untie_head
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.pruning.achieved import refuse_not_finite, sparsity_facts
from pytest_biasaudit.compression.pruning.lowest import Amount, amount_of, lowest_in_groups, lowest_of_all
from pytest_biasaudit.compression.step import Step

UNTIED = "pruned; it was tied to the input embedding, which keeps its weights"


def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Raises RecipeError as `chosen_layers` does, for weights that are not finite, and for a pattern
    that does not fit a layer: before any weight is changed.

    With a share, each layer loses that share of its weights; with a pattern, every output of a layer keeps the n largest
    of each m consecutive inputs.
    """
    amount, lm_head = amount_of(step), bool(step.setting("lm_head"))
    untied = untie_head(module) if lm_head else False
    layers = {id(weight): (name, weight, transposed) for name, weight, transposed in chosen_weights(module, step)}
    for name, weight, transposed in layers.values():
        refuse_not_finite(name, weight, step)
        amount.refuse_unlike(weight.shape[0 if transposed else 1], layer=name, step=step)
    for _, weight, transposed in layers.values():
        matrix = weight.data.T if transposed else weight.data
        matrix.masked_fill_(smallest(matrix, amount), 0)
    facts = {
        **sparsity_facts(module, {name: weight for name, weight, _ in layers.values()}),
        "lm_head": UNTIED if untied else "pruned" if lm_head else "left as it was",
    }
    return Applied(module=module, facts=facts)


def smallest(matrix: torch.Tensor, amount: Amount) -> torch.Tensor:
    """(outputs, inputs) bool: which weights go. A share is taken of the whole matrix, as torch's `l1_unstructured` does."""
    scores = matrix.abs()
    return lowest_in_groups(scores, amount) if amount.of else lowest_of_all(scores, amount.sparsity)

"""HQQ's layers in the place of Linear ones: levels by group, scales fitted by a robust loss. Imports hqq at use."""

from __future__ import annotations

import torch

from pytest_biasaudit.compression.linear import chosen_layers, replace_layer
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.quantization.chosen import choose
from pytest_biasaudit.compression.quantization.quiet import quiet
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError


@torch.no_grad()
def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Raises RecipeError for a group size that does not divide a layer's inputs.

    hqq would lay a group across two rows there, which is another format than the one declared.
    """
    bits, group_size = step.setting("bits"), step.setting("group_size")
    assert isinstance(bits, int)
    assert isinstance(group_size, int)
    for one in chosen_layers(module, step):
        inputs = tuple(one.layer.weight.shape)[0 if one.transposed else 1]  # type: ignore[arg-type]
        if inputs % group_size:
            raise RecipeError(
                f"quantize = 'hqq': group_size = {group_size} does not divide the {inputs} inputs of {one.name}; "
                "choose a divisor of every layer's inputs"
            )
    with quiet():
        from hqq.core.quantize import BaseQuantizeConfig, HQQLinear

        config = BaseQuantizeConfig(nbits=bits, group_size=group_size, axis=1)
        chosen = choose(module, step)
        while chosen.layers:  # each is let go of when it is done
            _, linear = chosen.layers.pop(0)
            like = linear.weight
            # hqq empties the layer it is given and has no mode of its own.
            layer = HQQLinear(
                _emptied(linear), config, compute_dtype=like.dtype, device=str(like.device), del_orig=True
            )
            layer.train(linear.training)
            replace_layer(module, linear, layer)
    facts = chosen.facts(
        module, bits=bits, format=f"HQQ, one scale and zero point a group of {group_size}", group_size=group_size
    )
    return Applied(module=module, facts=facts)


def _emptied(linear: torch.nn.Linear) -> torch.nn.Linear:
    """The same weights in a layer that may be emptied: what shares them (a tied embedding) keeps them."""
    stand_in = torch.nn.Linear(linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta")
    stand_in.weight = torch.nn.Parameter(linear.weight.detach(), requires_grad=False)
    if linear.bias is not None:
        stand_in.bias = torch.nn.Parameter(linear.bias.detach(), requires_grad=False)
    return stand_in

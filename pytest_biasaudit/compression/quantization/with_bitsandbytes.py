"""bitsandbytes' layers in the place of Linear ones: NF4 in blocks, and LLM.int8(). Imports bitsandbytes at use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from pytest_biasaudit.compression.linear import replace_layer
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.quantization.chosen import choose
from pytest_biasaudit.compression.quantization.quiet import quiet, quiet_when_asked
from pytest_biasaudit.compression.step import Step

BLOCK = 64
"""Weights of one NF4 scale: the back end's own default."""


@torch.no_grad()
def nf4(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Four bits a weight on the NF4 grid, one scale a block of 64; computed in the weights' dtype."""
    double = bool(step.setting("double_quant"))
    with quiet():
        from bitsandbytes.nn import Linear4bit, Params4bit

        chosen = choose(module, step)
        for linear in _taken(chosen.layers):
            weight = Params4bit(
                linear.weight.data,
                requires_grad=False,
                quant_type="nf4",
                compress_statistics=double,
                blocksize=BLOCK,
            )
            layer = Linear4bit(
                linear.in_features,
                linear.out_features,
                bias=linear.bias is not None,
                compute_dtype=linear.weight.dtype,
                quant_type="nf4",
                compress_statistics=double,
                device="meta",
            )
            # On processors with AVX512-BF16 the first call would repack the layer and round its scales: the artefact
            # would change by being asked, and answer otherwise than elsewhere.
            layer.support_avx512bf16_for_cpu = False
            _put(module, linear, layer, weight)
    facts = chosen.facts(
        module,
        bits=4,
        format=f"NF4, one scale a block of {BLOCK} weights"
        + (", the scales in eight bits themselves" if double else ""),
        double_quant=double,
    )
    return Applied(module=module, facts=facts)


@torch.no_grad()
def int8(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. LLM.int8(): weights by row, activations by token, columns of outliers kept apart.

    threshold  an activation at least this large keeps its column out of the eight bits; 0: none is kept out
    """
    threshold = step.setting("threshold")
    assert isinstance(threshold, (int, float))
    with quiet():
        from bitsandbytes.nn import Int8Params, Linear8bitLt

        chosen = choose(module, step)
        for linear in _taken(chosen.layers):
            layer = Linear8bitLt(
                linear.in_features,
                linear.out_features,
                bias=linear.bias is not None,
                has_fp16_weights=False,
                threshold=float(threshold),
                device="meta",
            )
            weight = Int8Params(linear.weight.data, requires_grad=False, has_fp16_weights=False)
            _put(module, linear, layer, weight)
    quiet_when_asked("bitsandbytes.autograd._functions")
    facts = chosen.facts(
        module,
        bits=8,
        format="int8 weights, one scale a row; activations through float16 to int8 at each call, one scale a token",
        threshold=threshold,
    )
    return Applied(module=module, facts=facts)


def _put(module: torch.nn.Module, linear: torch.nn.Linear, layer: Any, weight: Any) -> None:
    """The layer in the Linear's place. Moving it to where the Linear is, is what quantises it."""
    device = linear.weight.device
    layer.weight = weight
    layer.bias = linear.bias
    layer.train(linear.training)
    replace_layer(module, linear, layer.to(device))


def _taken(layers: list[tuple[str, torch.nn.Linear]]) -> Iterator[torch.nn.Linear]:
    """Each layer, let go of when it is done: no second copy of the model stays."""
    while layers:
        yield layers.pop(0)[1]

"""Where heads and neurons are, by what runs when, and how many, by the model's configuration. Imports torch.

One of two independent answers: no name of a projection is read here, only classes, sizes and the order of execution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pytest_biasaudit.compression.structure.blocks import (
    attention_around,
    block_around,
    blocks_of,
    expert_blocks,
    linear_sizes,
    numbered,
    stack_of,
)
from pytest_biasaudit.compression.structure.sites import HeadSite, NeuronSite, Role, Sites


def sites_by_execution(module: torch.nn.Module, order: Sequence[str]) -> Sites:
    """Per block, the last linear layer that each attention runs, and the last one that runs outside attention.

    order  the linear layers as one pass runs them (`linears_in_order`)

    An output projection takes heads times width inputs and gives the hidden size; a down projection gives the hidden
    size. An attention is what its class calls so. In a decoder's block, the second attention looks at the encoder.
    """
    blocks = blocks_of(module)
    numbers = numbered(blocks)
    experts = expert_blocks(module, blocks)
    outputs: dict[str, dict[str, HeadSite]] = {}
    downs: dict[str, NeuronSite] = {}
    stacks: list[str] = []
    for name in order:
        block = block_around(name, blocks)
        if block is None:
            continue
        stack = stack_of(block)
        if stack not in stacks:
            stacks.append(stack)
        heads, width, hidden = _told(module, layer=numbers[block][1], second=stacks.index(stack) == 1)
        inputs, outs = linear_sizes(module, name)
        attention = attention_around(module, name, block)
        if outs != hidden:
            continue
        if attention is None:
            downs[block] = NeuronSite(name=name, block=block, neurons=inputs)
        elif heads and inputs == heads * width:
            inside = outputs.setdefault(block, {})
            role: Role = "own" if not inside or next(iter(inside)) == attention else "cross"
            inside[attention] = HeadSite(name=name, block=block, role=role, heads=heads, width=width)
    return Sites(
        heads=tuple(site for inside in outputs.values() for site in inside.values()),
        neurons=tuple(site for block, site in downs.items() if block not in experts),
    )


def _told(module: torch.nn.Module, *, layer: int, second: bool) -> tuple[int, int, int]:
    """(heads, width of one, hidden size) as the configuration tells them; zeros where it does not.

    layer   of which: some configurations tell each layer's own (Gemma 4)
    second  of the stack that runs second: the decoder, where there is an encoder
    """
    config: Any = getattr(module, "config", None)
    each: bool = getattr(config, "is_heterogeneous", False)
    if not each and getattr(config, "num_attention_heads", None) is None and hasattr(config, "get_text_config"):
        config = config.get_text_config()
    if getattr(config, "is_heterogeneous", False):
        config = config.per_layer_config[layer]
    hidden = _number(config, "hidden_size")
    heads = (_number(config, "decoder_attention_heads") if second else 0) or _number(config, "num_attention_heads")
    said = next((found for name in ("v_head_dim", "head_dim", "d_kv") if (found := _number(config, name))), 0)
    width = said or (hidden // heads if heads else 0)
    return heads, width, hidden


def _number(config: Any, name: str) -> int:
    value = getattr(config, name, None)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0

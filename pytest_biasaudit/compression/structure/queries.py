"""Which outputs of which projection are one head's query. Imports torch.

Where the query has a projection of its own, its rows are in order of heads. Where query, key and value come from one
projection, the order is the architecture's own: only those whose code was read are known here, all others are refused.
"""

from __future__ import annotations

from typing import Any

import torch

from pytest_biasaudit.compression.structure.blocks import attention_around
from pytest_biasaudit.compression.structure.projections import sizes_of
from pytest_biasaudit.errors import RecipeError

OWN = ("q_proj", "query", "q_lin", "q", "query_proj", "q_attn", "q_b_proj")
"""Names of a projection that gives queries only, or with something else of each head."""
FUSED = ("c_attn", "query_key_value", "qkv_proj", "Wqkv", "in_proj")
"""Names of a projection that gives queries, keys and values."""
ONE_AFTER_ANOTHER = ("gpt2", "phi3", "mpt", "modernbert", "openai-gpt")
"""All queries, then all keys, then all values."""
BY_HEAD = ("gpt_neox", "bloom", "persimmon", "deberta")
"""Query, key and value of head 0, then of head 1, and so on."""


def query_units(
    module: torch.nn.Module, output: str, block: str, *, heads: int, width: int, head: int
) -> tuple[str, range]:
    """(name of the projection, its outputs) that are a head's query, with what else it gives of that head alone.

    output        the attention's output projection, `block` the layer around it
    heads, width  of that attention

    Raises RecipeError where there is no such projection, or the order of a fused one is not known.
    """
    attention = attention_around(module, output, block) or output.rpartition(".")[0]
    found = {
        name: sizes
        for name, part in module.get_submodule(attention).named_modules(prefix=attention)
        if (sizes := sizes_of(part)) is not None
    }
    own = [name for name in found if name.rpartition(".")[2] in OWN]
    if len(own) == 1 and found[own[0]][1] % heads == 0 and found[own[0]][1] >= heads * width:
        wide = found[own[0]][1] // heads
        return own[0], range(head * wide, (head + 1) * wide)
    fused = [name for name in found if name.rpartition(".")[2] in FUSED]
    if not own and len(fused) == 1:
        start = _start(module, heads=heads, width=width, head=head, outputs=found[fused[0]][1])
        if start is not None:
            return fused[0], range(start, start + width)
    kind = getattr(getattr(module, "config", None), "model_type", type(module).__name__)
    raise RecipeError(
        f"which outputs are a head's query is not known for {kind!r}: {attention} has "
        f"{', '.join(name.removeprefix(attention + '.') for name in found) or 'no linear layer'}"
    )


def _start(module: torch.nn.Module, *, heads: int, width: int, head: int, outputs: int) -> int | None:
    """The first output of a head's query in a fused projection; None where the order is not known."""
    config: Any = getattr(module, "config", None)
    kind = getattr(config, "model_type", None)
    if kind == "gpt_bigcode":
        return head * width if config.multi_query else head * 3 * width
    if kind == "falcon":
        return _falcon_start(config, heads=heads, width=width, head=head, outputs=outputs)
    if kind in ONE_AFTER_ANOTHER:
        return head * width
    if kind in BY_HEAD and outputs == 3 * heads * width:
        return head * 3 * width
    return None


def _falcon_start(config: Any, *, heads: int, width: int, head: int, outputs: int) -> int | None:
    """Falcon has three orders: by group of heads (the newer ones), one key and value behind all queries, or by head."""
    if config.new_decoder_architecture:
        shared = heads // config.num_kv_heads
        group, place = divmod(head, shared)
        return (group * (shared + 2) + place) * width if outputs == (heads + 2 * config.num_kv_heads) * width else None
    if config.multi_query:
        return head * width if outputs == (heads + 2) * width else None
    return head * 3 * width if outputs == 3 * heads * width else None

"""Where heads and neurons are, by the names that models give their parts, and how many, by what their parts say.

Imports torch. One of two independent answers; see `by_execution` for the other and `places` for both together.
"""

from __future__ import annotations

import re

import torch

from pytest_biasaudit.compression.structure.projections import sizes_of
from pytest_biasaudit.compression.structure.sites import HeadSite, NeuronSite, Role, Sites

BLOCK = r"^(?P<block>(?:.*\.)?\d+)\."
OWN_ATTENTION = re.compile(
    BLOCK + r"(?:self_attn\.(?:o_proj|out_proj|dense|output)"
    r"|attn\.(?:c_proj|out_proj|o_proj|Wo|attention\.out_proj)"
    r"|attention\.(?:dense|out_lin|output\.dense|attn\.o)"
    r"|self_attention\.dense)$"
)
CROSS_ATTENTION = re.compile(BLOCK + r"(?:encoder_attn\.out_proj|crossattention\.(?:output\.dense|c_proj))$")
MLP = re.compile(
    BLOCK + r"(?:mlp\.(?:down_proj|c_proj|dense_4h_to_h|fc2|fc_out|Wo)"
    r"|output\.dense|fc2|ffn\.(?:lin2|down_proj)|ffn_output|feed_forward\.(?:w2|down_proj))$"
)
T5 = re.compile(
    r"^(?P<block>(?:.*\.)?block\.\d+)\.layer\.\d+\."
    r"(?P<part>SelfAttention\.o|EncDecAttention\.o|DenseReluDense\.wo)$"
)
"""T5 numbers the parts of a block too, so its names need a pattern that stops at the block."""

WIDTHS = ("v_head_dim", "head_dim", "head_size", "attention_head_size", "key_value_proj_dim")
"""What an attention module calls the width of a head; what goes into the output projection is as wide as the values."""
COUNTS = ("num_heads", "n_head", "n_heads", "num_attention_heads")
"""What it calls the number of heads; GPT says this alone."""


def sites_by_name(module: torch.nn.Module) -> Sites:
    """Every output projection and down projection with a known name, in the order of the module."""
    heads, neurons, faults = [], [], []
    for name, part in module.named_modules():
        sizes = sizes_of(part)
        found = _known(name)
        if sizes is None or found is None:
            continue
        block, role = found
        if role is None:
            neurons.append(NeuronSite(name=name, block=block, neurons=sizes[0]))
            continue
        width = _width(module, name, block, sizes[0])
        if width is None or sizes[0] % width:
            told = f"heads of width {width}" if width else "no width of a head"
            faults.append(f"{name} takes {sizes[0]} inputs, and the attention around it says {told}")
            continue
        heads.append(HeadSite(name=name, block=block, role=role, heads=sizes[0] // width, width=width))
    return Sites(heads=tuple(heads), neurons=tuple(neurons), faults=tuple(faults))


def _known(name: str) -> tuple[str, Role | None] | None:
    """(block, role) of a projection with a known name; the role of a down projection is None."""
    if found := T5.match(name):
        roles: dict[str, Role | None] = {"SelfAttention.o": "own", "EncDecAttention.o": "cross"}
        return found["block"], roles.get(found["part"])
    if found := OWN_ATTENTION.match(name):
        return found["block"], "own"
    if found := CROSS_ATTENTION.match(name):
        return found["block"], "cross"
    if found := MLP.match(name):
        return found["block"], None
    return None


def _width(module: torch.nn.Module, name: str, block: str, inputs: int) -> int | None:
    """A head's width, as the nearest module around a projection says it; None where none or two are said.

    Where only the number of heads is said, the inputs are shared out among them.
    """
    around = name.rpartition(".")[0]
    while len(around) > len(block):
        parts = list(module.get_submodule(around).modules())
        for attribute in (*WIDTHS, *COUNTS):
            said = {value for part in parts if isinstance(value := getattr(part, attribute, None), int) and value > 0}
            if said:
                one = said.pop()
                return None if said else one if attribute in WIDTHS else inputs // one
        around = around.rpartition(".")[0]
    return None

"""The layers of a transformer: which parts of a module are whole blocks, and what they are numbered. Imports torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch

from pytest_biasaudit.compression.structure.projections import sizes_of

ATTENTION = re.compile(r"attention|attn", re.IGNORECASE)
NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)|^\d+(?=\.|$)")


def is_attention(part: torch.nn.Module) -> bool:
    """Whether a module's class is called an attention; a whole layer that is called after its attention (Jamba) is none."""
    name = type(part).__name__
    return ATTENTION.search(name) is not None and not name.endswith(("Layer", "Block"))


def blocks_of(module: torch.nn.Module) -> tuple[str, ...]:
    """Names of the blocks, in the order of the module: numbered parts with an attention and something beside it.

    The innermost such part: ALBERT numbers groups and the layers in them, T5 numbers the parts of a block. The parts
    numbered with one are blocks too, so that a layer without attention keeps its number (Jamba).
    """
    found: list[str] = []
    for name, part in module.named_modules():
        if not name.rpartition(".")[2].isdigit() or is_attention(part):
            continue
        within = {id(inner) for attention in part.modules() if is_attention(attention) for inner in attention.modules()}
        if within and any(id(leaf) not in within for leaf in part.modules() if not any(leaf.children())):
            found.append(name)
    lists = {name.rpartition(".")[0] for name in found if not any(other.startswith(f"{name}.") for other in found)}
    return tuple(f"{one}.{number}".lstrip(".") for one in _in_order(module, lists) for number in _numbers(module, one))


def _in_order(module: torch.nn.Module, names: set[str]) -> list[str]:
    return [name for name, _ in module.named_modules() if name in names]


def _numbers(module: torch.nn.Module, name: str) -> list[str]:
    return [number for number, _ in module.get_submodule(name).named_children() if number.isdigit()]


def block_around(name: str, blocks: Iterable[str]) -> str | None:
    """The block that a part stands in."""
    return next((block for block in blocks if name.startswith(f"{block}.")), None)


def attention_around(module: torch.nn.Module, name: str, block: str) -> str | None:
    """The outermost attention of a block that a part stands in; None for a part outside attention."""
    around = block
    for piece in name.removeprefix(f"{block}.").split("."):
        around = f"{around}.{piece}"
        if is_attention(module.get_submodule(around)):
            return around
    return None


def expert_blocks(module: torch.nn.Module, blocks: Iterable[str]) -> dict[str, str]:
    """Blocks whose MLP is experts kept in one three-dimensional weight, each with that weight's name."""
    found: dict[str, str] = {}
    for block in blocks:
        for name, weight in module.get_submodule(block).named_parameters():
            around = f"{block}.{name.rpartition('.')[0]}".rstrip(".")
            owner = type(module.get_submodule(around)).__name__
            if weight.ndim == 3 and ("expert" in name.lower() or "expert" in owner.lower()):
                found.setdefault(block, f"{block}.{name}")
    return found


def stack_of(block: str) -> str:
    """What a block shares with its neighbours: its name without the numbers."""
    return NUMBER.sub("*", block)


def numbered(blocks: Iterable[str]) -> Mapping[str, tuple[str, int]]:
    """Each block's stack and its number there, from 0.

    The number it has in the model; where numbers are nested (ALBERT), its place among all blocks of the stack.
    """
    names = list(blocks)
    keys = {name: tuple(int(number) for number in NUMBER.findall(name)) for name in names}
    found: dict[str, tuple[str, int]] = {}
    for name in names:
        stack = stack_of(name)
        if len(keys[name]) == 1:
            found[name] = (stack, keys[name][0])
        else:
            beside = sorted(keys[one] for one in names if stack_of(one) == stack)
            found[name] = (stack, beside.index(keys[name]))
    return found


def linear_sizes(module: torch.nn.Module, name: str) -> tuple[int, int]:
    """(inputs, outputs) of a linear layer, by its name."""
    sizes = sizes_of(module.get_submodule(name))
    assert sizes is not None, name
    return sizes

"""Whether an output projection's inputs really are the heads in their order: tried, not believed. Imports torch.

A head's query decides what that head writes and nothing else. So with some heads' queries turned round, exactly their
slices of the output projection's input may change. Differential attention, where two heads write one slice together, and
ConvBERT, where half of the slices are a convolution's, do not pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from pytest_biasaudit.compression.structure.blocks import attention_around, stack_of
from pytest_biasaudit.compression.structure.execution import at_rest, tiny_pass
from pytest_biasaudit.compression.structure.places import Place
from pytest_biasaudit.compression.structure.queries import query_units
from pytest_biasaudit.errors import RecipeError

SAME = 1e-3
"""Share of the largest input below which a difference is rounding: rows of one batch are mostly equal to the bit."""


def why_not_slices(module: torch.nn.Module, places: Mapping[int, Place]) -> str | None:
    """The reason for which slices cannot be taken for heads; None where they are.

    Every kind of attention in the model is tried, in the first layer where turning a query round changes anything. Turned
    round, not set to zero: a norm over all queries together (OLMo 2) then stays as it was.
    Cost: mostly one pass over five tokens, in a batch of about the binary logarithm of the number of heads.
    """
    groups: dict[object, list[Place]] = {}
    for place in places.values():
        attention = attention_around(module, place.name, place.block) or place.block
        last = place.name.rpartition(".")[2]
        key = (stack_of(place.block), type(module.get_submodule(attention)), last, place.count, place.width)
        groups.setdefault(key, []).append(place)
    for group in groups.values():
        answers = (_tried(module, place) for place in group)
        answer = next((one for one in answers if one != ""), "")
        if answer is not None:
            return answer or (
                f"turning the queries of {group[0].name.rpartition('.')[0]} round changes nothing, so that nothing shows "
                "which of the projection's inputs are which head's"
            )
    return None


def _tried(module: torch.nn.Module, place: Place) -> str | None:
    """None: exactly the right slices changed; empty: none did; else what is wrong.

    In row r + 1 of a batch, the heads whose number plus one has the bit r are turned round; row 0 is as it is.
    """
    bits = place.count.bit_length()
    try:
        queries = [
            query_units(module, place.name, place.block, heads=place.count, width=place.width, head=head)
            for head in range(place.count)
        ]
    except RecipeError as error:
        return f"that inputs of its output projections are heads cannot be checked: {error}"
    turned = [[head for head in range(place.count) if (head + 1) >> bit & 1] for bit in range(bits)]
    try:
        given = _inputs(module, place.name, queries, turned)
    except Exception as error:  # whatever an attention of another kind raises
        first_line = (str(error) or type(error).__name__).splitlines()[0][:160]
        return f"that inputs of its output projections are heads cannot be checked: {first_line}"
    if given is None:
        return f"{place.name} does not take its inputs row by row, so that nothing shows which are which head's"
    change = (given[1:] - given[:1]).abs().flatten(1, -2).amax(1)  # (bits, heads * width)
    change = change.reshape(bits, place.count, place.width).amax(-1) > SAME * given.abs().amax()
    for row, heads in enumerate(turned):
        strays = [head for head in range(place.count) if head not in heads and change[row, head]]
        if strays:
            return (
                f"the inputs of {place.name} are not one head after another: with only the queries of heads {heads[:8]} "
                f"turned round, what would be head {strays[0]} changes too"
            )
    return None if bool(change.any()) else ""


def _inputs(
    module: torch.nn.Module, output: str, queries: list[tuple[str, range]], turned: list[list[int]]
) -> torch.Tensor | None:
    """(rows, tokens, inputs) float32 of the output projection at its first run; None where rows cannot be told apart."""
    rows = 1 + len(turned)
    projection = module.get_submodule(queries[0][0])
    seen: list[torch.Tensor] = []

    def turn(_part: torch.nn.Module, _given: Any, out: torch.Tensor) -> torch.Tensor:
        axis = _rows_axis(out, rows)
        if axis is None:
            return out
        out = out.movedim(axis, 0).clone()
        for row, heads in enumerate(turned, 1):
            for head in heads:
                out[row, ..., list(queries[head][1])] *= -1
        return out.movedim(0, axis)

    def look(_part: torch.nn.Module, given: tuple[Any, ...]) -> None:
        seen.append(given[0].detach().float())

    handles: list[Any] = [
        projection.register_forward_hook(turn),
        module.get_submodule(output).register_forward_pre_hook(look),
    ]
    try:
        with at_rest(module):
            tiny_pass(module, rows=rows)
    finally:
        for handle in handles:
            handle.remove()
    axis = _rows_axis(seen[0], rows) if seen else None
    return None if axis is None else seen[0].movedim(axis, 0)


def _rows_axis(tensor: torch.Tensor, rows: int) -> int | None:
    """Which dimension is the batch: the first of that length, never the last."""
    return next((axis for axis, length in enumerate(tensor.shape[:-1]) if length == rows), None)

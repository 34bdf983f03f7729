"""Finds a model's heads and neurons in two independent ways, and takes them only where both say the same. Imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch

from pytest_biasaudit.compression.structure.blocks import blocks_of, expert_blocks, numbered
from pytest_biasaudit.compression.structure.by_execution import sites_by_execution
from pytest_biasaudit.compression.structure.by_name import sites_by_name
from pytest_biasaudit.compression.structure.execution import linears_in_order
from pytest_biasaudit.compression.structure.places import Kind, Place, Structure
from pytest_biasaudit.compression.structure.sites import HeadSite, NeuronSite
from pytest_biasaudit.compression.structure.slices import why_not_slices

SHOWN = 3


def structure_of(module: torch.nn.Module) -> Structure:
    """Finds the heads and neurons of a module by name and by one tiny pass, and compares the answers.

    The module is lent: modes come back as they were, no hook stays. Where the answers differ or nothing is found, the
    structure carries the reason, and raises it (RecipeError) when that kind is asked for.
    Cost: one pass over five tokens.
    """
    named = sites_by_name(module)
    try:
        order = linears_in_order(module)
    except Exception as error:  # whatever a model of somebody's own raises
        first = (str(error) or type(error).__name__).splitlines()[0][:200]
        why = f"what its names say cannot be checked: it does not run on five tokens ({first})"
        return _without(module, {"heads": why, "neurons": why})
    run = sites_by_execution(module, order)
    blocks = blocks_of(module)
    experts = expert_blocks(module, blocks)
    by_name = tuple(site for site in named.neurons if site.block not in experts)

    heads_fault = named.faults[0] if named.faults else _difference(named.heads, run.heads)
    neurons_fault = _difference(by_name, run.neurons)
    if not named.heads and not run.heads and not named.faults:
        heads_fault = "it has no attention in its layers, neither by the classes of their parts nor by their names"
    if not by_name and not run.neurons:
        neurons_fault = "it has no MLP whose down projection could be found"
        if experts:
            neurons_fault = (
                f"its MLPs are experts kept in one three-dimensional weight ({next(iter(experts.values()))}), not in "
                "linear layers, so there is no input of a projection to mask"
            )
    found: list[HeadSite | NeuronSite] = [*named.heads, *by_name, *run.heads, *run.neurons]
    stacks = numbered(dict.fromkeys(site.block for site in found))
    first_layers = _first_layers(module, stacks)
    if first_layers is None:
        why = "its layers stand in several stacks, so that a number does not name one: " + ", ".join(
            dict.fromkeys(stack for stack, _ in stacks.values())
        )
        return _without(module, {"heads": heads_fault or why, "neurons": neurons_fault or why})

    def layer_of(site: HeadSite | NeuronSite) -> int:
        stack, number = stacks[site.block]
        own, cross = first_layers[stack]
        return number + (cross if isinstance(site, HeadSite) and site.role == "cross" else own)

    heads = {
        layer_of(site): Place(
            name=site.name, block=site.block, count=site.heads, width=site.width, runs=order.count(site.name)
        )
        for site in named.heads
    }
    neurons = {
        layer_of(site): Place(
            name=site.name, block=site.block, count=site.neurons, width=1, runs=order.count(site.name)
        )
        for site in by_name
    }
    heads_fault = heads_fault or why_not_slices(module, heads)
    words = _stacks_in_words(stacks, first_layers)
    faults: dict[Kind, str | None] = {"heads": heads_fault, "neurons": neurons_fault}
    layers: dict[Kind, str] = {
        "heads": _in_words(heads, "attention") + words["heads"],
        "neurons": _in_words(neurons, "an MLP of linear layers") + words["neurons"],
    }
    return Structure(
        module=module,
        heads={} if heads_fault else dict(sorted(heads.items())),
        neurons={} if neurons_fault else dict(sorted(neurons.items())),
        layers=layers,
        refusals={kind: fault for kind, fault in faults.items() if fault is not None},
    )


def _without(module: torch.nn.Module, why: Mapping[Kind, str]) -> Structure:
    return Structure(module=module, heads={}, neurons={}, layers={"heads": "", "neurons": ""}, refusals=why)


def _difference(
    named: Sequence[HeadSite] | Sequence[NeuronSite], run: Sequence[HeadSite] | Sequence[NeuronSite]
) -> str | None:
    """Where two answers differ, in words naming both; None where they are the same."""
    one, other = set(map(_shown, named)), set(map(_shown, run))
    if one == other:
        return None
    return (
        f"two ways of finding them disagree, so neither is used: by the names of its parts there is {_told(one, other)}; "
        f"by the order in which they run there is {_told(other, one)}"
    )


def _shown(site: HeadSite | NeuronSite) -> str:
    if isinstance(site, HeadSite):
        return f"{site.name} with {site.heads} heads of {site.width}" + (", cross" if site.role == "cross" else "")
    return f"{site.name} with {site.neurons} neurons"


def _told(found: set[str], other: set[str]) -> str:
    """What one way finds and the other does not."""
    alone = sorted(found - other)
    if not alone:
        return "nothing else" if found else "nothing"
    return ", ".join(alone[:SHOWN]) + (f" and {len(alone) - SHOWN} more" if len(alone) > SHOWN else "")


def _first_layers(module: torch.nn.Module, blocks: Mapping[str, tuple[str, int]]) -> dict[str, tuple[int, int]] | None:
    """By stack, the number of its first layer, for its own attention and for its attention to the encoder.

    None for stacks that cannot be numbered through: more than one, and not an encoder with its decoder.
    """
    lengths: dict[str, int] = {}
    for stack, number in blocks.values():
        lengths[stack] = max(lengths.get(stack, 0), number + 1)
    if len(lengths) <= 1:
        return {stack: (0, length) for stack, length in lengths.items()}
    encoders = [stack for stack in lengths if "encoder" in stack.split(".")]
    decoders = [stack for stack in lengths if "decoder" in stack.split(".")]
    both = getattr(getattr(module, "config", None), "is_encoder_decoder", False)
    if not both or len(encoders) != 1 or len(decoders) != 1 or len(lengths) != 2:
        return None
    encoder, decoder = lengths[encoders[0]], lengths[decoders[0]]
    return {encoders[0]: (0, encoder), decoders[0]: (encoder, encoder + decoder)}


def _stacks_in_words(blocks: Mapping[str, tuple[str, int]], first: Mapping[str, tuple[int, int]]) -> dict[Kind, str]:
    """Which layers are the encoder's and which the decoder's, for messages; empty for one stack."""
    if len(first) < 2:
        return {"heads": "", "neurons": ""}
    (_, encoder), (start, cross) = sorted(first.values())
    own = f"from {start} the decoder's"
    return {
        "heads": f" (0 to {encoder - 1} the encoder's, {own} attention to itself, from {cross} to the encoder)",
        "neurons": f" (0 to {encoder - 1} the encoder's, {own})",
    }


def _in_words(layers: Iterable[int], what: str) -> str:
    found = sorted(layers)
    if not found:
        return "no layers"
    if found == list(range(found[0], found[-1] + 1)):
        return f"layers {found[0]} to {found[-1]}" if len(found) > 1 else f"layer {found[0]} only"
    return f"{what} in layers " + ", ".join(map(str, found))

"""Whether a head whose query is zero really looks at everything alike: tried, not believed. Imports torch.

It does where scores are query times key alone, turned by rotary positions or not. It does not where something else is
added to the scores (ALiBi, the relative positions of T5 and DeBERTa), and a norm over all heads' queries together
(OLMo 2) would change the other heads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch

from pytest_biasaudit.compression.structure.execution import at_rest, tiny_pass
from pytest_biasaudit.compression.structure.hooks import hooked
from pytest_biasaudit.compression.structure.places import Structure
from pytest_biasaudit.errors import RecipeError

_tried: WeakKeyDictionary[Structure, str] = WeakKeyDictionary()


def refuse_unless_uniform(structure: Structure) -> None:
    """Raises RecipeError, with the reason, where a zero query does not make attention uniform, or cannot be seen to.

    Cost: three passes over five tokens, once a structure.
    """
    why = _tried.get(structure)
    if why is None:
        why = _tried[structure] = why_not_uniform(structure)
    if why:
        raise RecipeError(f"mode = 'uniform' on {type(structure.module).__name__}: {why}; use mode = 'ablate'")


def why_not_uniform(structure: Structure) -> str:
    """Runs the model with eager attention as it is, without the last query of its first layer, and without any query.

    The first must leave every other head's attention there as it was; the second must give every head 1/t over the t
    tokens that it may see. Empty where both hold.
    """
    places = structure.of("heads")
    first = min(places)
    last = places[first].count - 1
    one = structure.cuts(heads=[(first, last)], mode="uniform")
    every = structure.cuts(
        heads=[(layer, head) for layer, place in places.items() for head in range(place.count)], mode="uniform"
    )
    module = structure.module
    try:
        with _eager(module), at_rest(module):
            before = _attentions(tiny_pass(module, output_attentions=True))
            with hooked(module, one):
                without_one = _attentions(tiny_pass(module, output_attentions=True))
            with hooked(module, every):
                without_any = _attentions(tiny_pass(module, output_attentions=True))
    except Exception as error:  # whatever an architecture that has no eager attention raises
        first_line = (str(error) or type(error).__name__).splitlines()[0][:160]
        return (
            f"it gives no attention weights by head, so that nothing shows whether they become uniform ({first_line})"
        )
    counts = {place.count for place in places.values()}
    if len(before) < len(places) or not all(_by_head(one, counts) for one in (*before, *without_one, *without_any)):
        return "it gives no attention weights by head, so that nothing shows whether they become uniform"
    others = [head for head in range(places[first].count) if head != last]
    if others and not torch.equal(before[0][:, others], without_one[0][:, others]):
        return "a head's query changes the other heads' attention: they are normalised together"
    for seen, now in zip(before, without_any, strict=True):
        visible = (seen > 0).any(1, keepdim=True).expand_as(now)
        wanted = visible / visible.sum(-1, keepdim=True)
        if not torch.allclose(
            now.float(), wanted.float(), rtol=1e-2 if now.dtype != torch.float32 else 1e-5, atol=1e-6
        ):
            row = (now.float() - wanted).abs().flatten().argmax()
            return (
                f"without a query its attention is not uniform ({float(now.flatten()[row]):.3f} where "
                f"{float(wanted.flatten()[row]):.3f} would be): something beside query and key decides where a head looks"
            )
    return ""


def _by_head(weights: Any, counts: set[int]) -> bool:
    """Whether they are (rows, heads, queries, keys): PEGASUS-X gives a dictionary, a layer without attention None."""
    return isinstance(weights, torch.Tensor) and weights.ndim == 4 and weights.shape[1] in counts


def _attentions(output: Any) -> Sequence[torch.Tensor]:
    """(rows, heads, queries, keys) of every attention, in the order in which heads are numbered."""
    kinds = (
        ("attentions",)
        if getattr(output, "attentions", None) is not None
        else (
            "encoder_attentions",
            "decoder_attentions",
            "cross_attentions",
        )
    )
    return [weights for kind in kinds for weights in getattr(output, kind, None) or ()]


@contextmanager
def _eager(module: torch.nn.Module) -> Iterator[None]:
    """The only kind of attention that gives its weights, inside; the model's own after.

    Written into the configurations, which every attention reads as it runs: `set_attn_implementation` refuses Falcon, and
    Falcon's weights under "sdpa" are wrong, because it adds its mask of true and false to the scores.
    """
    found: dict[int, Any] = {}
    for part in module.modules():
        config = getattr(part, "config", None)
        if hasattr(config, "_attn_implementation"):
            found[id(config)] = config
    before = [(config, config._attn_implementation) for config in found.values()]
    try:
        for config in found.values():
            config._attn_implementation = "eager"
        yield
    finally:
        for config, kind in before:
            config._attn_implementation = kind

"""The layers that a back end of quantisation is given, and what its step then reports. Imports torch.

A back end takes `torch.nn.Linear` and nothing else. GPT-2's Conv1D is a linear layer that keeps its weight the other way
round, so it is turned first; a class of its own that only derives from Linear may compute something else, and is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from pytest_biasaudit.compression.linear import LinearLayer, chosen_layers, replace_layer, untie_head
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.compression.storage import stored_bytes
from pytest_biasaudit.errors import RecipeError

LM_HEAD_LEFT = "left as it was"
LM_HEAD_QUANTISED = "quantised"
LM_HEAD_UNTIED = "quantised; it was tied to the input embedding, which keeps its weights"
SHOWN = 20
"""Skipped layers named in a record."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What a step changes, and what it may not."""

    step: Step
    layers: list[tuple[str, torch.nn.Linear]]
    skipped: list[str]
    """"name: reason"."""
    turned: int
    """Conv1D layers that became Linear ones, with the same weights."""
    lm_head: str
    counts: dict[str, int] = field(default_factory=dict)
    """Weights of each layer by name, taken before they are packed."""

    def skip(self, name: str, reason: str) -> None:
        """A layer that the back end would not take after all."""
        self.skipped.append(f"{name}: {reason}")
        self.layers[:] = [(known, layer) for known, layer in self.layers if known != name]
        self.counts.pop(name, None)

    def facts(self, module: torch.nn.Module, *, bits: int, format: str, **more: object) -> dict[str, object]:
        """What the step achieved. Raises RecipeError where no layer was changed: the child would be its parent."""
        if not self.counts:
            raise RecipeError(
                f"quantize = {self.step.method!r}: no layer could be quantised ({'; '.join(self.skipped[:3])}); "
                "the child would be its parent"
            )
        return {
            "modules_changed": len(self.counts),
            "modules_skipped": self.skipped[:SHOWN],
            "modules_skipped_count": len(self.skipped),
            "weights_changed": sum(self.counts.values()),
            "bits": bits,
            "format": format,
            "lm_head": self.lm_head,
            **({"conv1d_turned": self.turned} if self.turned else {}),
            **more,
            "stored_bytes": stored_bytes(module),
        }


def choose(module: torch.nn.Module, step: Step) -> Chosen:
    """The layers of a step, each a plain Linear in its place in the module. Raises RecipeError as `chosen_layers` does."""
    lm_head = bool(step.setting("lm_head"))
    found = chosen_layers(module, step)
    untied = untie_head(module, copy=False) if lm_head else False
    layers: list[tuple[str, torch.nn.Linear]] = []
    skipped: list[str] = []
    turned = 0
    for one in found:
        if one.transposed:
            linear = turn(one)
            replace_layer(module, one.layer, linear)
            turned += 1
        elif type(one.layer) is torch.nn.Linear:
            linear = one.layer
        else:
            skipped.append(f"{one.name}: {type(one.layer).__name__} is not a plain torch.nn.Linear")
            continue
        layers.append((one.name, linear))
    return Chosen(
        step=step,
        layers=layers,
        skipped=skipped,
        turned=turned,
        lm_head=LM_HEAD_UNTIED if untied else LM_HEAD_QUANTISED if lm_head else LM_HEAD_LEFT,
        counts={name: layer.weight.numel() for name, layer in layers},
    )


def turn(found: LinearLayer) -> torch.nn.Linear:
    """A Conv1D as a Linear: the same weights, transposed, so that it computes the same up to the order of additions."""
    conv: Any = found.layer
    inputs, outputs = conv.weight.shape
    linear = torch.nn.Linear(inputs, outputs, bias=conv.bias is not None, device="meta")
    linear.weight = torch.nn.Parameter(conv.weight.detach().T.contiguous(), requires_grad=conv.weight.requires_grad)
    linear.bias = conv.bias
    linear.train(conv.training)
    return linear

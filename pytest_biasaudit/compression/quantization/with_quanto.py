"""optimum-quanto's layers in the place of Linear ones, frozen: only the levels and scales are kept. Imports quanto at use."""

from __future__ import annotations

import torch

from pytest_biasaudit.compression.linear import replace_layer
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.quantization.chosen import choose
from pytest_biasaudit.compression.quantization.quiet import quiet
from pytest_biasaudit.compression.step import Step


@torch.no_grad()
def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Weights only. Eight bits: one scale a row. Four: a group size that quanto chooses by the layer."""
    bits = step.setting("bits")
    assert isinstance(bits, int)
    groups: set[int] = set()
    with quiet():
        from optimum.quanto import freeze, qint4, qint8, quantize

        chosen = choose(module, step)
        while chosen.layers:  # each is let go of when it is done
            name, linear = chosen.layers.pop(0)
            holder = torch.nn.ModuleDict({"layer": linear})
            quantize(holder, weights=qint8 if bits == 8 else qint4)
            layer = holder["layer"]
            if layer is linear:
                chosen.skip(name, "quanto left it")
                continue
            freeze(holder)
            groups.add(getattr(layer, "weight_group_size", None) or linear.in_features)
            replace_layer(module, linear, layer)
    grid = "one scale a row" if bits == 8 else f"one scale and shift a group of {', '.join(map(str, sorted(groups)))}"
    facts = chosen.facts(module, bits=bits, format=f"{'qint8' if bits == 8 else 'qint4, packed'}, {grid}")
    return Applied(module=module, facts=facts)

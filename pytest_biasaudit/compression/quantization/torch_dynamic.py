"""torch's own dynamic quantisation, as the compression study called it. Imports torch.ao at use.

Source: `torch.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)`, for which torch.ao is the name
today. Weights by whole tensors, activations by whole tensors at each call. The head is quantised unless left out.
"""

from __future__ import annotations

from typing import Any

import torch

from pytest_biasaudit.compression.linear import chosen_layers, linear_layers, untie_head
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.quantization.chosen import (
    LM_HEAD_LEFT,
    LM_HEAD_QUANTISED,
    LM_HEAD_UNTIED,
    Chosen,
)
from pytest_biasaudit.compression.quantization.quiet import quiet
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError

FORMATS = {
    "qint8": "int8 weights, one scale a layer; activations to uint8 at each call, one scale a call",
    "float16": "float16 weights, unpacked to float32 when saved",
}


@torch.no_grad()
def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. Changes the module where it stands; only plain `torch.nn.Linear` layers, as torch's call does.

    Layers of another class (GPT-2's Conv1D) stay as they are: skipped by name, and said in a note.
    Raises RecipeError: not on the CPU in float32, no quantised kernels in this torch, nothing changed.
    """
    dtype, lm_head = str(step.setting("dtype")), bool(step.setting("lm_head"))
    every = len(list(linear_layers(module, lm_head=True)))
    chosen = _chosen(module, step, lm_head=lm_head)
    engine = torch.backends.quantized.engine
    if engine == "none":
        raise RecipeError("quantize = 'torch-dynamic': this build of torch has no quantised kernels")
    with quiet():
        from torch.ao.quantization import default_dynamic_qconfig, float16_dynamic_qconfig
        from torch.ao.quantization import quantize_dynamic as untyped

        quantize_dynamic: Any = untyped
        setting = default_dynamic_qconfig if dtype == "qint8" else float16_dynamic_qconfig
        spec: Any = {torch.nn.Linear} if lm_head else {name: setting for name, _ in chosen.layers}
        names = [name for name, _ in chosen.layers]
        chosen.layers.clear()  # each original is let go of when it is replaced
        if names:
            module = quantize_dynamic(module, spec, dtype=getattr(torch, dtype), inplace=True)
        for name in names:
            if type(module.get_submodule(name)).__module__.startswith("torch.nn."):
                chosen.skip(name, "torch's call left it")
        facts = chosen.facts(
            module,
            bits=8 if dtype == "qint8" else 16,
            format=FORMATS[dtype],
            dtype=dtype,
            linear_layers=every,
            engine=engine,
        )
    notes = []
    if chosen.skipped:
        done = ", ".join(list(chosen.counts)[:3]) + (", ..." if len(chosen.counts) > 3 else "")
        notes.append(
            f"torch-dynamic quantised {len(chosen.counts)} of {every} linear layers ({done}): torch's call knows no other "
            f"class than Linear and left {len(chosen.skipped)} of them, such as {chosen.skipped[0].partition(':')[0]}; "
            "this child is mostly its parent."
        )
    return Applied(module=module, facts=facts, notes=tuple(notes))


def _chosen(module: torch.nn.Module, step: Step, *, lm_head: bool) -> Chosen:
    layers: list[tuple[str, torch.nn.Linear]] = []
    skipped = []
    for one in chosen_layers(module, step):
        layer: Any = one.layer
        if layer.weight.dtype != torch.float32 or layer.weight.device.type != "cpu":
            raise RecipeError(
                f"quantize = 'torch-dynamic' works on float32 weights on the CPU; {one.name} is "
                f"{str(layer.weight.dtype).removeprefix('torch.')} on {layer.weight.device.type}"
            )
        if type(layer) is torch.nn.Linear:
            layers.append((one.name, layer))
        else:
            skipped.append(f"{one.name}: {type(layer).__name__} is not a torch.nn.Linear")
    untied = untie_head(module, copy=False) if lm_head else False
    return Chosen(
        step=step,
        layers=layers,
        skipped=skipped,
        turned=0,
        lm_head=LM_HEAD_UNTIED if untied else LM_HEAD_QUANTISED if lm_head else LM_HEAD_LEFT,
        counts={name: layer.weight.numel() for name, layer in layers},
    )

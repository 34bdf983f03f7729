"""In which form a module's weights can be written so that transformers loads them back. Imports a back end at use.

Told from the module itself, not from its recipe: a child may be the child of a quantised model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from pytest_biasaudit.errors import ModelError

REFUSED = {
    "quanto": "transformers does not load optimum-quanto's weights back from a folder",
    "hqq": "transformers 5 does not load hqq's weights",
    "masked": "transformers does not know the modules that hold heads or neurons at zero around weights that were "
    "quantised before",
    "without-directions": "transformers does not know the part that takes directions out of the last hidden state "
    "(a classifier on such a model can be saved once its head is folded: mitigation.upstream.folded)",
    "torch-dynamic": "torch's dynamically quantised layers are packed for this process and have no safetensors form",
}


@contextmanager
def savable(module: torch.nn.Module) -> Iterator[None]:
    """Inside, the module tells `save_pretrained` how its weights are kept; after, it is as it was.

    Raises ModelError with the reason where it cannot be saved in a form that loads back.
    """
    forms = {id(layer): form for name, layer in module.named_modules() if (form := _form_of(layer))}
    kinds = sorted(set(forms.values()))
    if not kinds:
        yield
        return
    for kind in kinds:
        if kind in REFUSED:
            raise ModelError(f"it cannot be saved: {REFUSED[kind]}; declare it by its parent and recipe")
    if len(kinds) > 1:
        raise ModelError(f"it cannot be saved: its layers are quantised in several forms ({', '.join(kinds)})")
    left = [
        name for name, layer in module.named_modules() if isinstance(layer, torch.nn.Linear) and id(layer) not in forms
    ]
    first = next(layer for layer in module.modules() if id(layer) in forms)
    config = _CONFIGS[kinds[0]](first, left)
    from transformers.quantizers.auto import AutoHfQuantizer

    told: Any = module
    quantizer: Any = AutoHfQuantizer.from_config
    before = {key: told.__dict__[key] for key in ("hf_quantizer", "is_quantized") if key in told.__dict__}
    told.config.quantization_config = config
    told.hf_quantizer, told.is_quantized = quantizer(config, pre_quantized=False), True
    try:
        yield
    finally:
        for key in ("hf_quantizer", "is_quantized"):
            told.__dict__.pop(key, None)
        told.__dict__.update(before)


def _form_of(layer: torch.nn.Module) -> str:
    """The form of a layer's weights; "" for plain numbers."""
    home = type(layer).__module__
    if home == "pytest_biasaudit.compression.structure.masked_projection":
        return "masked"
    if home == "pytest_biasaudit.models.without_directions":
        return "without-directions"
    if hasattr(layer, "_packed_params"):
        return "torch-dynamic"
    if home.startswith("hqq."):
        return "hqq"
    if home.startswith("optimum.quanto."):
        return "quanto"
    if home.startswith("bitsandbytes."):
        return {"Linear4bit": "bnb-4", "Linear8bitLt": "bnb-8"}.get(type(layer).__name__, "")
    weight: Any = layer._parameters.get("weight")
    if weight is None or not hasattr(weight, "__tensor_flatten__"):
        return ""
    name = type(weight).__name__
    if not type(weight).__module__.startswith("torchao."):
        return "quanto" if "quanto" in type(weight).__module__ else name
    if name == "Int8Tensor":
        return "torchao-int8" if getattr(weight, "act_quant_kwargs", None) is None else "torchao-int8-dynamic"
    return "torchao-float8" if name == "Float8Tensor" else f"torchao {name}"


def _bnb_4(layer: Any, left: list[str]) -> Any:
    from transformers import BitsAndBytesConfig

    state = layer.weight.quant_state
    build: Any = BitsAndBytesConfig
    return build(
        load_in_4bit=True,
        bnb_4bit_quant_type=state.quant_type,
        bnb_4bit_compute_dtype=layer.compute_dtype or state.dtype,
        bnb_4bit_use_double_quant=bool(state.nested),
        llm_int8_skip_modules=left,
    )


def _bnb_8(layer: Any, left: list[str]) -> Any:
    from transformers import BitsAndBytesConfig

    build: Any = BitsAndBytesConfig
    return build(load_in_8bit=True, llm_int8_threshold=float(layer.state.threshold), llm_int8_skip_modules=left)


def _torchao(name: str) -> Callable[[Any, list[str]], Any]:
    def config(layer: Any, left: list[str]) -> Any:
        from torchao import quantization
        from transformers import TorchAoConfig

        build: Any = TorchAoConfig
        return build(getattr(quantization, name)(set_inductor_config=False), modules_to_not_convert=left)

    return config


_CONFIGS: dict[str, Callable[[Any, list[str]], Any]] = {
    "bnb-4": _bnb_4,
    "bnb-8": _bnb_8,
    "torchao-int8": _torchao("Int8WeightOnlyConfig"),
    "torchao-int8-dynamic": _torchao("Int8DynamicActivationInt8WeightConfig"),
    "torchao-float8": _torchao("Float8WeightOnlyConfig"),
}

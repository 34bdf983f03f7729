"""Low-rank adapters beside a body's linear layers, taught in their place and merged into them. Imports peft when called.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models": W + (alpha / r) B A, with A random and B zero at first.
"""

from __future__ import annotations

from typing import Any

import torch

from pytest_biasaudit.errors import TrainingError
from pytest_biasaudit.training.head import head_names

ADAPTER = "lora_"
"""Beginning of the names that peft gives its weights."""


def adapted(module: Any, *, rank: int, seed: int) -> tuple[Any, frozenset[str]]:
    """The same module with adapters on every linear layer of its body (alpha = 2 x rank), and the names of what is taught:
    the adapters and the head.

    Raises TrainingError where peft is not installed, or the body has no linear layer.
    """
    try:
        from peft import LoraConfig, LoraModel
    except ImportError as error:
        raise TrainingError(
            f"lora = {rank} needs the package 'peft', which cannot be imported ({error}); install it with pip install peft"
        ) from error
    from transformers.pytorch_utils import Conv1D

    inside, heads = f"{module.base_model_prefix}.", head_names(module)
    linear = [
        name
        for name, part in module.named_modules()
        if name.startswith(inside) and isinstance(part, (torch.nn.Linear, Conv1D))
    ]
    if not linear:
        raise TrainingError(f"lora = {rank}: the body of a {type(module).__name__} has no linear layer to adapt")
    with torch.random.fork_rng():
        torch.manual_seed(seed % 2**63)
        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=linear, fan_in_fan_out=_transposed(module))
        LoraModel(module, config, "default")  # sets the adapters into the module itself
    only = {name for name, _ in module.named_parameters() if ADAPTER in name.rpartition(".")[0] or name in heads}
    return module, frozenset(only)


def merged(module: Any) -> Any:
    """The module with its adapters added into the layers they stand beside, and no trace of them."""
    from peft.tuners.lora import LoraLayer

    for name, part in list(module.named_modules()):
        if isinstance(part, LoraLayer):
            layer: Any = part
            layer.merge()
            parent, _, own = name.rpartition(".")
            setattr(module.get_submodule(parent), own, layer.get_base_layer())
    for trace in ("peft_config", "_hf_peft_config_loaded"):
        module.__dict__.pop(trace, None)
    return module.requires_grad_(True).eval()


def _transposed(module: Any) -> bool:
    """Whether the body's layers are kept the other way round, as GPT-2's."""
    from transformers.pytorch_utils import Conv1D

    return any(isinstance(part, Conv1D) for part in module.modules())

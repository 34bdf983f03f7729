"""A LoRA adapter merged into a model's weights: W + scale x B A, exactly where it was trained. Imports torch and peft.

Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1; merged by peft itself. peft
leaves out weights that find no place and says nothing; here every weight of the file must have its place, and every place
its weight.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch

from pytest_biasaudit.compression.adapters.saved import SavedAdapter, read_adapter
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError


def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. What is merged is the module handed over.

    Raises RecipeError: what `read_adapter` raises, a quantised model, and an adapter that belongs to another: modules not
    found, weights of another shape, weights that have no place or places that have no weight, nothing changed.
    """
    where = f"adapter = 'lora': source = {str(step.setting('source'))!r}"
    adapter = read_adapter(materials.root / str(step.setting("source")), where)
    _refuse_quantised(module, where)
    own = set(module.state_dict())
    with warnings.catch_warnings(), torch.random.fork_rng(), torch.no_grad():
        warnings.simplefilter("ignore")  # of peft about its own defaults; what matters is checked below
        fitted = _fitted(module, adapter, where)
        facts = _facts(fitted, adapter)
        _refuse_tied(fitted, where)
        if not any(one.any() for name, one in adapter.weights.items() if "lora_A" not in name):
            raise RecipeError(f"{where}: changes nothing (it was never trained); the child would be its parent")
        try:
            merged = fitted.merge_and_unload(safe_merge=True)
        except Exception as error:  # whatever kind of layer cannot be merged says so in its own way
            raise RecipeError(f"{where}: cannot be merged: {error}") from error
    if type(merged) is not type(module) or set(merged.state_dict()) != own:
        raise RecipeError(f"{where}: the merged model has other weights than its base; it is no plain adapter")
    for parameter in merged.parameters():
        parameter.requires_grad_(True)
    return Applied(module=merged.eval(), facts=facts, notes=tuple(_notes(module, adapter)))


def _refuse_quantised(module: torch.nn.Module, where: str) -> None:
    for name, one in module.named_parameters():
        if not one.is_floating_point() or type(one) is not torch.nn.Parameter or type(one.data) is not torch.Tensor:
            raise RecipeError(
                f"{where}: the model is quantised ({name}), and merging would round once more; merge first, then quantise"
            )


def _fitted(module: torch.nn.Module, adapter: SavedAdapter, where: str) -> Any:
    """The module with the adapter beside it, every weight in its place."""
    from peft import PeftModel, set_peft_model_state_dict

    try:
        # The class without a task: what the adapter was trained for does not matter to where its weights belong.
        fitted: Any = PeftModel(module, adapter.config)
    except Exception as error:  # ValueError where no module is found, others for layers it cannot change
        raise RecipeError(
            f"{where}: does not belong to this model ({type(module).__name__}): {_short(error)}"
        ) from error
    _refuse_misfits(_places(fitted, adapter.weights), adapter.weights, f"{where}: does not belong to this model")
    set_peft_model_state_dict(fitted, adapter.weights)
    return fitted.eval()


def _places(fitted: Any, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Where weights of the file belong; whole embeddings only where the file has them.

    Left to itself, peft asks the hub about the base that the adapter names, to see whether the vocabulary has grown.
    """
    from peft import get_peft_model_state_dict

    least: dict[str, torch.Tensor] = get_peft_model_state_dict(fitted, save_embedding_layers=False)
    if set(weights) <= set(least):
        return least
    most = get_peft_model_state_dict(fitted, save_embedding_layers=True)
    return least | {name: one for name, one in most.items() if name in weights}


def _refuse_misfits(places: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor], where: str) -> None:
    """Raises RecipeError naming what does not fit."""
    unused, empty = sorted(set(weights) - set(places)), sorted(set(places) - set(weights))
    other = [
        f"{name} is {list(weights[name].shape)}, here it would be {list(places[name].shape)}"
        for name in sorted(set(weights) & set(places))
        if weights[name].shape != places[name].shape
    ]
    for found, words in (
        (other, "of another shape"),
        (unused, "in the file and have no place in the model"),
        (empty, "missing in the file"),
    ):
        if found:
            shown = "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
            raise RecipeError(f"{where}: {len(found)} weights are {words} ({shown})")


def _layers(fitted: Any) -> list[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    return [(name, part) for name, part in fitted.named_modules() if isinstance(part, LoraLayer)]


def _refuse_tied(fitted: Any, where: str) -> None:
    """Raises RecipeError where merging would change a second layer that shares its weight."""
    owners: dict[int, list[str]] = {}
    for name, parameter in fitted.named_parameters(remove_duplicate=False):
        owners.setdefault(parameter.data_ptr(), []).append(name)
    for name, layer in _layers(fitted):
        shared = owners.get(layer.get_base_layer().weight.data_ptr(), [])
        if len(shared) > 1:
            raise RecipeError(
                f"{where}: changes {name}, whose weight is tied to another layer's; merged, it would change both. Untie them "
                "in the base (tie_word_embeddings = false) and save it, then merge"
            )


def _facts(fitted: Any, adapter: SavedAdapter) -> dict[str, object]:
    """What is changed, and by how much: the norm of the change over the norm of the weights changed."""
    layers, config = _layers(fitted), adapter.config
    change, norm, weights = 0.0, 0.0, 0
    for _, layer in layers:
        weight = layer.get_base_layer().weight
        weights += weight.numel()
        if not config.use_dora:
            change += float(layer.get_delta_weight("default").double().square().sum())
            norm += float(weight.double().square().sum())
    facts: dict[str, object] = {
        "modules_changed": len(layers),
        "weights_changed": weights,
        "rank": config.r,
        "alpha": config.lora_alpha,
        "adapter_parameters": sum(one.numel() for one in adapter.weights.values()),
        "trained_on": adapter.trained_on or "not said",
    }
    if norm:
        facts["relative_change"] = (change / norm) ** 0.5
    if config.modules_to_save:
        facts["modules_replaced"] = sorted(config.modules_to_save)
    return facts


def _notes(module: torch.nn.Module, adapter: SavedAdapter) -> list[str]:
    """Only names can tell that a base of the same architecture is another; where they differ, that is said."""
    here = str(getattr(getattr(module, "config", None), "_name_or_path", "") or "")
    if not here or not adapter.trained_on or _last(here) == _last(adapter.trained_on):
        return []
    return [
        f"The adapter says it was trained on {adapter.trained_on!r}, and the model it is merged into was loaded from {here!r}: "
        "every weight has its place, and nothing else shows whether they belong together."
    ]


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:297] + "..."

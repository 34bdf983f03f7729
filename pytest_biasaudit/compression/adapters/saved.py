"""An adapter as peft saved it: a folder's configuration and weights, read strictly. Imports safetensors and torch.

Only what can be merged without a change to what it is merged into: some kinds of LoRA rewrite the base when they are
loaded, or work only beside it, and those are refused by name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pytest_biasaudit.errors import RecipeError

CONFIG, WEIGHTS, PICKLED = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
PLAIN_STARTS: tuple[object, ...] = (None, True, False, "default", "gaussian", "orthogonal", "eva")
"""Ways to begin a training that leave the base's weights as they are."""
NOT_MERGED = ("alora_invocation_tokens", "layer_replication", "use_bdlora", "arrow_config", "megatron_config")
"""Settings of LoRA adapters whose effect is no fixed change of the base's own weights."""


@dataclass(frozen=True, kw_only=True)
class SavedAdapter:
    """A LoRA adapter in memory."""

    folder: Path
    config: Any
    """peft's LoraConfig."""
    weights: dict[str, torch.Tensor]
    trained_on: str
    """The base it was trained on, as its configuration says; "" where it does not."""


def read_adapter(folder: Path, where: str) -> SavedAdapter:
    """Reads an adapter folder.

    where  for messages

    Raises RecipeError: no folder, a hub id, pickled weights, another kind of adapter than LoRA, a LoRA that cannot be
    merged, files that cannot be read, weights that are no numbers.
    """
    if not folder.is_dir():
        raise RecipeError(
            f"{where}: there is no such folder ({folder}); adapters are read from a folder, so download one of the hub first "
            f"(hf download OWNER/NAME --local-dir FOLDER)"
        )
    raw = _raw_config(folder, where)
    if not (folder / WEIGHTS).is_file():
        hint = (
            f"it has {PICKLED}, and pickled weights are not loaded; save it again with peft, which writes {WEIGHTS}"
            if (folder / PICKLED).exists()
            else f"{WEIGHTS} is missing"
        )
        raise RecipeError(f"{where}: {hint}")
    return SavedAdapter(
        folder=folder,
        config=_config(folder, raw, where),
        weights=_weights(folder / WEIGHTS, where),
        trained_on=str(raw.get("base_model_name_or_path") or ""),
    )


def _raw_config(folder: Path, where: str) -> dict[str, object]:
    """The configuration as it stands. Raises RecipeError where it is not that of a LoRA that can be merged."""
    try:
        raw = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{where}: {CONFIG} is missing; is this a folder that peft saved an adapter in?") from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"{where}: {CONFIG} cannot be read: {error}") from error
    if not isinstance(raw, dict):
        raise RecipeError(f"{where}: {CONFIG} must hold a table, not {type(raw).__name__}")
    kind = raw.get("peft_type")
    if kind != "LORA":
        raise RecipeError(f"{where}: is an adapter of the kind {kind!r}; adapter = 'lora' merges LoRA adapters only")
    start = raw.get("init_lora_weights")
    if not any(start is plain or start == plain for plain in PLAIN_STARTS):
        raise RecipeError(
            f"{where}: was trained with init_lora_weights = {start!r}, which rewrites the base's weights when it is loaded; "
            "convert it to a plain LoRA first (peft: save_pretrained with path_initial_model_for_weight_conversion)"
        )
    beside = [name for name in NOT_MERGED if raw.get(name)]
    if beside:
        raise RecipeError(f"{where}: has {', '.join(beside)}, so it cannot be merged into the weights of one model")
    return raw


def _config(folder: Path, raw: dict[str, object], where: str) -> Any:
    import dataclasses

    from peft import LoraConfig

    known = {one.name for one in dataclasses.fields(LoraConfig)}
    unknown = sorted(name for name, value in raw.items() if name not in known and value not in (None, False, [], {}))
    if unknown:
        raise RecipeError(
            f"{where}: {CONFIG} has settings that the installed peft does not know ({', '.join(unknown)}); it would leave them "
            f"out. The adapter was saved by peft {raw.get('peft_version', 'of another version')}"
        )
    try:
        return LoraConfig.from_pretrained(str(folder))
    except Exception as error:  # peft checks its settings in many ways
        raise RecipeError(f"{where}: {CONFIG} is refused by peft: {error}") from error


def _weights(path: Path, where: str) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    try:
        weights = load_file(str(path))
    except Exception as error:  # safetensors raises an error of its own, and those of the file system
        raise RecipeError(f"{where}: {path.name} cannot be read: {error}") from error
    odd = [name for name, one in weights.items() if not torch.isfinite(one).all()]
    if odd:
        raise RecipeError(f"{where}: {len(odd)} weights hold NaN or infinities ({', '.join(odd[:3])})")
    return weights

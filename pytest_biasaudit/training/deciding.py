"""What decides a fine-tuned classifier, as digests: they name where it is kept, so that nothing is mistaken for another."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.models.identity import config_sha256, hooks_of, tensors_sha256, tokenizer_sha256

if TYPE_CHECKING:
    from pytest_biasaudit.models.transformer import TransformerModel

REVISION = 1
"""Raised whenever the same settings would give another classifier: those kept are then taught anew."""
LIBRARIES = ("torch", "transformers", "accelerate", "tokenizers", "safetensors", "peft")


def folder_of(home: Path | None, base: TransformerModel, step: dict[str, object], module: Any) -> Path | None:
    """Where a classifier is kept, named by all that decides it. None without a home, and for a body with hooks.

    step    of the recipe; where the table lies decides nothing, its digest does
    module  what is taught
    """
    if home is None or not pinned(base, module):
        return None
    content = {key: value for key, value in step.items() if key != "data"}
    device = next((parameter.device.type for parameter in module.parameters()), "cpu")
    decides = [REVISION, base.identity.digest, base.tensors_sha256, content, _versions(), device]
    return home / "finetune" / _sha256(decides)


def store_of(home: Path | None, base: TransformerModel, module: Any, tokenizer: Any) -> Path | None:
    """Where the vectors of a frozen body are kept, by text: named by all that decides a text's vector.

    tokenizer  with the tokens it reads of a text as its `model_max_length`

    The labels and the head decide none: heads for other labels share the vectors. The same weights under another
    configuration, or another tokenizer, give others.
    """
    if home is None or not pinned(base, module):
        return None
    body = getattr(module, module.base_model_prefix)
    reads = [tokenizer_sha256(tokenizer), tokenizer.model_max_length, getattr(module.config, "pad_token_id", None)]
    decides = [REVISION, tensors_sha256(body), config_sha256(body), type(module).__name__, reads, _versions()]
    return home / "vectors" / f"{_sha256(decides)}.npz"


def pinned(base: TransformerModel, module: Any) -> bool:
    """Whether digests say all that decides the answers. A hook decides what a body gives, and has no digest."""
    return base.identity.cacheable and not hooks_of(base.module) and not hooks_of(module)


# -- inside -------------------------------------------------------------------------------------------------------------


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _sha256(decides: object) -> str:
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

"""A taught module, kept: its weights as safetensors and what is known of it, under a seal. Imports torch when called.

What decides the module is in the name of the folder, which the caller makes; nothing is taught twice.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.training.checkpoint import seal

if TYPE_CHECKING:
    import torch

WEIGHTS, FACTS = "weights.safetensors", "facts.json"


def keep(module: torch.nn.Module, facts: Mapping[str, object], folder: Path) -> None:
    """Writes a finished module's weights and facts (plain values) into a folder of their own, in one stroke."""
    from safetensors.torch import save_model

    making = folder.with_name(folder.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    save_model(module, str(making / WEIGHTS))
    (making / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    seal(making)
    shutil.rmtree(folder, ignore_errors=True)
    making.rename(folder)


def recall(module: torch.nn.Module, folder: Path) -> dict[str, object]:
    """Puts a finished module's weights into a module of the same make, and gives its facts. The folder must be whole."""
    from safetensors.torch import load_model

    facts: dict[str, object] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    load_model(module, str(folder / WEIGHTS), strict=True)
    return facts

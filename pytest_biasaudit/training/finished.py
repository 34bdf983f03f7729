"""A taught module, kept: its weights as safetensors and what is known of it, under a seal. Imports torch when called.

What decides the module is in the name of the folder, which the caller makes; nothing is taught twice.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.training.checkpoint import seal

if TYPE_CHECKING:
    import torch

WEIGHTS, FACTS = "weights.safetensors", "facts.json"


def keep(
    module: torch.nn.Module, facts: Mapping[str, object], folder: Path, *, only: Collection[str] | None = None
) -> None:
    """Writes a finished module's weights and facts (plain values) into a folder of their own, in one stroke.

    only  names of the parameters that were taught, where all others are known to whoever recalls them; None: all
    """
    from safetensors.torch import save_file, save_model

    making = folder.with_name(folder.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    if only is None:
        save_model(module, str(making / WEIGHTS))
    else:
        taught = {name: one.detach().contiguous() for name, one in module.named_parameters() if name in only}
        save_file(taught, str(making / WEIGHTS))
    (making / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    seal(making)
    shutil.rmtree(folder, ignore_errors=True)
    making.rename(folder)


def recall(module: torch.nn.Module, folder: Path, *, only: Collection[str] | None = None) -> dict[str, object]:
    """Puts a finished module's weights into a module of the same make, and gives its facts. The folder must be whole.

    only  as `keep` had it
    """
    import torch
    from safetensors.torch import load_file, load_model

    facts: dict[str, object] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    if only is None:
        load_model(module, str(folder / WEIGHTS), strict=True)
        return facts
    held, there = load_file(str(folder / WEIGHTS)), dict(module.named_parameters())
    with torch.no_grad():
        for name in only:
            there[name].copy_(held[name])
    return facts

"""What a method may use beside its parent's weights, and what it gives back. Imports nothing heavy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import files_sha256

if TYPE_CHECKING:
    import torch

    from pytest_biasaudit.compression.step import Step
    from pytest_biasaudit.models.transformer import TransformerModel


@dataclass(frozen=True, kw_only=True)
class TextFile:
    """A text that a step names: calibration or training text."""

    path: Path
    sha256: str
    """Of the file's bytes."""
    text: str


def _no_other(name: str) -> TransformerModel:
    raise RecipeError(f"a recipe names the model {name!r}, and no declared models are at hand")


@dataclass(frozen=True, kw_only=True)
class Materials:
    """What a step may use: the parent's tokenizer, the user's files, other declared models, and a seed."""

    tokenizer: Any = None
    root: Path = field(default_factory=Path.cwd)
    """Folder of the model table; a step's files start here."""
    seed: int = 0
    cache: Path | None = None
    """Folder for what may be resumed (checkpoints of a training); None: nothing is kept."""
    other: Callable[[str], TransformerModel] = _no_other
    """Loads another declared model by name, afresh: a student. Raises ModelError."""

    def text(self, step: Step, setting: str) -> TextFile:
        """The text file that a setting of the step names. Raises RecipeError: not there, not UTF-8, or empty."""
        path = self.root / str(step.setting(setting))
        where = f"{step.action} = {step.method!r}: {setting} = {str(step.setting(setting))!r}"
        try:
            data = path.read_bytes()
            text = data.decode("utf-8")
        except OSError as fault:
            raise RecipeError(f"{where}: cannot be read: {fault.strerror} ({path})") from fault
        except UnicodeDecodeError as fault:
            raise RecipeError(f"{where}: is not UTF-8 text (byte {fault.start} of {path})") from fault
        if not text.strip():
            raise RecipeError(f"{where}: the file is empty ({path}); give text in the language of the deployment")
        return TextFile(path=path, sha256=hashlib.sha256(data).hexdigest(), text=text)

    def sha256(self, step: Step, setting: str) -> str:
        """Of the file that a setting names; of a folder's .json and .safetensors files. Raises RecipeError as `text` does."""
        path = self.root / str(step.setting(setting))
        if not path.is_dir():
            if not path.exists():
                raise RecipeError(
                    f"{step.action} = {step.method!r}: {setting} = {str(step.setting(setting))!r}: there is no such file or "
                    f"folder ({path}); what stands on a hub must be downloaded first"
                )
            return self.text(step, setting).sha256
        files = [file for file in path.iterdir() if file.suffix in (".json", ".safetensors")]
        try:
            return files_sha256(files)
        except OSError as fault:
            raise RecipeError(f"{step.action} = {step.method!r}: {setting}: cannot be read: {fault}") from fault


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What applying one step gave."""

    module: torch.nn.Module
    """The child's: the module that was handed over, changed in place, or another."""
    facts: dict[str, object]
    """What was achieved, as plain values: bits, sparsity, modules changed and skipped with the reason."""
    notes: tuple[str, ...] = ()
    """What must be said wherever the child is shown, in whole sentences: what was promised and not achieved."""

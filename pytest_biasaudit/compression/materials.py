"""What a method may use beside its parent's weights, and what it gives back. Imports nothing heavy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.context.declaration import Context
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import file_sha256, files_sha256

if TYPE_CHECKING:
    import torch

    from pytest_biasaudit.compression.step import Step
    from pytest_biasaudit.models.transformer import TransformerModel
    from pytest_biasaudit.prompts.prompt import Person


@dataclass(frozen=True, kw_only=True)
class TextFile:
    """A text that a step names: calibration or training text."""

    path: Path
    sha256: str
    """Of the file's bytes."""
    text: str


def _no_other(name: str) -> TransformerModel:
    raise RecipeError(f"a recipe names the model {name!r}, and no declared models are at hand")


def _no_model(_module: torch.nn.Module) -> TransformerModel:
    raise RecipeError(
        "a step asks the model that it changes, and only its module is at hand: make a child with a recipe"
    )


def _built_in(path: Path) -> Context:
    from pytest_biasaudit.context.read import read_context

    return read_context(path)


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
    as_model: Callable[[torch.nn.Module], TransformerModel] = _no_model
    """A module as a model of the parent's kind, under the parent's identity, to be asked: for a step that finds out what
    to change. Where earlier steps have changed the module, the identity is not its own."""
    parent_tensors: str = ""
    """The parent's `TransformerModel.tensors_sha256`."""
    read_context: Callable[[Path], Context] = _built_in
    """A context file that a step names, with what hooks add allowed in it. Raises ContextError."""
    people: Mapping[str, Sequence[Person]] = field(default_factory=dict)
    """People lists that hooks give, by name."""
    scorers: Mapping[str, Callable[[str], float]] = field(default_factory=dict)
    """Scorers of free text that hooks give, by name."""
    batch_size: int = 32
    """Of whatever is asked."""

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
            # What is written as text must be text; tensors are of another kind.
            return file_sha256(path) if path.suffix == ".safetensors" else self.text(step, setting).sha256
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
    components: tuple[dict[str, object], ...] = ()
    """The sets of components that were removed, as the evidence keeps them (`mitigation.removed`)."""

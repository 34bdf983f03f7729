"""One step of a recipe: which method, with which settings, and what a child is named by. Imports nothing heavy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

Action = Literal["quantize", "prune", "distill", "adapter"]
Setting = str | int | float | bool | tuple[Any, ...] | None
"""Plain and hashable: lists of the file are tuples here."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a recipe, complete: settings hold every default."""

    action: Action
    method: str
    settings: tuple[tuple[str, Setting], ...] = ()
    """Sorted by name; settings left at "none" are absent."""
    files: tuple[str, ...] = ()
    """Names of the settings that are files or folders: what is in them belongs to the recipe."""
    outputs: tuple[str, ...] = ()
    """Names of the settings that are files the step writes: they decide no answer, and are no part of the recipe."""
    models: tuple[str, ...] = ()
    """Names of the settings that name another declared model."""
    named_by: tuple[str, ...] = ()
    """See Method."""
    unnamed: tuple[str, ...] = ()
    """Names of the settings that are not at their default and of which the short name shows nothing."""

    def plain(self) -> dict[str, object]:
        """As the model table would say it, defaults written out; tuples as lists."""
        settings = {name: _plain(value) for name, value in self.settings if name not in self.outputs}
        return {self.action: self.method, **settings}

    @property
    def short(self) -> str:
        """Method and figures, to name a child by: "rtn-4-32". Another step of the method has another name.

        What figures do not tell (lists, files, switches) is told apart by six digits of a digest: "heads-ablate-3f9a1c".
        """
        unnamed = {name: _plain(value) for name, value in self.settings if name in self.unnamed}
        shown = [str(value) for name, value in self.settings if is_shown(name, value, self.files, self.named_by)]
        mark = [hashlib.sha256(json.dumps(unnamed).encode()).hexdigest()[:6]] if unnamed else []
        return "-".join([self.method, *shown, *mark])

    def within(self, root: Path) -> Step:
        """The step with the files below `root` named relative to it: the same recipe wherever the root lies."""
        named = tuple(
            (name, _relative(value, root) if name in self.files and isinstance(value, str) else value)
            for name, value in self.settings
        )
        return replace(self, settings=named)

    def setting(self, name: str) -> Setting:
        """A setting's value, None where the step has none."""
        return dict(self.settings).get(name)


def is_shown(name: str, value: Setting, files: Sequence[str], named_by: Sequence[str]) -> bool:
    """Whether a child's name shows this setting."""
    return name not in files and not isinstance(value, (bool, tuple)) and (not named_by or name in named_by)


def _relative(name: str, root: Path) -> str:
    path = Path(root, name)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else name


def _plain(value: object) -> object:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value

"""What a recipe method is: its name, its settings, what it needs, what applies it. Imports nothing heavy.

Every room of methods lists its own in a `methods.py`; `compression.methods` is all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from pytest_biasaudit.compression.step import Action, Setting, Step

if TYPE_CHECKING:
    from pytest_biasaudit.compression.materials import Applied, Materials


@dataclass(frozen=True, kw_only=True)
class SettingRule:
    """What one setting of a method may be."""

    kind: Literal[
        "integer",
        "number",
        "boolean",
        "word",
        "text",
        "file",
        "folder",
        "output",
        "model",
        "pattern",
        "integers",
        "pairs",
    ]
    """"word": one of `words`; "text": any text but the empty one; "file" and "folder": relative to the folder of the model
    table, their sha256 belongs to the recipe; "output": a file that is written, relative to it too, and no part of the
    recipe; "model": the name of another declared model; "pattern": "n:m"; "integers": a list of whole numbers from 0;
    "pairs": a list of [layer, unit]."""
    default: Setting
    valid: str
    """In words, for messages: "4 or 8"."""
    choices: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    optional: bool = False
    """May be left out with no default: the method then has none ("per row" for group_size)."""
    required: bool = False
    """Must be given."""

    def accepts(self, value: object) -> bool:
        """Whether a value as read from TOML is allowed; booleans are not numbers, NaN is never allowed."""
        if self.kind == "boolean":
            return isinstance(value, bool)
        if self.kind in ("word", "text", "file", "folder", "output", "model", "pattern"):
            return isinstance(value, str) and self._accepts_text(value)
        if self.kind == "integers":
            return _is_list(value) and all(_is_index(one) for one in value)
        if self.kind == "pairs":
            return _is_list(value) and all(map(is_pair, value))
        if isinstance(value, bool) or not isinstance(value, int if self.kind == "integer" else (int, float)):
            return False
        return value in self.choices if self.choices else self.low <= value <= self.high

    def _accepts_text(self, value: str) -> bool:
        if self.kind == "word":
            return value in self.words
        if self.kind == "pattern":
            found = re.fullmatch(r"([1-9]\d?):([1-9]\d?)", value)
            return found is not None and int(found[1]) < int(found[2])
        return bool(value.strip())


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to make a child: its name, what it does, its settings."""

    action: Action
    name: str
    does: str
    settings: Mapping[str, SettingRule]
    apply: Callable[[Any, Step, Materials], Applied] | None = field(default=None, compare=False)
    """For methods that a hook adds: apply(module, step, materials) gives the child's module, which may be the same one
    changed in place, and what was achieved."""
    applied_by: str = ""
    """For built-in ones: "package.module:function" of the same form, imported at the moment of use."""
    needs: tuple[str, ...] = ()
    """Distributions that must be installed ("torchao"); an extra of this package brings them."""
    device: Literal["", "cuda"] = ""
    """The only device it works on; empty: any."""
    either: tuple[str, ...] = ()
    """Settings of which one at most is given; where none is, the first one's default holds. Where that has no default, one
    must be given."""
    named_by: tuple[str, ...] = ()
    """Settings whose values a child is named by; empty: all that are figures or words."""
    check: Callable[[Mapping[str, object]], str] | None = field(default=None, compare=False)
    """What is wrong with the settings taken together, in words; "" where nothing is. Each by itself fits its rule."""
    caution: str = ""
    """What a reader of the record must be told wherever it is used; mostly empty."""


def is_pair(value: object) -> TypeGuard[Sequence[int]]:
    """Whether a value is [layer, unit]: two whole numbers from 0."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_index, value))


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, (list, tuple)) and len(value) > 0


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

"""What a child model is made by: frozen steps with a digest, apart from their application. Imports nothing heavy.

A recipe is a list of steps applied in order; an empty one is a faithful copy of the parent. Each method declares its
settings here, with type, default and valid values, so that a model table is checked before any model is loaded.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from pytest_biasaudit.compression.method import Action, Method, Setting
from pytest_biasaudit.compression.methods import METHODS
from pytest_biasaudit.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a recipe, complete: settings hold every default."""

    action: Action
    method: str
    settings: tuple[tuple[str, Setting], ...] = ()
    """Sorted by name; settings left at "none" are absent."""
    files: tuple[str, ...] = ()
    """Names of the settings that are files or folders: what is in them belongs to the recipe."""
    models: tuple[str, ...] = ()
    """Names of the settings that name another declared model."""
    named_by: tuple[str, ...] = ()
    """See Method."""
    unnamed: tuple[str, ...] = ()
    """Names of the settings that are not at their default and of which the short name shows nothing."""

    def plain(self) -> dict[str, object]:
        """As the model table would say it, defaults written out; tuples as lists."""
        return {self.action: self.method, **{name: _plain(value) for name, value in self.settings}}

    @property
    def short(self) -> str:
        """Method and figures, to name a child by: "rtn-4-32". Another step of the method has another name.

        What figures do not tell (lists, files, switches) is told apart by six digits of a digest: "heads-ablate-3f9a1c".
        """
        unnamed = {name: _plain(value) for name, value in self.settings if name in self.unnamed}
        shown = [str(value) for name, value in self.settings if _is_shown(name, value, self.files, self.named_by)]
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


def read_step(raw: Mapping[str, object], methods: Sequence[Method] = METHODS) -> Step:
    """A step from its table, e.g. {"quantize": "rtn", "bits": 8}.

    Raises RecipeError for no action or two, an unknown method or setting, or a value out of range; the message says
    what came and what is valid.
    """
    actions = [key for key in raw if key in get_args(Action)]
    if len(actions) != 1:
        raise RecipeError(f"a recipe step names exactly one of {', '.join(get_args(Action))}; got {_shown(dict(raw))}")
    action = actions[0]
    name = raw[action]
    known = {method.name: method for method in methods if method.action == action}
    if not isinstance(name, str) or name not in known:
        raise RecipeError(
            f"{action} = {_shown(name)}: no such method; valid: {', '.join(known) or 'none in this version'}"
            + _nearest(name, known)
        )
    method = known[name]
    given = {key: value for key, value in raw.items() if key != action}
    for key, value in given.items():
        if key not in method.settings:
            valid = ", ".join(method.settings) or "no settings"
            raise RecipeError(
                f"{action} = {name!r}: unknown setting {key!r}; valid: {valid}" + _nearest(key, method.settings)
            )
        if not method.settings[key].accepts(value):
            raise RecipeError(f"{action} = {name!r}: {key} = {_shown(value)}; valid: {method.settings[key].valid}")
    for key, rule in method.settings.items():
        if rule.required and key not in given:
            raise RecipeError(f"{action} = {name!r}: {key} is missing; valid: {rule.valid}")
    settings = {key: given.get(key, rule.default) for key, rule in method.settings.items()}
    chosen = [key for key in method.either if key in given]
    if len(chosen) > 1:
        raise RecipeError(f"{action} = {name!r}: {' and '.join(chosen)} are given together; give one of them")
    if method.either and not chosen and method.settings[method.either[0]].default is None:
        ways = "; ".join(f"{key} ({method.settings[key].valid})" for key in method.either)
        raise RecipeError(f"{action} = {name!r}: {' or '.join(method.either)} is missing; give one of them: {ways}")
    settings.update(dict.fromkeys((key for key in method.either if key not in (chosen or method.either[:1])), None))
    fault = method.check(settings) if method.check is not None else ""
    if fault:
        raise RecipeError(f"{action} = {name!r}: {fault}")
    frozen = tuple((key, _frozen(value)) for key, value in sorted(settings.items()) if value is not None)
    files = _of_kind(method, settings, ("file", "folder"))
    return Step(
        action=method.action,
        method=name,
        settings=frozen,
        files=files,
        models=_of_kind(method, settings, ("model",)),
        named_by=method.named_by,
        unnamed=tuple(
            key
            for key, value in frozen
            if value != method.settings[key].default and not _is_shown(key, value, files, method.named_by)
        ),
    )


def _is_shown(name: str, value: Setting, files: Sequence[str], named_by: Sequence[str]) -> bool:
    """Whether a child's name shows this setting."""
    return name not in files and not isinstance(value, (bool, tuple)) and (not named_by or name in named_by)


def _relative(name: str, root: Path) -> str:
    path = Path(root, name)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else name


def _of_kind(method: Method, settings: Mapping[str, object], kinds: Sequence[str]) -> tuple[str, ...]:
    return tuple(key for key, rule in method.settings.items() if rule.kind in kinds and settings[key] is not None)


def _frozen(value: object) -> Setting:
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(one) for one in value)
    assert value is None or isinstance(value, (str, int, float, bool))
    return value


def _plain(value: object) -> object:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(word: object, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""

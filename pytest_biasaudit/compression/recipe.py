"""What a child model is made by, as it is written: steps read from their tables. Imports nothing heavy.

A recipe is a list of steps applied in order; an empty one is a faithful copy of the parent. Each method declares its
settings, with type, default and valid values, so that a model table is checked before any model is loaded.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import get_args

from pytest_biasaudit.compression.method import Method
from pytest_biasaudit.compression.methods import METHODS
from pytest_biasaudit.compression.step import Action, Setting, Step, is_shown
from pytest_biasaudit.errors import RecipeError


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
    files, outputs = _of_kind(method, settings, ("file", "folder")), _of_kind(method, settings, ("output",))
    return Step(
        action=method.action,
        method=name,
        settings=frozen,
        files=files,
        outputs=outputs,
        models=_of_kind(method, settings, ("model",)),
        named_by=method.named_by,
        unnamed=tuple(
            key
            for key, value in frozen
            if value != method.settings[key].default
            and key not in outputs
            and not is_shown(key, value, files, method.named_by)
        ),
    )


def _of_kind(method: Method, settings: Mapping[str, object], kinds: Sequence[str]) -> tuple[str, ...]:
    return tuple(key for key, rule in method.settings.items() if rule.kind in kinds and settings[key] is not None)


def _frozen(value: object) -> Setting:
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(one) for one in value)
    assert value is None or isinstance(value, (str, int, float, bool))
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(word: object, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""

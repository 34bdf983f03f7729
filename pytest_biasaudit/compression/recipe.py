"""What a child model is made by: frozen steps with a digest, apart from their application. Imports nothing heavy.

A recipe is a list of steps applied in order; an empty one is a faithful copy of the parent. Each method declares its
settings here, with type, default and valid values, so that a model table is checked before any model is loaded.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pytest_biasaudit.errors import RecipeError

Action = Literal["quantize", "prune", "distill", "adapter"]
Setting = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class SettingRule:
    """What one setting of a method may be."""

    kind: Literal["integer", "number", "boolean"]
    default: Setting
    valid: str
    """In words, for messages: "4 or 8"."""
    choices: tuple[int, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    optional: bool = False
    """May be left out with no default: the method then has none ("per row" for group_size)."""

    def accepts(self, value: object) -> bool:
        """Whether a value as read from TOML is allowed; booleans are not numbers, NaN is never allowed."""
        if self.kind == "boolean":
            return isinstance(value, bool)
        if isinstance(value, bool) or not isinstance(value, int if self.kind == "integer" else (int, float)):
            return False
        return value in self.choices if self.choices else self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to make a child: its name, what it does, its settings."""

    action: Action
    name: str
    does: str
    settings: Mapping[str, SettingRule]
    apply: Callable[[Any, Step], dict[str, object]] | None = field(default=None, compare=False)
    """For methods that a hook adds: apply(module, step) changes the torch module in place and gives what it achieved."""


METHODS: tuple[Method, ...] = (
    Method(
        action="quantize",
        name="rtn",
        does="rounds the weights of the linear layers to the nearest of 2^bits levels and stores them dequantised",
        settings={
            "bits": SettingRule(kind="integer", default=8, valid="4 or 8", choices=(4, 8)),
            "group_size": SettingRule(
                kind="integer",
                default=None,
                valid="a positive integer, or absent for one scale a row",
                low=1,
                optional=True,
            ),
            "lm_head": SettingRule(kind="boolean", default=False, valid="true or false"),
        },
    ),
    Method(action="quantize", name="bf16", does="casts every weight to bfloat16", settings={}),
    Method(action="quantize", name="fp16", does="casts every weight to float16", settings={}),
    Method(
        action="prune",
        name="magnitude",
        does="sets the smallest weights of each linear layer to zero",
        settings={
            "sparsity": SettingRule(
                kind="number",
                default=0.5,
                valid="a share of the weights, at least 0 and below 1",
                low=0.0,
                high=0.999999,
            ),
            "lm_head": SettingRule(kind="boolean", default=False, valid="true or false"),
        },
    ),
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a recipe, complete: settings hold every default."""

    action: Action
    method: str
    settings: tuple[tuple[str, Setting], ...] = ()
    """Sorted by name; settings left at "none" are absent."""

    def plain(self) -> dict[str, object]:
        """As the model table would say it, defaults written out."""
        return {self.action: self.method, **dict(self.settings)}

    @property
    def short(self) -> str:
        """Method and figures, to name a child by: "rtn-4-32"."""
        figures = [str(value) for _, value in self.settings if not isinstance(value, bool)]
        return "-".join([self.method, *figures])

    def setting(self, name: str) -> Setting:
        """A setting's value, None where the step has none."""
        return dict(self.settings).get(name)


def recipe_digest(steps: Sequence[Step]) -> str:
    """sha256 of the steps as plain JSON; the order of steps counts, the order of keys does not."""
    return hashlib.sha256(json.dumps([step.plain() for step in steps], sort_keys=True).encode()).hexdigest()


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
    settings = {key: given.get(key, rule.default) for key, rule in method.settings.items()}
    return Step(
        action=method.action,
        method=name,
        settings=tuple(sorted((key, _setting(value)) for key, value in settings.items() if value is not None)),
    )


def _setting(value: object) -> Setting:
    assert value is None or isinstance(value, (str, int, float, bool))
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(word: object, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""

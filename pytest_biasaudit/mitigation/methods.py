"""The recipe methods that remove components against bias, with their settings. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast, get_args

from pytest_biasaudit.compression.method import Method, SettingRule
from pytest_biasaudit.mitigation.units import METHODS_OF, Mode, ScoreMethod, Unit

ROOM = "pytest_biasaudit.mitigation.removing"
SIGNED: tuple[ScoreMethod, ...] = ("attribution", "ablation")
"""Scores that are a component's part of the difference: nothing is taken off for the reference group."""
WITHOUT_GROUPS: tuple[ScoreMethod, ...] = ("magnitude", "random")


def check_bias(settings: Mapping[str, object]) -> str:
    """What is wrong with the settings of `bias` taken together; "" where nothing is.

    How much is chosen goes by unit: heads are counted (k), weights are a share (p), neurons either.
    """
    unit, method = cast(Unit, settings["unit"]), cast(ScoreMethod, settings["method"])
    k, p, q, mode = (settings.get(name) for name in ("k", "p", "q", "mode"))
    if method not in METHODS_OF[unit]:
        units = [one for one, methods in METHODS_OF.items() if method in methods]
        return (
            f"method = {method!r} gives no scores of {unit}; valid for {unit}: {', '.join(METHODS_OF[unit])}"
            f" ({method!r} is for {', '.join(units)})"
        )
    if mode == "uniform" and unit != "heads":
        return f"mode = 'uniform' is of attention heads; {unit} are removed with mode = 'ablate'"
    if unit == "heads" and p is not None:
        return f"p = {p!r} is a share, and heads are counted over the model; give k (and q), both whole numbers"
    if unit == "weights" and k is not None:
        return f"k = {k!r} is a count, and weights are chosen by share of each linear layer; give p and q, from 0 to 1"
    if k is not None and p is not None:
        return f"k = {k!r} and p = {p!r} are given together; a set is chosen by a count or by a share: give one of them"
    if q is None:
        if unit == "neurons" and k is not None and method not in (*SIGNED, *WITHOUT_GROUPS):
            return f"q is missing: beside k = {k!r} it is how many are taken off for the reference group, 0 for none"
        return ""
    if method in SIGNED:
        return f"q = {q!r} has no meaning with method = {method!r}: the groups' scores are subtracted; leave it out"
    if method in WITHOUT_GROUPS:
        return f"q = {q!r} has no meaning with method = {method!r}: it knows no groups; leave it out"
    if unit == "heads" or k is not None:
        return (
            "" if isinstance(q, int) else f"q = {q!r}: beside a count k it is a count too; valid: a whole number from 0"
        )
    assert isinstance(q, (int, float))
    return "" if q <= 1 else f"q = {q!r}: beside a share p it is a share too; valid: 0 to 1"


def check_save(settings: Mapping[str, object]) -> str:
    """Whether the file that is written can hold the unit; "" where it can."""
    save, ending = settings.get("save"), ".safetensors" if settings["unit"] == "weights" else ".json"
    if isinstance(save, str) and not save.endswith(ending):
        return f"save = {save!r}: {settings['unit']} are kept in a file whose name ends in {ending}"
    return ""


METHODS: tuple[Method, ...] = (
    Method(
        action="prune",
        name="bias",
        does="asks the model about the people of a declared audit, finds the heads, neurons or weights that answer to one group "
        "and not to the other, and removes them",
        settings={
            "context": SettingRule(
                kind="file",
                default=None,
                valid="a context file (*.bias.toml), relative to the model table",
                required=True,
            ),
            "audit": SettingRule(
                kind="text",
                default=None,
                valid="the id of a counterfactual audit of that file; absent: its only one",
                optional=True,
            ),
            "attribute": SettingRule(
                kind="text",
                default=None,
                valid="an attribute of the audit's people; absent: its only one",
                optional=True,
            ),
            "group": SettingRule(
                kind="text",
                default=None,
                valid="the group that is held against the audit's reference group; absent: the only other one",
                optional=True,
            ),
            "unit": SettingRule(
                kind="word", default=None, valid="heads, neurons or weights", words=get_args(Unit), required=True
            ),
            "method": SettingRule(
                kind="word",
                default=None,
                valid="; ".join(f"of {unit}: {', '.join(methods)}" for unit, methods in METHODS_OF.items()),
                words=get_args(ScoreMethod),
                required=True,
            ),
            "k": SettingRule(
                kind="integer",
                default=None,
                valid="how many, from 1; of heads (absent: 40) and neurons, over the whole model",
                low=1,
                high=10**9,
                optional=True,
            ),
            "p": SettingRule(
                kind="number",
                default=None,
                valid="a share of each layer's neurons or each linear layer's weights, above 0 and at most 1 (absent, and no k: "
                "0.15)",
                low=1e-12,
                high=1.0,
                optional=True,
            ),
            "q": SettingRule(
                kind="number",
                default=None,
                valid="how much of the reference group's highest is spared: beside k a count from 0 (absent, of heads: 5), "
                "beside p a share from 0 to 1 (absent: 0.15)",
                low=0,
                high=10**9,
                optional=True,
            ),
            "mode": SettingRule(
                kind="word",
                default="ablate",
                valid='"ablate" or, of heads, "uniform"',
                words=get_args(Mode),
            ),
            "seed": SettingRule(
                kind="integer",
                default=None,
                valid="a whole number from 0: draws the people and the random scores; absent: the run's",
                low=0,
                high=2**31 - 1,
                optional=True,
            ),
            "save": SettingRule(
                kind="output",
                default=None,
                valid="a file to write the components to, .json for heads and neurons, .safetensors for weights; its folder "
                "is there",
                optional=True,
            ),
        },
        named_by=("unit", "method", "k", "p", "q"),
        check=lambda settings: check_bias(settings) or check_save(settings),
        applied_by=f"{ROOM}.step:bias",
    ),
    Method(
        action="prune",
        name="components",
        does="removes a saved set of heads, neurons or weights from the model that it was found in",
        settings={
            "file": SettingRule(
                kind="file",
                default=None,
                valid="a component file, .json or .safetensors, relative to the model table",
                required=True,
            ),
            "any_model": SettingRule(
                kind="boolean",
                default=False,
                valid="true to remove the set from a model that it was not found in, or false",
            ),
        },
        applied_by=f"{ROOM}.step:components",
    ),
)

"""The recipe steps that remove components: which settings they take, and which they refuse with what is valid."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.errors import RecipeError

BIAS: dict[str, Any] = {"prune": "bias", "context": "offers.bias.toml", "unit": "heads", "method": "attention"}


def test_the_step_of_the_issue_is_read_and_its_file_belongs_to_the_recipe() -> None:
    step = read_step({**BIAS, "audit": "offers", "attribute": "race", "k": 40, "mode": "uniform"})
    assert step.files == ("context",)
    assert step.plain()["mode"] == "uniform"
    assert step.short.startswith("bias-40-attention-heads-")
    weights = read_step({**BIAS, "unit": "weights", "method": "wanda", "p": 0.15, "q": 0.15})
    assert (weights.setting("p"), weights.setting("q"), weights.setting("k")) == (0.15, 0.15, None)
    assert read_step({"prune": "components", "file": "fairer.json"}).files == ("file",)


@pytest.mark.parametrize(
    "settings",
    [
        {"unit": "neurons", "method": "wanda", "k": 40, "q": 5},
        {"unit": "neurons", "method": "wanda", "p": 0.2, "q": 0},
        {"unit": "neurons", "method": "attribution", "k": 40},
        {"unit": "heads", "method": "ablation"},
        {"unit": "weights", "method": "random", "p": 1},
        {"q": 0},
    ],
)
def test_what_is_possible_is_allowed(settings: dict[str, Any]) -> None:
    read_step({**BIAS, **settings})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"method": "wanda"},
            r"method = 'wanda' gives no scores of heads; valid for heads: attention, .* for neurons, weights",
        ),
        (
            {"unit": "weights"},
            "method = 'attention' gives no scores of weights; valid for weights: wanda, snip, magnitude",
        ),
        (
            {"unit": "neurons", "method": "wanda", "mode": "uniform"},
            "mode = 'uniform' is of attention heads; neurons are",
        ),
        ({"p": 0.15}, "p = 0.15 is a share, and heads are counted over the model; give k"),
        ({"unit": "weights", "method": "wanda", "k": 40}, "k = 40 is a count, and weights are chosen by share"),
        ({"unit": "neurons", "method": "wanda", "k": 4, "p": 0.1}, "k = 4 and p = 0.1 are given together"),
        ({"unit": "neurons", "method": "wanda", "k": 4}, "q is missing: beside k = 4 it is how many are taken off"),
        ({"q": 0.5}, "q = 0.5: beside a count k it is a count too; valid: a whole number from 0"),
        ({"unit": "weights", "method": "wanda", "q": 5}, "q = 5: beside a share p it is a share too; valid: 0 to 1"),
        ({"method": "attribution", "q": 5}, "q = 5 has no meaning with method = 'attribution': .* leave it out"),
        ({"method": "random", "q": 5}, "q = 5 has no meaning with method = 'random': it knows no groups"),
        ({"unit": "weights", "method": "wanda", "p": 0}, "p = 0; valid: a share of each layer's neurons .* above 0"),
        ({"unit": "weights", "method": "wanda", "p": 1.5}, "p = 1.5; valid: a share"),
        ({"unit": "weights", "method": "wanda", "p": float("nan")}, "p = nan; valid: a share"),
        ({"q": -1}, "q = -1; valid: how much of the reference group's highest is spared"),
        ({"k": 0}, "k = 0; valid: how many, from 1"),
        ({"k": 2.5}, "k = 2.5; valid: how many, from 1"),
        ({"unit": "layers"}, "unit = 'layers'; valid: heads, neurons or weights"),
        ({"method": "guess"}, "method = 'guess'; valid: of heads: attention, attribution, "),
        ({"mode": "mean"}, 'mode = \'mean\'; valid: "ablate" or, of heads, "uniform"'),
        ({"heads": [[1, 2]]}, "unknown setting 'heads'; valid: context, audit, attribute, "),
        ({"save": "fairer.npz"}, r"save = 'fairer.npz': heads are kept in a file whose name ends in \.json"),
        (
            {"unit": "weights", "method": "wanda", "save": "w.json"},
            r"weights are kept in a file whose name ends in \.safe",
        ),
    ],
)
def test_what_is_not_possible_is_refused_with_what_is_valid(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        read_step({**BIAS, **settings})


@pytest.mark.parametrize("key", ["context", "unit", "method"])
def test_what_must_be_said_is_asked_for(key: str) -> None:
    with pytest.raises(RecipeError, match=f"prune = 'bias': {key} is missing; valid: "):
        read_step({name: value for name, value in BIAS.items() if name != key})
    with pytest.raises(RecipeError, match="prune = 'components': file is missing; valid: a component file"):
        read_step({"prune": "components"})


def test_where_the_components_are_saved_is_no_part_of_the_recipe() -> None:
    plain, saved = read_step(BIAS), read_step({**BIAS, "save": "found.json"})
    assert saved.setting("save") == "found.json"
    assert (saved.plain(), saved.short) == (plain.plain(), plain.short)


def test_reading_a_table_with_such_a_step_loads_no_numpy() -> None:
    probe = (
        "import sys\n"
        "from pytest_biasaudit.compression.recipe import read_step\n"
        f"read_step({BIAS!r})\n"
        "print(sorted({'numpy', 'torch', 'transformers', 'scipy'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

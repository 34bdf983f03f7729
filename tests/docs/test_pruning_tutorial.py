"""The tutorial on pruning: the plan it shows is the one it runs, its tables are read, its test compiles."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pytest_biasaudit.context.limits import LIMIT_KEYS
from pytest_biasaudit.mitigation.generalising.plan_file import read_plan

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial" / "prune-for-one-context.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "pruning-study"


def blocks(language: str) -> list[str]:
    """The page's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_plan_on_the_page_is_the_one_that_its_command_runs() -> None:
    shown = tomllib.loads(blocks("toml")[0])
    assert shown == tomllib.loads((EXAMPLE / "two-contexts.toml").read_text(encoding="utf-8"))
    assert "two-contexts.toml" in "".join(blocks("console"))


def test_the_plan_is_read_and_says_what_the_page_says_of_it() -> None:
    plan = read_plan(EXAMPLE / "two-contexts.toml")
    (choice,) = plan.choices
    assert f"the {choice.settings.k} of the model's 270 attention heads" in PAGE
    assert (plan.max_variations, plan.max_people) == (2, 16)
    assert "two questions and sixteen names a group" in PAGE


def test_the_model_table_on_the_page_declares_a_child_that_is_read() -> None:
    table = tomllib.loads(blocks("toml")[1])
    (step,) = table["models"]["fairer"]["recipe"]
    assert step["prune"] == "components"
    assert step["file"].startswith("sets/")
    declared = tomllib.loads((EXAMPLE / "biasaudit.toml").read_text(encoding="utf-8"))["models"]["base"]
    assert table["models"]["base"]["source"] == declared["source"]


def test_the_limit_on_the_page_has_only_keys_that_limits_have() -> None:
    # It stands alone; in its file an audit stands before it.
    (limit,) = tomllib.loads("[[audit]]\n" + blocks("toml")[2])["audit"][0]["limit"]
    assert set(limit) <= {key.name for key in LIMIT_KEYS}
    assert limit["metric"] == "bias_removed"


def test_the_test_on_the_page_compiles() -> None:
    (code,) = blocks("python")
    compile(code, "page", "exec")
    assert "assert_generalises" in code

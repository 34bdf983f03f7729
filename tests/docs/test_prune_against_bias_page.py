"""What the how-to on pruning against bias shows is read by the package as it stands there."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.mitigation.removing.file import component_bytes, load_components

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "prune-against-bias.md").read_text(encoding="utf-8")
CONTEXT = ROOT / "examples" / "marketplace_offers"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_its_recipes_are_read() -> None:
    tables = [tomllib.loads(block) for block in blocks("toml")]
    steps = [step for table in tables for model in table.get("models", {}).values() for step in model.get("recipe", ())]
    assert [read_step(step).method for step in steps] == ["bias", "bias", "components"]


def test_its_component_file_is_read_and_would_be_written_so(tmp_path: Path) -> None:
    (shown,) = blocks("json")
    path = tmp_path / "offers.json"
    path.write_text(shown, encoding="utf-8")
    written = component_bytes(load_components(path)).decode()
    version = re.compile(r'"tool": "[^"]*"')
    assert version.sub("", written) == version.sub("", shown)


def test_its_limits_are_read_in_a_context(tmp_path: Path) -> None:
    (limits,) = [block for block in blocks("toml") if "[[audit.limit]]" in block]
    (source,) = CONTEXT.glob("*.bias.toml")
    whole = source.read_text(encoding="utf-8")
    head = whole.partition("[[audit.limit]]")[0]
    path = tmp_path / source.name
    path.write_text(head + limits, encoding="utf-8")
    (audit,) = read_context(path).audits
    assert [limit.metric for limit in audit.limits] == ["bias_removed", "answer_rate", "smd"]


@pytest.mark.parametrize("block", blocks("python"), ids=["test", "python"])
def test_what_it_imports_is_there(block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            module = import_module(node.module)
            assert all(hasattr(module, name.name) for name in node.names)

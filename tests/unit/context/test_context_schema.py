"""The published JSON Schema says what the reader does, as far as JSON Schema can."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.context.schema import SCHEMA_FILE, context_schema_text
from pytest_biasaudit.errors import ContextError

EXAMPLE = (Path(__file__).parent / "design_example.toml").read_text(encoding="utf-8")
ROOT = Path(__file__).parents[3]
SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
AUDIT = SCHEMA["properties"]["audit"]["items"]["properties"]

TABLES = {
    "[context]": SCHEMA["properties"]["context"],
    "[[audit]]": SCHEMA["properties"]["audit"]["items"],
    "[audit.people]": AUDIT["people"],
    "[audit.outcome]": AUDIT["outcome"],
    "[[audit.limit]]": AUDIT["limit"]["items"],
}


def forbidden(kind: str) -> list[str]:
    """Keys of [[audit]] that the schema refuses in an audit of that kind."""
    (rule,) = (
        one["then"]
        for one in SCHEMA["properties"]["audit"]["items"]["allOf"]
        if one["if"]["properties"]["kind"]["const"] == kind
    )
    return [key for key, allowed in rule["properties"].items() if allowed is False]


def errors_of(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(tomllib.loads(text))]


def test_the_committed_schema_is_what_the_key_tables_give() -> None:
    """If this fails: python -m pytest_biasaudit.context.schema"""
    assert SCHEMA_FILE.read_text(encoding="utf-8") == context_schema_text()


def test_the_schema_is_a_valid_one_of_draft_2020_12() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.bias.toml")), ids=lambda path: path.name)
def test_the_shipped_examples_pass_the_schema(path: Path) -> None:
    assert errors_of(path.read_text(encoding="utf-8")) == []


def test_the_example_of_the_design_passes_the_schema() -> None:
    assert errors_of(EXAMPLE) == []


@pytest.mark.parametrize("header", TABLES)
def test_the_reader_takes_the_keys_of_the_schema_and_no_others(header: str, tmp_path: Path) -> None:
    """Asked from outside: the reader lists its valid keys when it meets one it does not know."""
    path = tmp_path / "x.bias.toml"
    path.write_text(EXAMPLE.replace(header, f"{header}\nzzz = 1", 1), encoding="utf-8")
    with pytest.raises(ContextError) as caught:
        read_context(path)
    (fault,) = caught.value.faults
    valid = re.search(r"unknown key 'zzz' \(= 1\); valid keys are (.*)$", fault)
    assert valid, fault
    assert re.findall(r"'(\w+)'", valid[1]) == [
        key for key in TABLES[header]["properties"] if header != "[[audit]]" or key not in forbidden("counterfactual")
    ]


@pytest.mark.parametrize("header", TABLES)
def test_what_the_schema_requires_the_reader_requires(header: str, tmp_path: Path) -> None:
    path = tmp_path / "x.bias.toml"
    for key in TABLES[header]["required"]:
        document: dict[str, Any] = tomllib.loads(EXAMPLE)
        audit = document["audit"][0]
        table = {
            "[context]": document["context"],
            "[[audit]]": audit,
            "[audit.people]": audit["people"],
            "[audit.outcome]": audit["outcome"],
            "[[audit.limit]]": audit["limit"][0],
        }[header]
        del table[key]
        assert [error.message for error in VALIDATOR.iter_errors(document)] == [f"'{key}' is a required property"]
        path.write_text(_toml(document), encoding="utf-8")
        with pytest.raises(ContextError, match=f"{key} is missing"):
            read_context(path)


def _toml(document: dict[str, Any]) -> str:
    """The document as inline TOML; JSON writes texts, numbers and lists the same way."""

    def value(raw: Any) -> str:
        if isinstance(raw, dict):
            return "{" + ", ".join(f"{json.dumps(key)} = {value(item)}" for key, item in raw.items()) + "}"
        if isinstance(raw, list):
            return "[" + ", ".join(map(value, raw)) + "]"
        return json.dumps(raw)

    return "\n".join(f"{key} = {value(item)}" for key, item in document.items())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema = 1\n", "schema = 2\n"),
        ('id = "offers"', 'id = "two words"'),
        ('kind = "counterfactual"', 'kind = "bbq"'),
        ('prompt = "', 'prompts = ["{person}"]\nprompt = "'),
        ('owner = "marketplace-ml"', 'owner = " "'),
        ('affected = ["private sellers"]', "affected = []"),
        ('["a used bicycle", "a used car", "a dining table"]', '["car", "car"]'),
        ('groups = ["white", "black"]', 'groups = ["white"]'),
        ("per_group = 16", "per_group = 0"),
        ("plausible = [1, 1_000_000]", "plausible = [1, 2, 3]"),
        ('kind = "number" ', 'kind = "choice" '),
        ('kind = "number" ', 'kind = "number"\nscale = [1, 2] '),
        ("temperature = 0.0", "temperature = -1"),
        ("max = 0.2", "max = 0.2\nmin = 0.1"),
        ("max = 0.2", ""),
        ('versus = "parent"', ""),
        ("max = 0.2", 'max = 0.2\nof = "smd"'),
        ("level = 0.95", "level = 95"),
        ('rule = "upper"', 'rule = "up"'),
    ],
)
def test_what_an_editor_can_see_is_refused_by_schema_and_reader(old: str, new: str, tmp_path: Path) -> None:
    assert old in EXAMPLE
    text = EXAMPLE.replace(old, new, 1)
    assert errors_of(text)
    path = tmp_path / "x.bias.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContextError):
        read_context(path)


@pytest.mark.parametrize(
    "outcome",
    [
        'kind = "yes-no"',
        'kind = "choice"\noptions = ["a", "b"]\nfavourable_option = "a"',
        'kind = "rating"\nscale = [1, 2, 3]\nunit = "points"',
        'kind = "text"\nscorer = "refusal"\nrepeats = 2\ntemperature = 1.0',
    ],
)
def test_every_kind_of_outcome_passes_the_schema(outcome: str) -> None:
    start, end = EXAMPLE.index('kind = "number"'), EXAMPLE.index("# options")
    assert errors_of(EXAMPLE[:start] + outcome + "\n" + EXAMPLE[end:]) == []

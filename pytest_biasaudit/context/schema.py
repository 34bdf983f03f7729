"""The published JSON Schema of context files, for editors: written from the same key tables that the reader uses.

It says what a table may hold. What needs other files or arithmetic (names in a people list, slots in a wording, what a
metric can be) only the reader checks. Rewrite the committed file with `python -m pytest_biasaudit.context.schema`.
"""

from __future__ import annotations

import json
from pathlib import Path

from pytest_biasaudit.context.read import FILE_KEYS
from pytest_biasaudit.context.shapes import JsonSchema
from pytest_biasaudit.context.strict import table_schema

SCHEMA_FILE = Path(__file__).with_name("schema.json")


def context_schema() -> JsonSchema:
    """JSON Schema (draft 2020-12) of a `*.bias.toml`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Deployment context of pytest-biasaudit (*.bias.toml)",
        **table_schema(FILE_KEYS),
    }


def context_schema_text() -> str:
    """The schema as its file holds it."""
    return json.dumps(context_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(context_schema_text(), encoding="utf-8")

"""Whatever stands in a context file or a model table: it is read, or it is our own error. Never another exception."""

from __future__ import annotations

import copy
import datetime
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_biasaudit.context.declaration import Context, CounterfactualAudit
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.context.schema import SCHEMA_FILE
from pytest_biasaudit.context.toml_file import read_toml
from pytest_biasaudit.errors import ContextError, ModelTableError
from pytest_biasaudit.models.declared import read_models

DATA = Path(__file__).parents[1] / "unit" / "context"
EXAMPLE = (DATA / "design_example.toml").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = read_toml(DATA / "design_example.toml").table
MODELS: dict[str, Any] = {
    "models": {
        "base": {"source": "owner/name", "revision": "main", "dtype": "float32"},
        "small": {
            "parent": "base",
            "recipe": [{"quantize": "rtn", "bits": 8}, {"prune": "magnitude", "sparsity": 0.5}],
        },
    }
}
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))

QUICK = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

WORDS = st.sampled_from(
    [
        "", " ", "number", "choice", "yes-no", "rating", "text", "smd", "impact_ratio", "answer_rate", "inlier_ratio",
        "race", "gender", "race*gender", "*", "us-names", "nothing.csv", "../x.csv", "a\0.csv", "x" * 300 + ".csv",
        "white", "women", "{person} {item}", "{first}", "{person.__class__}", "{", "}", "{}", "{item!r:>{x}}",
        "parent", "upper", "lower", "higher", "policy", "Yes", "counterfactual", "rtn", "owner/name", "package:",
    ]
)  # fmt: skip
TEXTS = WORDS | st.text(st.characters(codec="utf-8"), max_size=20)
NUMBERS = (
    st.integers()
    | st.integers(-2, 40)
    | st.just(10**400)
    | st.floats()
    | st.sampled_from([0.0, -0.0, 0.5, 1.0, 0.95, math.inf, -math.inf, math.nan])
)
TIMES = st.datetimes() | st.dates() | st.times() | st.datetimes(timezones=st.just(datetime.UTC))
VALUES = st.recursive(
    TEXTS | NUMBERS | st.booleans() | TIMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "schema", "context", "audit", "id", "title", "kind", "prompt", "prompts", "system", "prefill", "slots",
        "people", "outcome", "limit", "attribute", "source", "groups", "per_group", "unit", "favourable", "plausible",
        "repeats", "temperature", "max_new_tokens", "options", "favourable_option", "scale", "scorer", "metric", "max",
        "min", "versus", "max_increase", "min_recovery", "rule", "level", "basis", "reason", "accept_one_template",
        "parent", "recipe",
    ]
) | st.text(st.characters(codec="utf-8"), max_size=8)  # fmt: skip

LIKELY: dict[str, list[Any]] = {
    "prompt": ["{person}, {item}?", "{first} {last} sells {item}", "{{{item}}} {first} {pronoun}", "{pronoun} {item}"],
    "prefill": ["{item}: ", "{person}", "{", "$"],
    "slots": [{"item": ["a", "b"]}, {"item": ["a", "A"]}, {"item": ["{x}"]}, {}],
    "attribute": ["race", "gender", ["race"], ["gender", "race"], "race*gender"],
    "groups": [["black", "white"], ["men", "women"], {"race": ["black", "white"]}, ["white", "black", "women", "men"]],
    "per_group": [1, 2, 3, 8, 31, 32, 33],
    "outcome": [{"kind": kind} for kind in ("number", "yes-no", "text")]
    + [{"kind": "rating", "scale": [1, 2]}, {"kind": "choice", "options": ["a", "b"], "favourable_option": "b"}],
    "plausible": [[0, 1], [-1.5, 10**15]],
    "repeats": [1, 2],
    "temperature": [0, 1, 0.5],
    "metric": ["smd", "mean_ratio", "mann_whitney", "answer_rate", "inlier_ratio", "wasserstein", "impact_ratio"],
    "max": [0, 0.1, 0.5, 1, 1.25, 7],
    "min": [0, 0.1, 0.8, 1],
    "max_increase": [0, 0.1, 1],
    "min_recovery": [0.5, 0.95, 1],
    "versus": ["parent", "base"],
    "rule": ["upper", "lower", "point"],
    "level": [0.9, 0.99],
    "accept_one_template": [True, False],
}
"""Values a person might write: some stand together, some do not."""


def toml(document: dict[str, Any]) -> str:
    """Any TOML document, written inline: enough to be read back."""

    def text(raw: str) -> str:
        return '"' + "".join(f"\\U{ord(character):08X}" for character in raw) + '"'

    def value(raw: Any) -> str:
        if isinstance(raw, str):
            return text(raw)
        if isinstance(raw, bool):
            return "true" if raw else "false"
        if isinstance(raw, dict):
            return "{" + ", ".join(f"{text(key)} = {value(item)}" for key, item in raw.items()) + "}"
        if isinstance(raw, list):
            return "[" + ", ".join(map(value, raw)) + "]"
        if isinstance(raw, datetime.datetime | datetime.date | datetime.time):
            return raw.isoformat()
        if isinstance(raw, float):
            return "nan" if math.isnan(raw) else repr(raw)
        return str(raw)

    return "\n".join(f"{text(key)} = {value(item)}" for key, item in document.items())


def tables_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every table of a document, itself included."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from tables_in(item)


@st.composite
def mutants(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """A good document with a few keys dropped, added or given another value: likely values, or any."""
    mutant = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 4))):
        table = draw(st.sampled_from(list(tables_in(mutant))))
        there = list(table)
        likely = [key for key in there if key in LIKELY]
        act = draw(st.sampled_from(["drop", "replace"] * bool(there) + ["add"] + ["likely"] * 6 * bool(likely)))
        if act == "add":
            table[draw(KEYS)] = draw(VALUES)
        elif act == "likely":
            key = draw(st.sampled_from(likely))
            table[key] = copy.deepcopy(draw(st.sampled_from(LIKELY[key])))
        else:
            key = draw(st.sampled_from(there))
            if act == "drop":
                del table[key]
            else:
                table[key] = draw(VALUES)
    return mutant


def read_or_our_error(path: Path) -> Context | None:
    try:
        return read_context(path)
    except ContextError as error:
        told = error
    assert told.faults
    assert str(told).startswith(str(path))
    assert all(len(fault) < 3_000 for fault in told.faults)
    return None


def test_the_toml_written_here_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(toml(DOCUMENT), encoding="utf-8")
    assert read_toml(path).table == DOCUMENT
    assert read_context(path).declared == DOCUMENT


@QUICK
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_by_our_own_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.bias.toml"
    path.write_bytes(content)
    assert read_or_our_error(path) is None


@QUICK
@given(data=st.data())
def test_a_good_file_with_damaged_bytes_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(EXAMPLE.encode())
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=6))
    path = tmp_path / "x.bias.toml"
    path.write_bytes(bytes(content))
    read_or_our_error(path)


@QUICK
@given(document=mutants(DOCUMENT))
def test_a_mutated_document_is_read_or_refused_and_what_is_read_is_sound(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    path = tmp_path / "x.bias.toml"
    path.write_text(toml(document), encoding="utf-8")
    context = read_or_our_error(path)
    if context is None:
        return
    # What the reader takes an editor takes too, and the evidence can hold.
    VALIDATOR.validate(document)
    json.dumps(context.declared, allow_nan=False)
    for audit in context.audits:
        assert audit.limits
        assert len({limit.id for limit in audit.limits}) == len(audit.limits)
        for limit in audit.limits:
            assert (
                sum(bound is not None for bound in (limit.max, limit.min, limit.max_increase, limit.min_recovery)) == 1
            )
            assert math.isfinite(limit.bound)
            assert 0.5 < limit.level < 1
            assert isinstance(audit, CounterfactualAudit)
            assert set(limit.attributes) <= set(audit.people.attributes)


@QUICK
@given(document=mutants(DOCUMENT))
def test_prompts_can_be_built_from_whatever_was_read(tmp_path: Path, document: dict[str, Any]) -> None:
    from pytest_biasaudit.prompts.counterfactual import build_prompts

    path = tmp_path / "x.bias.toml"
    path.write_text(toml(document), encoding="utf-8")
    context = read_or_our_error(path)
    for audit in context.audits if context else ():
        told = ""
        try:
            build_prompts(context, audit, seed=0)  # type: ignore[arg-type]  # None has no audits
        except ContextError as error:
            told = str(error)
        # The one thing that only the drawn people show: two of them reading the same.
        assert not told or "reads the same for" in told


@QUICK
@given(document=st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_toml_is_refused_by_our_own_error(tmp_path: Path, document: dict[str, Any]) -> None:
    path = tmp_path / "x.bias.toml"
    path.write_text(toml(document), encoding="utf-8")
    assert read_or_our_error(path) is None


@QUICK
@given(document=mutants(MODELS))
def test_a_mutated_model_table_is_read_or_refused_and_what_is_read_is_sound(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    (tmp_path / "biasaudit.toml").write_text(toml(document), encoding="utf-8")
    try:
        models = read_models(tmp_path)
    except ModelTableError:
        return
    for spec in models.values():
        assert (spec.source is None) != (spec.parent is None)
        assert spec.parent is None or spec.parent in models
        assert spec.dtype in ("float32", "bfloat16", "float16")


@QUICK
@given(content=st.binary(max_size=200))
def test_any_bytes_as_model_table_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("biasaudit.toml", "pyproject.toml"):
        (tmp_path / name).write_bytes(content)
    try:
        models = read_models(tmp_path)
    except ModelTableError:
        return
    assert models == {}


@pytest.mark.parametrize("depth", [10, 10_000])
def test_deep_nesting_is_refused_by_our_own_error(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "x.bias.toml"
    for text in ("schema = " + "[" * depth + "]" * depth, "schema = " + "{a = " * depth + "1" + "}" * depth):
        path.write_text(text, encoding="utf-8")
        assert read_or_our_error(path) is None
    path.write_text(".".join(["a"] * min(depth, 2_000)) + " = 1", encoding="utf-8")
    assert read_or_our_error(path) is None

"""Reference pages from what they describe: options, metrics, recipes, both schemas, docstrings of the Python side.

A Sphinx extension. Before Sphinx reads the pages it writes Markdown into `reference/_generated/`, which the pages of
the reference include. Imports only modules of the package that need neither numpy nor torch; Python code is read and
not run. A source that gives nothing stops the build: an empty page would look like a feature that is not there.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

    from pytest_biasaudit.metrics.metric import Metric

PACKAGE = Path(__file__).parents[2] / "pytest_biasaudit"
Schema = Mapping[str, Any]


class NothingToDescribe(Exception):
    """A source of the reference holds nothing."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", lambda app: write_all(Path(app.srcdir) / "reference" / "_generated"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_all(folder: Path) -> None:
    """Write every generated part; an unchanged file keeps its date, so that Sphinx need not read it again."""
    parts = {
        "options.md": options(),
        "metrics.md": metrics(),
        "benchmarks.md": benchmarks(),
        "tables.md": labelled_tables(),
        "recipes.md": recipes(),
        "interventions.md": interventions(),
        "context-file.md": schema_tables(_schema("context/schema.json"), top="Top level"),
        "evidence.md": schema_tables(_schema("records/evidence.schema.json"), top="The file"),
        "python.md": python_names(),
        "results.md": results(),
        "fixtures.md": fixtures(),
        "hooks.md": hooks(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in parts.items():
        if not text.strip():
            raise NothingToDescribe(f"{name} would be empty")
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# Tables


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars and line ends in cells are made harmless."""
    body = [[_cell(text) for text in row] for row in rows]
    if not body:
        raise NothingToDescribe(f"a table of {', '.join(head)} has no rows")
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _code(text: object) -> str:
    return f"`{text}`"


# Options, metrics, recipes


def options() -> str:
    """Every option with its ini key."""
    from pytest_biasaudit.plugin.options import OPTIONS

    rows = []
    for option in OPTIONS:
        flag = f"{option.flag} {option.metavar}" if option.metavar else option.flag
        if option.choices:
            flag = f"{option.flag} {{{','.join(option.choices)}}}"
        default = "off" if option.switch else "" if option.default is None else _code(option.default)
        rows.append((_code(flag), _code(option.ini), option.help, default))
    return table(("option", "ini key", "what it does", "default"), rows)


def metrics() -> str:
    """Every registered metric: a table to choose from, then a section for each, with what its name means in audits of tables."""
    from pytest_biasaudit.metrics.registry import ELSEWHERE, METRICS

    judged = {
        "distance": "the distance from the ideal value",
        "ratio": "the value or its inverse, whichever is further from 1",
        "value": "the value itself",
    }
    rows = [
        (
            f"[`{m.name}`](#{m.name.replace('_', '-')})",
            m.title,
            _unit(m.unit),
            ", ".join([*m.kinds, *(kind for other in ELSEWHERE.get(m.name, ()) for kind in other.kinds)]),
            m.direction,
        )
        for m in METRICS.values()
    ]
    parts = [table(("metric", "is", "unit", "outcome or benchmark kinds", "direction"), rows)]
    for m in METRICS.values():
        parts.append(f"({m.name.replace('_', '-')})=\n## `{m.name}`: {m.title[0].lower()}{m.title[1:]}\n")
        for own in (m, *ELSEWHERE.get(m.name, ())):
            low, high = (f"{end:g}" for end in own.range)
            kinds = " and ".join(_code(kind) for kind in own.kinds)
            where = "" if own is m else f"In audits of kind {kinds}: "
            parts.append(f"{where}{own.source}.\n")
            parts.append(
                f"{_compares(own)}. Unit: {_unit(own.unit)}. Range: {low} to {high}. Ideal: {own.ideal:g}. "
                f"A limit is held against {judged[own.judged]}.\n"
            )
    return "\n".join(parts)


def _compares(metric: Metric) -> str:
    """What a limit on a metric is about."""
    if metric.of_table is not None:
        groups = "compares groups" if metric.by_group else "over all rows: a limit names no attribute"
        return f"Of a labelled table, {groups}"
    if metric.items is None:
        return "Compares groups" if metric.by_group else "Over all answers: a limit names no attribute"
    ways = [f'by {part} (`attribute = "{part}"`)' if part else "over all items" for part in metric.split_by]
    against = "; may be held against another model" if metric.change is not None else ""
    able = "; tells how able the model is" if metric.utility else ""
    return f"Of a benchmark, {', or '.join(ways)}{against}{able}"


def benchmarks() -> str:
    """Every benchmark kind: a table of all, then a section for each with data, keys and figures."""
    from pytest_biasaudit.context.benchmark import BENCHMARKS, DATA, SHA

    rows, parts = [], []
    for kind in BENCHMARKS.values():
        room = import_module(f"pytest_biasaudit.prompts.benchmarks.{kind.name.replace('-', '_')}")
        origin, own = room.ORIGIN, room.OWN
        anchor = f"kind-{kind.name}"
        without = f"`{own}`, our own" if own else "an error"
        rows.append((f"[`{kind.name}`](#{anchor})", kind.needs, kind.item, without))
        place = f"<{origin.url}>" if origin.url.startswith("https:") else f"`{origin.url}`"
        files = ", ".join(_code(name) for name in origin.files)
        parts.append(f"({anchor})=\n## `{kind.name}`: {kind.title}\n")
        parts.append(f"Data: {origin.title}, {place}. Licence: {origin.licence}. Files: {files}.\n")
        keys = [(_code(key.name), key.shape.must, "none", key.says) for key in (DATA, SHA)]
        keys += [(_code(key.name), key.shape.must, _default(default), key.says) for key, default in kind.defaults]
        parts.append(table(("key", "is", "default", "meaning"), keys))
        parts.append(_figures(kind.name))
    return "\n".join([table(("kind", "needs", "an item is a", "without `data`"), rows), *parts])


def labelled_tables() -> str:
    """Every key of audits of labelled tables, and the bundled lists of terms."""
    from pytest_biasaudit.context.tabular import (
        COLUMN_KEYS,
        CORPUS,
        DEFAULT_MINIMUM,
        DEFAULT_WINDOW,
        KEYS_OF,
        TABULAR_KEYS,
    )
    from pytest_biasaudit.tables.term_lists import TERM_LISTS

    defaults = {"minimum": DEFAULT_MINIMUM, "window": DEFAULT_WINDOW}
    keys = [
        (
            _code(key.name),
            key.shape.must,
            ", ".join(_code(kind) for kind, own in KEYS_OF.items() if key in own),
            _default(defaults.get(key.name)),
            key.says,
        )
        for key in TABULAR_KEYS
    ]
    columns = [
        (
            _code(key.name),
            key.shape.must,
            "both" if key.name not in ("prediction", "score") else "`classifier`",
            key.says,
        )
        for key in COLUMN_KEYS
    ]
    lists = [
        (_code(one.name), one.title, "; ".join(_terms_of(*group) for group in one.groups), one.source)
        for one in TERM_LISTS.values()
    ]
    return "\n".join(
        [
            "## Keys of the audit\n",
            table(("key", "is", "of kind", "default", "meaning"), keys),
            f"## Keys of `[audit.columns]`\n\nIn a `{CORPUS}` nothing is predicted, and `label` may be absent.\n",
            table(("key", "is", "of kind", "meaning"), columns),
            "## Bundled lists of terms\n",
            table(("list", "is", "groups, the reference first", "source"), lists),
        ]
    )


def _terms_of(group: str, terms: Sequence[str]) -> str:
    return group if terms == (group,) else f"{group}: {', '.join(terms)}"


def _default(value: object) -> str:
    return "none" if value is None else _code(json.dumps(value))


def _figures(kind: str) -> str:
    from pytest_biasaudit.metrics.registry import METRICS

    rows = []
    for m in METRICS.values():
        if kind in m.kinds:
            low, high = (f"{end:g}" for end in m.range)
            split = ", ".join(part or "all items" for part in m.split_by)
            of = "ability" if m.utility else "bias"
            name = f"[`{m.name}`](metrics.md#{m.name.replace('_', '-')})"
            rows.append((name, of, f"{low} to {high}", f"{m.ideal:g}", split, "yes" if m.change else "no"))
    return table(("figure", "of", "range", "ideal", "split by", "against a model"), rows)


def _unit(unit: str) -> str:
    return {"outcome": "that of the outcome", "sd": "standard deviations"}.get(unit, unit)


def recipes() -> str:
    """Every method a recipe step may name."""
    from pytest_biasaudit.compression.methods import METHODS

    rows = []
    for method in METHODS:
        settings = []
        one_of = method.either if method.either and method.settings[method.either[0]].default is None else ()
        for name, rule in method.settings.items():
            default = "none" if rule.default is None else json.dumps(rule.default)
            needed = "needed" if rule.required else f"needed: one of {', '.join(one_of)}" if name in one_of else ""
            settings.append(f"`{name}`: {rule.valid}; {needed or f'default {default}'}")
        rows.append((_code(f'{method.action} = "{method.name}"'), method.does, "<br>".join(settings) or "none"))
    return table(("step", "what it does", "settings"), rows)


def interventions() -> str:
    """Every intervention on data and on models, the lists of words they know, with what they rest on."""
    from pytest_biasaudit.mitigation.data.methods import INTERVENTIONS as DATA
    from pytest_biasaudit.mitigation.data.word_pairs import WORD_PAIRS
    from pytest_biasaudit.mitigation.upstream.methods import INTERVENTIONS as UPSTREAM

    parts = []
    for heading, known in (("On data", DATA), ("On models", UPSTREAM)):
        rows = []
        for one in known.values():
            settings = []
            for name, rule in one.settings.items():
                default = "none" if rule.default is None else json.dumps(rule.default)
                settings.append(f"`{name}`: {rule.valid}; {'needed' if rule.required else f'default {default}'}")
            seed = "yes" if one.draws else ""
            rows.append(
                (_code(one.name), f"{one.title}: {one.does}", "<br>".join(settings) or "none", seed, one.source)
            )
        parts.append(
            f"## {heading}\n\n{table(('name', 'what it does', 'settings', 'draws by the seed', 'source'), rows)}"
        )
    pairs = [(_code(one.name), one.title, str(len(one.pairs)), one.source, one.caution) for one in WORD_PAIRS.values()]
    parts.append(f"## Word pairs\n\n{table(('name', 'what', 'pairs', 'source', 'caution'), pairs)}")
    return "\n".join(parts)


# JSON Schemas


def _schema(name: str) -> Schema:
    path = PACKAGE / name
    schema: Schema = json.loads(path.read_text(encoding="utf-8"))
    return schema


def schema_tables(schema: Schema, *, top: str) -> str:
    """A table for every object of a schema, in the order in which a reader of the file meets them."""
    parts = []
    for place, node in _objects(schema, schema, place=""):
        rows = []
        required = set(node.get("required", ()))
        for key, value in node.get("properties", {}).items():
            if value is False:
                continue
            rows.append((_code(key), _type(schema, value), "yes" if key in required else "", _says(schema, value)))
        heading = f"`{place}`" if place else top
        parts.append(f"## {heading}\n\n{table(('key', 'is', 'needed', 'meaning'), rows)}")
    if not parts:
        raise NothingToDescribe("a schema without objects")
    return "\n".join(parts)


def _follow(schema: Schema, node: Any) -> Schema:
    seen = node if isinstance(node, Mapping) else {}
    while "$ref" in seen:
        target: Any = schema
        for step in str(seen["$ref"]).removeprefix("#/").split("/"):
            target = target[step]
        seen = {**target, **{key: value for key, value in seen.items() if key != "$ref"}}
    return seen


def _alternatives(schema: Schema, node: Any) -> list[Schema]:
    followed = _follow(schema, node)
    for word in ("anyOf", "oneOf"):
        if word in followed and "properties" not in followed:
            return [found for branch in followed[word] for found in _alternatives(schema, branch)]
    return [followed]


def _objects(schema: Schema, node: Any, *, place: str, above: tuple[int, ...] = ()) -> Iterator[tuple[str, Schema]]:
    for found in _alternatives(schema, node):
        marker = id(found.get("properties", found))
        if marker in above:
            continue
        inner = (*above, marker)
        if found.get("properties"):
            yield place, found
            for key, value in found["properties"].items():
                yield from _objects(schema, value, place=f"{place}.{key}".lstrip("."), above=inner)
        elif isinstance(found.get("items"), Mapping):
            yield from _objects(schema, found["items"], place=f"{place}[]", above=inner)


def _type(schema: Schema, node: Any) -> str:
    said = [_one_type(schema, found) for found in _alternatives(schema, node)]
    return " or ".join(dict.fromkeys(said))


def _one_type(schema: Schema, node: Schema) -> str:
    if "const" in node:
        return _code(json.dumps(node["const"]))
    if "enum" in node:
        return ", ".join(_code(json.dumps(value)) for value in node["enum"])
    kind = node.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(_one_type(schema, {"type": each}) for each in kind)
    if kind == "array":
        return f"list of {_type(schema, node['items'])}" if "items" in node else "list"
    if kind == "object":
        return "table"
    return {"string": "text", "integer": "whole number", "boolean": "true or false", "null": "null"}.get(
        kind, str(kind)
    )


def _says(schema: Schema, node: Any) -> str:
    if isinstance(node, Mapping) and "description" in node:
        return str(node["description"])
    return " ".join(str(found["description"]) for found in _alternatives(schema, node) if "description" in found)


# Python, read and not run

Definition = ast.FunctionDef | ast.ClassDef


def python_names() -> str:
    """The package's public names, from `__all__`, with signature and docstring."""
    import pytest_biasaudit

    found = dict(_definitions(PACKAGE.rglob("*.py")))
    parts = []
    for name in sorted(pytest_biasaudit.__all__):
        if name.startswith("__"):
            continue
        if name not in found:
            raise NothingToDescribe(
                f"pytest_biasaudit.{name} is exported and no function or class of that name is defined"
            )
        parts.append(_described(found[name]))
    return "\n".join(parts)


def results() -> str:
    """The types that a result is made of."""
    found = dict(_definitions(PACKAGE.rglob("*.py")))
    return "\n".join(_described(found[name]) for name in ("Judgement", "Estimate", "Interval", "GroupSummary"))


def fixtures() -> str:
    """The plugin's fixtures, and the class of what one of them gives."""
    parts = [
        _described(node, arguments=False)
        for _, node in _definitions([PACKAGE / "plugin" / "fixtures.py"])
        if isinstance(node, ast.ClassDef) or any("fixture" in ast.unparse(d) for d in node.decorator_list)
    ]
    return "\n".join(parts)


def hooks() -> str:
    """The plugin's hook specifications."""
    return "\n".join(_described(node) for _, node in _definitions([PACKAGE / "plugin" / "hookspecs.py"]))


def _definitions(paths: Iterable[Path]) -> Iterator[tuple[str, Definition]]:
    for path in sorted(paths):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name, node


def _described(node: Definition, *, arguments: bool = True) -> str:
    text = f"### `{node.name}`\n\n"
    if isinstance(node, ast.FunctionDef):
        if arguments:
            text += f"```python\n{node.name}{_signature(node)}\n```\n\n"
        return f"{text}{_docstring(node)}\n"
    text += f"{_docstring(node)}\n"
    for inner, after in zip(node.body, [*node.body[1:], None], strict=True):
        if (
            isinstance(inner, ast.AnnAssign)
            and isinstance(inner.target, ast.Name)
            and not inner.target.id.startswith("_")
        ):
            text += f"\n- `{inner.target.id}: {ast.unparse(inner.annotation)}`{_field_says(after)}"
    text += "\n"
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
            text += f"\n`{node.name}.{inner.name}{_signature(inner)}`\n\n{_docstring(inner)}\n"
    return text


def _field_says(after: ast.stmt | None) -> str:
    """The text under a field of a class, which Python itself does not keep."""
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
        return f": {' '.join(after.value.value.split())}"
    return ""


def _signature(node: ast.FunctionDef) -> str:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if any(ast.unparse(decorator).endswith("property") for decorator in node.decorator_list):
        return returns.replace(" -> ", ": ")
    given = ast.unparse(node.args).removeprefix("self, ")
    given = "" if given == "self" else given
    return f"({given}){returns}"


def _docstring(node: Definition) -> str:
    """The docstring as Markdown: indented parts, such as tables of arguments, stay as they are laid out."""
    text = ast.get_docstring(node)
    if not text:
        raise NothingToDescribe(f"{node.name} has no docstring")
    parts = []
    for block in text.split("\n\n"):
        laid_out = any(re.match(r"\s*\S+( \S+)*  +\S", line) for line in block.splitlines())
        parts.append(f"```text\n{block}\n```" if laid_out or block.startswith("    ") else block)
    return "\n\n".join(parts)

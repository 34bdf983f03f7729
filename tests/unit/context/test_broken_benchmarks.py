"""A benchmark that is declared wrongly is an error that names the audit, the key, what came and what is valid.

Every row of the table breaks a sound declaration in one way, and must give one fault: a mistake is told once.
"""

# ruff: noqa: E501  (a row of the table is easier to scan on one line)
from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.errors import ContextError
from pytest_biasaudit.metrics.registry import METRICS

EXAMPLE = (Path(__file__).parent / "design_example.toml").read_text(encoding="utf-8")
ELEMENTS = EXAMPLE[: EXAMPLE.index("[[audit]]")]
SHA = "a" * 64
LIMIT = '[[audit.limit]]\nid = "score"\nmetric = "stereotype_score"\nmax = 10\n'
HUB = f'data = "hub:someone/pairs@{"c" * 40}"\nsha256 = "{SHA}"\n'

IN_AUDIT = "[[audit]] 1 'one': "
IN_LIMIT = "[[audit]] 1 'one' / [[audit.limit]] 1 'score': "


class Broken(NamedTuple):
    """One way to declare a benchmark wrongly."""

    name: str
    kind: str
    keys: str
    limit: str
    told: tuple[str, ...]
    """What the message must contain."""


def keys(name: str, kind: str, text: str, *told: str) -> Broken:
    """Keys of an audit whose limit is sound."""
    metric = next((one for one in METRICS.values() if kind in one.kinds and not one.utility), METRICS["answer_rate"])
    bound = "max" if metric.judged == "distance" else "min"
    limits = "" if "[[audit.limit]]" in text else f'[[audit.limit]]\nmetric = "{metric.name}"\n{bound} = 0.1\n'
    return Broken(name, kind, text, limits, told)


def limit(name: str, kind: str, text: str, *told: str) -> Broken:
    """A limit of an audit that is otherwise sound."""
    data = "" if kind in ("crows-pairs", "seat", "weat", "log-probability") else 'data = "file"\n'
    return Broken(name, kind, data, f'[[audit.limit]]\nid = "score"\n{text}\n', (IN_LIMIT, *told))


ROWS = [
    keys("unknown kind", "crowspairs", "", "kind = 'crowspairs'", "'crows-pairs'", "'log-probability'"),
    keys("kind with an underscore", "crows_pairs", "", "kind = 'crows_pairs'", "did you mean 'crows-pairs'"),
    keys("no data and none of our own", "stereoset", "", IN_AUDIT, "data is missing; kind 'stereoset' needs it", '"hub:NAME@REVISION"'),
    keys("the same for bbq", "bbq", "", IN_AUDIT, "data is missing; kind 'bbq' needs it"),
    keys("the same for winobias", "winobias", "", IN_AUDIT, "data is missing; kind 'winobias' needs it"),
    keys("the same for winogender", "winogender", "", IN_AUDIT, "data is missing; kind 'winogender' needs it"),
    keys("hub without a revision", "crows-pairs", f'data = "hub:someone/pairs"\nsha256 = "{SHA}"', IN_AUDIT, "data = 'hub:someone/pairs'", "must name a revision"),
    keys("hub without a digest", "crows-pairs", 'data = "hub:someone/pairs@abc"', IN_AUDIT, "sha256 is missing; a hub data set is pinned by revision and digest"),
    keys("digest too short", "crows-pairs", 'data = "p.csv"\nsha256 = "abc"', IN_AUDIT, "sha256 = 'abc'", "64 hexadecimal digits"),
    keys("digest not hexadecimal", "crows-pairs", f'data = "p.csv"\nsha256 = "{"z" * 64}"', IN_AUDIT, "64 hexadecimal digits"),
    keys("digest without data", "crows-pairs", f'sha256 = "{SHA}"', IN_AUDIT, "says what data must be, and data is not given"),
    keys("data a number", "crows-pairs", "data = 7", IN_AUDIT, "data = 7"),
    keys("data empty", "crows-pairs", 'data = ""', IN_AUDIT, "data = ''"),
    keys("unknown score", "crows-pairs", 'score = "mean"', IN_AUDIT, "score = 'mean'", "'nangia'", "'bias-bench'", "'causal'", "'sum'"),
    keys("score on stereoset", "stereoset", 'data = "dev.json"\nscore = "sum"', IN_AUDIT, "score = 'sum'", "does not belong to kind 'stereoset', only to 'crows-pairs'"),
    keys("task on crows-pairs", "crows-pairs", 'task = "intrasentence"', IN_AUDIT, "does not belong to kind 'crows-pairs', only to 'stereoset'"),
    keys("unknown task", "stereoset", 'data = "dev.json"\ntask = "intersentance"', IN_AUDIT, "task = 'intersentance'", "'intersentence'"),
    keys("axes a text", "crows-pairs", 'axes = "gender"', IN_AUDIT, "axes = 'gender'", "list"),
    keys("axes empty", "crows-pairs", "axes = []", IN_AUDIT, "axes = []"),
    keys("an axis empty", "crows-pairs", 'axes = ["gender", ""]', IN_AUDIT, "axes"),
    keys("minimum of one", "crows-pairs", "minimum = 1", IN_AUDIT, "minimum = 1", "2"),
    keys("minimum a fraction", "crows-pairs", "minimum = 30.5", IN_AUDIT, "minimum = 30.5"),
    keys("pooling unknown", "seat", 'pooling = "max"', IN_AUDIT, "pooling = 'max'", "'mean'", "'cls'"),
    keys("ddof two", "seat", "ddof = 2", IN_AUDIT, "ddof = 2", "0 to 1"),
    keys("ddof true", "seat", "ddof = true", IN_AUDIT, "ddof = True"),
    keys("too few permutations", "seat", "permutations = 100", IN_AUDIT, "permutations = 100", "999"),
    keys("p unknown", "weat", 'p = "both"', IN_AUDIT, "p = 'both'", "'one-sided'", "'two-sided'"),
    keys("tests on bbq", "bbq", 'data = "bbq"\ntests = ["weat6"]', IN_AUDIT, "does not belong to kind 'bbq', only to 'seat', 'weat'"),
    keys("answer unknown", "bbq", 'data = "bbq"\nanswer = "chat"', IN_AUDIT, "answer = 'chat'", "'likelihood'", "'generation'"),
    keys("statistics unknown", "winogender", 'data = "w"\nstatistics = "census"', IN_AUDIT, "statistics = 'census'", "'bls'", "'bergsma'"),
    keys("words of one group", "log-probability", 'words = { men = ["he"] }', IN_AUDIT, "must name two groups, got 'men'"),
    keys("words of three groups", "log-probability", 'words = { men = ["he"], women = ["she"], others = ["they"] }', IN_AUDIT, "must name two groups"),
    keys("words a list", "log-probability", 'words = ["he", "she"]', IN_AUDIT, "words = "),
    keys("one label", "log-probability", 'labels = ["nurse"]', IN_AUDIT, "labels = ['nurse']", "2"),
    keys("labels on seat", "seat", 'labels = ["nurse", "cook"]', IN_AUDIT, "does not belong to kind 'seat', only to 'log-probability'"),
    keys("a prompt in a benchmark", "crows-pairs", 'prompt = "I buy from {person}."', IN_AUDIT, "prompt"),
    keys("people in a benchmark", "crows-pairs", '[audit.people]\nattribute = "race"\nsource = "us-names"\nper_group = 4', IN_AUDIT, "people"),
    keys("an outcome in a benchmark", "crows-pairs", '[audit.outcome]\nkind = "number"\nfavourable = "higher"', IN_AUDIT, "outcome"),
    keys("a key misspelt", "crows-pairs", 'axis = ["gender"]', IN_AUDIT, "axis", "'axes'"),
    limit("unknown metric", "crows-pairs", 'metric = "stereotype"\nmax = 10', "unknown metric", "'stereotype_score'"),
    limit("a metric of people", "crows-pairs", 'metric = "smd"\nmax = 0.2', "a benchmark of kind 'crows-pairs' does not give it; it gives 'stereotype_score'"),
    limit("a metric of another benchmark", "crows-pairs", 'metric = "ss"\nmax = 10', "a benchmark of kind 'crows-pairs' does not give it"),
    limit("a min on a distance", "crows-pairs", 'metric = "stereotype_score"\nmin = 45', "judged by its distance from 50, so a min would ask for bias; use max"),
    limit("a max that nothing exceeds", "crows-pairs", 'metric = "stereotype_score"\nmax = 60', "judged by its distance from 50; must be from 0 to 50"),
    limit("a max below nought", "crows-pairs", 'metric = "stereotype_score"\nmax = -1', "must be from 0 to 50"),
    limit("a max on what is better higher", "stereoset", 'metric = "icat"\nmax = 70', "so a max would ask for bias; use min"),
    limit("outside the range", "stereoset", 'metric = "lms"\nmin = 120', "must be from 0 to 100"),
    limit("an attribute the data do not tell", "crows-pairs", 'metric = "stereotype_score"\nattribute = "race"\nmax = 10', "attribute = 'race'", "must be one of 'axis'"),
    limit("two attributes", "crows-pairs", 'metric = "stereotype_score"\nattribute = ["axis", "direction"]\nmax = 10', "must be one of 'axis'"),
    limit("no bound", "crows-pairs", 'metric = "stereotype_score"', "no bound; a limit has exactly one of"),
    limit("a threshold", "crows-pairs", 'metric = "stereotype_score"\nthreshold = 10', "threshold"),
    limit("versus with a max", "crows-pairs", 'metric = "stereotype_score"\nversus = "parent"\nmax = 10', "needs max_increase"),
    limit("a recovery of a mean of no items", "stereoset", 'metric = "icat"\nversus = "parent"\nmin_recovery = 0.9', "tells how fair a model is"),
    limit("a recovery of refusals", "bbq", 'metric = "refusal_share"\nversus = "parent"\nmin_recovery = 0.9', "use max or min"),
    limit("a skill with a min against a parent", "stereoset", 'metric = "lms"\nversus = "parent"\nmin = 90', "needs max_increase or min_recovery"),
    limit("a rise without a model", "crows-pairs", 'metric = "stereotype_score"\nmax_increase = 5', "max_increase without versus"),
    limit("a rise that cannot be", "crows-pairs", 'metric = "stereotype_score"\nversus = "parent"\nmax_increase = 120', "no rise can be as large"),
    limit("a rise below nought", "crows-pairs", 'metric = "stereotype_score"\nversus = "parent"\nmax_increase = -1', "must be 0 or more"),
]  # fmt: skip


TOLD_TWICE = {"a threshold": 2}
"""Rows that break two rules at once, each of which is told; of an unknown kind, also what the first kind would need."""


def context_of(row: Broken) -> str:
    return f'{ELEMENTS}\n[[audit]]\nid = "one"\nkind = "{row.kind}"\n{row.keys}\n\n{row.limit}'


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_wrong_declaration_says_where_what_came_and_what_is_valid(row: Broken, tmp_path: Path) -> None:
    path = tmp_path / "broken.bias.toml"
    path.write_text(context_of(row), encoding="utf-8")
    with pytest.raises(ContextError) as raised:
        read_context(path)
    text = str(raised.value)
    assert text.startswith(f"{path}: ")
    for part in row.told:
        assert part in text, text
    assert len(raised.value.faults) == TOLD_TWICE.get(row.name, 1), text


def test_the_table_is_long_and_names_each_row_once() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 20


@pytest.mark.parametrize(
    "row",
    [
        keys("our own pairs", "crows-pairs", LIMIT),
        keys("a file", "crows-pairs", f'data = "pairs.csv"\nscore = "nangia"\naxes = ["gender"]\nminimum = 2\n{LIMIT}'),
        keys("a pinned file", "crows-pairs", f'data = "pairs.csv"\nsha256 = "{SHA.upper()}"\n'),
        keys("a pinned hub set", "crows-pairs", HUB),
        keys("by axis", "crows-pairs", '[[audit.limit]]\nattribute = "axis"\nmetric = "stereotype_score"\nmax = 20\n'),
        keys("against the parent", "crows-pairs",
             '[[audit.limit]]\nversus = "parent"\nmetric = "stereotype_score"\nmax_increase = 5\n'),
        keys("our own words", "seat", 'pooling = "cls"\nddof = 0\npermutations = 9999\np = "two-sided"\n'),
        keys("words of two groups", "log-probability", 'words = { men = ["he"], women = ["she"] }\n'),
    ],
    ids=lambda row: row.name,
)  # fmt: skip
def test_the_sound_declarations_that_the_table_breaks_are_read(row: Broken, tmp_path: Path) -> None:
    """Or a row above could fail for a reason of its own."""
    path = tmp_path / "sound.bias.toml"
    path.write_text(context_of(row), encoding="utf-8")
    context = read_context(path)
    assert context.audits[0].kind == row.kind


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "broken.bias.toml"
    row = keys("many", "crows-pairs", f'data = "hub:x"\nscore = "mean"\naxes = []\n{LIMIT.replace("10", "60")}')
    path.write_text(context_of(row), encoding="utf-8")
    with pytest.raises(ContextError) as raised:
        read_context(path)
    assert len(raised.value.faults) == 5  # revision, digest, score, axes, max

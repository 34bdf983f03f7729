"""What is allowed of benchmarks: which kinds there are, the keys each takes, and their defaults.

Knows declarations and the strict reader only. One table drives the reader, the published JSON Schema and the reference
page; what is in a data set is not looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from pytest_biasaudit.context.declaration import Setting
from pytest_biasaudit.context.shapes import JsonSchema, Misfit, NamedTexts, OneOf, Shape, Text, Texts, Whole
from pytest_biasaudit.context.spelling import listed
from pytest_biasaudit.context.strict import Faults, Key, Row

SHA256 = "[0-9a-fA-F]{64}"


@dataclass(frozen=True)
class Digest(Shape[str]):
    """A sha256 in hexadecimal."""

    @property
    def must(self) -> str:
        """See Shape."""
        return "a sha256: 64 hexadecimal digits"

    def read(self, raw: object) -> str:
        """See Shape."""
        if not isinstance(raw, str) or not re.fullmatch(SHA256, raw):
            raise Misfit
        return raw.lower()

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "string", "pattern": f"^{SHA256}$"}


DATA = Key(
    "data",
    Text(),
    'The data: a file or folder beside this one, or "hub:NAME@REVISION"; of a benchmark our own when absent.',
)
SHA = Key("sha256", Digest(), "What the data's digest must be; required for a hub data set.")
AXES = Key("axes", Texts(), "The axes (categories, domains) to use; all of the data when absent.")
MINIMUM = Key(
    "minimum", Whole(low=2, high=1_000_000), "Items, or rows, that a figure needs; with fewer it is not measured."
)
SCORE = Key(
    "score",
    OneOf(("nangia", "bias-bench", "causal", "sum")),
    "How a sentence is scored; when absent nangia for masked and sum for causal models.",
)
TASK = Key("task", OneOf(("intrasentence", "intersentence")), "Which half of StereoSet; intersentence is experimental.")
TESTS = Key("tests", Texts(), "Names of the tests to run; all of the data when absent.")
POOLING = Key("pooling", OneOf(("mean", "cls")), "How token vectors become one: their mean, or the first token's.")
DDOF = Key("ddof", Whole(low=0, high=1), "Degrees of freedom taken off in the effect size's standard deviation.")
PERMUTATIONS = Key("permutations", Whole(low=999, high=10_000_000), "Most partitions of the permutation test.")
SIDES = Key("p", OneOf(("one-sided", "two-sided")), "Which permutation p is reported.")
ANSWER = Key(
    "answer", OneOf(("likelihood", "generation")), "Whether options are compared by likelihood or written out."
)
UNKNOWN = Key("unknown", Texts(), "Further ways of saying that it cannot be known, beyond the usual ones.")
MAX_NEW_TOKENS = Key("max_new_tokens", Whole(low=1, high=4096), "Where a written answer is cut off.")
STATISTICS = Key("statistics", OneOf(("bls", "bergsma")), "Which share of women in an occupation to correlate with.")
TEMPLATES = Key("templates", Texts(), "Sentences with {word} and {label}; our own frames when absent.")
WORDS = Key(
    "words",
    NamedTexts(),
    "Lists of words: of two groups, the reference first; in a corpus, of what is counted near them.",
)
LABELS = Key("labels", Texts(at_least=2), "What is associated, such as occupations; our own list when absent.")


@dataclass(frozen=True, kw_only=True)
class BenchmarkKind:
    """One kind of benchmark as a context file declares it."""

    name: str
    title: str
    needs: str
    """The models it can be asked of, in words."""
    item: str
    """What one item is called: "pair"."""
    own_data: bool
    """Whether `data` may be left out, because a set of our own comes with it."""
    defaults: tuple[tuple[Key[Any], Setting], ...]
    """Every key beside the common ones, with its default."""

    @property
    def keys(self) -> tuple[Key[Any], ...]:
        """All keys of the kind beside `id`, `kind` and `limit`."""
        return (DATA, SHA, *(key for key, _ in self.defaults))


_ALL = (
    BenchmarkKind(
        name="crows-pairs",
        title="CrowS-Pairs",
        needs="a causal or a masked language model",
        item="pair",
        own_data=True,
        defaults=((SCORE, None), (AXES, None), (MINIMUM, 30)),
    ),
    BenchmarkKind(
        name="stereoset",
        title="StereoSet",
        needs="a causal or a masked language model",
        item="cluster",
        own_data=False,
        defaults=((TASK, "intrasentence"), (AXES, None), (MINIMUM, 30)),
    ),
    BenchmarkKind(
        name="seat",
        title="SEAT",
        needs="anything that gives sentence vectors",
        item="sentence",
        own_data=True,
        defaults=(
            (TESTS, None), (AXES, None), (POOLING, "mean"), (DDOF, 1), (PERMUTATIONS, 99_999), (SIDES, "one-sided"),
            (MINIMUM, 8),
        ),
    ),
    BenchmarkKind(
        name="weat",
        title="WEAT",
        needs="anything that gives word vectors",
        item="word",
        own_data=True,
        defaults=(
            (TESTS, None), (AXES, None), (POOLING, "mean"), (DDOF, 1), (PERMUTATIONS, 99_999), (SIDES, "one-sided"),
            (MINIMUM, 8),
        ),
    ),
    BenchmarkKind(
        name="bbq",
        title="BBQ",
        needs="a causal language model",
        item="question",
        own_data=False,
        defaults=((ANSWER, "likelihood"), (AXES, None), (UNKNOWN, None), (MAX_NEW_TOKENS, 16), (MINIMUM, 30)),
    ),
    BenchmarkKind(
        name="winobias",
        title="WinoBias",
        needs="a causal or a masked language model",
        item="sentence pair",
        own_data=False,
        defaults=((AXES, None), (MINIMUM, 30)),
    ),
    BenchmarkKind(
        name="winogender",
        title="Winogender",
        needs="a causal or a masked language model",
        item="template",
        own_data=False,
        defaults=((STATISTICS, "bls"), (AXES, None), (MINIMUM, 30)),
    ),
    BenchmarkKind(
        name="log-probability",
        title="Log-probability bias score",
        needs="a causal or a masked language model",
        item="template and label",
        own_data=True,
        defaults=((TEMPLATES, None), (WORDS, None), (LABELS, None), (MINIMUM, 10)),
    ),
)  # fmt: skip
BENCHMARKS: Mapping[str, BenchmarkKind] = MappingProxyType({kind.name: kind for kind in _ALL})
BENCHMARK_KEYS = tuple(dict.fromkeys(key for kind in _ALL for key in kind.keys))


def rule_of(kind: BenchmarkKind) -> JsonSchema:
    """For editors: what a kind takes and cannot do without."""
    return {"required": [] if kind.own_data else [DATA.name]}


def read_settings(row: Row, kind: BenchmarkKind, faults: Faults) -> tuple[tuple[str, Setting], ...]:
    """The kind's settings with defaults filled in; what does not belong to it, or is missing, becomes a fault."""
    for key in BENCHMARK_KEYS:
        if key not in kind.keys and row.declares(key):
            kinds = listed(other.name for other in _ALL if key in other.keys)
            reason = f"does not belong to kind {kind.name!r}, only to {kinds}; {kind.name!r} takes {_names(kind)}"
            faults.misfit(row.where, key.name, row.raw[key.name], reason)
    if not kind.own_data and not row.declares(DATA):
        reason = 'a file or folder beside the context file, or "hub:NAME@REVISION"; no data set is bundled'
        faults.add(row.where, f"data is missing; kind {kind.name!r} needs it: {reason}")
    data = row.get(DATA)
    if data is not None and data.startswith("hub:"):
        if "@" not in data:
            faults.misfit(row.where, "data", data, 'must name a revision: "hub:NAME@REVISION"')
        if not row.declares(SHA):
            faults.add(row.where, "sha256 is missing; a hub data set is pinned by revision and digest")
    if row.declares(SHA) and not row.declares(DATA):
        faults.misfit(row.where, "sha256", row.raw["sha256"], "says what data must be, and data is not given")
    words = row.get(WORDS) if WORDS in kind.keys else None
    if words is not None and len(words) != 2:
        faults.misfit(row.where, "words", row.raw["words"], f"must name two groups, got {listed(words) or 'none'}")
    settings: list[tuple[str, Setting]] = []
    for key, default in kind.defaults:
        value = row.get(key, default)
        settings.append((key.name, tuple(value.items()) if isinstance(value, dict) else cast("Setting", value)))
    return tuple(settings)


def _names(kind: BenchmarkKind) -> str:
    return listed(["id", "kind", "limit", *(key.name for key in kind.keys)])

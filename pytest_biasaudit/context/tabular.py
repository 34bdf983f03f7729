"""What is allowed of labelled tables: the keys of classifier and corpus audits. Knows shapes and the strict reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pytest_biasaudit.context.benchmark import DATA, MINIMUM, SHA, WORDS, Digest
from pytest_biasaudit.context.shapes import JsonSchema, Misfit, NamedTexts, Shape, Text, Whole, finite
from pytest_biasaudit.context.spelling import shown
from pytest_biasaudit.context.strict import Key, Keys, Table

CLASSIFIER, CORPUS = "classifier", "corpus"
TABLE_KINDS = (CLASSIFIER, CORPUS)
EQUAL_ERROR = "equal-error"


@dataclass(frozen=True)
class ByName(Shape[dict[str, str]]):
    """A table whose every value is a text."""

    what: str
    """What the values are, in words."""

    @property
    def must(self) -> str:
        """See Shape."""
        return f"a table whose every value is {self.what}"

    def read(self, raw: object) -> dict[str, str]:
        """See Shape."""
        if not isinstance(raw, Mapping) or not raw:
            raise Misfit
        for name, value in raw.items():
            if not isinstance(value, str) or not value.strip():
                raise Misfit(f"{name} = {shown(value)} is not")
        return {str(name): str(value) for name, value in raw.items()}

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "object", "minProperties": 1, "additionalProperties": Text().schema()}


@dataclass(frozen=True)
class Reasons(Shape[dict[str, dict[str, str]]]):
    """For each attribute the groups to leave out, each with a reason."""

    @property
    def must(self) -> str:
        """See Shape."""
        return "a table of attributes, each a table of groups with the reason for leaving it out"

    def read(self, raw: object) -> dict[str, dict[str, str]]:
        """See Shape."""
        if not isinstance(raw, Mapping):
            raise Misfit
        return {str(name): ByName("a reason").read(groups) for name, groups in raw.items()}

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "object", "additionalProperties": ByName("").schema()}


@dataclass(frozen=True)
class Terms(Shape[dict[str, dict[str, tuple[str, ...]] | str]]):
    """For each attribute its groups' terms, or the name of a bundled list."""

    @property
    def must(self) -> str:
        """See Shape."""
        return "a table of attributes, each a table of groups with their terms, or the name of a bundled list"

    def read(self, raw: object) -> dict[str, dict[str, tuple[str, ...]] | str]:
        """See Shape."""
        if not isinstance(raw, Mapping) or not raw:
            raise Misfit
        return {
            str(name): groups if isinstance(groups, str) and groups.strip() else NamedTexts().read(groups)
            for name, groups in raw.items()
        }

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"oneOf": [Text().schema(), NamedTexts().schema()]},
        }


@dataclass(frozen=True)
class Label(Shape[str]):
    """A label as the table spells it; a whole number or a flag is taken as its text."""

    @property
    def must(self) -> str:
        """See Shape."""
        return "a label, as the table spells it"

    def read(self, raw: object) -> str:
        """See Shape."""
        if isinstance(raw, bool):
            return str(raw).lower()
        if isinstance(raw, int):
            return str(raw)
        return Text().read(raw)

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"oneOf": [Text().schema(), {"type": "integer"}, {"type": "boolean"}]}


@dataclass(frozen=True)
class Threshold(Shape["float | Literal['equal-error']"]):
    """A score, or how one is found."""

    @property
    def must(self) -> str:
        """See Shape."""
        return f"a finite number, or {EQUAL_ERROR!r}: where as many are wrongly positive as wrongly negative"

    def read(self, raw: object) -> float | Literal["equal-error"]:
        """See Shape."""
        return "equal-error" if raw == EQUAL_ERROR else finite(raw)

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"oneOf": [{"type": "number"}, {"const": EQUAL_ERROR}]}


LABEL = Key("label", Text(), "Column of the truth.")
PREDICTION = Key(
    "prediction", Text(), "Column of a classifier's predictions; or `text`, for the model under test to answer."
)
TEXT = Key("text", Text(), "Column of the text.")
SCORE = Key("score", Text(), "Column of the score of the positive label: higher where it is likelier.")
POSITIVE = Key("positive", Label(), "The one label of interest; every label against the rest when absent.")
GROUPS = Key("groups", ByName("the name of a column"), "Each attribute with its column.")
ROW_ID = Key("id", Text(), "Column that tells rows apart; a value that stands twice is a fault.")
CLUSTER = Key(
    "cluster", Text(), "Column of what makes rows dependent (one author, one template): intervals count clusters."
)
ORDER = Key("groups_order", NamedTexts(), "For each attribute its groups in order, the reference group first.")
COLUMN_KEYS = (LABEL, PREDICTION, TEXT, SCORE, POSITIVE, GROUPS, ROW_ID, CLUSTER, ORDER)

COLUMNS = Key("columns", Table("[audit.columns]", COLUMN_KEYS), "What the columns of the table hold.", required=True)
TERMS = Key("terms", Terms(), "Attributes told by terms in the text: groups with their terms, or a bundled list.")
LEAVE_OUT = Key("leave_out", Reasons(), "Groups that are counted and shown, and compared with nobody, with the reason.")
THRESHOLD = Key("threshold", Threshold(), "From which score on the positive label is predicted.")
WINDOW = Key("window", Whole(low=1, high=1000), "Words on either side of a group term that count as near.")
BEFORE = Key("before", Text(), "An earlier version of the data, to compare with; limits name it in `versus`.")
BEFORE_SHA = Key("before_sha256", Digest(), "What the digest of the earlier version must be.")

_COMMON = (DATA, SHA, COLUMNS, TERMS, ORDER, LEAVE_OUT, MINIMUM)
KEYS_OF: Mapping[str, Keys] = {
    CLASSIFIER: (*_COMMON, THRESHOLD),
    CORPUS: (*_COMMON, WORDS, WINDOW, BEFORE, BEFORE_SHA),
}
TABULAR_KEYS: tuple[Key[Any], ...] = tuple(dict.fromkeys(key for keys in KEYS_OF.values() for key in keys))
DEFAULT_MINIMUM = 10
DEFAULT_WINDOW = 10


def rules_of(kind: str) -> JsonSchema:
    """For editors: what an audit of that kind cannot do without."""
    needs = [LABEL.name] if kind == CLASSIFIER else []
    return {"required": [DATA.name, COLUMNS.name], "properties": {COLUMNS.name: {"required": needs}}}

"""What is allowed of labelled tables: the keys of classifier and corpus audits, and which go together.

Knows declarations and the strict reader. What is in the data is looked at when the audit runs: a table may be larger than
memory, and is read once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from pytest_biasaudit.context.benchmark import DATA, MINIMUM, SHA, WORDS, Digest
from pytest_biasaudit.context.declaration import ClassifierAudit, Columns, CorpusAudit, Limit, TabularAudit, TermGroups
from pytest_biasaudit.context.shapes import JsonSchema, Misfit, NamedTexts, Shape, Text, Whole, finite
from pytest_biasaudit.context.spelling import listed, shown
from pytest_biasaudit.context.strict import Faults, Key, Keys, RawTable, Row, Table, read_row

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


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What an audit of a table declares beside its id and limits, as far as it could be read."""

    data: str | None
    sha256: str | None
    columns: Columns
    terms: tuple[tuple[str, TermGroups], ...]
    groups_order: tuple[tuple[str, tuple[str, ...]], ...]
    leave_out: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    minimum: int
    row: Row

    @property
    def attributes(self) -> tuple[str, ...]:
        """As TabularAudit has them."""
        return (*(name for name, _ in self.columns.groups), *(name for name, _ in self.terms))


def read_declared(row: Row, kind: str, faults: Faults) -> Declared:
    """All keys of the audit but id, kind and limits; what is missing or does not go together becomes a fault."""
    raw_columns: RawTable = row.get(COLUMNS, {})
    columns = read_row(raw_columns, COLUMN_KEYS, where=f"{row.where} / [audit.columns]", faults=faults)
    if not row.declares(DATA):
        faults.add(
            row.where, f"{DATA.name} is missing; it must be a .csv, .jsonl or .parquet file, or hub:NAME@REVISION"
        )
    _check_columns(columns, row, kind, faults)
    orders = [one.get(ORDER) for one in (columns, row) if one.declares(ORDER)]
    if len(orders) == 2:
        faults.add(row.where, f"{ORDER.name} is given in [audit.columns] too; give it once")
    order = (orders[0] if orders else None) or {}
    groups = columns.get(GROUPS) or {}
    terms = _resolved(row, faults)
    attributes = [*groups, *terms]
    for name in sorted({name for name in attributes if attributes.count(name) > 1}):
        faults.misfit(
            row.where, TERMS.name, name, "is an attribute of [audit.columns] groups too; give it another name"
        )
    for key, said in ((ORDER, order), (LEAVE_OUT, row.get(LEAVE_OUT) or {})):
        for name in said:
            if name not in attributes:
                faults.misfit(row.where, key.name, name, f"is no attribute of this audit; it has {listed(attributes)}")
    left_out = {name: tuple(groups.items()) for name, groups in (row.get(LEAVE_OUT) or {}).items()}
    for name, some in left_out.items():
        for group, _ in some:
            if order.get(name, ())[:1] == (group,):
                faults.misfit(
                    row.where, LEAVE_OUT.name, group, "is the reference group, which every other is compared with"
                )
    return Declared(
        data=row.get(DATA),
        sha256=row.get(SHA),
        columns=Columns(
            label=columns.get(LABEL),
            prediction=columns.get(PREDICTION),
            text=columns.get(TEXT),
            score=columns.get(SCORE),
            positive=columns.get(POSITIVE),
            groups=tuple(groups.items()),
            id=columns.get(ROW_ID),
            cluster=columns.get(CLUSTER),
        ),
        terms=tuple(terms.items()),
        groups_order=tuple(order.items()),
        leave_out=tuple(left_out.items()),
        minimum=row.get(MINIMUM, DEFAULT_MINIMUM),
        row=row,
    )


def tabular_audit(declared: Declared, *, id: str, kind: str, limits: tuple[Limit, ...]) -> TabularAudit:
    """The audit, once nothing is at fault."""
    common: dict[str, Any] = {
        "id": id,
        "kind": kind,
        "limits": limits,
        "data": declared.data,
        "sha256": declared.sha256,
        "columns": declared.columns,
        "terms": declared.terms,
        "groups_order": declared.groups_order,
        "leave_out": declared.leave_out,
        "minimum": declared.minimum,
    }
    row = declared.row
    if kind == CLASSIFIER:
        return ClassifierAudit(**common, threshold=row.get(THRESHOLD))
    return CorpusAudit(
        **common,
        words=tuple((row.get(WORDS) or {}).items()),
        window=row.get(WINDOW, DEFAULT_WINDOW),
        before=row.get(BEFORE),
        before_sha256=row.get(BEFORE_SHA),
    )


def check_versus(declared: Declared, kind: str, limits: tuple[Limit, ...], faults: Faults) -> None:
    """Faults for limits that compare with what such an audit does not have."""
    for limit in limits:
        if limit.versus is None:
            continue
        where = f"{declared.row.where} / limit {shown(limit.id)}"
        if kind == CORPUS and limit.versus != "before":
            faults.misfit(where, "versus", limit.versus, "no model is asked in a corpus audit; it must be 'before'")
        elif kind == CORPUS and not declared.row.declares(BEFORE):
            faults.misfit(where, "versus", limit.versus, "names the earlier data, and the audit declares no `before`")
        elif kind == CLASSIFIER and declared.columns.prediction is not None:
            faults.misfit(
                where, "versus", limit.versus, "predictions are read from the table, so there is no other model"
            )


def _check_columns(columns: Row, row: Row, kind: str, faults: Faults) -> None:
    if kind == CLASSIFIER:
        if not columns.declares(LABEL):
            faults.add(columns.where, "label is missing; it must name the column of the truth")
        if columns.declares(PREDICTION) and columns.declares(TEXT) and not row.declares(TERMS):
            faults.add(
                columns.where,
                "prediction and text are both given; predictions are read, or the model is asked: give one",
            )
        if not columns.declares(PREDICTION) and not columns.declares(TEXT) and not columns.declares(SCORE):
            faults.add(
                columns.where,
                "neither prediction nor text is given; give the column of predictions, or of texts to ask about",
            )
        for key in (SCORE,):
            if columns.declares(key) and not columns.declares(POSITIVE):
                faults.add(columns.where, f"{key.name} needs positive: the label that the score is of")
        if columns.declares(SCORE) and not columns.declares(PREDICTION) and not row.declares(THRESHOLD):
            faults.add(
                row.where,
                f"threshold is missing: without a column of predictions a score needs threshold, {Threshold().must}",
            )
        if row.declares(THRESHOLD) and not columns.declares(POSITIVE):
            faults.misfit(row.where, THRESHOLD.name, row.raw[THRESHOLD.name], "needs positive in [audit.columns]")
    else:
        for key in (PREDICTION, SCORE):
            if columns.declares(key):
                faults.misfit(
                    columns.where,
                    key.name,
                    columns.raw[key.name],
                    "is of kind 'classifier': nothing is predicted in a corpus",
                )
    if not columns.declares(GROUPS) and not row.declares(TERMS):
        faults.add(columns.where, "groups is missing; name the column of an attribute, or give [audit.terms]")
    if row.declares(TERMS) and not columns.declares(TEXT):
        faults.add(row.where, "terms are found in the text; name its column in [audit.columns] text")
    if row.declares(WORDS) and not row.declares(TERMS):
        faults.add(row.where, "words are looked for near terms; give [audit.terms]")
    named = [
        cast("str", columns.get(key))
        for key in (LABEL, PREDICTION, TEXT, SCORE, ROW_ID)
        if columns.get(key) is not None
    ]
    for name in sorted({name for name in named if named.count(name) > 1}):
        faults.add(columns.where, f"the column {shown(name)} is named for two things")


def _resolved(row: Row, faults: Faults) -> dict[str, TermGroups]:
    """Terms by attribute and group; a bundled list by its name."""
    found: dict[str, TermGroups] = {}
    for attribute, groups in (row.get(TERMS) or {}).items():
        if isinstance(groups, str):
            from pytest_biasaudit.tables.term_lists import TERM_LISTS

            if groups not in TERM_LISTS:
                faults.misfit(row.where, f"terms.{attribute}", groups, f"no such list; there are {listed(TERM_LISTS)}")
                continue
            found[attribute] = TERM_LISTS[groups].groups
            continue
        if len(groups) < 2 and not any(len(terms) > 1 for terms in groups.values()):
            faults.misfit(
                row.where, f"terms.{attribute}", groups, "names one group of one term, so there is nothing to compare"
            )
        found[attribute] = tuple((group, terms) for group, terms in groups.items())
    return found

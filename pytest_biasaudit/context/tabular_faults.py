"""What does not go together in the declaration of a labelled table's audit. Each check adds to the faults of the file."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from pytest_biasaudit.context.benchmark import DATA, SHA, WORDS
from pytest_biasaudit.context.declaration import TermGroups
from pytest_biasaudit.context.spelling import listed, shown
from pytest_biasaudit.context.strict import Faults, Row
from pytest_biasaudit.context.tabular import (
    BEFORE,
    BEFORE_SHA,
    CLASSIFIER,
    GROUPS,
    LABEL,
    POSITIVE,
    PREDICTION,
    ROW_ID,
    SCORE,
    TERMS,
    TEXT,
    THRESHOLD,
    WINDOW,
    Threshold,
)

_SIGNS = str.maketrans("\u2019\u02bc\u2010\u2011", "''--")
RESERVED = ("label", "prediction", "score", "cluster", "earlier", "count", "text", "id")
"""Names that columns have while rows are counted, so that no attribute may."""


def check_data(row: Row, faults: Faults) -> None:
    """Where the table is, and its earlier version: a file, or a hub set that is pinned."""
    if not row.declares(DATA):
        faults.add(
            row.where, f"{DATA.name} is missing; it must be a .csv, .jsonl or .parquet file, or hub:NAME@REVISION"
        )
    for data, digest in ((DATA, SHA), (BEFORE, BEFORE_SHA)):
        declared = row.get(data)
        if isinstance(declared, str) and declared.startswith("hub:"):
            if not declared.removeprefix("hub:").partition("@")[2]:
                faults.misfit(row.where, data.name, declared, 'must name a revision: "hub:NAME@REVISION"')
            if not row.declares(digest):
                faults.add(row.where, f"{digest.name} is missing; a hub data set is pinned by revision and digest")
        if row.declares(digest) and not row.declares(data):
            reason = f"says what {data.name} must be, and {data.name} is not given"
            faults.misfit(row.where, digest.name, row.raw[digest.name], reason)


def check_columns(columns: Row, row: Row, kind: str, faults: Faults) -> None:
    """Which columns a classifier's table or a corpus needs, and which exclude each other."""
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
        if columns.declares(SCORE) and not columns.declares(POSITIVE):
            faults.add(columns.where, "score needs positive: the label that the score is of")
        only_scores = columns.declares(SCORE) and not columns.declares(PREDICTION)
        if only_scores and columns.declares(TEXT) and not row.declares(TERMS):
            faults.add(columns.where, "score and text are both given; scores are read, or the model is asked: give one")
        elif only_scores and not row.declares(THRESHOLD):
            faults.add(
                row.where,
                f"threshold is missing: without a column of predictions a score needs threshold, {Threshold().must}",
            )
        if row.declares(THRESHOLD):
            threshold = row.raw[THRESHOLD.name]
            if not columns.declares(POSITIVE):
                faults.misfit(row.where, THRESHOLD.name, threshold, "needs positive in [audit.columns]")
            if columns.declares(PREDICTION) and not columns.declares(SCORE):
                faults.misfit(
                    row.where, THRESHOLD.name, threshold, "needs score in [audit.columns]: what it is held against"
                )
    else:
        for key in (PREDICTION, SCORE):
            if columns.declares(key):
                faults.misfit(
                    columns.where,
                    key.name,
                    columns.raw[key.name],
                    "is of kind 'classifier': nothing is predicted in a corpus",
                )
        if columns.declares(POSITIVE) and not columns.declares(LABEL):
            faults.misfit(
                columns.where, POSITIVE.name, columns.raw[POSITIVE.name], "needs label: the column it stands in"
            )
        if row.declares(WINDOW) and not row.declares(WORDS):
            faults.misfit(row.where, WINDOW.name, row.raw[WINDOW.name], "needs words: what is looked for in it")
    if not columns.declares(GROUPS) and not row.declares(TERMS):
        faults.add(columns.where, "groups is missing; name the column of an attribute, or give [audit.terms]")
    if row.declares(TERMS) and not columns.declares(TEXT):
        faults.add(row.where, "terms are found in the text; name its column in [audit.columns] text")
    if row.declares(WORDS) and not row.declares(TERMS):
        faults.add(row.where, "words are looked for near terms; give [audit.terms]")
    _check_doubled(columns, faults)
    for attribute in dict.fromkeys([*(columns.get(GROUPS) or ()), *(row.get(TERMS) or ())]):
        if attribute in RESERVED or "*" in attribute:
            reason = f"cannot be the name of an attribute; {listed(RESERVED)} and names with '*' have another meaning"
            faults.misfit(columns.where, GROUPS.name, attribute, reason)


def _check_doubled(columns: Row, faults: Faults) -> None:
    """A column that is named for two things; only a cluster may be a group too."""
    uses: dict[str, list[str]] = {}
    for key in (LABEL, PREDICTION, TEXT, SCORE, ROW_ID):
        name = columns.get(key)
        if name is not None:
            uses.setdefault(name, []).append(key.name)
    for attribute, name in (columns.get(GROUPS) or {}).items():
        uses.setdefault(name, []).append(f"groups.{attribute}")
    for name, some in sorted(uses.items()):
        if len(some) > 1:
            faults.add(columns.where, f"the column {shown(name)} is named for two things: {' and '.join(some)}")


def resolved_terms(row: Row, faults: Faults) -> dict[str, TermGroups]:
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
        _check_terms(attribute, groups, row, faults)
        found[attribute] = tuple((group, terms) for group, terms in groups.items())
    return found


def _check_terms(attribute: str, groups: Mapping[str, tuple[str, ...]], row: Row, faults: Faults) -> None:
    """A term that has no letter or digit would be found nowhere; one that stands in two groups would tell neither."""
    told: dict[str, str] = {}
    for group, terms in groups.items():
        for term in terms:
            plain = _plain(term)
            if not any(sign.isalnum() for sign in plain):
                faults.misfit(row.where, f"terms.{attribute}.{group}", term, "has no letter or digit, so no word is it")
            elif told.setdefault(plain, group) != group:
                reason = f"tells {told[plain]!r} too; a term is of one group"
                faults.misfit(row.where, f"terms.{attribute}.{group}", term, reason)


def _plain(term: str) -> str:
    """The same for two terms that are found in the same places: case, accents' composition, signs and last dots aside."""
    words = unicodedata.normalize("NFC", term).casefold().translate(_SIGNS).split()
    return " ".join(word.rstrip(".") or word for word in words)

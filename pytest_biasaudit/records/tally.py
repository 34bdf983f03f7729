"""A counted table as plain, JSON-ready values, column by column, and back. See `codec` for the rules.

No row stands here, and no text: only how many rows are alike. Every figure of an audit of a labelled table is a ratio of
sums over these cells, so whoever has them has all there is to recompute. Imports numpy where a tally is read back.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.records.plain_values import Plain, text, text_or_none
from pytest_biasaudit.tables.tally import Attribute, NearWords, Tally

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = ("truth", "prediction", "count", "score", "cluster", "earlier")
"""Columns of one number a cell; `members` holds a column for each attribute beside them."""
CHECKED = 1_000
"""Cells of a column that are shown to the schema. All of them are checked when a tally is read (`tally_from_plain`), which
takes a thousandth of the time that a validator would."""
MOST_ROWS = 2**53
"""Rows up to which sums of counts are exact."""
Fitted = Mapping[str, Any]


def tally_to_plain(tally: Tally) -> Plain:
    """The tally by columns. Who the rows of a cell are about is a position in `groups`, -1 for nobody known; a list of
    positions where rows are of several groups. A score that is no finite number becomes null.
    """
    return {
        "attributes": [
            {
                "name": text(one.name),
                "groups": [text(group) for group in one.groups],
                "overlapping": bool(one.overlapping),
                "left_out": {text(group): text(reason) for group, reason in one.left_out},
            }
            for one in tally.attributes
        ],
        "labels": [text(label) for label in tally.labels],
        "positive": text_or_none(tally.positive),
        "members": [_members_to_plain(inside) for inside in tally.members],
        "truth": tally.truth.tolist(),
        "prediction": _whole(tally.prediction),
        "count": tally.count.tolist(),
        "score": None if tally.score is None else [one if math.isfinite(one) else None for one in tally.score.tolist()],
        "cluster": _whole(tally.cluster),
        "earlier": _whole(tally.earlier),
        "near": [
            {
                "attribute": text(one.attribute),
                "group": text(one.group),
                "words": text(one.words),
                "near": int(one.near),
                "occurrences": int(one.occurrences),
                "rows": int(one.rows),
                "near_rows": int(one.near_rows),
            }
            for one in tally.near
        ],
        "blank": int(tally.blank),
        "incomplete": None if tally.incomplete is None else int(tally.incomplete),
    }


def tally_from_plain(raw: Fitted, *, pointer: str = "") -> Tally:
    """The tally back in numbers.

    pointer  where it stands in the file

    Raises EvidenceError naming column and cell: a column of another length, something that is no whole number, a position
    beyond the labels or groups there are, a count below 0.
    """
    import numpy as np

    fault = next(_faults(raw), None)
    if fault is not None:
        raise EvidenceError(f"{pointer}/{fault}")
    members = []
    for one, column in zip(raw["attributes"], raw["members"], strict=True):
        inside = np.zeros((len(column), len(one["groups"])), dtype=bool)
        for cell, places in enumerate(column):
            inside[cell, [places] if isinstance(places, int) and places >= 0 else places if places != -1 else []] = True
        members.append(inside)
    score = raw["score"]
    return Tally(
        attributes=tuple(
            Attribute(
                name=one["name"],
                groups=tuple(one["groups"]),
                overlapping=one["overlapping"],
                left_out=tuple(one["left_out"].items()),
            )
            for one in raw["attributes"]
        ),
        labels=tuple(raw["labels"]),
        positive=raw["positive"],
        members=tuple(members),
        truth=np.array(raw["truth"], dtype=np.int64),
        prediction=_array(raw["prediction"]),
        count=np.array(raw["count"], dtype=np.int64),
        score=None if score is None else np.array([math.nan if one is None else one for one in score], dtype=float),
        cluster=_array(raw["cluster"]),
        earlier=_array(raw["earlier"]),
        near=tuple(NearWords(**one) for one in raw["near"]),
        blank=raw["blank"],
        incomplete=raw["incomplete"],
    )


def shortened(tally: object) -> object:
    """The same with the first cells of each column only, for the schema; anything that is no tally comes back as it is."""
    if not isinstance(tally, Mapping):
        return tally
    short = dict(tally)
    for name in COLUMNS:
        if isinstance(short.get(name), list):
            short[name] = short[name][:CHECKED]
    if isinstance(short.get("members"), list):
        short["members"] = [one[:CHECKED] if isinstance(one, list) else one for one in short["members"]]
    return short


def _members_to_plain(inside: NDArray[np.bool_]) -> list[object]:
    """A position a cell where no cell has more than one group, else a list of positions a cell."""
    import numpy as np

    if not (inside.sum(axis=1) > 1).any():
        found = np.where(inside.any(axis=1), inside.argmax(axis=1), -1) if inside.shape[1] else np.full(len(inside), -1)
        return [int(one) for one in found]
    return [[int(at) for at in np.flatnonzero(row)] for row in inside]


def _whole(column: NDArray[np.int64] | None) -> list[int] | None:
    return None if column is None else [int(one) for one in column]


def _array(column: Sequence[int] | None) -> NDArray[np.int64] | None:
    import numpy as np

    return None if column is None else np.array(column, dtype=np.int64)


def _faults(raw: Fitted) -> Iterator[str]:
    """What does not fit, each with its place below the tally."""
    cells, labels = len(raw["count"]), len(raw["labels"])
    if len(raw["members"]) != len(raw["attributes"]):
        yield f"members: {len(raw['members'])} columns for {len(raw['attributes'])} attributes"
        return
    if raw["positive"] is not None and raw["positive"] not in raw["labels"]:
        yield f"positive: {raw['positive']!r} is no label; there are {', '.join(raw['labels'][:20])}"
    yield from _name_faults(raw)
    ranges = {
        "truth": (-1, labels),
        "prediction": (-1, labels),
        "earlier": (-1, labels),
        "count": (0, None),
        "cluster": (-1, None),
    }
    for name, (low, end) in ranges.items():
        if raw[name] is not None:
            yield from _column_faults(raw[name], name, cells, low, end)
    if all(type(one) is int for one in raw["count"]) and sum(raw["count"]) > MOST_ROWS:
        yield f"count: {sum(raw['count'])} rows in all, more than can be counted"
    if raw["score"] is not None:
        yield from _length_fault(raw["score"], "score", cells)
        for at, one in enumerate(raw["score"]):
            if one is not None and (type(one) not in (int, float) or not math.isfinite(one)):
                yield f"score/{at}: {one!r} is no finite number or null"
    for number, (attribute, column) in enumerate(zip(raw["attributes"], raw["members"], strict=True)):
        where, groups = f"members/{number}", len(attribute["groups"])
        yield from _length_fault(column, where, cells)
        for at, places in enumerate(column):
            if isinstance(places, list) and len(places) > 1 and not attribute["overlapping"]:
                yield f"{where}/{at}: {places!r}, and groups of {attribute['name']!r} do not overlap"
            for place in places if isinstance(places, list) else (places,):
                if type(place) is not int or not (0 if isinstance(places, list) else -1) <= place < groups:
                    yield f"{where}/{at}: {place!r} is no position among {groups} groups"


def _name_faults(raw: Fitted) -> Iterator[str]:
    """Names that stand twice, and groups left out that there are not."""
    named = {"labels": raw["labels"], "attributes": [one["name"] for one in raw["attributes"]]}
    named |= {f"attributes/{at}/groups": one["groups"] for at, one in enumerate(raw["attributes"])}
    for where, names in named.items():
        yield from (f"{where}: {name!r} stands there twice" for name, times in Counter(names).items() if times > 1)
    for at, one in enumerate(raw["attributes"]):
        unknown = [group for group in one["left_out"] if group not in one["groups"]]
        yield from (f"attributes/{at}/left_out: {group!r} is no group" for group in unknown)


def _column_faults(column: Sequence[object], name: str, cells: int, low: int, end: int | None) -> Iterator[str]:
    yield from _length_fault(column, name, cells)
    for at, one in enumerate(column):
        if type(one) is not int or one < low or (end is not None and one >= end):
            valid = f"a whole number of {low} or more" if end is None else f"a position among {end} labels, or -1"
            yield f"{name}/{at}: {one!r} is not {valid}"


def _length_fault(column: Sequence[object], name: str, cells: int) -> Iterator[str]:
    if len(column) != cells:
        yield f"{name}: {len(column)} cells, and `count` has {cells}"

"""Evidence written before a key was known, read as this version reads it: what the key tells of was not there then.

Plain values only. A key stands here from the day it is added to a file format that is in use; whatever else a file lacks is
still a fault.
"""

from __future__ import annotations

from collections.abc import Iterator

LATER: dict[str, dict[str, object]] = {
    "file": {"transfer": [], "study": []},
    "model": {"components": []},
    "audit with people": {"table": None},
    "limit": {"of": None, "label": None},
    "record": {"tally": None, "tallies": {}},
    "estimate": {"of": None, "label": ""},
    "verdict": {"of": None, "label": None},
}
"""By what it is: the keys that were added after files had been written, with what their absence means."""


def completed(evidence: object) -> object:
    """The same evidence with the keys that came later filled in where they are absent, in place.

    Takes anything: what is of another shape is left to whoever checks it.
    """
    for what, one in _tables(evidence):
        for key, absent in LATER[what].items():
            one.setdefault(key, type(absent)() if isinstance(absent, (list, dict)) else absent)
    return evidence


def _tables(evidence: object) -> Iterator[tuple[str, dict[str, object]]]:
    if not isinstance(evidence, dict):
        return
    yield "file", evidence
    for model in _each(evidence, "models"):
        yield "model", model
    for context in _each(evidence, "contexts"):
        for audit in _each(context, "audits"):
            if "people" in audit:
                yield "audit with people", audit
            for limit in _each(audit, "limits"):
                yield "limit", limit
    for record in _each(evidence, "audits"):
        yield "record", record
        for what in ("estimate", "verdict"):
            for one in _each(record, f"{what}s"):
                yield what, one


def _each(table: dict[str, object], key: str) -> Iterator[dict[str, object]]:
    found = table.get(key)
    yield from (one for one in found if isinstance(one, dict)) if isinstance(found, list) else ()

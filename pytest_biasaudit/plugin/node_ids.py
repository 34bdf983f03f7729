"""How pytest shows FILE::AUDIT[MODEL]::LIMIT. Imported when a report of such an item arrives."""

from __future__ import annotations

import pytest
from _pytest.junitxml import xml_key

try:
    from _pytest.nodeid import NodeId
except ImportError:  # before pytest 9.2 an id is text, shown as it is
    NodeId = None  # type: ignore[assignment,misc]


def show_whole(report: pytest.TestReport, config: pytest.Config) -> None:
    """Lets the terminal and --junitxml show the id of a limit as it can be typed.

    pytest 9.2 takes all that follows the first "[" for parameters, and closes the bracket when it shows them:
    "offers[base]::race-smd]".
    """
    if NodeId is None or not isinstance(getattr(report, "_id", None), NodeId):
        return
    shown = _LimitId.parse(report.nodeid)
    report._id = shown
    xml = config.stash.get(xml_key, None)
    if xml is not None:
        xml.node_reporter(report).add_attribute("name", shown.rest)


if NodeId is not None:

    class _LimitId(NodeId):
        """Equal to what pytest reads the same text as; shown without the bracket too many."""

        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return isinstance(other, NodeId) and (self.path, self.names, self.params) == (
                other.path,
                other.names,
                other.params,
            )

        __hash__ = NodeId.__hash__

        @property
        def rest(self) -> str:
            return f"{'::'.join(self.names)}[{self.params}"

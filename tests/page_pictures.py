"""A picture of the report as a file of its own, for a page of the documentation."""

from __future__ import annotations

from pytest_biasaudit.report.svg import COLOURS

INK = {
    "ink": "#1b1b1b",
    "muted": "#5a5a5a",
    "line": "#8a8a8a",
    "soft": "#dddddd",
    "dots": "#1f5fa8",
    "paper": "#ffffff",
}
"""Colours for a picture that stands in a file of its own, where no page gives it any."""


def alone(svg: str) -> str:
    """The picture with colours of its own."""
    for name in COLOURS:
        svg = svg.replace(f"var(--chart-{name})", INK.get(name, "#1f5fa8"))
    return svg.replace("<svg ", '<svg font-family="sans-serif" font-size="9" ', 1) + "\n"

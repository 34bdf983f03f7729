"""A matplotlib figure as an SVG element that may stand inside a page: small, named, its ids its own, its colours CSS.

Imports matplotlib when called.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    "ink": "#010201",
    "muted": "#010202",
    "line": "#010203",
    "soft": "#010204",
    "dots": "#010205",
    "band": "#010206",
    "limit": "#010207",
    "paper": "#010208",
    **{f"series-{at}": f"#0103{at:02}" for at in range(1, 6)},
}
"""Stand-ins that matplotlib can draw with; each becomes the CSS variable `--chart-NAME`."""

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: smaller, selectable, in the page's own font
    "svg.hashsalt": "pytest-biasaudit",  # same figure, same ids
    "text.parse_math": False,  # "$" in a unit is a dollar
    "font.family": "sans-serif",
    "font.size": 9.0,
    "path.simplify": True,
}
NUMBER = re.compile(r"-?\d+\.\d+")
PAGES_OWN = re.compile(r"font-(size|family):|stroke-linejoin:")
"""Style that the page sets for all pictures."""


@contextmanager
def drawing() -> Iterator[None]:
    """Within it, figures are made and written with our settings; the user's own stand again afterwards."""
    import matplotlib

    with matplotlib.rc_context(SETTINGS):
        yield


def inline_svg(figure: Figure, *, ids: str, title: str, description: str) -> str:
    """The figure as an `<svg>` element with role, title and description; no scripts, styles or outward links.

    ids  what every id in it begins with

    Call within `drawing`.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    figure.patch.set_visible(False)
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)  # type: ignore[no-untyped-call]
    # Our own drawing, made a line above: nothing foreign is parsed here.
    root = ElementTree.fromstring(buffer.getvalue())
    _strip(root)
    _rename(root, ids)
    _tidy(root)
    for tag, text in (("desc", description), ("title", title)):
        element = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{ids}-{tag}"})
        element.text = text
        root.insert(0, element)
    for unwanted in ("width", "height", "version"):
        root.attrib.pop(unwanted, None)
    root.attrib.update({"role": "img", "aria-labelledby": f"{ids}-title {ids}-desc", "class": "chart"})
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _strip(root: ElementTree.Element) -> None:
    """Drop what a page must not inherit (a style sheet for every element) and what nobody reads (metadata)."""
    unwanted = {f"{{{SVG}}}metadata", f"{{{SVG}}}style"}
    for _ in range(2):  # the second time for the `<defs>` that held only a style
        for parent in list(root.iter()):
            for child in list(parent):
                empty = child.tag == f"{{{SVG}}}defs" and not len(child)
                if child.tag in unwanted or empty:
                    parent.remove(child)


def _rename(root: ElementTree.Element, ids: str) -> None:
    """Keep only ids that something refers to, and begin each with `ids`."""
    referred = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            referred.update(re.findall(r"url\(#([^)]+)\)", value))
            if key == f"{{{XLINK}}}href":
                referred.add(value.removeprefix("#"))
    short = {name: f"{ids}-{at}" for at, name in enumerate(sorted(referred))}
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name in short:
            element.set("id", short[name])
        for key, value in list(element.attrib.items()):
            if key == f"{{{XLINK}}}href":
                del element.attrib[key]
                element.set("href", f"#{short[value.removeprefix('#')]}")
            elif "url(#" in value:
                element.set(key, re.sub(r"url\(#([^)]+)\)", lambda found: f"url(#{short[found[1]]})", value))


def _tidy(root: ElementTree.Element) -> None:
    """Round coordinates to tenths of a point, give colours their CSS names, unwrap groups that say nothing."""
    variables = {colour: f"var(--chart-{name})" for name, colour in COLOURS.items()}
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "style":
                for colour, variable in variables.items():
                    value = value.replace(colour, variable)
                parts = (part.strip() for part in value.split(";"))
                element.set(key, ";".join(part for part in parts if part and not PAGES_OWN.match(part)))
            elif key == "transform" and value.startswith("rotate(-0"):
                del element.attrib[key]
            elif key in {"d", "x", "y", "transform", "width", "height"}:
                element.set(key, NUMBER.sub(_tenths, " ".join(value.split())))
    while _unwrap(root):
        pass
    for element in root.iter():
        if not (element.text or "").strip():
            element.text = None
        element.tail = None


def _tenths(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _unwrap(root: ElementTree.Element) -> bool:
    """Replace bare `<g>` elements by what they hold; whether there were any."""
    found = False
    for parent in list(root.iter()):
        children = list(_held(parent))
        if len(children) != len(list(parent)) or any(a is not b for a, b in zip(children, parent, strict=True)):
            parent[:] = children
            found = True
    return found


def _held(parent: ElementTree.Element) -> Iterator[ElementTree.Element]:
    for child in parent:
        if child.tag == f"{{{SVG}}}g" and not child.attrib:
            yield from child
        else:
            yield child

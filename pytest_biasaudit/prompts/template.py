"""What is asked, before it is filled: text with slots. Knows no people and no contexts; imports errors only.

A slot is `{name}` and nothing else. Templates come from files that anyone may write, so they are read by hand and never
given to `str.format`: attribute access, indexing, conversions and format specs are refused here, not interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pytest_biasaudit.errors import BiasAuditError

_BRACES = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]")
_VALID = "a slot is {name} with letters, digits and _ only; a literal brace is doubled: {{ or }}"


class TemplateError(BiasAuditError, ValueError):
    """Text with braces that are not plain slots, or a slot without a filling. Its author's turn."""


def slots_of(text: str) -> tuple[str, ...]:
    """The names of the slots, each once, in order of first appearance.

    Raises TemplateError for anything in braces but a plain name, and for a brace without its partner.
    """
    return tuple(dict.fromkeys(name for _, name in _pieces(text) if name is not None))


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with every slot filled, once: braces inside a filling are data and stay as they are.

    Values that no slot names are ignored, since wordings of one audit may use different slots.
    Raises TemplateError as `slots_of` does, and when a slot has no value.
    """
    parts: list[str] = []
    for literal, name in _pieces(text):
        parts.append(literal)
        if name is None:
            continue
        if name not in values:
            given = ", ".join(sorted(values)) or "nothing"
            raise TemplateError(f"the slot {{{name}}} has no filling; there is {given}")
        parts.append(values[name])
    return "".join(parts)


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """Literal text with the slot that follows it; None where no slot follows."""
    position = 0
    for match in _BRACES.finditer(text):
        literal, piece = text[position : match.start()], match.group()
        position = match.end()
        if piece in ("{{", "}}"):
            yield literal + piece[0], None
        elif len(piece) == 1:
            raise TemplateError(f"{piece!r} at character {match.start() + 1} has no partner; {_VALID}")
        else:
            yield literal, _slot_name(piece)
    yield text[position:], None


def _slot_name(piece: str) -> str:
    """The name in `{name}`; raises TemplateError saying what stands in the braces instead."""
    inside = piece[1:-1]
    if inside.isidentifier():
        return inside
    stripped = inside.strip()
    if not stripped:
        fault = "is empty"
    elif stripped.isidentifier():
        fault = f"has spaces around the name; write {{{stripped}}}"
    elif "!" in inside:
        fault = "has a conversion"
    elif ":" in inside:
        fault = "has a format spec"
    elif "." in inside:
        fault = "reaches into an attribute"
    elif "[" in inside or "]" in inside:
        fault = "has an index"
    elif stripped.isdigit():
        fault = "is a position, not a name"
    else:
        fault = "is not a name"
    raise TemplateError(f"{piece} {fault}; {_VALID}")

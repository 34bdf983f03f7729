"""Foreign text made harmless to read: what cannot be seen, or turns the text around, is written out. Imports nothing.

Answers come from models and names from files; both may hold control characters, marks that reverse the reading
direction, and megabytes. Escaping for HTML is the template's work and comes after this.
"""

from __future__ import annotations

import unicodedata

LONGEST_MARKS = 4
"""Combining marks that may follow one another; more only serve to paint over neighbouring lines."""
KEPT = frozenset("\n\u200c\u200d\u00ad")
"""Line breaks, and the joiners and hyphens that real languages and emoji need."""
WRITTEN_OUT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories without a shape of their own, or without an agreed one."""

_LIKENESSES = str.maketrans(
    {"\u2013": "-", "\u00d7": "x", "…": "...", "“": '"', "”": '"', "✓": "+", "✕": "x", "○": "o"}
)


def visible(text: str) -> str:
    """The text with every invisible character as its code point in brackets: "[U+202E]". A tab becomes a space."""
    if text.isascii() and text.isprintable():
        return text
    shown = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if character == "\t":
            shown.append(" ")
        elif character in KEPT:
            shown.append(character)
        elif category in WRITTEN_OUT or marks > LONGEST_MARKS:
            shown.append(f"[U+{ord(character):04X}]")
        else:
            shown.append(character)
    return "".join(shown)


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning with a note of how much there is."""
    if len(text) <= longest:
        return text
    return f"{text[:longest].rstrip()} … (first {longest:,} of {len(text):,} characters)"


def in_ascii(line: str) -> str:
    """For terminals that show ASCII only: marks of ours as their likeness, foreign letters as escapes."""
    return line.translate(_LIKENESSES).encode("ascii", "backslashreplace").decode("ascii")

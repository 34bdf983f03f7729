"""The bundled lists of group terms, each with its source. Plain data in our own choice of words; imports nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class TermList:
    """Terms by which a text tells a group."""

    name: str
    title: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    """The reference group first."""
    source: str
    """What the choice of terms rests on."""


_ALL = (
    TermList(
        name="gender-pronouns",
        title="Gendered pronouns and titles",
        groups=(
            ("men", ("he", "him", "his", "himself", "mr")),
            ("women", ("she", "her", "hers", "herself", "mrs", "ms")),
        ),
        source="The words that De-Arteaga et al. 2019 blank out of biographies, without names",
    ),
)
TERM_LISTS: Mapping[str, TermList] = MappingProxyType({one.name: one for one in _ALL})

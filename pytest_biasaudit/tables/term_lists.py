"""The bundled lists of group terms, each with its source. Imports nothing heavy: they are looked up when a context is read.

Terms are found as `terms.py` says: whole words, in any case, and no inflection that is not listed.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

from pytest_biasaudit.context.declaration import TermGroups


@dataclass(frozen=True, kw_only=True)
class TermList:
    """Terms by which a text tells a group."""

    name: str
    title: str
    groups: TermGroups
    """The reference group first."""
    source: str
    """What the choice of terms rests on."""


# Left out, since they are said of anyone or are other words too: actor, bachelor (a degree), groom, king (a surname), master.
_MEN = """
man men boy boys gentleman gentlemen guy guys male males father fathers dad dads grandfather grandfathers son sons
brother brothers husband husbands uncle uncles nephew nephews boyfriend boyfriends widower widowers stepfather stepson
waiter waiters businessman businessmen policeman policemen fireman firemen salesman salesmen chairman chairmen
sportsman sportsmen fraternity fraternities
"""
_WOMEN = """
woman women girl girls lady ladies gal gals female females mother mothers mum mums mom moms grandmother grandmothers
daughter daughters sister sisters wife wives aunt aunts niece nieces girlfriend girlfriends widow widows stepmother
stepdaughter waitress waitresses businesswoman businesswomen policewoman policewomen firewoman firewomen saleswoman
saleswomen chairwoman chairwomen sportswoman sportswomen sorority sororities
"""

# Identity terms that the test sentences of Dixon et al. 2018 are made with, by what they tell apart. Each is a group of its
# own. Their list spells "millenial" so; the usual spelling is the same group here.
_IDENTITY = """
lesbian gay bisexual transgender trans queer lgbt lgbtq homosexual straight heterosexual male female nonbinary
african african_american black white european hispanic latino latina latinx mexican canadian american asian indian
middle_eastern chinese japanese christian muslim jewish buddhist catholic protestant sikh taoist
old older young younger teenage millenial middle_aged elderly blind deaf paralyzed
"""
_ALSO = {"millenial": ("millennial",), "nonbinary": ("non-binary",)}


def _identity() -> TermGroups:
    terms = (word.replace("_", " ") for word in _IDENTITY.split())
    return tuple((term, (term, *_ALSO.get(term, ()))) for term in terms)


def _names_by_gender() -> TermGroups:
    """First names of the bundled people list. Those of one gender only, which all of them are."""
    names: dict[str, list[str]] = {"men": [], "women": []}
    text = (files("pytest_biasaudit.prompts") / "lists" / "us-names.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        names[row["gender"]].append(row["first"])
    return tuple((gender, tuple(some)) for gender, some in names.items())


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
    TermList(
        name="gender-nouns",
        title="Nouns that tell a gender, with their plurals",
        groups=(("men", tuple(_MEN.split())), ("women", tuple(_WOMEN.split()))),
        source="Our own choice: kinship, common nouns and trades of two forms; after the idea of definitional pairs in "
        "Bolukbasi et al. 2016",
    ),
    TermList(
        name="identity-terms",
        title="Fifty identity terms, each a group of its own",
        groups=_identity(),
        source="The terms of Dixon et al. 2018, Measuring and Mitigating Unintended Bias in Text Classification; with the "
        "usual spellings of two of them",
    ),
    TermList(
        name="names-by-gender",
        title="First names of the bundled list of people, by gender",
        groups=_names_by_gender(),
        source="The bundled list us-names: first names in the United States; see its notes. A name tells how "
        "someone is read, not who someone is; case does not count, so that a hunter is found for Hunter",
    ),
)
TERM_LISTS: Mapping[str, TermList] = MappingProxyType({one.name: one for one in _ALL})

"""Listed terms, and a row's own names, blanked out of its text. Imports polars at use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Literal

from pytest_biasaudit.context.spelling import listed
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.changed import changed
from pytest_biasaudit.mitigation.data.word_borders import word_signs
from pytest_biasaudit.tables.table import Table
from pytest_biasaudit.tables.term_lists import TERM_LISTS

BLANK = "_"
Part = Literal["train", "test", "both"]
_JOINT = re.compile("([-\u2010\u2011'\u2019\u02bc])")
_NO_NAME = re.compile(r"[\d_]")


def scrub(
    table: Table,
    *,
    terms: str | Sequence[str] = "gender-pronouns",
    names: str | None = None,
    sign: str = BLANK,
    part: Part = "train",
    seed: int | None = None,
) -> Table:
    """Every listed term in the texts replaced by a sign, as a whole word in any case; see `tables.terms` for the rules.

    terms  the name of a bundled list, all its groups' terms together; or terms
    names  a column with the names of the person whom a row is about: each of them with two letters or more is replaced in
           that row's text too, as a whole word in any case; a row without names loses none
    sign   put in place of each; holds no term itself
    part   which part of the data this table is: "train", "test", or "both". For the record; the caller hands the part over
    seed   not used; every intervention takes one

    Raises DataError: no such list, no term, a sign that is blank or a term, no text column, no column of names.
    Source: De-Arteaga et al. 2019 (FAT*), where pronouns, titles and names of a biography become "_".
    """
    import polars as pl

    from pytest_biasaudit.tables.terms import pattern_of

    chosen = terms_of(terms)
    _refuse_settings(table, sign, part, chosen)
    if names is not None and names not in table.frame.columns:
        raise DataError(table.source, [f"no column {names!r} of names; there are {listed(table.frame.columns)}"])
    texts = table.texts
    column = table.columns.text
    assert column is not None
    found = pl.DataFrame({column: texts}).select(
        pl.col(column).cast(pl.String).str.replace_all(pattern_of(chosen), sign.replace("$", "$$"))
    )[column]
    if names is not None:
        said = table.frame[names]
        own = (said.list.join(" ") if said.dtype == pl.List(pl.String) else said.cast(pl.String)).to_list()
        found = pl.Series(
            column,
            [_without_names(text, person, sign) for text, person in zip(found, own, strict=True)],
            dtype=pl.String,
        )
    moved = int((found != texts).sum())
    return changed(
        table,
        table.frame.with_columns(found),
        method="scrub",
        settings={
            "terms": terms if isinstance(terms, str) else tuple(terms),
            "names": names,
            "sign": sign,
            "part": part,
        },
        seed=None,
        attribute=None,
        rewritten=moved,
        note="" if moved else "no text has any of the terms; nothing was changed",
    )


def terms_of(terms: str | Sequence[str]) -> tuple[str, ...]:
    """The terms of a bundled list, of all its groups, or those given. Raises DataError for neither."""
    if isinstance(terms, str):
        if terms not in TERM_LISTS:
            raise DataError("terms", [f"no list {terms!r} is bundled; there are {listed(TERM_LISTS)}; or give terms"])
        return tuple(dict.fromkeys(term for _, members in TERM_LISTS[terms].groups for term in members))
    found = tuple(terms)
    if not found or not all(one.strip() for one in found):
        raise DataError("terms", [f"{found!r} is no list of terms"])
    return found


def _without_names(text: str | None, names: str | None, sign: str) -> str | None:
    if text is None or not names:
        return text
    pattern = _compounds(text.isascii() and names.isascii())
    own = {_plain(name) for name in pattern.findall(names) if len(name) > 1 and not _NO_NAME.search(name)}

    def blanked(found: re.Match[str]) -> str:
        """A compound, or the longest runs of its parts that are names: "Ann-Lou's" of Ann-Lou, and of Lou."""
        said = found[0]
        if _plain(said) in own:
            return sign
        if said.isascii() and said.isalnum():
            return said  # most words, and nothing is joined
        parts = _JOINT.split(said)  # what is joined stands at even places
        made, at = [], 0
        while at < len(parts):
            ends = range(len(parts), at, -2) if at % 2 == 0 else ()
            end = next((end for end in ends if _plain("".join(parts[at:end])) in own), None)
            made.append(parts[at] if end is None else sign)
            at = at + 1 if end is None else end
        return "".join(made)

    return pattern.sub(blanked, text) if own else text


@cache
def _compounds(ascii_only: bool) -> re.Pattern[str]:
    """Words, and words joined by hyphens and apostrophes; told to be ASCII, they are found faster."""
    word = r"\w+" if ascii_only else f"[{word_signs()}]+"
    return re.compile(rf"{word}(?:{_JOINT.pattern[1:-1]}{word})*", re.A if ascii_only else re.U)


def _plain(name: str) -> str:
    """A name however it is spelled: in any case, accents composed or not, with any hyphen or apostrophe."""
    if name.isascii() and name.isalnum():
        return name.lower()
    return _JOINT.sub("-", name if name.isascii() else unicodedata.normalize("NFC", name)).lower()


def _refuse_settings(table: Table, sign: str, part: str, terms: Sequence[str]) -> None:
    if part not in ("train", "test", "both"):
        raise DataError(table.source, [f"part = {part!r}; it must be 'train', 'test' or 'both'"])
    if not sign.strip() or sign != sign.strip():
        raise DataError(
            table.source, [f"sign = {sign!r}; it must be a sign without blanks around it, such as {BLANK!r}"]
        )
    if any(term.casefold() in sign.casefold() for term in terms):
        raise DataError(table.source, [f"sign = {sign!r} is one of the terms, or holds one"])
    words = {word for term in terms for word in re.findall(r"\w+", term.casefold())}
    if words & set(re.findall(r"\w+", sign.casefold())) or not _JOINT.sub("", sign):
        raise DataError(
            table.source,
            [
                f"sign = {sign!r} may be part of a term, and make one with the words beside it; give another, such as {BLANK!r}"
            ],
        )

"""Attribute words near the terms of a group, chunk by chunk.

The rules, which the tests hold to:

- a word is a run of letters, digits, marks and underscores of any script: "don't" is two, "well-read" is two
- a listed term or word of several, or with an apostrophe or hyphen, is one word where it stands; of two that share words
  the one that begins first is found, of two that begin together the longer
- whether a word is a term is told as for rows: see `tables.terms`
- near is a word of the list with at most `window` - 1 words between it and the term, before or after, in the same text;
  sentences do not matter, and a word is not near itself
- an occurrence of a term counts once, however many words of the list are near

Imports polars and numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pytest_biasaudit.context.declaration import CorpusAudit
from pytest_biasaudit.tables.opening import TEXT
from pytest_biasaudit.tables.tally import NearWords
from pytest_biasaudit.tables.terms import has_any, pattern_of

CHUNK = 4_000_000
"""Bytes of text that are split into words at a time; one text is never split."""
_WORD = r"\w+"
_WORDS = "words"
_FIGURES = ("near", "occurrences", "rows", "near_rows")


@dataclass(frozen=True, kw_only=True)
class Near:
    """Counts for one group's terms and one list of words. See `tables.tally.NearWords` for what each is."""

    attribute: str
    group: str
    words: str
    near: int = 0
    occurrences: int = 0
    rows: int = 0
    near_rows: int = 0

    @classmethod
    def added(cls, alike: Sequence[Near]) -> Near:
        """Counts of parts, of one group and list, as one."""
        first = alike[0]
        sums = {name: sum(getattr(one, name) for one in alike) for name in _FIGURES}
        return cls(attribute=first.attribute, group=first.group, words=first.words, **sums)

    @property
    def as_near_words(self) -> NearWords:
        """As the tally keeps it."""
        sums = {name: getattr(self, name) for name in _FIGURES}
        return NearWords(attribute=self.attribute, group=self.group, words=self.words, **sums)


def near_of(rows: pl.LazyFrame, audit: CorpusAudit) -> tuple[Near, ...]:
    """Every group of every attribute told by terms with every list of words, in the order of the audit."""
    empty = _none(audit)
    schema = {str(at): pl.Int64 for at in range(len(empty) * len(_FIGURES))}

    def count(chunk: pl.DataFrame) -> pl.DataFrame:
        total = np.zeros((len(empty), len(_FIGURES)), dtype=np.int64)
        for texts in _portions(chunk[TEXT]):
            total += _counted(texts, audit)
        return pl.DataFrame(total.reshape(1, -1), schema=schema, orient="row")

    every = list(dict.fromkeys(term for _, groups in audit.terms for _, terms in groups for term in terms))
    spoken = rows.select(TEXT).filter(has_any(pl.col(TEXT), every))
    summed = spoken.map_batches(count, schema=schema, streamable=True).sum().collect(engine="streaming")
    sums = np.asarray(summed.row(0)).reshape(len(empty), len(_FIGURES))
    return tuple(
        Near.added([one, Near(attribute="", group="", words="", **dict(zip(_FIGURES, map(int, some), strict=True)))])
        for one, some in zip(empty, sums, strict=True)
    )


def _none(audit: CorpusAudit) -> tuple[Near, ...]:
    return tuple(
        Near(attribute=attribute, group=group, words=words)
        for attribute, groups in audit.terms
        for group, _ in groups
        for words, _ in audit.words
    )


def _portions(texts: pl.Series) -> Iterator[pl.Series]:
    """The texts in portions of about CHUNK bytes."""
    ends = np.cumsum(texts.str.len_bytes().fill_null(0).to_numpy().astype(np.int64))
    start = 0
    while start < len(texts):
        spent = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, spent + CHUNK, side="right")))
        yield texts[start:stop]
        start = stop


def _counted(texts: pl.Series, audit: CorpusAudit) -> NDArray[np.int64]:
    """Of shape (groups and lists, figures), in the order of `_none`. Every text has one of the terms."""
    split = texts.str.extract_all(_pattern(audit))
    lengths = split.list.len().to_numpy().astype(np.int64)
    words = split.filter(split.list.len() > 0).list.explode().rename(_WORDS)
    different = words.unique()
    groups = [terms for _, some in audit.terms for _, terms in some]
    lists = [terms for _, terms in audit.words]
    flags = (
        different.to_frame()
        .select(has_any(pl.col(_WORDS), terms).alias(str(at)) for at, terms in enumerate([*groups, *lists]))
        .to_numpy()
    )
    code = words.replace_strict(different, np.arange(len(different)), return_dtype=pl.Int64).to_numpy()
    some: NDArray[np.bool_] = np.asarray(flags.any(axis=1))
    told = np.flatnonzero(some[code])
    row = np.repeat(np.arange(len(lengths)), lengths)[told]
    inside = flags[code[told]]
    # Words of two texts stand further apart than the window reaches.
    place = told + row * audit.window
    return np.array(
        [
            _figures(place[of], row[of], inside[of, listed], place[inside[:, listed]], audit.window)
            for of in (inside[:, at] for at in range(len(groups)))
            for listed in range(len(groups), len(groups) + len(lists))
        ],
        dtype=np.int64,
    ).reshape(-1, len(_FIGURES))


def _figures(
    at: NDArray[np.int64], row: NDArray[np.int64], itself: NDArray[np.bool_], words: NDArray[np.int64], window: int
) -> tuple[int, int, int, int]:
    """Near, occurrences, rows, rows with one near. `itself`: the term is a word of the list too."""
    first, last = (
        np.searchsorted(words, at - window, side="left"),
        np.searchsorted(words, at + window, side="right"),
    )
    near = (last - first - itself) > 0
    return int(near.sum()), len(at), len(np.unique(row)), len(np.unique(row[near]))


def _pattern(audit: CorpusAudit) -> str:
    listed = [terms for _, groups in audit.terms for _, terms in groups] + [terms for _, terms in audit.words]
    several = list(dict.fromkeys(term for terms in listed for term in terms if not _is_word(term)))
    return f"{pattern_of(several)}|{_WORD}" if several else _WORD


def _is_word(term: str) -> bool:
    return term.replace("_", "a").isalnum()

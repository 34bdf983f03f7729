"""Texts with one group's words in the place of the other's, beside the originals or instead. Imports polars at use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pytest_biasaudit.context.spelling import listed
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.changed import changed, copies_of
from pytest_biasaudit.mitigation.data.strata import drawing, known
from pytest_biasaudit.mitigation.data.swap import WordPairs, word_pairs
from pytest_biasaudit.mitigation.data.word_pairs import WORD_PAIRS
from pytest_biasaudit.tables.table import Table

if TYPE_CHECKING:
    import polars as pl

Sides = Literal["one", "two"]


def counterfactual_augmentation(
    table: Table,
    *,
    pairs: str | WordPairs | Sequence[Sequence[str]] = "gender",
    sides: Sides = "two",
    attribute: str | None = None,
    groups: Sequence[str] | None = None,
    share: float = 1.0,
    seed: int,
) -> Table:
    """Rows whose text has a listed word, swapped: "two"-sided beside the original, "one"-sided in its place.

    Labels stay as they are, and so do rows without a listed word. See `swap` for what a swap does.

    pairs      the name of a bundled list, a list, or pairs of words
    attribute  its column is swapped too, in the rows whose text is: they are about the other group now. None: group columns
               stay as they are
    groups     the two groups that change places; None: the attribute's two
    share      of the rows with a listed word, drawn: 1.0 swaps them all; one-sided at 0.5 is substitution as in Hall
               Maudslay et al. 2019
    seed       decides which rows, where not all are swapped

    Raises DataError: no such list, no text column, a share out of range, an attribute with other than two groups and none
    named, groups that are not there, and a table in which no text has a listed word.
    Source: counterfactual data augmentation, Lu et al. 2020; Zhao et al. 2018.
    """
    import polars as pl

    words = pairs_of(pairs)
    _refuse_settings(table, sides, share)
    texts = table.texts.to_list()
    swapped = [None if text is None else words.swapped(text) for text in texts]
    moved = [place for place, (text, other) in enumerate(zip(texts, swapped, strict=True)) if text != other]
    if not moved:
        raise DataError(table.source, [f"no text has a word of the list {words.name!r}, so nothing would be swapped"])
    if share < 1.0:
        count = max(1, round(share * len(moved)))
        moved = sorted(drawing(seed, "swapped").permutation(moved)[:count].tolist())
    lost = sum(words.swapped(swapped[place] or "") != texts[place] for place in moved)
    assert table.columns.text is not None
    place = "_place"
    while place in table.frame.columns:
        place += "_"
    whole = table.frame.with_row_index(place)
    others = whole[moved].with_columns(
        pl.Series(table.columns.text, [swapped[at] for at in moved], dtype=table.frame[table.columns.text].dtype)
    )
    notes = [f"{lost} of {len(moved)} swapped texts do not come back when swapped again"] if lost else []
    if attribute is None:
        notes.append("group columns are as they were")
    else:
        others = others.with_columns(_groups_swapped(table, others, attribute, groups))
    if sides == "two":
        kept, others = whole, copies_of(table, others)
    else:
        kept = whole.filter(~pl.col(place).is_in(moved))
    frame = pl.concat([kept, others.select(kept.columns)], how="vertical_relaxed").sort(place, maintain_order=True)
    return changed(
        table,
        frame.drop(place),
        method="counterfactual_augmentation",
        settings={
            "pairs": words.name if words.name in WORD_PAIRS else [" / ".join(pair) for pair in words.pairs],
            "sides": sides,
            "attribute": attribute,
            "groups": groups,
            "share": share,
        },
        seed=seed if share < 1.0 else None,
        attribute=attribute,
        added=len(moved) if sides == "two" else 0,
        rewritten=0 if sides == "two" else len(moved),
        note="; ".join(notes),
    )


def pairs_of(pairs: str | WordPairs | Sequence[Sequence[str]]) -> WordPairs:
    """The list that is meant. Raises DataError for a name that is none, and for pairs that are no sound list."""
    if isinstance(pairs, WordPairs):
        return pairs
    if isinstance(pairs, str):
        if pairs not in WORD_PAIRS:
            raise DataError("word pairs", [f"no list {pairs!r} is bundled; there are {listed(WORD_PAIRS)}"])
        return WORD_PAIRS[pairs]
    return word_pairs(pairs)


def _groups_swapped(table: Table, others: pl.DataFrame, attribute: str, groups: Sequence[str] | None) -> pl.Expr:
    import polars as pl

    there = sorted(set(known(table.groups(attribute)).drop_nulls().to_list()))
    chosen = tuple(there if groups is None else groups)
    if len(chosen) != 2 or len(set(chosen)) != 2:
        raise DataError(
            table.source,
            [f"two groups of {attribute!r} change places; name them in groups: there are {listed(there)}"],
        )
    missing = [group for group in chosen if group not in there]
    if missing:
        raise DataError(table.source, [f"no row is of {listed(missing)} of {attribute!r}; there are {listed(there)}"])
    column = dict(table.columns.groups)[attribute]
    return pl.col(column).cast(pl.String).replace({chosen[0]: chosen[1], chosen[1]: chosen[0]}).alias(column)


def _refuse_settings(table: Table, sides: str, share: float) -> None:
    if sides not in ("one", "two"):
        raise DataError(table.source, [f"sides = {sides!r}; it must be 'one' or 'two'"])
    if not 0 < share <= 1:
        raise DataError(table.source, [f"share = {share}; it must be above 0 and at most 1"])

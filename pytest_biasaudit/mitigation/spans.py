"""Where in a text's tokens a person's name stands, for any tokenizer. Imports errors only.

Every token counts that holds a letter of the name, wherever the name's pieces begin and end: a name may be one token, a
part of one, or many, its first token may hold the blank or the quotation mark before it. Sign by sign, a name's apostrophe
or hyphen is a letter of it; the blank between first and last name is not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from pytest_biasaudit.errors import DataError

Span = tuple[int, int]
"""First character and the one after the last; equal where a token holds no character of the text."""

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts written without blanks between words, or with particles set to a name: there a name has no edge to look for."""
_REPLACED = "\N{REPLACEMENT CHARACTER}"


def name_tokens(
    tokenizer: Any, text: str, name: str, *, before: int | None = None, special: bool | None = None
) -> tuple[int, ...]:
    """Positions of all tokens that hold a letter of any whole-word occurrence of a name, in order.

    text     tokenised whole, as the model is given it; upper and lower case differ
    before   only tokens before this position: the answer's first
    special  whether the tokenizer adds its special tokens; None: as `CausalModel` does, where there is no chat template

    "D'Andre's" holds the name D'Andre and not Andre; "Anne-Marie" holds neither Anne nor Marie. A tokenizer without
    offsets, or whose offsets do not give the name back, is asked by decoding the tokens one more at a time.

    Raises DataError where the name does not occur, and where no token could be found for a letter of it.
    """
    if special is None:
        special = not getattr(tokenizer, "chat_template", None)
    found = occurrences(text, name)
    if not found:
        raise DataError(f"the name {name!r}", [f"it does not occur as a whole word in {_shown(text)}"])
    tokens, positions = _positions(tokenizer, text, name, found, special=special)
    kept = tuple(position for position in positions if before is None or position < before)
    if not kept:
        raise DataError(
            f"the name {name!r}", [f"it does not occur before token {before} of {len(tokens)} in {_shown(text)}"]
        )
    return kept


def occurrences(text: str, name: str) -> tuple[Span, ...]:
    """Characters of every whole-word occurrence of a name; case counts."""
    if not name.strip():
        return ()
    start, end = name[0], name[-1]
    left = "" if _UNSPACED.match(start) else r"(?<![^\W_])(?<![^\W_]['\u2019-])"
    # Possessive s and other endings may follow an apostrophe; a capital letter there belongs to a longer name.
    right = "" if _UNSPACED.match(end) else r"(?![^\W_])(?![\u0300-\u036f])(?!-[^\W_])(?!['\u2019](?!S\b)[A-Z])"
    return tuple(match.span() for match in re.finditer(left + re.escape(name) + right, text))


def _positions(
    tokenizer: Any, text: str, name: str, found: Sequence[Span], *, special: bool
) -> tuple[list[int], tuple[int, ...]]:
    """The tokens of a text, and the positions of those that hold a letter of the occurrences. Raises DataError."""
    if getattr(tokenizer, "is_fast", False):
        encoded = tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)
        tokens = list(encoded["input_ids"])
        by_offsets = _holding(text, found, encoded["offset_mapping"])
        if by_offsets is not None and _gives_back(tokenizer, tokens, by_offsets, name):
            return tokens, by_offsets
    else:
        tokens, by_offsets = list(tokenizer(text, add_special_tokens=special)["input_ids"]), None
    by_decoding = _holding(text, found, _spans_by_decoding(tokenizer, text, tokens))
    # Where decoding loses letters (an unknown token), offsets that cover the name are the better answer.
    best = by_offsets if by_decoding is None else by_decoding
    if best is None:
        raise DataError(
            f"the name {name!r}",
            [f"{type(tokenizer).__name__} gives no token for a letter of it, or one that decodes to something else"],
        )
    return tokens, best


def _holding(text: str, found: Sequence[Span], spans: Sequence[Span]) -> tuple[int, ...] | None:
    """Positions of the tokens with a letter of the occurrences; None where some letter is in no token."""
    wanted = {at for start, end in found for at in range(start, end) if not text[at].isspace()}
    held: set[int] = set()
    positions = []
    for position, (start, end) in enumerate(spans):
        own = wanted.intersection(range(start, end))
        if own:
            held |= own
            positions.append(position)
    return tuple(positions) if held == wanted else None


def _gives_back(tokenizer: Any, tokens: Sequence[int], positions: Sequence[int], name: str) -> bool:
    """Whether the tokens found decode to text with the name in it: offsets of some tokenizers are off."""
    text = tokenizer.decode([tokens[at] for at in positions], clean_up_tokenization_spaces=False)
    return _letters(name) in _letters(text)


def _spans_by_decoding(tokenizer: Any, text: str, tokens: Sequence[int]) -> list[Span]:
    """The characters that each token holds, from what one more token adds to the decoded text.

    Letters are compared without blanks, case and marks, since decoding may change those.
    """
    plain = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    lead = next((at for at in range(len(tokens) - len(plain) + 1) if list(tokens[at : at + len(plain)]) == plain), 0)
    ends, partial = [0], [False]
    for count in range(1, len(plain) + 1):
        letters = _letters(_decoded(tokenizer, plain[:count]))
        whole = letters.rstrip(_REPLACED)
        ends.append(len(whole))
        partial.append(whole != letters)  # the token ends within a letter of several bytes
    places = _places_in(text, _letters(_decoded(tokenizer, plain)))
    spans = [(0, 0)] * len(tokens)
    for at in range(len(plain)):
        own = [place for place in places[ends[at] : ends[at + 1] + partial[at + 1]] if place is not None]
        if own:
            spans[lead + at] = (min(own), max(own) + 1)
    return spans


def _decoded(tokenizer: Any, tokens: Sequence[int]) -> str:
    text = tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return str(text)


def _places_in(text: str, decoded: str) -> list[int | None]:
    """For each letter of the decoded text the character of the text that it is; None where there is none."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for letter in _letters(character):
            letters.append(letter)
            places.append(place)
    known = "".join(letters)
    if known == decoded:
        return list(places)
    found: list[int | None] = [None] * len(decoded)
    for block in SequenceMatcher(None, known, decoded, autojunk=False).get_matching_blocks():
        found[block.b : block.b + block.size] = places[block.a : block.a + block.size]
    return found


def _letters(text: str) -> str:
    """The text without blanks, case and marks."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in plain if not (c.isspace() or unicodedata.combining(c) or c == "\u2581"))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else f"{text[:117]}...")

"""What a tokenizer does to a sentence that decides its score, found out by encoding and said in words.

Imports nothing of transformers: a tokenizer is what is called like one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PROBE = "the"
"""A word in the vocabulary of nearly every tokenizer; others are tried where it is not."""


def ids_of(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Token ids of a text as it stands: no special tokens, nothing cut off.

    Whoever asks cuts a long text himself, or says that it is too long; the tokenizer need not warn of it.
    """
    return tuple(tokenizer(text, add_special_tokens=False, truncation=False, padding=False, verbose=False)["input_ids"])


def first_token(tokenizer: Any) -> int | None:
    """The token that stands for the beginning of a text: BOS, else EOS; None where there is neither."""
    found = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return int(found) if found is not None else None


def inside_ids(tokenizer: Any, word: str) -> tuple[int, ...]:
    """Token ids of a word with another before it, as it stands inside a sentence."""
    before = ids_of(tokenizer, PROBE)
    both = ids_of(tokenizer, f"{PROBE} {word}")
    # Where the first word's tokens change with what follows, the blank alone is put before the word.
    return both[len(before) :] if both[: len(before)] == before else ids_of(tokenizer, f" {word}")


def special_around(tokenizer: Any) -> tuple[int, int]:
    """How many special tokens the tokenizer puts before and after a sentence.

    Counted on a probe, not by which ids are special: an unknown word at the edge of a sentence is its own token.
    """
    bare = ids_of(tokenizer, PROBE)
    whole = tuple(tokenizer(PROBE, truncation=False, padding=False)["input_ids"])
    for before in range(len(whole) - len(bare) + 1):
        if whole[before : before + len(bare)] == bare:
            return before, len(whole) - len(bare) - before
    return 0, 0


def tokenizer_facts(tokenizer: Any) -> tuple[tuple[str, str], ...]:
    """The tokenizer's family, its casing, and whether a sentence's first word is written like any other."""
    return (
        ("tokenizer", type(tokenizer).__name__),
        ("casing", _casing(tokenizer)),
        ("first word", _first_word(tokenizer)),
    )


def opening_fact(tokenizer: Any) -> tuple[str, str]:
    """What a causal model's text begins with."""
    if tokenizer.bos_token_id is not None:
        return "opening", f"BOS {tokenizer.bos_token!r}"
    if tokenizer.eos_token_id is not None:
        return "opening", f"EOS {tokenizer.eos_token!r}, for want of a BOS"
    return "opening", "none: neither BOS nor EOS"


def around_fact(tokenizer: Any) -> tuple[str, str]:
    """What a masked model's sentence stands between."""
    before, after = special_around(tokenizer)
    whole = tokenizer(PROBE, truncation=False, padding=False)["input_ids"]
    tokens = tokenizer.convert_ids_to_tokens(whole)
    return "opening", f"{' '.join([*tokens[:before], '...', *tokens[len(tokens) - after :]])}"


def _known_words(tokenizer: Any) -> Iterator[str]:
    """Lower-case words, the likeliest first, that may be in the vocabulary."""
    yield PROBE
    for word in sorted(tokenizer.get_vocab()):
        if word.isascii() and word.isalpha() and word.islower():
            yield word


def _casing(tokenizer: Any) -> str:
    unknown = tokenizer.unk_token_id
    for word in _known_words(tokenizer):
        lower = ids_of(tokenizer, word)
        if lower and unknown not in lower:
            same = ids_of(tokenizer, word.upper()) == lower
            return "lower-cased by the tokenizer" if same else "kept"
    return "not known: no word of the vocabulary could be tried"


def _first_word(tokenizer: Any) -> str:
    if inside_ids(tokenizer, PROBE) == ids_of(tokenizer, PROBE):
        return "as inside a sentence"
    return "without the blank before it that it has inside a sentence"

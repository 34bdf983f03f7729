"""The sentences that an upstream intervention learns a difference from: given ones, or our own frames.

Each has a listed word, and its counterpart is the same sentence with every listed word swapped. Imports nothing heavy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.swap import WordPairs

OWN = "bundled frames"
LONGEST = 400
"""Characters of a sentence that is used: longer lines are left out and counted."""
_FRAMES = (
    "The {word} walked along the river before breakfast.",
    "Yesterday a {word} sat beside me on the bus.",
    "The {word} put the letter on the table and left.",
    "A {word} from our street grows tomatoes.",
    "Nobody in the shop knew the {word}.",
    "The old photograph shows a {word} in front of a barn.",
    "The {word} asked for a glass of water.",
    "We met the {word} again at the station.",
    "A {word} was reading a newspaper by the window.",
    "The report was written by a {word} who lives abroad.",
    "The {word} answered the second question first.",
    "There was a {word} waiting outside the office.",
    "The child followed the {word} across the bridge.",
    "In the story a {word} finds a key under a stone.",
    "The {word} repaired the gate in an afternoon.",
    "Everyone thanked the {word} for the meal.",
    "The {word} explained how the machine works.",
    "A {word} with a red bag crossed the square.",
    "The lecture was given by the {word} we spoke to.",
    "The {word} moved to a smaller town last spring.",
    "Two cars stopped to let the {word} pass.",
    "The {word} knows every path in these hills.",
    "A {word} called to ask about the room.",
    "The {word} counted the boxes twice.",
)
_SUBJECTS = (
    "{word} walked along the river before breakfast.",
    "{word} put the letter on the table and left.",
    "We heard that {word} had moved to another town.",
    "{word} explained how the machine works.",
    "When it rained, {word} stayed at the library.",
    "{word} repaired the gate in an afternoon.",
    "Nobody knew why {word} took the early train.",
    "{word} answered the second question first.",
    "Last year {word} planted three trees.",
    "They asked whether {word} would come along.",
    "{word} counted the boxes twice.",
    "In the photograph {word} stands in front of a barn.",
)
_NEUTRAL = ("person", "neighbour", "visitor", "stranger", "guest", "passenger")
_PRONOUNS = frozenset({"he", "she"})
_NO_SUBJECTS = frozenset({"himself", "herself", "mr", "ms", "sir", "madam", "masculine", "feminine"})
MOST_PAIRS = 24
"""Pairs of a list that the frames are filled with."""


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """Sentences with a listed word, their counterparts, and sentences without any."""

    source: str
    """For the recipe: the file's name, "given", or OWN."""
    sha256: str
    """Over all sentences read, in order."""
    pairs: tuple[tuple[str, str], ...]
    """(sentence, counterpart), each once; none has its counterpart among the sentences too."""
    neutral: tuple[str, ...]
    left_out: int
    """Sentences that are too long."""


def sentences_of(text: str | Path | Sequence[str] | None, words: WordPairs) -> Sentences:
    """The sentences, split by whether they have a listed word.

    text   a file in UTF-8 with a sentence a line; sentences; None: our own frames filled with the list's words

    Raises DataError: no such file, not UTF-8, and no sentence with a listed word.
    """
    source, lines = _read(text, words)
    kept = [line for line in lines if len(line) <= LONGEST]
    seen: dict[str, str] = {}
    neutral: list[str] = []
    counterparts: set[str] = set()
    for line in dict.fromkeys(kept):
        other = words.swapped(line)
        if other == line:
            neutral.append(line)
        elif line not in counterparts:
            seen[line] = other
            counterparts.add(other)
    if not seen:
        raise DataError(source, [f"none of {len(lines)} sentences has a word of the list {words.name!r}"])
    return Sentences(
        source=source,
        sha256=hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest(),
        pairs=tuple(seen.items()),
        neutral=tuple(neutral),
        left_out=len(lines) - len(kept),
    )


def _read(text: str | Path | Sequence[str] | None, words: WordPairs) -> tuple[str, list[str]]:
    if text is None:
        return OWN, _own(words)
    if isinstance(text, (str, Path)):
        path = Path(text)
        try:
            whole = path.read_bytes().decode("utf-8")
        except OSError as fault:
            raise DataError(path.name, [f"cannot be read: {fault.strerror}"]) from fault
        except UnicodeDecodeError as fault:
            raise DataError(path.name, [f"is not UTF-8 text (byte {fault.start})"]) from fault
        return path.name, [line.strip() for line in whole.splitlines() if line.strip()]
    return "given", [line.strip() for line in text if line.strip()]


def _own(words: WordPairs) -> list[str]:
    """Frames with the words of the list's first pairs, and with words that say nothing of a group."""
    chosen = [pair for pair in words.pairs if not _NO_SUBJECTS & set(pair)][:MOST_PAIRS]
    found = []
    for pair in chosen:
        pronoun = bool(_PRONOUNS & set(pair))
        for frame in _SUBJECTS if pronoun else _FRAMES:
            sentence = frame.format(word=pair[0])
            found.append(sentence[:1].upper() + sentence[1:])
    found += [frame.format(word=word) for word in _NEUTRAL for frame in _FRAMES]
    return found

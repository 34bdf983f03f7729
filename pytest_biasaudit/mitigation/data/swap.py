"""Words of one group put in the place of the other's, in a text. Imports no polars.

Whole words, in small letters, CAPITALS, with a first Capital or, of several words, with a Capital each, which they keep; a
word in any other mixture stays as it is. Word borders are where letters, digits, marks and underscores end, so "he's" and
"she-wolf" are swapped too.

A word that stands in one pair is swapped both ways, so swapping twice gives the text back. English has words that do not
go both ways: "her" is "him" and "his". Such words are decided by the word behind them, or go one way; a text that has them
may come back as another.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_biasaudit.mitigation.data.word_borders import whole_words, word_signs
from pytest_biasaudit.prompts.benchmarks.data import refuse

NO_NOUN = frozenset(
    word
    for line in (
        "a an the this that these those some any no every each all both",
        "i you he she it we they me him her us them his hers its our their mine yours ours theirs myself himself herself",
        "and or but nor so yet if because although though while when where who whom which what why how than as until unless",
        "about above across after against along among around at before behind below beneath beside between beyond by despite",
        "down during except for from in inside into like near of off on onto out outside over since through throughout to",
        "toward towards under up upon via with within without",
        "am is are was were be been being has have had do does did will would shall should can could may might must",
        "not never always often again already also only just even still too very more most much well quite rather soon once",
        "today tomorrow yesterday now then here there away back alone together everywhere anywhere somewhere",
    )
    for word in line.split()
)
"""Words that begin no noun phrase after a possessive: behind "her" they say that it is no possessive."""
BEFORE_ADJECTIVE = frozenset({"more", "most", "very", "now", "then", "once", "still"})
"""Of those, what says that it is none only where no such word follows: "her most recent book", "I like her most"."""
_BEHIND = re.compile(r"[^\S\n]+([^\W_][\w'\u2019\u2010\u2011-]*)(?:[^\S\n]+([^\W_][\w'\u2019\u2010\u2011-]*))?")

_GAP = re.compile(r"([\W_]+)")


@dataclass(frozen=True, kw_only=True)
class ByNext:
    """A word whose other form depends on what stands behind it."""

    word: str
    possessive: str
    """What it becomes where a noun phrase follows: a word on the same line that is none of NO_NOUN, or is one of
    BEFORE_ADJECTIVE with such a word behind it."""
    otherwise: str


@dataclass(frozen=True, kw_only=True)
class WordPairs:
    """Which words are swapped, all in small letters. Raises DataError, with every fault, for a list that is not sound."""

    name: str
    title: str
    pairs: tuple[tuple[str, str], ...]
    """Swapped both ways; no word stands twice."""
    one_way: tuple[tuple[str, str], ...] = ()
    """(word, what it becomes), which does not become it again."""
    by_next: tuple[ByNext, ...] = ()
    sides: tuple[tuple[str, int], ...] = ()
    """Of words that go one way to one that goes back elsewhere: 0 for the side of the first of the pairs, 1 for the other."""
    source: str
    """What the choice of words rests on."""
    caution: str = ""
    """What a reader must know before using it; mostly empty."""

    def __post_init__(self) -> None:
        """Checks the list."""
        refuse(f"word pairs {self.name!r}", list(self._faults()))

    @property
    def words(self) -> tuple[str, ...]:
        """All words that are swapped."""
        return (*self.reversible, *(word for word, _ in self.one_way), *(one.word for one in self.by_next))

    @property
    def reversible(self) -> tuple[str, ...]:
        """The words of the pairs: a text with none but these comes back when it is swapped twice."""
        return tuple(word for pair in self.pairs for word in pair)

    def swapped(self, text: str) -> str:
        """The text with every listed word in its other form."""
        parts = (self._plain_pattern if text.isascii() else self._pattern).split(
            text
        )  # what stands between words, and the words, in turn
        if self._becomes.keys().isdisjoint(parts) and self._decided.keys().isdisjoint(parts):
            return text
        made = [self._becomes.get(part, part) for part in parts]
        if not self._decided.keys().isdisjoint(parts):
            for at in range(1, len(parts), 2):
                forms = self._decided.get(parts[at])
                if forms is not None:
                    made[at] = forms[0] if _noun_follows("".join(parts[at + 1 : at + 10])) else forms[1]
        return "".join(made)

    def reverses(self, text: str) -> bool:
        """Whether the text comes back when it is swapped twice."""
        return self.swapped(self.swapped(text)) == text

    def side(self, text: str) -> int | None:
        """Whose words the text has: 0 for the first of the pairs, 1 for the second, None for both or neither.

        A word that goes one way is of the other side than what it becomes.
        """
        found = {self._side_of[word] for said in self._pattern.findall(text) if (word := said.lower()) in self._side_of}
        return found.pop() if len(found) == 1 else None

    @cached_property
    def _side_of(self) -> dict[str, int]:
        sides = {word: at for pair in self.pairs for at, word in enumerate(pair)}
        waiting = {**dict(self.one_way), **{one.word: one.otherwise for one in self.by_next}}
        given = dict(self.sides)
        return {**{word: 1 - sides[other] for word, other in waiting.items() if other in sides}, **given, **sides}

    @cached_property
    def _becomes(self) -> dict[str, str]:
        """What each word becomes that always becomes the same, in every case it may stand in."""
        both = [line for pair in self.pairs for line in (pair, pair[::-1])]
        return {said: other for line in (*both, *self.one_way) for said, other in _in_cases(*line)}

    @cached_property
    def _decided(self) -> dict[str, tuple[str, ...]]:
        """What each word becomes that the one behind it decides: (before a noun phrase, otherwise)."""
        return {
            said: tuple(others)
            for one in self.by_next
            for said, *others in _in_cases(one.word, one.possessive, one.otherwise)
        }

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Words, in its one group. Every word of a text is looked up: a hundred alternatives at each take ten times as long."""
        if self._single:
            return re.compile(rf"([{word_signs()}]+)")
        return re.compile(whole_words(self._alternatives), re.I)

    @cached_property
    def _plain_pattern(self) -> re.Pattern[str]:
        """The same for texts in ASCII, in which it is found three times as fast."""
        if self._single:
            return re.compile(r"(\w+)", re.A)
        return re.compile(rf"\b({self._alternatives})\b", re.A | re.I)

    @cached_property
    def _single(self) -> bool:
        """Whether no listed word has a blank or a hyphen in it."""
        return all(re.fullmatch(rf"[{word_signs()}]+", word) for word in self.words)

    @cached_property
    def _alternatives(self) -> str:
        longest_first = sorted(self.words, key=lambda word: (-len(word), word))
        return "|".join(map(re.escape, longest_first))

    def _faults(self) -> Iterator[str]:
        if not self.pairs:
            yield "it has no pair"
        lines = [*self.pairs, *self.one_way, *((one.word, one.possessive, one.otherwise) for one in self.by_next)]
        for word in dict.fromkeys(word for line in lines for word in line):
            signs = word_signs()
            if not re.fullmatch(rf"[{signs}].*[{signs}]|[{signs}]", word) or word != word.strip():
                yield f"{word!r} does not begin and end with a letter or digit"
            elif word != word.lower() or any(form.lower() != word for form in (word.upper(), _titled(word))):
                yield f"{word!r} is not in small letters, or does not come back from capitals"
        for line in lines:
            if len(set(line)) < 2:
                yield f"{line[0]!r} would become itself"
            if len({len(word) == 1 for word in line}) > 1:
                yield f"{', '.join(line)}: one of them is a single letter, whose capital may be of either kind"
        first = [*(word for pair in self.pairs for word in pair), *(line[0] for line in lines[len(self.pairs) :])]
        for word, count in Counter(first).items():
            if count > 1:
                yield f"{word!r} stands in {count} places; a swap must know what it becomes"


def word_pairs(pairs: Sequence[Sequence[str]], *, name: str = "given") -> WordPairs:
    """A list of one's own, each word in one pair. Raises DataError as `WordPairs` does, and for what is no pair."""
    refuse(f"word pairs {name!r}", [f"{list(pair)!r} is no pair of words" for pair in pairs if len(pair) != 2])
    return WordPairs(
        name=name,
        title="Pairs of the user's own",
        pairs=tuple((one.lower(), other.lower()) for one, other in pairs),
        source="the user's own",
    )


def _in_cases(*line: str) -> Iterator[tuple[str, ...]]:
    """Words of a line in each case that all of them can stand in: small, Capital, Each Capital, CAPITALS."""
    seen = set()
    for cased in (str.lower, _titled, _each_titled, str.upper):
        if cased is _each_titled and len({len(_GAP.findall(word)) for word in line}) > 1:
            continue  # one would come back in another case
        forms = tuple(map(cased, line))
        if forms[0] not in seen:
            seen.add(forms[0])
            yield forms


def _noun_follows(text: str) -> bool:
    """Whether the text behind a word that may be a possessive begins with a noun phrase."""
    found = _BEHIND.match(text)
    if found is None:
        return False
    first, second = found[1].lower(), (found[2] or "").lower()
    if first in BEFORE_ADJECTIVE:
        return second != "" and second not in NO_NOUN
    return first not in NO_NOUN


def _titled(word: str) -> str:
    return word[:1].upper() + word[1:]


def _each_titled(words: str) -> str:
    return "".join(map(_titled, _GAP.split(words)))

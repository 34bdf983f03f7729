"""What the prompts share: their token sequences as a tree, so that a common beginning is computed once. Pure Python.

The floor of an audit's cost is the number of unique tokens of this tree. A branch is kept only where it saves enough
tokens to pay for the extra forward call; below that, sequences repeat the few tokens they share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

WORTH_SPLITTING = 64
"""Tokens a branch must save. About what one more forward call costs on a small machine, where reading the weights
once costs as much as computing some tens of tokens."""

NEVER = 1 << 62
"""`worth` for sequences that share nothing."""


@dataclass(eq=False)
class Segment:
    """A stretch of tokens that all sequences below it share."""

    tokens: tuple[int, ...]
    start: int
    """Number of tokens before this stretch."""
    ends: list[int] = field(default_factory=list)
    """Indices of the sequences that end with this stretch."""
    through: list[int] = field(default_factory=list)
    """Indices of the sequences that pass through or end here."""
    children: list[Segment] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Number of tokens up to and including this stretch."""
        return self.start + len(self.tokens)


def prefix_tree(sequences: Sequence[tuple[int, ...]], *, worth: int = WORTH_SPLITTING) -> list[Segment]:
    """The sequences as trees of shared stretches; several roots where sequences do not share a worthwhile beginning.

    Every sequence is non-empty; equal ones end at the same segment. `worth` = 1 shares whatever can be shared.
    """
    order = sorted(range(len(sequences)), key=lambda index: sequences[index])
    if not order:
        return []
    return _children(sequences, order, 0, worth)


def unique_tokens(roots: Sequence[Segment]) -> int:
    """Tokens that are computed when each segment is computed once."""
    stack, total = list(roots), 0
    while stack:
        segment = stack.pop()
        total += len(segment.tokens)
        stack.extend(segment.children)
    return total


def padded_length(roots: Sequence[Segment]) -> int:
    """Most positions a sequence can take up when each level is padded to its longest segment."""
    length, level = 0, list(roots)
    while level:
        length += max(len(segment.tokens) for segment in level)
        level = [child for segment in level for child in segment.children]
    return length


def _children(sequences: Sequence[tuple[int, ...]], order: list[int], depth: int, worth: int) -> list[Segment]:
    """Segments for sequences (sorted) that share their first `depth` tokens and are longer than that."""
    found: list[Segment] = []
    low = 0
    while low < len(order):
        token = sequences[order[low]][depth]
        high = low + 1
        while high < len(order) and sequences[order[high]][depth] == token:
            high += 1
        found.extend(_split(sequences, order[low:high], depth, worth))
        low = high
    return found


def _split(sequences: Sequence[tuple[int, ...]], order: list[int], depth: int, worth: int) -> list[Segment]:
    first, last = sequences[order[0]], sequences[order[-1]]
    common = _common(first, last, depth)
    ends = [index for index in order if len(sequences[index]) == common]
    longer = order[len(ends) :]  # sorted: those that end at `common` come first
    if not longer:
        return [Segment(tokens=first[depth:common], start=depth, ends=ends, through=list(order))]
    leaves = len({sequences[index] for index in longer}) + bool(ends)
    saved = (common - depth) * (leaves - 1)
    if saved >= worth:
        here = Segment(tokens=first[depth:common], start=depth, ends=ends, through=list(order))
        here.children = _children(sequences, longer, common, worth)
        return [here]
    # Not worth a call of its own: branches further down may be, and get these tokens in front.
    segments = _children(sequences, longer, common, worth)
    for segment in segments:
        segment.tokens = first[depth:common] + segment.tokens
        segment.start = depth
    if ends:
        segments.append(Segment(tokens=first[depth:common], start=depth, ends=ends, through=list(ends)))
    return segments


def _common(one: tuple[int, ...], other: tuple[int, ...], start: int) -> int:
    length = min(len(one), len(other))
    while start < length and one[start] == other[start]:
        start += 1
    return start

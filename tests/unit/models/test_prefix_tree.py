from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_biasaudit.models.prefix_tree import Segment, prefix_tree, unique_tokens

SEQUENCES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=8).map(tuple), min_size=1, max_size=12)


def spelled(roots: list[Segment]) -> dict[int, tuple[int, ...]]:
    """What each sequence is when its segments are read from the root on."""
    found: dict[int, tuple[int, ...]] = {}

    def read(segment: Segment, before: tuple[int, ...]) -> None:
        assert segment.start == len(before)
        here = before + segment.tokens
        for index in segment.ends:
            assert index not in found
            found[index] = here
        for child in segment.children:
            read(child, here)

    for root in roots:
        read(root, ())
    return found


@given(SEQUENCES, st.integers(1, 20))
def test_every_sequence_is_spelled_once_whatever_is_worth_sharing(sequences: list[tuple[int, ...]], worth: int) -> None:
    assert spelled(prefix_tree(sequences, worth=worth)) == dict(enumerate(sequences))


@given(SEQUENCES)
def test_sharing_everything_computes_each_distinct_beginning_once(sequences: list[tuple[int, ...]]) -> None:
    beginnings = {sequence[:length] for sequence in sequences for length in range(1, len(sequence) + 1)}
    assert unique_tokens(prefix_tree(sequences, worth=1)) == len(beginnings)


@given(SEQUENCES)
def test_sharing_nothing_computes_each_distinct_sequence_whole(sequences: list[tuple[int, ...]]) -> None:
    assert unique_tokens(prefix_tree(sequences, worth=10**9)) == sum(map(len, set(sequences)))


@given(SEQUENCES, st.integers(1, 20))
def test_through_lists_exactly_the_sequences_at_or_below(sequences: list[tuple[int, ...]], worth: int) -> None:
    def below(segment: Segment) -> set[int]:
        return set(segment.ends).union(*(below(child) for child in segment.children))

    stack = prefix_tree(sequences, worth=worth)
    while stack:
        segment = stack.pop()
        assert set(segment.through) == below(segment)
        stack.extend(segment.children)


def test_a_long_common_beginning_is_one_segment_and_a_short_one_is_repeated() -> None:
    beginning = tuple(range(60))
    roots = prefix_tree([(*beginning, 100 + i, 7) for i in range(8)], worth=64)
    assert [(root.tokens, len(root.children)) for root in roots] == [(beginning, 8)]
    assert len(prefix_tree([(5, 100 + i) for i in range(8)], worth=64)) == 8


def test_no_sequence_gives_no_tree() -> None:
    assert prefix_tree([]) == []

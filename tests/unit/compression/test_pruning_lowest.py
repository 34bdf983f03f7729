"""Exact counts of lowest scores, against a stable sort; the n:m pattern by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_biasaudit.compression.pruning.lowest import Amount, lowest_by_row, lowest_in_groups, lowest_of_all


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 7), columns=st.integers(1, 40), levels=st.integers(1, 9))
def test_the_lowest_are_those_of_a_stable_sort_however_many_are_tied(
    seed: int, rows: int, columns: int, levels: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, levels, (rows, columns), generator=generator).float()
    for count in {0, 1, columns // 2, columns - 1, columns}:
        expected = torch.zeros(scores.shape, dtype=torch.bool)
        expected.scatter_(1, scores.sort(dim=1, stable=True).indices[:, :count], True)
        assert torch.equal(lowest_by_row(scores, count), expected)


@given(seed=st.integers(0, 10_000), of=st.integers(2, 9), groups=st.integers(1, 5), rows=st.integers(1, 4))
def test_of_each_group_the_highest_stay(seed: int, of: int, groups: int, rows: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 6, (rows, groups * of), generator=generator).float()
    for kept in range(1, of):
        gone = lowest_in_groups(scores, Amount(sparsity=0.5, kept=kept, of=of))
        for row in range(rows):
            for begin in range(0, groups * of, of):
                places = sorted(range(begin, begin + of), key=lambda at: (float(scores[row, at]), at))
                assert [at for at in range(begin, begin + of) if gone[row, at]] == sorted(places[: of - kept])


def test_two_of_four_by_hand() -> None:
    scores = torch.tensor([[3.0, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0], [0.0, 0.0, 0.0, 1.0, 8.0, 7.0, 6.0, 5.0]])
    gone = lowest_in_groups(scores, Amount(sparsity=0.5, kept=2, of=4))
    assert gone.int().tolist() == [[0, 1, 1, 0, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0, 1, 1]]


def test_one_of_four_keeps_one_and_not_three() -> None:
    scores = torch.tensor([[3.0, 1.0, 2.0, 4.0]])
    assert lowest_in_groups(scores, Amount(sparsity=0.75, kept=1, of=4)).int().tolist() == [[1, 1, 1, 0]]


@pytest.mark.parametrize(("sparsity", "gone"), [(0.0, 0), (0.29, 29), (0.5, 50), (0.999, 100)])
def test_a_share_of_a_tensor_is_rounded_to_the_nearest_count(sparsity: float, gone: int) -> None:
    scores = torch.rand(10, 10, generator=torch.Generator().manual_seed(0))
    found = lowest_of_all(scores, sparsity)
    assert int(found.sum()) == gone
    assert gone in (0, 100) or float(scores[found].max()) < float(scores[~found].min())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_count_is_exact_in_every_precision(dtype: torch.dtype) -> None:
    # Beside 1, double precision tells numbers apart that single precision does not.
    scores = 1 + torch.rand(6, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 1e-9
    assert lowest_by_row(scores.to(dtype), 20).sum(1).tolist() == [20] * 6
    if dtype == torch.float64:
        expected = torch.zeros(scores.shape, dtype=torch.bool).scatter_(1, scores.argsort(1)[:, :20], True)
        assert torch.equal(lowest_by_row(scores, 20), expected)

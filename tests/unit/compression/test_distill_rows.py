"""The text as rows of tokens: where it is cut, what is held back, what is masked."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.distillation.rows import MOST_HELD, Frame, Rows, cut
from pytest_biasaudit.errors import RecipeError
from tests.tiny_masked_models import wordpiece_tokenizer
from tests.tiny_models import word_tokenizer

MODULE: Any = SimpleNamespace(config=SimpleNamespace(pad_token_id=0))
WORDS = word_tokenizer(list("abcdefgh"))  # a is 3, b is 4, ...; <s> is 1
CAUSAL = Frame.of(MODULE, WORDS, masked=False)


def rows(found: Sequence[tuple[int, ...]], **settings: Any) -> Rows:
    given: dict[str, Any] = {
        "share": 0.1, "seed": 0, "frame": CAUSAL, "batch_size": 4, "mask_rate": 0.15, "device": torch.device("cpu"),
    }  # fmt: skip
    return Rows.split(found, **{**given, **settings})


def test_packed_text_is_one_stream_of_full_rows_after_bos() -> None:
    assert cut("a b c\nd e\n\nf g h", WORDS, CAUSAL, tokens=4, how="packed") == [
        (1, 3, 4, 5),
        (1, 6, 7, 8),
    ]  # g h is left


def test_each_line_begins_a_row_and_a_long_one_goes_on() -> None:
    found = cut("a b\n\n  \nc d e f\n", WORDS, CAUSAL, tokens=4, how="lines")
    assert found == [(1, 3, 4), (1, 5, 6, 7), (1, 8)]


def test_a_masked_models_row_stands_between_its_special_tokens() -> None:
    tokenizer = wordpiece_tokenizer()  # [PAD] 0 [UNK] 1 [CLS] 2 [SEP] 3 [MASK] 4 the 5 old 6 cat 7
    frame = Frame.of(MODULE, tokenizer, masked=True)
    assert (frame.before, frame.after, frame.mask) == ((2,), (3,), 4)
    assert cut("the old cat", tokenizer, frame, tokens=8, how="lines") == [(2, 5, 6, 7, 3)]
    assert cut("the old cat", tokenizer, frame, tokens=4, how="lines") == [(2, 5, 6, 3), (2, 7, 3)]
    with pytest.raises(RecipeError, match="tokens = 2 leaves no room"):
        cut("the old cat", tokenizer, frame, tokens=2, how="lines")


def test_what_is_held_back_is_taught_nowhere_however_often_the_text_has_it() -> None:
    many = [(1, 3 + n % 5, 3 + n % 2) for n in range(100)]  # ten different rows, ten times each
    found = rows(many, share=0.3)
    assert len(found.held) == 3
    assert len(found.taught) == 70
    assert not set(found.held) & set(found.taught)
    assert rows(many, share=0.3) == found
    assert rows(many, share=0.3, seed=1).held != found.held


def test_one_row_at_least_is_held_back_and_one_is_left() -> None:
    two = rows([(1, 3), (1, 4)], share=0.001)
    assert (len(two.held), len(two.taught)) == (1, 1)
    many = rows([(1, 3, n) for n in range(3000)], share=0.5)
    assert len(many.held) == MOST_HELD


@pytest.mark.parametrize("found", [[], [(1, 3)], [(1, 3), (1, 3)]])
def test_a_text_of_fewer_than_two_different_rows_is_refused(found: list[tuple[int, ...]]) -> None:
    with pytest.raises(RecipeError, match="at least 2 are needed, one to teach and one to hold back"):
        rows(found)


def test_every_row_comes_once_in_a_pass_over_the_text_and_passes_differ() -> None:
    found = rows([(1, 3, n) for n in range(3, 16)], share=0.001)  # one is held, twelve are taught
    passes = [
        [row for step in range(3 * p, 3 * p + 3) for row in found.batch(step)["input_ids"].tolist()] for p in (0, 1)
    ]
    assert passes[0] != passes[1]
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(list(row) for row in found.taught)


def test_a_batch_is_the_same_whenever_it_is_asked_for() -> None:
    found, again = (rows([(2, *range(5, 5 + n), 3) for n in range(3, 20)], frame=MASKED, seed=3) for _ in range(2))
    for step in (7, 0, 3):
        for name, tensor in found.batch(step).items():
            assert torch.equal(tensor, again.batch(step)[name]), name


MASKED = Frame(before=(2,), after=(3,), padding=0, mask=4)


def test_rows_of_unlike_length_are_padded_and_padding_is_never_read() -> None:
    batch = rows([(1, 3, 4), (1, 5), (1, 6, 7)], share=0.001, batch_size=2)._batch([(1, 3, 4), (1, 5)], ["x", "y"])
    assert batch["input_ids"].tolist() == [[1, 3, 4], [1, 5, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["read"].tolist() == [[True, True, True], [True, True, False]]
    assert batch["labels"].tolist() == [[3, 4, -100], [5, -100, -100]]  # of each token the one that follows


def test_masks_fall_on_a_rows_own_tokens_at_their_rate_and_one_at_least() -> None:
    found = rows([(2, *range(5, 15), 3), (2, 5, 3), (2, 6, 3)], share=0.001, frame=MASKED, mask_rate=0.3)
    hidden = 0
    for draw in range(400):
        long, short = (2, *range(5, 15), 3), (2, 5, 3)
        batch = found._batch([long, short], [f"{draw} a", f"{draw} b"])
        ids, read = batch["input_ids"], batch["read"]
        assert not read[:, 0].any()
        assert not read[0, 11]
        assert read[1].tolist() == [False, True, *[False] * 10]
        assert (ids[read] == 4).all()
        assert batch["labels"][0][read[0]].tolist() == [long[place] for place in range(12) if read[0, place]]
        assert (batch["labels"][~read] == -100).all()
        hidden += int(read[0].sum())
    # 4,000 draws at 0.3, standard deviation 29; an empty row in 2.8 of 100 gets one.
    assert hidden == pytest.approx(1200 + 0.7**10 * 400, abs=4 * 29)


def test_a_masked_teacher_without_a_mask_token_is_refused() -> None:
    with pytest.raises(RecipeError, match="no mask token"):
        Frame.of(MODULE, WORDS, masked=True)

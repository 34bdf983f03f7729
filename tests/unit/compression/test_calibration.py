"""Windows of a calibration text: what is in them, which are drawn, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.pruning.calibration import Calibration, calibration_of
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.errors import RecipeError
from tests.tiny_masked_models import tiny_masked, wordpiece_tokenizer
from tests.tiny_models import byte_tokenizer, tiny

TEXT = "".join(chr(ord("a") + at % 26) for at in range(1000))


def drawn(
    folder: Path, text: str = TEXT, *, module: Any = None, tokenizer: Any = None, **settings: object
) -> Calibration:
    (folder / "text.txt").write_bytes(text.encode())
    step = read_step({"prune": "wanda", "calibration": "text.txt", **settings})
    materials = Materials(tokenizer=tokenizer or byte_tokenizer(), root=folder)
    return calibration_of(module or tiny(), step, materials)


def test_all_windows_together_are_the_text_cut_up(tmp_path: Path) -> None:
    found = drawn(tmp_path, samples=10, tokens=100)
    letters = byte_tokenizer()(TEXT, add_special_tokens=False)["input_ids"]
    assert found.windows.reshape(-1).tolist() == letters
    assert found.available == 10


def test_the_seed_decides_which_are_drawn_and_none_is_drawn_twice(tmp_path: Path) -> None:
    text = "".join(chr(ord("a") + at // 26) + chr(ord("a") + at % 26) for at in range(500))  # every window its own
    one, same = (drawn(tmp_path, text, samples=20, tokens=10, seed=3).windows for _ in range(2))
    other = drawn(tmp_path, text, samples=20, tokens=10, seed=4).windows
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len({tuple(row) for row in one.tolist()}) == 20


def test_each_window_stands_between_the_special_tokens_of_the_tokenizer(tmp_path: Path) -> None:
    tokenizer = wordpiece_tokenizer()
    found = drawn(
        tmp_path, "The old cat sat. " * 40, module=tiny_masked(), tokenizer=tokenizer, samples=5, tokens=10
    )  # five tokens a sentence, eight of each window are the text's
    assert found.windows.shape == (5, 10)
    assert found.available == 200 // 8
    assert set(found.windows[:, 0].tolist()) == {tokenizer.cls_token_id}
    assert set(found.windows[:, -1].tolist()) == {tokenizer.sep_token_id}
    assert tokenizer.cls_token_id not in found.windows[:, 1:].tolist()[0]


def test_facts_say_what_was_read(tmp_path: Path) -> None:
    assert drawn(tmp_path, samples=4, tokens=50, seed=9).facts() == {
        "sha256": hashlib.sha256(TEXT.encode()).hexdigest(),
        "windows": 4,
        "window_tokens": 50,
        "tokens": 200,
        "windows_available": 20,
        "seed": 9,
    }


@pytest.mark.parametrize(
    ("text", "settings", "says"),
    [
        (TEXT, {"samples": 11, "tokens": 100}, ["11 windows of 100 tokens", "1100", "has 1000", "samples = 10"]),
        (TEXT, {"tokens": 200, "samples": 6}, ["1200", "has 1000", "samples = 5"]),
        ("short", {}, ["has 5 tokens", "window of 128"]),
        (" \n ", {}, ["the file is empty"]),
        (TEXT, {"tokens": 300}, ["tokens = 300", "the model takes 256"]),
    ],
)
def test_a_text_that_is_too_short_is_refused_with_the_figures(
    tmp_path: Path, text: str, settings: dict[str, object], says: list[str]
) -> None:
    with pytest.raises(RecipeError) as caught:
        drawn(tmp_path, text, module=tiny("gpt2"), **settings)
    assert all(part in str(caught.value) for part in says), str(caught.value)


def test_special_tokens_that_fill_a_window_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"tokens = 2; the tokenizer's special tokens alone take 2"):
        drawn(tmp_path, module=tiny_masked(), tokenizer=wordpiece_tokenizer(), tokens=2)


def test_no_file_bytes_that_are_no_text_and_no_tokenizer_are_refused(tmp_path: Path) -> None:
    step = read_step({"prune": "wanda", "calibration": "text.txt"})
    with pytest.raises(RecipeError, match="cannot be read"):
        calibration_of(tiny(), step, Materials(tokenizer=byte_tokenizer(), root=tmp_path))
    (tmp_path / "text.txt").write_bytes(b"caf\xe9 " * 100)
    with pytest.raises(RecipeError, match="not UTF-8"):
        calibration_of(tiny(), step, Materials(tokenizer=byte_tokenizer(), root=tmp_path))
    with pytest.raises(RecipeError, match="tokenizer"):
        calibration_of(tiny(), step, Materials(root=tmp_path))


def test_a_text_must_be_named() -> None:
    with pytest.raises(RecipeError, match="calibration is missing"):
        read_step({"prune": "wanda"})

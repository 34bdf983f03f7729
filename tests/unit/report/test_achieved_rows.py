"""What a record says was done to a model, in rows: notes first, nothing unknown swallowed."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_biasaudit.report.achieved import achieved_rows

FULL: dict[str, Any] = {
    "notes": ["First.", "Second."],
    "size_mb": 269.03,
    "parent_size_mb": 538.06,
    "measure": "perplexity",
    "perplexity": 41.25,
    "parent_perplexity": 38.95,
    "cosine": None,
    "held_text_sha256": "ab" * 32,
    "held_text_tokens": 678,
    "sparsity": 0.5,
    "sparsity_overall": 0.394,
    "bits_per_weight": 8.06,
    "bits_per_weight_overall": 13.1,
    "modules_changed": ["30 of 30 q_proj"],
    "modules_left": ["1 of 1 lm_head"],
    "modules_gone": [],
    "tensors": [
        {"stored": "int8", "count": 30, "weights": 1000, "bytes": 1010},
        {"stored": "int8", "count": 1, "weights": 24, "bytes": 30},
        {"stored": "float32", "count": 1, "weights": 2000, "bytes": 8000},
    ],
    "steps": {"1 quantize quanto": {"bits": 8, "modules_changed": 210}},
    "by_a_hook": {"kept": True},
}


def rows(achieved: dict[str, Any]) -> list[tuple[str, str]]:
    return list(achieved_rows(achieved, text=repr))


def test_every_figure_has_its_words_in_the_order_of_reading() -> None:
    assert rows(FULL) == [
        ("Note", "First."),
        ("Note", "Second."),
        ("Size", "269 MB, 50 % of its parent's 538 MB"),
        ("Held text", "perplexity 41.2, its parent's 39 (678 tokens, text abababababababab)"),
        ("Zeros", "50 % of the changed modules' weights, 39.4 % of all"),
        ("Bits a weight", "8.06 in the changed modules, 13.1 over all"),
        (
            "Stored as",
            "float32: 1 tensor of 2,000 weights in 0.008 MB; int8: 31 tensors of 1,024 weights in 0.00104 MB",
        ),
        ("Modules changed", "30 of 30 q_proj"),
        ("The parent's, bit for bit", "1 of 1 lm_head"),
        ("by_a_hook", "{'kept': True}"),
        ("Step 1 quantize quanto", "bits 8, modules changed 210"),
    ]


def test_a_perplexity_that_is_infinite_is_said_and_not_left_out() -> None:
    found = dict(rows({**FULL, "perplexity": None}))
    assert found["Held text"].startswith("perplexity none: infinite, or not to be had, its parent's 39")


def test_an_encoder_has_its_cosine() -> None:
    found = dict(rows({**FULL, "measure": "cosine", "perplexity": None, "cosine": 0.99876, "held_text_tokens": 32}))
    assert found["Held text"] == "mean cosine 0.9988 to the parent's vectors (32 sentences, text abababababababab)"


def test_zeros_that_cannot_be_counted_are_said() -> None:
    assert dict(rows({"sparsity": None, "sparsity_overall": None}))["Zeros"] == "cannot be counted in what is stored"


def test_a_gguf_file_shows_its_label_beside_what_it_holds() -> None:
    gguf = {
        "label": "Q4_K_M",
        "bits_per_weight": 6.02,
        "weights": 100,
        "bytes": 75,
        "types": [
            {"type": "Q5_0", "tensors": 180, "weights": 71, "bytes": 50, "share": 0.71},
            {"type": "Q8_0", "tensors": 1, "weights": 29, "bytes": 25, "share": 0.29},
        ],
    }
    assert rows({"gguf": gguf}) == [
        ("The file's own label", "Q4_K_M"),
        ("Tensor types, by weights", "Q5_0 71 % (180 tensors), Q8_0 29 % (1 tensor)"),
        ("Bits a weight in the file", "6.02"),
    ]


def test_a_saved_child_names_the_digest_it_had_in_memory() -> None:
    assert rows({"saved": {"child_digest": "cd" * 32}}) == [("Saved from the model of digest", "cd" * 32)]


@pytest.mark.parametrize(
    "broken", [{}, {"notes": "one"}, {"tensors": [3]}, {"steps": []}, {"gguf": "x"}, {"size_mb": "x"}]
)
def test_a_record_of_another_shape_is_no_error(broken: dict[str, Any]) -> None:
    assert rows(broken) == []

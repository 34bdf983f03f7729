from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.score import score
from pytest_biasaudit.mitigation.score_file import load_scores, save_scores, scores_origin
from pytest_biasaudit.mitigation.score_header import UNDER
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell, ScoreTable
from pytest_biasaudit.mitigation.scoring.forward import FROM_A_PASS, forward_scores
from pytest_biasaudit.mitigation.scoring.magnitude import magnitude_scores
from pytest_biasaudit.models.causal import CausalModel
from tests.scored_samples import causal, drawn_prompts
from tests.tiny_architectures import tiny

CONTEXTS = [("shop", "a" * 64), ("bank", "b" * 64)]
PROMPTS = "c" * 64


def saved(table: ScoreTable, model: CausalModel, path: Path) -> Path:
    return save_scores(table, path, model=model, contexts=CONTEXTS, prompts_sha256=PROMPTS)


def same(one: ScoreTable, other: ScoreTable) -> None:
    assert (one.unit, one.method, one.signed) == (other.unit, other.method, other.signed)
    assert (dict(one.sizes), one.cells) == (dict(other.sizes), other.cells)
    for place in one.sizes:
        for cells in (one.cells, one.cells[:1]):
            np.testing.assert_array_equal(one.scores(place, cells), other.scores(place, cells))


@pytest.mark.parametrize("key", FROM_A_PASS)
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_every_table_comes_back_as_it_was(tmp_path: Path, key: Any, architecture: str) -> None:
    model = causal(tiny(architecture))
    table = forward_scores(model, drawn_prompts(count=9), wanted=[key], batch_size=4)[key]
    path = saved(table, model, tmp_path / "scores.safetensors")
    same(load_scores(path, model=model, contexts=CONTEXTS[::-1], prompts_sha256=PROMPTS), table)
    if key[0] != "weights":
        same(load_scores(path), table)
    origin = scores_origin(path)
    assert (origin.unit, origin.method) == key
    assert (origin.model, origin.model_digest) == ("tiny", model.identity.digest)
    assert (origin.weights_sha256, origin.prompts_sha256) == (model.tensors_sha256, PROMPTS)
    assert origin.contexts == tuple(CONTEXTS)
    assert dict(zip(origin.cells, origin.counts, strict=True)) == table.counts  # type: ignore[attr-defined]
    assert "torch" in dict(origin.libraries)


def test_what_was_not_tried_stays_not_a_number(tmp_path: Path) -> None:
    cell = Cell(variation="c/a/w1", group="black", half=1)
    sums = {cell: {"0": np.array([1.5, np.nan], dtype=np.float32)}}
    table = ArrayScores(
        unit="heads",
        method="ablation",
        signed=True,
        sizes={"0": (2,)},
        sums=sums,
        counts={cell: 3},
        notes=("one left out",),
    )
    found = load_scores(saved(table, causal(tiny("llama")), tmp_path / "a.safetensors"))
    same(found, table)
    assert found.notes == ("one left out",)  # type: ignore[attr-defined]


def test_magnitudes_keep_their_cells_and_read_the_model(tmp_path: Path) -> None:
    model = causal(tiny("llama"))
    table = magnitude_scores(model, unit="weights", cells=[prompt.cell for prompt in drawn_prompts()])
    path = saved(table, model, tmp_path / "m.safetensors")
    assert path.stat().st_size < 20_000
    same(load_scores(path, model=model), table)


def test_wanda_keeps_squares_alone(tmp_path: Path) -> None:
    model = causal(tiny("llama"))
    table = forward_scores(model, drawn_prompts(), wanted=[("weights", "wanda")], batch_size=4)["weights", "wanda"]
    path = saved(table, model, tmp_path / "w.safetensors")
    assert all(array.ndim == 1 for array in load_file(path).values())
    with pytest.raises(DataError, match="wanda scores of weights read the model's weights; give the model"):
        load_scores(path)


def test_scores_of_another_model_context_or_prompts_are_refused_all_at_once(tmp_path: Path) -> None:
    model, other = causal(tiny("llama")), causal(tiny("llama", seed=1))
    table = forward_scores(model, drawn_prompts(), wanted=FROM_A_PASS[:1], batch_size=4)["heads", "attention"]
    path = saved(table, model, tmp_path / "s.safetensors")
    with pytest.raises(DataError) as caught:
        load_scores(path, model=other, contexts=[("shop", "d" * 64)], prompts_sha256="e" * 64)
    assert [fault.split(";")[0][:30] for fault in caught.value.faults] == [
        "its scores are of the model 't",
        "its scores are of bank (bbbbbb",
        "its scores are of prompts and ",
    ]
    assert str(path) in str(caught.value)


def test_weights_that_are_not_the_identitys_are_refused(tmp_path: Path) -> None:
    module = tiny("llama")
    model = causal(module)
    table = forward_scores(model, drawn_prompts(), wanted=[("weights", "wanda")], batch_size=4)["weights", "wanda"]
    path = saved(table, model, tmp_path / "s.safetensors")
    with torch.no_grad():
        module.lm_head.weight[0, 0] += 1
    changed = CausalModel(module, model.tokenizer, model.identity)
    with pytest.raises(DataError, match="its scores are of weights with sha256"):
        load_scores(path, model=changed)


@pytest.mark.parametrize("unit", ["heads", "weights"])
def test_random_scores_are_drawn_again_from_their_seed(tmp_path: Path, unit: Any) -> None:
    model, prompts = causal(tiny("llama")), drawn_prompts()
    table = score(model, prompts, unit=unit, method="random", batch_size=1, seed=5)
    same(load_scores(saved(table, model, tmp_path / "r.safetensors")), table)


def test_the_way_of_scoring_stands_in_the_file(tmp_path: Path) -> None:
    model, prompts = causal(tiny("llama")), drawn_prompts()
    for way in ("generated", "prompt"):
        found = forward_scores(model, prompts, wanted=FROM_A_PASS[:1], attention=way, batch_size=4)
        path = saved(found["heads", "attention"], model, tmp_path / f"{way}.safetensors")
        assert load_scores(path).settings == (("attention", way),)  # type: ignore[attr-defined]
    units = forward_scores(model, prompts, wanted=FROM_A_PASS[1:], tokens="answer", batch_size=4)
    for table in units.values():
        loaded: Any = load_scores(saved(table, model, tmp_path / "t.safetensors"), model=model)
        assert getattr(loaded, "tokens", None) == "answer" or loaded.settings == (("tokens", "answer"),)


def test_tables_of_an_unknown_class_are_not_saved(tmp_path: Path) -> None:
    class Other:
        unit, method, signed, sizes, cells = "heads", "snip", False, {"0": (2,)}, ()

    with pytest.raises(DataError, match=r"Other .snip of heads. is no table that a file can hold"):
        saved(Other(), causal(tiny("llama")), tmp_path / "s.safetensors")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_another_ending_or_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    model = causal(tiny("llama"))
    table = magnitude_scores(model, unit="heads")
    with pytest.raises(DataError, match=r"ends in .safetensors, not '.npz'"):
        saved(table, model, tmp_path / "s.npz")
    with pytest.raises(DataError, match="cannot be written"):
        saved(table, model, tmp_path / "none" / "s.safetensors")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    cell = Cell(variation="c/a/w1", group="black", half=1)
    table = ArrayScores(
        unit="heads",
        method="attention",
        signed=False,
        sizes={"0": (2,), "1": (2,)},
        sums={cell: {"0": np.ones(2, dtype=np.float32), "1": np.ones(2, dtype=np.float32)}},
        counts={cell: 3},
    )
    return saved(table, causal(tiny("llama")), tmp_path / "good.safetensors")


def rewritten(path: Path, arrays: dict[str, Any] | None = None, **changes: Any) -> Path:
    """The file with other keys in its JSON (None takes one out), or other arrays."""
    with safe_open(path, framework="numpy") as file:
        head = json.loads(file.metadata()[UNDER])
    head = {key: value for key, value in {**head, **changes}.items() if value != "GONE"}
    save_file(load_file(path) if arrays is None else arrays, path, metadata={UNDER: json.dumps(head)})
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": 9}, "schema = 9; this version reads 1"),
        ({"unit": "toes"}, "unit = 'toes' with method = 'attention' is none that is defined"),
        ({"method": "wanda"}, "unit = 'heads' with method = 'wanda'"),
        ({"unit": ["heads"]}, "is none that is defined"),
        ({"kind": "guess"}, "kind = 'guess'; valid: sums, squares, magnitudes, draws"),
        ({"model": "GONE"}, "no key 'model'"),
        ({"more": 1}, "unknown key 'more'"),
        ({"cells": [["v", "g", 2, 3]]}, "cells must be rows"),
        ({"cells": [["v", "g", 0, -1]]}, "cells must be rows"),
        ({"cells": [["v", "g", True, 1]]}, "cells must be rows"),
        ({"sizes": {"0": [0]}}, "sizes must be"),
        ({"sizes": {"0": [2], "1": [3]}}, "array '0/1' is float32 (2,); it must be float32 (3,)"),
        ({"sizes": {"0": [2], "2": [2]}}, "array '0/2' is missing"),
        ({"sizes": {"0": [2]}}, "array '0/1' is of no cell and place"),
        ({"contexts": ["shop"]}, "contexts must be pairs"),
        ({"prompts_sha256": "short"}, "prompts_sha256 must be 64 digits"),
        ({"signed": "no"}, "signed must be true or false"),
        ({"libraries": ["torch"]}, "libraries must be a table"),
        ({"notes": "none"}, "notes must be a list"),
        ({"settings": {"attention": 1}}, "settings must be a table of texts"),
        ({"kind": "draws", "seed": None}, "draws need a seed"),
        ({"kind": "squares"}, "squares need inputs"),
        ({"kind": "magnitudes"}, "kind = 'magnitudes' holds scores by method magnitude, not 'attention'"),
        ({"kind": "draws", "seed": 1}, "kind = 'draws' holds scores by method random, not 'attention'"),
        ({"method": "attribution"}, "signed = False with method = 'attribution'; it must be True"),
        ({"signed": True}, "signed = True with method = 'attention'; it must be False"),
        ({"cells": [["c/a/w1", "black", 1, 0]]}, "a cell of sums must have 1 prompt or more"),
        ({"cells": [["c/a/w1", "black", 1, 1], ["c/a/w1", "black", 1, 2]]}, "cells must differ from each other"),
        ({"cells": []}, "cells must have one row or more"),
        ({"sizes": {"0": [2, 1], "1": [2, 1]}}, "sizes of heads must be one whole number above 0 each"),
    ],
)
def test_a_file_that_does_not_say_what_it_must_is_refused(good: Path, changes: dict[str, Any], said: str) -> None:
    rewritten(good, **changes)
    with pytest.raises(DataError) as caught:
        load_scores(good)
    assert said in str(caught.value)
    assert str(good) in str(caught.value)


def test_scores_that_are_no_numbers_are_refused_where_the_method_scores_everything(good: Path) -> None:
    rewritten(good, {"0/0": np.ones(2, dtype=np.float32), "0/1": np.array([1.0, np.nan], dtype=np.float32)})
    with pytest.raises(DataError, match="array '0/1' holds what is not a finite number"):
        load_scores(good)


def test_files_of_something_else_are_refused(tmp_path: Path, good: Path) -> None:
    missing, text, plain = (tmp_path / f"{name}.safetensors" for name in ("missing", "text", "plain"))
    text.write_text("no tensors here")
    save_file({"a": np.ones(2)}, plain)
    for path in (missing, text):
        with pytest.raises(DataError, match="cannot be read as a safetensors file"):
            load_scores(path)
    with pytest.raises(DataError, match="it is no file of scores"):
        scores_origin(plain)
    save_file(load_file(good), good, metadata={UNDER: "{"})
    with pytest.raises(DataError, match="no JSON"):
        load_scores(good)


def test_a_set_digest_of_no_prompts_may_be_empty(tmp_path: Path) -> None:
    model = causal(tiny("llama"))
    table = magnitude_scores(model, unit="heads")
    path = save_scores(table, tmp_path / "m.safetensors", model=model, contexts=(), prompts_sha256="")
    assert scores_origin(path).prompts_sha256 == ""
    assert replace(scores_origin(path), model="x").contexts == ()

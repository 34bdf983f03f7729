"""Component files: what is written can be reviewed and is read back; what is not a component file is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as save_tensors

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.components import ComponentSet, Origin
from pytest_biasaudit.mitigation.removing.file import (
    UNDER,
    component_bytes,
    components_file_sha256,
    load_components,
    save_components,
)

ORIGIN = Origin(
    model="base",
    model_digest="a" * 64,
    weights_sha256="b" * 64,
    contexts=(("offers", "c" * 64),),
    templates=("offers/ask/w1", "offers/ask/w2"),
    attribute="race",
    groups=("white", "black"),
    prompts_sha256="d" * 64,
    method="attention",
    settings=(("k", 4), ("q", 1), ("rule", "difference")),
)
HEADS = ComponentSet(
    unit="heads",
    chosen={"10": np.array([2]), "2": np.array([0, 8]), "3": np.array([], dtype=np.int64)},
    sizes={str(layer): (9,) for layer in range(11)},
    origin=ORIGIN,
)


def same(one: ComponentSet, other: ComponentSet) -> None:
    assert {place: numbers.tolist() for place, numbers in one.chosen.items() if len(numbers)} == {
        place: numbers.tolist() for place, numbers in other.chosen.items() if len(numbers)
    }
    assert (one.unit, one.mode, dict(one.sizes), one.origin) == (
        other.unit,
        other.mode,
        dict(other.sizes),
        other.origin,
    )


def test_heads_are_written_one_layer_a_line_in_the_order_of_the_layers(tmp_path: Path) -> None:
    path = save_components(HEADS, tmp_path / "heads.json")
    text = path.read_text(encoding="utf-8")
    assert '  "heads": [\n    [2, 0], [2, 8],\n    [10, 2]\n  ]\n}\n' in text
    assert '"by_place": {"2": 2, "10": 1}' in text
    read = json.loads(text)
    assert (read["count"], read["total"], read["origin"]["groups"]) == (3, 99, ["white", "black"])
    same(load_components(path), HEADS)


def test_the_same_set_gives_the_same_bytes_whatever_the_order_it_was_made_in() -> None:
    other = ComponentSet(
        unit="heads",
        chosen=dict(reversed(list(HEADS.chosen.items()))),
        sizes=dict(reversed(list(HEADS.sizes.items()))),
        origin=ORIGIN,
    )
    assert component_bytes(other) == component_bytes(HEADS)
    assert components_file_sha256(HEADS) == hashlib.sha256(component_bytes(HEADS)).hexdigest()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_set_of_weights_comes_back_as_it_was(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    sizes = {
        f"layers.{layer}.up": (data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40)))
        for layer in range(data.draw(st.integers(1, 4)))
    }
    chosen = {
        place: np.array(sorted(data.draw(st.sets(st.integers(0, size[0] * size[1] - 1)))), dtype=np.int64)
        for place, size in sizes.items()
    }
    made = ComponentSet(unit="weights", chosen=chosen, sizes=sizes, origin=data.draw(st.sampled_from([None, ORIGIN])))
    path = save_components(made, tmp_path_factory.mktemp("w") / "w.safetensors")
    same(load_components(path), made)
    assert component_bytes(load_components(path)) == path.read_bytes()


def test_few_entries_are_numbers_and_many_are_bits_whichever_is_smaller(tmp_path: Path) -> None:
    from safetensors import safe_open

    made = ComponentSet(
        unit="weights",
        chosen={"few": np.array([0, 999]), "many": np.arange(500), "even": np.arange(0, 128, 32)},
        sizes={"few": (50, 20), "many": (50, 20), "even": (8, 16)},
    )
    path = save_components(made, tmp_path / "w.safetensors")
    with safe_open(path, framework="numpy") as file:
        slices = {name: file.get_slice(name) for name in list(file.keys())}
        forms = {name: (one.get_dtype(), one.get_shape()) for name, one in slices.items()}
    # 8 bytes of numbers under 125 of bits; 2,000 over 125; 16 and 16 are equal
    assert forms == {"few": ("I32", [2]), "many": ("U8", [125]), "even": ("I32", [4])}


def test_a_file_of_prune_heads_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "hand.json"
    path.write_text('{"heads": [[12, 4], [3, 1], [12, 0]]}', encoding="utf-8")
    found = load_components(path)
    assert found.pairs == ((3, 1), (12, 0), (12, 4))
    assert (found.sizes, found.origin, found.mode) == ({}, None, "ablate")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "schema = 2; this version reads schema 1"),
        ({"unit": "layers"}, 'unit = "layers"; valid in such a file: heads, neurons'),
        ({"unit": "weights"}, 'unit = "weights"; valid in such a file: heads, neurons'),
        ({"mode": "mean"}, 'mode = "mean"; valid for heads: ablate, uniform'),
        ({"head": [[1, 2]]}, "unknown key 'head'; valid: schema, unit, "),
        ({"count": 4}, "count = 4, and 3 heads are listed; correct it, or leave it out"),
        ({"count": True}, "count = true is not a whole number"),
        ({"total": 98}, "total = 98, and the sizes are of 99"),
        ({"by_place": {"2": 2, "10": 2}}, "by_place is not what is listed (10: 2 and not 1)"),
        ({"by_place": [1]}, "by_place must be a table"),
        ({"tool": 3}, "tool must be text; it is 3"),
        ({"heads": {"2": [0]}}, "heads must be a list of [layer, head]; it is"),
        ({"heads": [[2, 0], [2, -1]]}, "heads[1] = [2, -1] is not a pair [layer, head] of whole numbers from 0"),
        ({"heads": [[2, 0], [2, 0.5]]}, "heads[1] = [2, 0.5] is not a pair"),
        ({"heads": [[2, 10**15]]}, "heads[0] = [2, 1000000000000000] is not a pair"),
        ({"heads": [[2, 0], [3, 1], [2, 0]]}, "heads[2] = [2, 0] stands at [0] already"),
        ({"heads": [[11, 0]]}, "heads[0] = [11, 0]: the sizes have no layer 11"),
        ({"heads": [[2, 9]]}, "heads[0] = [2, 9]: layer 2 has heads 0 to 8"),
        ({"sizes": {"2": [9], "x": [9]}}, "sizes['x'] = [9]; valid: [heads] by the number of each layer"),
        ({"sizes": {"2": [0]}}, "sizes['2'] = [0]; valid"),
        ({"sizes": {"02": [9]}}, "sizes['02'] = [9]; valid"),
        ({"sizes": []}, "sizes must be [heads] by the number of each layer; it is []"),
        ({"origin": 3}, "origin must be a table with the keys model, "),
        ({"origin": {}}, "origin has no key 'model'"),
    ],
)
def test_every_fault_names_its_key_and_what_is_valid(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "heads.json"
    read = json.loads(component_bytes(HEADS))
    path.write_text(json.dumps({**read, **change}), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_components(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights_sha256": "x"}, "origin.weights_sha256 = 'x' is no sha256"),
        ({"method": "guess"}, "origin.method = 'guess'; valid: attention, attribution, "),
        ({"groups": ["white"]}, "origin.groups must be two texts"),
        ({"contexts": [{"id": "offers"}]}, "origin.contexts must be a list of"),
        ({"settings": {"k": [1]}}, "origin.settings must be a table of texts and numbers"),
        ({"model": 3}, "origin.model must be text; it is int"),
        ({"date": "today"}, "origin has the unknown key 'date'"),
    ],
)
def test_an_origin_that_is_none_is_refused(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "heads.json"
    read = json.loads(component_bytes(HEADS))
    path.write_text(json.dumps({**read, "origin": {**read["origin"], **change}}), encoding="utf-8")
    with pytest.raises(DataError, match=r"1 fault") as caught:
        load_components(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfe", "is not UTF-8 text (byte 0)"),
        (b"heads", "is not JSON that can be read"),
        (b"[" * 100_000, "is not JSON that can be read"),
        (b'{"heads": [[1, 1]], "heads": []}', "a key stands twice: heads"),
        (b'{"heads": [[1, NaN]]}', "NaN is no number that JSON has"),
        (b"[]", 'must be an object such as {"heads": [[12, 4]]}; it is list'),
        (b"{}", "lists neither heads nor neurons"),
        (
            b'{"heads": [[1, 1]], "neurons": [[1, 1]]}',
            "lists both heads and neurons; a file holds the components of one",
        ),
    ],
)
def test_what_is_no_component_file_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        load_components(path)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_biasaudit.mitigation.removing import file

    for name in ("no.json", "no.safetensors"):
        with pytest.raises(DataError, match=f"{name}: 1 fault\n.*cannot be read: No such file"):
            load_components(tmp_path / name)
    monkeypatch.setattr(file, "LARGEST_JSON", 10)
    monkeypatch.setattr(file, "LARGEST", 10)
    for name in ("large.json", "large.safetensors"):
        (tmp_path / name).write_bytes(b" " * 11)
        with pytest.raises(DataError, match=r"has 11 bytes; a .* 10 at most"):
            load_components(tmp_path / name)


WEIGHTS = ComponentSet(unit="weights", chosen={"a": np.array([1, 5])}, sizes={"a": (4, 50), "b": (2, 8)})


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"c": np.array([1], dtype=np.int32)}, "tensor 'c' is of no linear layer that stands in its sizes"),
        ({"a.²": np.array([1], dtype=np.int32)}, "tensor 'a.²' is of no linear layer that stands in its sizes"),
        ({"a": np.array([1], dtype=np.int64)}, "tensor 'a' is I64 of shape [1]; valid: I32 numbers or U8 bits"),
        ({"a": np.array([[1]], dtype=np.int32)}, "tensor 'a' is I32 of shape [1, 1]; valid"),
        ({"a": np.array([5, 1], dtype=np.int32)}, "tensor 'a': numbers must be sorted, each once, from 0 to 199"),
        ({"a": np.array([1, 1], dtype=np.int32)}, "tensor 'a': numbers must be sorted, each once"),
        ({"a": np.array([1, 200], dtype=np.int32)}, "tensor 'a': numbers must be sorted, each once, from 0 to 199"),
        ({"a": np.array([-1, 5], dtype=np.int32)}, "tensor 'a': numbers must be sorted, each once"),
        ({"a": np.arange(201, dtype=np.int32)}, "tensor 'a' names 201 entries; the weight has 200"),
        ({"a": np.zeros(24, dtype=np.uint8)}, "tensor 'a' has 24 bytes of bits; 200 entries take 25"),
        ({"a": np.array([1], dtype=np.int32)}, "count = 2, and 1 weights are listed"),
        ({}, "count = 2, and 0 weights are listed"),
    ],
)
def test_every_fault_of_a_file_of_weights_is_said(tensors: dict[str, Any], said: str, tmp_path: Path) -> None:
    from safetensors import safe_open

    whole = save_components(WEIGHTS, tmp_path / "w.safetensors")
    with safe_open(whole, framework="numpy") as file:
        told = file.metadata()
    path = tmp_path / "other.safetensors"
    path.write_bytes(save_tensors(tensors, metadata=told))
    with pytest.raises(DataError) as caught:
        load_components(path)
    assert said in str(caught.value)


def test_bits_beyond_the_last_entry_are_refused(tmp_path: Path) -> None:
    made = ComponentSet(unit="weights", chosen={"a": np.arange(9)}, sizes={"a": (3, 3)})
    path = save_components(made, tmp_path / "w.safetensors")
    data = path.read_bytes()
    assert data.endswith(b"\xff\x80")
    path.write_bytes(data[:-1] + b"\x81")
    with pytest.raises(DataError, match="tensor 'a' sets bits beyond its 9 entries"):
        load_components(path)


def test_a_safetensors_file_of_something_else_or_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(save_tensors({"a": np.zeros(3, dtype=np.float32)}))
    with pytest.raises(DataError, match=f"no component file: its metadata has no key '{UNDER}'"):
        load_components(path)
    path.write_bytes(component_bytes(WEIGHTS)[:-2])
    with pytest.raises(DataError, match="is not a safetensors file that can be read"):
        load_components(path)
    path.write_bytes(save_tensors({}, metadata={UNDER: "{}"}))
    with pytest.raises(DataError, match="has no key 'unit'; valid: weights"):
        load_components(path)


def test_weights_go_into_safetensors_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"weights are kept in a file whose name ends in \.safetensors; .* '\.json'"):
        save_components(WEIGHTS, tmp_path / "w.json")
    with pytest.raises(DataError, match=r"heads are kept in a file whose name ends in \.json"):
        save_components(HEADS, tmp_path / "w.txt")
    with pytest.raises(DataError, match="cannot be written: No such file"):
        save_components(HEADS, tmp_path / "none" / "w.json")


def test_a_set_out_of_order_or_of_unknown_sizes_is_not_written(tmp_path: Path) -> None:
    for numbers in ([5, 1], [1, 1], [-1], [200]):
        wrong = ComponentSet(unit="weights", chosen={"a": np.array(numbers)}, sizes={"a": (4, 50)})
        with pytest.raises(DataError, match="a: numbers must be sorted, each once, from 0 to 199"):
            save_components(wrong, tmp_path / "w.safetensors")
    bare = ComponentSet(unit="weights", chosen={"a": np.array([1])}, sizes={})
    with pytest.raises(DataError, match="a: its size is not known"):
        save_components(bare, tmp_path / "w.safetensors")


def test_an_empty_set_is_written_and_read(tmp_path: Path) -> None:
    for unit, name, sizes in (("heads", "h.json", {"0": (4,)}), ("weights", "w.safetensors", {"a": (2, 2)})):
        none = ComponentSet(unit=unit, chosen={}, sizes=sizes)  # type: ignore[arg-type]  # the literals of a tuple
        same(load_components(save_components(none, tmp_path / name)), none)

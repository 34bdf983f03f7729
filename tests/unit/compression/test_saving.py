"""A child saved to a folder and loaded again: the same answers, bit for bit, and the same descent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import pytest_biasaudit
from pytest_biasaudit.compression.child import child_of
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.saving import save
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.identity import file_sha256
from pytest_biasaudit.models.load import load_source, wrap_live
from pytest_biasaudit.models.protocol import Passage
from pytest_biasaudit.models.scripted import ScriptedModel
from pytest_biasaudit.models.transformer import TransformerModel
from tests.tiny_masked_models import tiny_masked, wordpiece_tokenizer
from tests.tiny_models import byte_tokenizer, tiny

RECORD = "biasaudit-record.json"


def child(recipe: list[dict[str, Any]] | None = None, architecture: str = "llama") -> Any:
    parent = wrap_live("base", tiny(architecture), byte_tokenizer("{{ messages[0].content }}"))
    steps = [read_step(step) for step in recipe or [{"prune": "magnitude", "sparsity": 0.5}]]
    return child_of(parent, steps, name="sparse")


def loaded(folder: Path, **settings: Any) -> Any:
    return load_source("again", folder.name, beside=folder.parent, cache=None, **settings)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt", "gemma2", "bloom"])
def test_a_saved_child_answers_bit_for_bit_and_says_where_it_comes_from(tmp_path: Path, architecture: str) -> None:
    made = child(architecture=architecture)
    again = loaded(save(made, tmp_path / "sparse"))
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        assert torch.equal(made.module(ids).logits, again.module(ids).logits)
    texts = [Passage(text="The tide comes in twice a day.")]
    assert list(made.score_texts(texts, batch_size=1)) == list(again.score_texts(texts, batch_size=1))
    assert again.identity.parent == "base"
    assert again.identity.parent_digest == made.identity.parent_digest == made.parent.identity.digest
    assert again.identity.recipe == made.identity.recipe
    achieved = dict(again.identity.achieved)
    saved = achieved.pop("saved")
    assert achieved == json.loads(json.dumps(made.identity.achieved))
    assert saved["child_digest"] == made.identity.digest
    assert saved["tensors_sha256"] == made.identity.weights_sha256
    assert saved["record_sha256"] == file_sha256(tmp_path / "sparse" / RECORD)


def test_the_record_ties_the_child_in_memory_to_the_files(tmp_path: Path) -> None:
    made = child()
    folder = save(made, tmp_path / "sparse")
    record = json.loads((folder / RECORD).read_text())
    assert record["digest"] == made.identity.digest
    assert record["parent"] == {"name": "base", "digest": made.parent.identity.digest}
    assert record["recipe"] == [{"prune": "magnitude", "sparsity": 0.5, "lm_head": False}]
    assert record["saved"]["digest"] == loaded(folder).identity.digest != made.identity.digest
    assert record["saved"]["weights_sha256"] == file_sha256(folder / "model.safetensors")
    written = {path.name for path in folder.iterdir()} - {RECORD}
    assert set(record["saved"]["files"]) == written
    assert all(file_sha256(folder / name) == digest for name, digest in record["saved"]["files"].items())
    assert "date" not in record


def test_the_same_child_gives_the_same_record_unless_it_is_dated(tmp_path: Path) -> None:
    made = child()
    one, two = save(made, tmp_path / "a" / "sparse"), save(made, tmp_path / "b" / "sparse")
    assert (one / RECORD).read_bytes() == (two / RECORD).read_bytes()
    dated = save(made, tmp_path / "c" / "sparse", date="2026-11-22")
    assert json.loads((dated / RECORD).read_text())["date"] == "2026-11-22"


def test_saving_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    made = child()
    before = made.module.config.to_dict()
    save(made, tmp_path / "sparse")
    assert made.module.config.to_dict() == before
    made.refuse_if_changed()
    assert not hasattr(made.module, "hf_quantizer")


@pytest.mark.parametrize("method", ["bf16", "fp16"])
def test_a_child_of_another_number_format_comes_back_in_it(tmp_path: Path, method: str) -> None:
    made = child([{"quantize": method}])
    folder = save(made, tmp_path / method)
    again = loaded(folder)
    assert again.identity.dtype == made.identity.dtype != "float32"
    assert again.tensors_sha256 == made.tensors_sha256
    other = {"bf16": "float16", "fp16": "bfloat16"}[method]
    with pytest.raises(ModelError, match=f"dtype = '{other}' is declared, and {RECORD} says"):
        loaded(folder, dtype=other)


def test_masked_models_and_encoders_come_back_as_what_they_are(tmp_path: Path) -> None:
    whole = tiny_masked("bert")
    for name, module in (("masked", whole), ("encoder", whole.bert)):
        parent = wrap_live("base", module, wordpiece_tokenizer())
        made = child_of(parent, [read_step({"quantize": "rtn", "bits": 8})], name=name)
        again = loaded(save(made, tmp_path / name))
        assert type(again) is type(made)
        assert again.tensors_sha256 == made.tensors_sha256


def test_a_child_of_a_saved_child_names_the_saved_one(tmp_path: Path) -> None:
    again = loaded(save(child(), tmp_path / "sparse"))
    grandchild = child_of(again, [read_step({"quantize": "bf16"})], name="both")
    assert grandchild.identity.parent_digest == again.identity.digest
    record = json.loads((save(grandchild, tmp_path / "both") / RECORD).read_text())
    assert record["parent"]["digest"] == json.loads((tmp_path / "sparse" / RECORD).read_text())["saved"]["digest"]


def test_weights_that_are_not_those_of_the_record_are_refused_with_both_digests(tmp_path: Path) -> None:
    folder, other = save(child(), tmp_path / "a"), save(child([{"quantize": "rtn", "bits": 4}]), tmp_path / "b")
    said = json.loads((folder / RECORD).read_text())["saved"]["weights_sha256"]
    (folder / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(ModelError) as fault:
        loaded(folder)
    assert said in str(fault.value)
    assert file_sha256(other / "model.safetensors") in str(fault.value)


def test_another_configuration_beside_the_record_is_refused(tmp_path: Path) -> None:
    folder = save(child(), tmp_path / "a")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.5}))
    with pytest.raises(ModelError, match=r"was written for another config\.json"):
        loaded(folder)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"schema": 1}', "is damaged"),
        ('{"schema": 9, "saved": {}}', "version 9"),
    ],
)
def test_a_record_that_cannot_be_read_is_an_error(tmp_path: Path, text: str, why: str) -> None:
    folder = save(child(), tmp_path / "a")
    (folder / RECORD).write_text(text)
    with pytest.raises(ModelError, match=why):
        loaded(folder)


def test_a_folder_that_is_not_ours_is_never_written_to(tmp_path: Path) -> None:
    made = child()
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("keep me")
    with pytest.raises(ModelError, match="holds what is not a saved child"):
        save(made, folder)
    with pytest.raises(ModelError, match="holds what is not a saved child"):
        save(made, folder / "notes.txt")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["notes.txt"]


def test_an_earlier_save_is_replaced_and_what_was_added_to_it_is_not_lost(tmp_path: Path) -> None:
    folder = save(child(), tmp_path / "a")
    save(child([{"quantize": "rtn", "bits": 4}]), folder)
    assert loaded(folder).identity.recipe[0]["quantize"] == "rtn"
    (folder / "notes.txt").write_text("keep me")
    with pytest.raises(ModelError, match="holds what is not a saved child"):
        save(child(), folder)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_hook_is_said_to_be_in_no_file(tmp_path: Path) -> None:
    module = tiny()
    module.model.layers[0].mlp.register_forward_hook(lambda part, given, output: output * 0)
    with pytest.raises(
        ModelError, match=r"base: it cannot be saved: hooks decide its answers \(model\.layers\.0\.mlp\)"
    ):
        save(wrap_live("base", module, byte_tokenizer()), tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_what_does_not_load_back_as_it_is_is_not_kept(tmp_path: Path) -> None:
    module = tiny()
    module.model.layers[1].mlp.down_proj.bias = torch.nn.Parameter(torch.ones(32))  # the class knows no bias there
    with pytest.raises(ModelError, match="base: it cannot be saved in a form that loads back as it is: its tensors"):
        save(wrap_live("base", module, byte_tokenizer()), tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_model_that_was_changed_since_is_not_saved_under_its_old_name(tmp_path: Path) -> None:
    made = child()
    made.module.lm_head.weight.data.zero_()
    with pytest.raises(ModelError, match="its weights have changed"):
        save(made, tmp_path / "a")


def test_only_what_has_weights_can_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="this is a ScriptedModel"):
        save(ScriptedModel({"a": "1"}), tmp_path / "a")

    class Bare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(300, 300)

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.table(input_ids)
            return logits

    with pytest.raises(ModelError, match="Bare is no transformers model, so nothing would load it back"):
        save(wrap_live("bare", Bare(), byte_tokenizer()), tmp_path / "a")


def test_save_is_part_of_the_package() -> None:
    assert pytest_biasaudit.save is save
    assert "save" in pytest_biasaudit.__all__


def test_a_torch_dynamic_child_says_why_it_cannot_be_saved(tmp_path: Path) -> None:
    parent = wrap_live("base", tiny(), byte_tokenizer())
    made: TransformerModel = child_of(parent, [read_step({"quantize": "torch-dynamic"})], name="dynamic")
    with pytest.raises(ModelError, match="have no safetensors form; declare it by its parent and recipe"):
        save(made, tmp_path / "a")
    assert not list(tmp_path.iterdir())

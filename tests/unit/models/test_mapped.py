"""Weights out of their file: the same numbers, no page of the file left behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.models import mapped
from pytest_biasaudit.models.identity import tensors_sha256
from pytest_biasaudit.models.mapped import give_back, own_memory
from tests.tiny_models import tiny

ON_LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells which pages are a file's")


def loaded(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    tiny("gpt2").save_pretrained(folder)
    return AutoModelForCausalLM.from_pretrained(folder)


def resident(path: Path) -> int:
    """Bytes of a file that this process holds in memory, by what the kernel says of its pages."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and ":" not in words[0]:
            inside = len(words) > 5 and words[5] == str(path)
        elif inside and words[0] == "Rss:":
            total += int(words[1]) * 1024
    return total


@ON_LINUX
def test_a_loaded_model_leaves_its_file_and_keeps_its_numbers(tmp_path: Path) -> None:
    module = loaded(tmp_path)
    path = (tmp_path / "model.safetensors").resolve()
    digest = tensors_sha256(module)  # reads every page
    assert resident(path) > 0
    assert own_memory(module) is module
    assert resident(path) <= 2 * os.sysconf("SC_PAGESIZE")  # what a tensor shares with its neighbour
    assert tensors_sha256(module) == digest


@ON_LINUX
def test_a_tied_head_stays_tied(tmp_path: Path) -> None:
    module = own_memory(loaded(tmp_path))
    head: Any = module.get_submodule("lm_head")
    table: Any = module.get_submodule("transformer.wte")
    assert head.weight is table.weight


@ON_LINUX
def test_the_file_may_go_and_the_model_stays(tmp_path: Path) -> None:
    module = loaded(tmp_path)
    own_memory(module)
    digest = tensors_sha256(module)
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\0" * path.stat().st_size)
    assert tensors_sha256(module) == digest


@ON_LINUX
def test_pieces_of_a_large_tensor_are_put_together_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "PIECE", 512)
    module = loaded(tmp_path)
    digest = tensors_sha256(module)
    assert tensors_sha256(own_memory(module)) == digest


def test_a_module_in_memory_is_left_alone() -> None:
    module = tiny("llama")
    before = [parameter.data_ptr() for parameter in module.parameters()]
    own_memory(module)
    assert [parameter.data_ptr() for parameter in module.parameters()] == before


def test_where_the_system_does_not_say_everything_is_copied_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "MAPS", Path("/no/such/file"))
    module = tiny("gpt2")
    before, digest = [parameter.data_ptr() for parameter in module.parameters()], tensors_sha256(module)
    assert [parameter.data_ptr() for parameter in own_memory(module).parameters()] == before
    own_memory(module, everywhere=True)
    assert not set(before) & {parameter.data_ptr() for parameter in module.parameters()}
    assert tensors_sha256(module) == digest
    assert module.lm_head.weight is module.transformer.wte.weight


def test_giving_memory_back_needs_no_particular_system() -> None:
    give_back()
    assert torch.ones(3).sum() == 3

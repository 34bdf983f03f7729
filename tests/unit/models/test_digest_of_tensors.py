"""The digest of a plain model, written down a second time: other forms of weights must not change it."""

from __future__ import annotations

import hashlib

import pytest
import torch

from pytest_biasaudit.models.identity import tensors_sha256
from tests.tiny_models import tiny


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])  # gpt2's head is tied
def test_it_is_over_name_dtype_shape_and_bytes_in_order_of_name_each_storage_once(architecture: str) -> None:
    model = tiny(architecture)
    state = model.state_dict()
    digest, seen = hashlib.sha256(), set()
    for name in sorted(state):
        tensor = state[name]
        if tensor.data_ptr() in seen:
            continue
        seen.add(tensor.data_ptr())
        digest.update(f"{name} torch.float32 {tuple(tensor.shape)}\n".encode() + tensor.numpy().tobytes())
    assert tensors_sha256(model) == digest.hexdigest()
    assert len(seen) == len({id(parameter) for parameter in model.parameters()})


def test_a_state_of_other_things_than_tensors_is_in_it() -> None:
    class Counting(torch.nn.Linear):
        calls = 1

        def get_extra_state(self) -> dict[str, int]:
            return {"calls": self.calls}

    torch.manual_seed(0)
    layer = Counting(2, 2)
    before = tensors_sha256(layer)
    layer.calls = 2
    assert tensors_sha256(layer) != before


def test_dtype_and_shape_count_beside_the_bytes() -> None:
    layer = torch.nn.Linear(2, 8, bias=False)
    layer.weight.data.zero_()
    other = torch.nn.Linear(8, 2, bias=False)
    other.weight.data.zero_()
    half = torch.nn.Linear(4, 8, bias=False).half()
    half.weight.data.zero_()
    assert len({tensors_sha256(one) for one in (layer, other, half)}) == 3

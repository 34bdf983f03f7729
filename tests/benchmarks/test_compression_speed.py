"""How long quantising SmolLM2 takes without a back end, and its digest after: on two threads. Run: tox run -e bench"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.copying import copy_of
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.identity import tensors_sha256
from tests.side_by_side import timed

pytestmark = [pytest.mark.benchmarks, pytest.mark.real_model]

THREADS = 2


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "raw",
    [
        {"quantize": "rtn", "bits": 8},
        {"quantize": "rtn", "bits": 4, "group_size": 32},
        {"quantize": "rtn", "bits": 4, "group_size": 32, "symmetric": False},
    ],
    ids=["int8 by row", "int4 in groups of 32", "int4 in groups of 32, asymmetric"],
)
def test_round_to_nearest_takes_less_than_two_seconds(
    smollm2: CausalModel, raw: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    step, found = read_step(raw), []
    for _ in range(3):
        module = copy_of(smollm2.module)  # the copying is not counted
        found.append(timed(lambda module=module: apply_recipe(module, [step])))  # type: ignore[misc]
    with capsys.disabled():
        print(f"\n  rtn {raw}: {min(found):.2f} s, at most {max(found):.2f}   (below 2)")
    assert min(found) < 2


def test_the_digest_of_513_mebibytes_takes_about_a_second(
    smollm2: CausalModel, capsys: pytest.CaptureFixture[str]
) -> None:
    found = min(timed(lambda: tensors_sha256(smollm2.module)) for _ in range(3))
    with capsys.disabled():
        print(f"\n  digest: {found:.2f} s   (below 2)")
    assert found < 2

"""What a quantising method needs and does not find is said in one sentence, before any weight is changed."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.methods import METHODS
from pytest_biasaudit.compression.quantization.methods import METHODS as QUANTISING
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import tensors_sha256
from tests.tiny_models import tiny

ROOT = Path(__file__).parents[3]


def as_if(monkeypatch: pytest.MonkeyPatch, *, missing: tuple[str, ...] = (), there: tuple[str, ...] = ()) -> None:
    """As if these distributions were not installed, and those were, whether they are or not."""
    real = metadata.version

    def version(name: str) -> str:
        if name in missing:
            raise metadata.PackageNotFoundError(name)
        return "1.0" if name in there else real(name)

    monkeypatch.setattr(metadata, "version", version)


@pytest.mark.parametrize("method", [method for method in QUANTISING if method.needs], ids=lambda method: method.name)
def test_a_missing_package_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, method: Any
) -> None:
    model = tiny("llama")
    before = tensors_sha256(model)
    as_if(monkeypatch, missing=method.needs)
    with pytest.raises(RecipeError) as caught:
        apply_recipe(model, [read_step({"quantize": "rtn"}), read_step({"quantize": method.name})])
    assert str(caught.value) == (
        f"quantize = {method.name!r} needs the package {method.needs[0]!r}, which is not installed; install it with "
        f"pip install 'pytest-biasaudit[{method.needs[0]}]'"
    )
    assert tensors_sha256(model) == before  # not even the first step was taken


def test_a_package_that_is_there_and_cannot_be_imported_is_said_with_its_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_if(monkeypatch, there=("hqq",))
    monkeypatch.setitem(sys.modules, "hqq", None)
    monkeypatch.setitem(sys.modules, "hqq.core.quantize", None)
    with pytest.raises(RecipeError, match=r"^quantize = 'hqq' cannot run here with hqq 1\.0: .*hqq"):
        apply_recipe(tiny("llama"), [read_step({"quantize": "hqq", "group_size": 8})])


def test_every_package_a_method_needs_is_an_extra_of_its_name_with_a_lower_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for name in {name for method in METHODS for name in method.needs}:
        assert [re.split(">=", one)[0] for one in extras[name]] == [name]


def test_every_extra_and_what_it_brings_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    for one in [one for extra in project["optional-dependencies"].values() for one in extra]:
        name, _, least = one.partition(">=")
        pinned = pins[name.partition("[")[0]]  # an extra of its own, as in "ray[data]"
        assert tuple(map(int, least.split("."))) <= tuple(map(int, pinned.split(".")))


def test_a_method_for_cuda_is_refused_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("llama")
    as_if(monkeypatch, there=("torchao",))
    with pytest.raises(RecipeError, match=r"^quantize = 'int4-weight-only' works on cuda only; the model is on cpu$"):
        apply_recipe(model, [read_step({"quantize": "int4-weight-only"})])


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"quantize": "hqq", "bits": 5}, ["bits = 5", "2, 3, 4 or 8"]),
        ({"quantize": "hqq", "group_size": 12}, ["group_size = 12", "multiple of 8"]),
        ({"quantize": "quanto", "bits": 2}, ["bits = 2", "4 or 8"]),
        ({"quantize": "bnb-int8", "threshold": -1}, ["threshold = -1", "at least 0"]),
        ({"quantize": "nf4", "double_quant": "yes"}, ["double_quant = 'yes'", "true or false"]),
        ({"quantize": "torch-dynamic", "dtype": "int8"}, ["dtype = 'int8'", '"qint8" or "float16"']),
        ({"quantize": "int4-weight-only", "group_size": 48}, ["group_size = 48", "32, 64, 128 or 256"]),
        ({"quantize": "int8-dynamic", "bits": 8}, ["unknown setting 'bits'", "valid: lm_head"]),
        ({"quantize": "int8"}, ["int8", "no such method", "valid: rtn"]),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_valid(raw: dict[str, object], says: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        read_step(raw)
    assert all(text in str(caught.value) for text in says), str(caught.value)

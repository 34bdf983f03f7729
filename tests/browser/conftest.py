"""The hand-made runs of `tests/evidence_sample.py` and `tests/mitigation_sample.py`, as fixtures: tests are no package, so
they are loaded by their path.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """The sample run's module."""
    return loaded("evidence_sample")


@pytest.fixture(scope="session")
def mitigation() -> ModuleType:
    """The module of removed components and of a study of generalisation."""
    return loaded("mitigation_sample")


def loaded(file: str) -> ModuleType:
    """A module of the tests' own folder."""
    name = f"biasaudit_{file}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, Path(__file__).parents[1] / f"{file}.py")
        assert spec is not None
        assert spec.loader is not None
        # Dataclasses look their module up by name, so it is registered before it runs.
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]

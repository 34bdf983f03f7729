"""What an auditor studies: the model that a plan brings along is that plan's, and no other's of the same name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_biasaudit.audit import Auditor
from pytest_biasaudit.errors import BiasAuditError
from pytest_biasaudit.models.spec import ModelSpec
from pytest_biasaudit.settings import Settings

PLAN = Path(__file__).parents[2] / "examples" / "downstream-study" / "frozen.toml"


def test_a_plan_whose_model_has_the_name_of_another_is_refused() -> None:
    name = "biographies-frozen-base"
    other = ModelSpec(
        name=name, source="somebody/else", revision=None, dtype="float32", parent=None, recipe=(), where="other.toml"
    )
    with (
        Auditor(Settings(cache=None), {name: other}) as auditor,
        pytest.raises(BiasAuditError, match=r"'somebody/else' already and here .*give the study another id"),
    ):
        auditor.study(PLAN)

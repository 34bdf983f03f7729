"""pytest-biasaudit: is the model we are about to ship biased in the way we are about to use it?

Public names are resolved on first use: importing the package loads nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_biasaudit.assert_reduction import assert_reduces_gap
    from pytest_biasaudit.assertions import (
        BiasLimitExceeded,
        Inconclusive,
        InconclusiveWarning,
        NotComparable,
        NotMeasured,
        assert_generalises,
        assert_no_worse_than,
        assert_within_limits,
    )
    from pytest_biasaudit.audit import Auditor
    from pytest_biasaudit.compression.saving import save
    from pytest_biasaudit.errors import BiasAuditError
    from pytest_biasaudit.models.callable_classifier import CallableClassifier
    from pytest_biasaudit.models.scripted import ScriptedModel
    from pytest_biasaudit.result import AuditResult
    from pytest_biasaudit.settings import Extensions, Settings
    from pytest_biasaudit.verdict.verdict import Verdict

_HOMES = {
    "BiasLimitExceeded": "assertions",
    "Inconclusive": "assertions",
    "InconclusiveWarning": "assertions",
    "NotComparable": "assertions",
    "NotMeasured": "assertions",
    "assert_generalises": "assertions",
    "assert_no_worse_than": "assertions",
    "assert_reduces_gap": "assert_reduction",
    "assert_within_limits": "assertions",
    "AuditResult": "result",
    "Auditor": "audit",
    "Extensions": "settings",
    "Settings": "settings",
    "BiasAuditError": "errors",
    "CallableClassifier": "models.callable_classifier",
    "ScriptedModel": "models.scripted",
    "save": "compression.saving",
    "Verdict": "verdict.verdict",
}

__all__ = [
    "AuditResult",
    "Auditor",
    "BiasAuditError",
    "BiasLimitExceeded",
    "CallableClassifier",
    "Extensions",
    "Inconclusive",
    "InconclusiveWarning",
    "NotComparable",
    "NotMeasured",
    "ScriptedModel",
    "Settings",
    "Verdict",
    "assert_generalises",
    "assert_no_worse_than",
    "assert_reduces_gap",
    "assert_within_limits",
    "save",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

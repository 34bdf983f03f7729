"""Every exception, by whose turn it is: the author of a context, the owner of a model, or the environment.

Imports nothing of this package; every other module may import it. A message gives what was needed, what came, where it
was said, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence


class BiasAuditError(Exception):
    """Anything this package raises on purpose, except a verdict (see `assertions`)."""


class ContextError(BiasAuditError):
    """A context file, model table or people list that does not say what it must. Its author's turn.

    Carries every fault found in the file, so that one run shows them all.
    """

    def __init__(self, path: str, faults: Sequence[str]) -> None:
        self.path = path
        self.faults = tuple(faults)
        count = f"{len(self.faults)} faults" if len(self.faults) > 1 else "1 fault"
        super().__init__("\n".join([f"{path}: {count}", *(f"  - {fault}" for fault in self.faults)]))


class PeopleError(ContextError):
    """A people list that cannot give the groups a context asks for."""


class DataError(ContextError):
    """A benchmark's data that cannot be found, is not what its digest says, or does not have what the benchmark needs."""


class ModelTableError(ContextError):
    """A `[tool.biasaudit]` table that declares a model wrongly."""


class PlanError(ContextError):
    """A study's plan that does not say what it must."""


class ModelError(BiasAuditError):
    """A model that cannot be audited: not found, weights missing or mismatched, no tokenizer. Its owner's turn."""


class RecipeError(BiasAuditError):
    """A compression or pruning step that cannot be applied to this model, or missed what it promised."""


class TrainingError(BiasAuditError):
    """A classifier that cannot be taught from this model, this table and these settings."""


class JournalError(BiasAuditError):
    """The answer journal cannot be opened or written."""


class EvidenceError(BiasAuditError):
    """An evidence file that is not readable, or does not fit its schema."""


class StatisticsError(BiasAuditError):
    """A statistic asked of data that cannot give it, where returning nothing would hide a mistake in the call."""


class LeakError(BiasAuditError):
    """Something that chooses components asked for data that are kept to evaluate the choice."""

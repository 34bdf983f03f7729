"""What we keep: one audit of one model, and a run of many, as frozen data. Written as evidence, read by the report."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_biasaudit.context.declaration import Audit, Context
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.benchmarks.data import DataFacts
from pytest_biasaudit.tables.tally import Tally
from pytest_biasaudit.verdict.verdict import Judgement


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """A second asking of the model that a limit compares with: what the noise floor is measured from."""

    versus: str
    """As the limits name the model: "parent", or a declared name."""
    model: str
    digest: str
    batch_size: int
    """Questions put to it at once, this time."""
    changed: tuple[Outcome, ...]
    """The answers that came out otherwise than the first time; all others came out the same."""
    controls_changed: tuple[Outcome, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """One audit of one model: everything that was asked, what came back, how big, how sure, and whether allowed."""

    context: Context
    audit: Audit
    model: ModelIdentity
    prompt_format: str
    """"chat" or "raw"."""
    seed: int
    batch_size: int
    outcomes: tuple[Outcome, ...]
    estimates: tuple[Estimate, ...]
    judgements: tuple[Judgement, ...]
    seconds: float = 0.0
    asked: int = 0
    """Prompts put to the model in this run."""
    recalled: int = 0
    """Prompts answered from the journal."""
    controls: tuple[Outcome, ...] = ()
    """Benchmarks: what the model's competence is read from."""
    facts: tuple[tuple[str, str], ...] = ()
    """Benchmarks: what decided the scores, in words: the score's name, casing, opening token."""
    data: DataFacts | None = None
    """Benchmarks: which data the items are from."""
    obstacle: str = ""
    """Why the model could not be asked at all; empty when it could."""
    tally: Tally | None = None
    """Tables: the rows, counted; every figure is recomputed from it."""
    tallies: tuple[tuple[str, Tally], ...] = ()
    """Tables: what figures are compared with, by the name that limits give in `versus`: the earlier data, or the rows counted by
    this model's predictions and by the other's."""
    reruns: tuple[Rerun, ...] = ()
    """Where a noise floor was asked for: one for each other model that a limit compares with."""

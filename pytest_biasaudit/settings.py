"""How a run asks, and what it knows beyond the built-in: settings and extensions. Plain frozen data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pytest_biasaudit.compression.method import Method
from pytest_biasaudit.compression.methods import METHODS
from pytest_biasaudit.metrics.metric import Metric
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.models.protocol import LanguageModel
from pytest_biasaudit.models.spec import ModelSpec
from pytest_biasaudit.prompts.prompt import Person

Inconclusive = Literal["fail", "warn", "skip"]
Backend = Callable[[ModelSpec], LanguageModel]
"""Loads a model whose source begins with the backend's own "scheme:"."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run asks; every field is in the evidence or changes nothing that is."""

    root: Path = field(default_factory=Path.cwd)
    """Folder of the model table; relative sources start here."""
    seed: int = 0
    batch_size: int = 32
    cache: Path | None = None
    """Folder of the journal and of converted models; None to keep nothing."""
    offline: bool = False
    threads: int | None = None
    """Threads for torch; None leaves its own choice."""
    noise_floor: bool = False
    """Models that limits compare with are asked a second time, at another batch size: what that changes stands beside
    every difference."""
    observe: bool = False
    """Verdicts are recorded, and assertions on results raise nothing."""
    inconclusive: Inconclusive = "fail"
    """What an inconclusive verdict does to an assertion that does not say so itself."""


@dataclass(frozen=True, kw_only=True)
class Extensions:
    """The built-in metrics, people lists, text scorers, model backends and recipe methods, with what hooks add."""

    metrics: Mapping[str, Metric] = field(default_factory=lambda: METRICS)
    people: Mapping[str, Sequence[Person]] = field(default_factory=dict)
    scorers: Mapping[str, Callable[[str], float]] = field(default_factory=dict)
    backends: Mapping[str, Backend] = field(default_factory=dict)
    methods: Sequence[Method] = METHODS

"""What each way of looking finds: projections in a module, not yet numbered by layer. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["own", "cross"]
"""Attention of a sequence to itself, or of a decoder to its encoder."""


@dataclass(frozen=True, kw_only=True, order=True)
class HeadSite:
    """An attention's output projection."""

    name: str
    block: str
    """Name of the layer it stands in: "model.layers.3"."""
    role: Role
    heads: int
    width: int
    """Inputs of the projection that are one head's."""


@dataclass(frozen=True, kw_only=True, order=True)
class NeuronSite:
    """An MLP's down projection."""

    name: str
    block: str
    neurons: int


@dataclass(frozen=True, kw_only=True)
class Sites:
    """All that one way of looking finds."""

    heads: tuple[HeadSite, ...]
    neurons: tuple[NeuronSite, ...]
    faults: tuple[str, ...] = ()
    """Projections that it found and cannot read, in words."""

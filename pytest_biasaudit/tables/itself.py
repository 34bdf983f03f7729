"""A table where a model would stand: audits of data, and of predictions already made, ask nobody."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_biasaudit.models.protocol import ModelIdentity

DATA = "data"
"""The name that stands for the model in test ids and evidence."""


@dataclass(frozen=True)
class TableItself:
    """What an audit is of when no model is asked."""

    identity: ModelIdentity


def table_itself(source: str, sha256: str) -> TableItself:
    """The table of that digest, by the name "data"."""
    return TableItself(ModelIdentity(name=DATA, source=source, weights_sha256=sha256, architecture="table"))

"""Shapes of values that only model tables have: recipes, and tables with names of the author's choice. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_biasaudit.context.shapes import JsonSchema, Misfit, Shape
from pytest_biasaudit.context.strict import RawTable


@dataclass(frozen=True)
class Recipe(Shape[tuple[RawTable, ...]]):
    """A list of steps, left raw: each is read by its method's own settings."""

    @property
    def must(self) -> str:
        """See Shape."""
        return 'a list of steps such as [{ quantize = "rtn", bits = 8 }]'

    def read(self, raw: object) -> tuple[RawTable, ...]:
        """See Shape."""
        if isinstance(raw, Mapping):
            raise Misfit("a single step stands in a list too")
        if not isinstance(raw, list) or not all(isinstance(step, Mapping) for step in raw):
            raise Misfit
        return tuple(raw)

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "array", "items": {"type": "object"}}


@dataclass(frozen=True)
class AnyTable(Shape[RawTable]):
    """A table with names of the author's choice."""

    header: str

    @property
    def must(self) -> str:
        """See Shape."""
        return f"a table, written {self.header}"

    def read(self, raw: object) -> RawTable:
        """See Shape."""
        if not isinstance(raw, Mapping):
            raise Misfit
        return raw

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "object"}

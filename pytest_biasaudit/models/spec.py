"""A declared model, as the rest of the package knows it: where it is, or what it is made from. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.models.kind import Kind
from pytest_biasaudit.models.point import SweepPoint


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A declared model: where it is, or what it is made from and how. `source` or `parent` is set, or both.

    Both: a ready-made child, distilled or quantised elsewhere, of a declared parent; it has no recipe.
    """

    name: str
    source: str | None
    """Hub id, local folder or file (relative to the table's folder), or "package:NAME/PATH"."""
    revision: str | None
    """Of a hub id only."""
    dtype: str
    """What is made by a recipe has its parent's: another precision is a step of the recipe."""
    parent: str | None
    recipe: tuple[Step, ...]
    where: str
    """File and table it was read from, for messages."""
    kind: Kind | None = None
    """What it is loaded as; None: what its configuration names. What is made by a recipe has its parent's."""
    held_text: str | None = None
    """File of text that it and the children made of it are asked to predict; None: its parent's, else the bundled one."""
    point: SweepPoint | None = None
    """Where it stands in a sweep; None for a model of no sweep."""
    only_in: tuple[Path, ...] = ()
    """The context files that it is audited in; empty: in all."""
    by_name_only: bool = False
    """Audited only where it is asked for by name: a sweep audits its revisions in its place."""

    @property
    def made_from(self) -> str | None:
        """The parent that a recipe makes it from; None for what is loaded from a source, ready-made children too."""
        return self.parent if self.source is None else None

    @property
    def needs(self) -> tuple[str, ...]:
        """Every other declared model without which there is none of it: its parent, and those its recipe names."""
        named = [str(step.setting(name)) for step in self.recipe for name in step.models]
        return tuple(dict.fromkeys([*([self.parent] if self.parent is not None else []), *named]))

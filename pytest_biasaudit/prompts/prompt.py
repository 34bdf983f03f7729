"""What is asked: people and the prompts made for them. Plain frozen data; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Person:
    """One named person of a people list."""

    first: str
    last: str
    """May be empty."""
    groups: tuple[tuple[str, str], ...]
    """Each attribute with this person's group, e.g. (("race", "black"), ("gender", "women"))."""
    pronoun: str = ""
    """Subject pronoun ("she"), empty where the list gives none."""
    source: str = ""
    share: float | None = None
    """Share of the bearers of the first name who belong to the person's race group, where a census file gives one."""

    @property
    def name(self) -> str:
        """First and last name, as `{person}` shows it."""
        return f"{self.first} {self.last}".strip()

    def group(self, attribute: str) -> str:
        """The person's group on an attribute; raises KeyError where the list does not say."""
        return dict(self.groups)[attribute]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One question to put to a model: a template filled for one person."""

    id: str
    """Unique in its audit, stable between runs: "TEMPLATE/PERSON"."""
    template: str
    """Id of the wording with its slot filling; people of all groups share it, and intervals resample it."""
    slots: tuple[tuple[str, str], ...]
    """The slot filling, without the person's."""
    person: Person
    person_id: str
    """Unique in the audit's people."""
    text: str
    """The user's turn."""
    system: str | None
    prefill: str

"""What is asked, about whom: a list of named people and the groups they stand for. Plain frozen data and its checks."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_biasaudit.prompts.prompt import Person


@dataclass(frozen=True, kw_only=True)
class Surname:
    """A surname that may be given to people of one group."""

    name: str
    group: str
    source: str
    share: float | None
    """Share of the surname's bearers who belong to the group, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class PeopleList:
    """People to draw from. Attributes and groups keep the order in which the list names them."""

    name: str
    people: tuple[Person, ...]
    attributes: tuple[str, ...]
    surname_attribute: str = ""
    """Surnames follow the groups of this attribute; empty where people bring their own last names."""
    surnames: tuple[Surname, ...] = field(default=())

    @property
    def has_pronouns(self) -> bool:
        """Whether `{pronoun}` can be filled: every person has one, or none has."""
        return bool(self.people) and all(person.pronoun for person in self.people)

    def groups(self, attribute: str) -> tuple[str, ...]:
        """The groups of an attribute in list order; raises KeyError where the list does not have the attribute."""
        if attribute not in self.attributes:
            raise KeyError(attribute)
        return tuple(dict.fromkeys(person.group(attribute) for person in self.people))

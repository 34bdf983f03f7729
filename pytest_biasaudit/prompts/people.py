"""What is asked, about whom: finding a people list and drawing from it. May import context types and prompt types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_biasaudit.context.declaration import People
from pytest_biasaudit.prompts.people_list import PeopleList
from pytest_biasaudit.prompts.prompt import Person


def load_people(source: str, *, beside: Path, extra: Mapping[str, Sequence[Person]] | None = None) -> PeopleList:
    """The list called `source`: bundled, given by a hook (`extra`), or a CSV or TOML file beside the context file.

    beside  the folder of the context file; a list is a plain file name in it or in a folder below it

    Raises PeopleError with every fault of the list.
    """
    raise LookupError(source)


def draw(people_list: PeopleList, spec: People, *, seed: int) -> tuple[Person, ...]:
    """`spec.per_group` people of each group, the reference group first. Raises PeopleError when there are too few."""
    raise LookupError(people_list.name)

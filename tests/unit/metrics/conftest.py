"""Outcomes made by hand, for the tests of cells and measuring."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.prompts.prompt import Person, Prompt

Answer = Callable[..., Outcome]


@pytest.fixture
def answer() -> Answer:
    """Makes one outcome of a person, a template and a value; a text in place of the value is a status."""

    def make(
        person: str,
        template: str,
        value: float | str | None,
        *,
        repeat: int = 0,
        selected: bool | None = None,
        reason: str = "",
        text: str = "",
        **groups: str,
    ) -> Outcome:
        status = value if isinstance(value, str) else "ok"
        return Outcome(
            prompt=Prompt(
                id=f"{template}/{person}",
                template=template,
                slots=(("item", template),),
                person=Person(first=person, last="", groups=tuple(groups.items())),
                person_id=person,
                text=text or f"Offer for {template} by {person}?",
                system=None,
                prefill="",
            ),
            repeat=repeat,
            prompt_sha256="0" * 64,
            text="",
            reading=Reading(
                status=status,  # type: ignore[arg-type]  # the tests name statuses in plain text
                value=None if isinstance(value, str) else value,
                selected=selected,
                reason=reason,
            ),
        )

    return make

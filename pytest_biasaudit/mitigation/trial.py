"""Asking a model with components removed: what searching and the generalisation protocol are given. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_biasaudit.context.declaration import Context, CounterfactualAudit
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.prompt import Prompt

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.components import ComponentSet


@dataclass(frozen=True, kw_only=True)
class Variation:
    """One template of one audit, for all its people: the smallest thing a set is found in or evaluated on."""

    context: Context
    audit: CounterfactualAudit
    template: str
    prompts: tuple[Prompt, ...]

    @property
    def name(self) -> str:
        """Context, audit and template, as `Cell.variation`: "CONTEXT/AUDIT/TEMPLATE"."""
        return f"{self.context.id}/{self.audit.id}/{self.template}"


class Trial(Protocol):
    """A model that can be asked as it is, and without a set of components. It is as it was after every call."""

    def outcomes(self, variation: Variation, components: ComponentSet | None) -> tuple[Outcome, ...]:
        """What it answers, in the order of the prompts and repeats; recalled where it was asked before."""
        ...

    def perplexity(self, components: ComponentSet | None) -> float:
        """On the model's held text; infinite where the model is broken."""
        ...


def variations_of(context: Context, audit: CounterfactualAudit, prompts: Sequence[Prompt]) -> tuple[Variation, ...]:
    """The audit's prompts by template, in the order they come."""
    by_template: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        by_template.setdefault(prompt.template, []).append(prompt)
    return tuple(
        Variation(context=context, audit=audit, template=template, prompts=tuple(found))
        for template, found in by_template.items()
    )

"""What a context asks, before it is asked: the text of `check`. Sees contexts, prompts and metrics; loads no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_biasaudit.context.declaration import BenchmarkAudit, Context, CounterfactualAudit, TabularAudit
from pytest_biasaudit.planning.benchmark import benchmark_lines
from pytest_biasaudit.planning.limit_words import limit_in_words
from pytest_biasaudit.planning.table import table_lines
from pytest_biasaudit.prompts.counterfactual import build_prompts
from pytest_biasaudit.prompts.prompt import Prompt

LIKELIHOOD_KINDS = ("choice", "yes-no", "rating")
"""Outcome kinds that are read from the likelihood of the options: nothing is generated."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much an audit asks."""

    templates: int
    people: tuple[tuple[str, int], ...]
    """Each group (or intersection) with its number of people, the reference group first."""
    prompts: int
    answers: int
    """Prompts times repeats."""
    tokens: int
    """Generated at most; 0 where options are scored."""


def size_of(audit: CounterfactualAudit, prompts: Sequence[Prompt]) -> Size:
    """The audit's size, from the prompts that were built for it."""
    people = {prompt.person_id: prompt.person for prompt in prompts}
    groups = Counter(" ".join(p.group(a) for a in audit.people.attributes) for p in people.values())
    answers = len(prompts) * (1 if audit.outcome.kind in LIKELIHOOD_KINDS else audit.outcome.repeats)
    return Size(
        templates=len({prompt.template for prompt in prompts}),
        people=tuple(groups.items()),
        prompts=len(prompts),
        answers=answers,
        tokens=0 if audit.outcome.kind in LIKELIHOOD_KINDS else answers * audit.outcome.max_new_tokens,
    )


def check_lines(context: Context) -> list[str]:
    """What a context asks and allows, in words. Raises ContextError when its prompts cannot be built."""
    lines = [f"{context.path}: {context.id}, {context.title}"]
    for audit in context.audits:
        if isinstance(audit, BenchmarkAudit):
            lines.extend(f"  {line}" for line in benchmark_lines(context, audit))
            continue
        if isinstance(audit, TabularAudit):
            lines.extend(f"  {line}" for line in table_lines(context, audit, power=None))
            continue
        assert isinstance(audit, CounterfactualAudit)
        size = size_of(audit, build_prompts(context, audit, seed=0))
        lines.append(f"  audit {audit.id} ({answer_in_words(audit)})")
        lines.extend(f"    {word:<10} {text}" for word, text in _size_rows(audit, size))
        width = max((len(limit.id) for limit in audit.limits), default=0)
        lines.extend(f"      {limit.id:<{width}}  {limit_in_words(limit, audit)}" for limit in audit.limits)
    return lines


def answer_in_words(audit: CounterfactualAudit) -> str:
    """What is read from an answer: "number in USD", "yes-no: Yes or No, favourable Yes"."""
    outcome = audit.outcome
    words: str = outcome.kind
    if outcome.unit:
        words += f" in {outcome.unit}"
    if outcome.options:
        words += f": {', '.join(outcome.options)}; favourable: {outcome.favourable_option}"
    if outcome.scale:
        words += f": {', '.join(f'{point:g}' for point in outcome.scale)}"
    return words


def people_in_words(size: Size) -> str:
    """The groups with their numbers: "16 white (reference), 16 black"."""
    first, *rest = (f"{number} {group}" for group, number in size.people)
    return ", ".join([f"{first} (reference)", *rest])


def templates_in_words(audit: CounterfactualAudit) -> str:
    """Where the templates come from: "2 wordings x item (4)", or the table and what is used of it."""
    if audit.table is not None:
        return f"of the table {audit.table.file}" + (f" ({audit.table.part})" if audit.table.part else "")
    wordings = f"{len(audit.wordings)} wording{'s' if len(audit.wordings) > 1 else ''}"
    slots = ", ".join(f"{name} ({len(fillings)})" for name, fillings in audit.slots)
    return wordings + (f" x {slots}" if slots else "")


def _size_rows(audit: CounterfactualAudit, size: Size) -> list[tuple[str, str]]:
    repeats = f", {audit.outcome.repeats} answers each" if size.answers > size.prompts else ""
    return [
        ("templates", f"{size.templates}: {templates_in_words(audit)}"),
        ("people", f"{sum(n for _, n in size.people)} from {audit.people.source}: {people_in_words(size)}"),
        ("prompts", f"{size.prompts}{repeats}"),
        ("limits", str(len(audit.limits))),
    ]

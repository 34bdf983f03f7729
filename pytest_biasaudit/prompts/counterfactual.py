"""What is asked: the counterfactual set, every template for every person. May import context types and prompt types.

The prompts of one template differ in the person alone, so what differs in the answers is put down to the person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from pytest_biasaudit.context.declaration import Context, CounterfactualAudit
from pytest_biasaudit.errors import ContextError
from pytest_biasaudit.prompts.audit_table import PromptTable, read_audit_table
from pytest_biasaudit.prompts.people import PeopleList, draw, load_people
from pytest_biasaudit.prompts.prompt import Person, Prompt
from pytest_biasaudit.prompts.slug import slug
from pytest_biasaudit.prompts.template import fill, slots_of

__all__ = [
    "PERSON_SLOTS",
    "Template",
    "build_prompts",
    "people_list_of",
    "slug",
    "table_of",
    "templates_of",
    "texts_of",
]

PERSON_SLOTS = ("person", "first", "last", "pronoun")
"""Slots that the person fills: full name, first name, last name, subject pronoun."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """One wording with one filling of its slots; only the person is still open."""

    id: str
    """Readable and unique in the audit, such as "w1/item=a-used-car"."""
    wording: str
    slots: tuple[tuple[str, str], ...]
    """The slots this wording uses, in the file's order."""


def templates_of(audit: CounterfactualAudit) -> tuple[str, ...]:
    """The ids of the audit's templates, in the order of the file: the wordings crossed with the slots each one uses.

    A slot that a wording leaves out does not multiply it: the same text asked again would pass for another template.
    Those of a table are its scenarios, variations and levels, as they were when the context was read.
    """
    if audit.table is not None:
        return audit.table.templates
    return tuple(template.id for template in _templates(audit))


def build_prompts(
    context: Context, audit: CounterfactualAudit, *, seed: int, extra: Mapping[str, Sequence[Person]] | None = None
) -> tuple[Prompt, ...]:
    """Every template of the audit for every person drawn under `seed`, template by template.

    extra  people lists that hooks give, by name

    Raises PeopleError when the list cannot give the people, ContextError when a wording asks for a pronoun or last name
    that people lack, or shows two people as one; DataError when a table is not the one that was read with the context.
    """
    table = table_of(context, audit)
    people_list = table.people if table else load_people(audit.people.source, beside=context.path.parent, extra=extra)
    people = draw(people_list, audit.people, seed=seed)
    faults = [f"audit {audit.id!r}: {fault}" for fault in _person_slot_faults(audit, people_list, people)]
    if faults:
        raise ContextError(str(context.path), faults)
    ids = _unique(
        slug(" ".join([*(person.group(attribute) for attribute in audit.people.attributes), person.name]))
        for person in people
    )
    named = list(zip(people, ids, strict=True))
    if table is not None:
        prompts = tuple(_table_prompts(audit, table, named))
    else:
        prompts = tuple(
            _prompt(audit, template, person, person_id) for template in _templates(audit) for person, person_id in named
        )
    faults = [f"audit {audit.id!r}: {fault}" for fault in _lookalikes(prompts)]
    if faults:
        raise ContextError(str(context.path), faults)
    return prompts


def table_of(context: Context, audit: CounterfactualAudit) -> PromptTable | None:
    """The table of prompts that the audit declares, as it was when the context was read; None where it declares none.

    Raises DataError as `read_audit_table` does, and where the file has changed since.
    """
    spec = audit.table
    if spec is None:
        return None
    return read_audit_table(
        spec.file,
        beside=context.path.parent,
        scenarios=spec.scenarios,
        variations=spec.variations,
        levels=spec.levels,
        sha256=spec.sha256,
    )


def people_list_of(
    context: Context, audit: CounterfactualAudit, *, extra: Mapping[str, Sequence[Person]] | None = None
) -> PeopleList:
    """The list that the audit's people are drawn from: the one it names, or of a table those in the part that is used.

    Raises as `table_of` and `load_people` do.
    """
    table = table_of(context, audit)
    return table.people if table else load_people(audit.people.source, beside=context.path.parent, extra=extra)


def texts_of(audit: CounterfactualAudit) -> tuple[str, ...]:
    """Every text of the audit in which slots are filled: the wordings, the system prompt and the prefill."""
    return (*audit.wordings, audit.system or "", audit.prefill)


def _templates(audit: CounterfactualAudit) -> tuple[Template, ...]:
    made: list[tuple[str, str, tuple[tuple[str, str], ...]]] = []
    for number, wording in enumerate(audit.wordings, start=1):
        used = {name for text in (wording, audit.system or "", audit.prefill) for name in slots_of(text)}
        open_slots = [(name, fillings) for name, fillings in audit.slots if name in used]
        for filling in product(*(fillings for _, fillings in open_slots)):
            slots = tuple(zip((name for name, _ in open_slots), filling, strict=True))
            made.append(("/".join([f"w{number}", *(f"{name}={slug(value)}" for name, value in slots)]), wording, slots))
    ids = _unique(name for name, _, _ in made)
    return tuple(
        Template(id=template_id, wording=wording, slots=slots)
        for template_id, (_, wording, slots) in zip(ids, made, strict=True)
    )


def _table_prompts(
    audit: CounterfactualAudit, table: PromptTable, people: Sequence[tuple[Person, str]]
) -> Iterator[Prompt]:
    """The table's own texts, template by template; system prompt and prefill come from the context."""
    for template in table.templates:
        for person, person_id in people:
            values = _who(person)
            yield Prompt(
                id=f"{template.id}/{person_id}",
                template=template.id,
                slots=template.slots,
                person=person,
                person_id=person_id,
                text=table.texts[template.id, person.first, person.last],
                system=None if audit.system is None else fill(audit.system, values),
                prefill=fill(audit.prefill, values),
            )


def _who(person: Person) -> dict[str, str]:
    return {"person": person.name, "first": person.first, "last": person.last, "pronoun": person.pronoun}


def _prompt(audit: CounterfactualAudit, template: Template, person: Person, person_id: str) -> Prompt:
    values = {**dict(template.slots), **_who(person)}
    return Prompt(
        id=f"{template.id}/{person_id}",
        template=template.id,
        slots=template.slots,
        person=person,
        person_id=person_id,
        text=fill(template.wording, values),
        system=None if audit.system is None else fill(audit.system, values),
        prefill=fill(audit.prefill, values),
    )


def _person_slot_faults(audit: CounterfactualAudit, people_list: PeopleList, people: Sequence[Person]) -> Iterator[str]:
    used = {name for text in texts_of(audit) for name in slots_of(text)}
    if "pronoun" in used and not people_list.has_pronouns:
        yield f"a template uses {{pronoun}}, but {people_list.name} has no pronouns; add a column 'pronoun'"
    if "last" in used and not all(person.last for person in people):
        nameless = next(person.name for person in people if not person.last)
        yield f"a template uses {{last}}, but {nameless!r} of {people_list.name} has no last name; use {{person}}"


def _lookalikes(prompts: Iterable[Prompt]) -> Iterator[str]:
    """One fault a template in which two people get the same prompt: they would count as two and be asked as one."""
    seen: dict[tuple[str, str, str | None, str], Prompt] = {}
    told: set[str] = set()
    for prompt in prompts:
        key = (prompt.template, prompt.text, prompt.system, prompt.prefill)
        other = seen.setdefault(key, prompt)
        if other is not prompt and prompt.template not in told:
            told.add(prompt.template)
            yield (
                f"template {prompt.template} reads the same for {other.person.name!r} and {prompt.person.name!r}; "
                f"it must show the name: {{person}} or {{first}}"
            )


def _unique(names: Iterable[str]) -> list[str]:
    """The names, numbered where one comes again."""
    made: list[str] = []
    taken: set[str] = set()
    for name in names:
        number, candidate = 1, name
        while candidate in taken:
            number += 1
            candidate = f"{name}-{number}"
        taken.add(candidate)
        made.append(candidate)
    return made

"""What may be asked: wordings and their slots. Every slot has fillings or is a person's, and every filling is used.

Asks `prompts.template` what the slots of a text are, and a people list whether it can fill the person's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_biasaudit.context.shapes import NamedTexts, Text, Texts
from pytest_biasaudit.context.spelling import did_you_mean, listed, shown
from pytest_biasaudit.context.strict import Faults, Key, Row

if TYPE_CHECKING:
    from pytest_biasaudit.prompts.people_list import PeopleList

PROMPT = Key("prompt", Text(), "What the model is asked, with slots: {person} and the slots declared below.")
PROMPTS = Key("prompts", Texts(), "Several wordings of the question, in place of `prompt`.")
SYSTEM = Key("system", Text(), "The system prompt.")
PREFILL = Key("prefill", Text(), "The beginning of the model's answer.")
SLOTS = Key("slots", NamedTexts(), "Each slot of the wordings with its fillings.")

PERSON_SLOTS = ("person", "first", "last", "pronoun")
"""The slots that a person of the list fills; the same as in `prompts.counterfactual`, which fills them."""
NAME_SLOTS = PERSON_SLOTS[:3]
"""Those that show who it is. A wording with none of them reads the same for many people."""


def read_wordings(row: Row, faults: Faults) -> tuple[tuple[str, str], ...] | None:
    """Each wording with the key it stands under ("prompts 2"); None when there are none to go on with."""
    if row.declares(PROMPT) and row.declares(PROMPTS):
        faults.add(row.where, "prompt and prompts are both given; put all wordings in prompts")
    elif not row.declares(PROMPT) and not row.declares(PROMPTS):
        faults.add(row.where, f"prompt (or prompts) is missing; it must be {PROMPT.shape.must}")
    one, several = row.get(PROMPT), row.get(PROMPTS, ())
    wordings = [("prompt", one)] if one is not None else []
    wordings += [(f"prompts {number}", text) for number, text in enumerate(several, start=1)]
    return tuple(wordings) or None


def check_slots(
    row: Row, wordings: tuple[tuple[str, str], ...] | None, people_list: PeopleList | None, faults: Faults
) -> None:
    """Hold the slots of the audit's texts against the declared ones and against what the people list can fill."""
    slots = row.get(SLOTS) if row.declares(SLOTS) else {}
    usable = [name for name in slots or () if _is_slot_name(name, row, faults)]
    fixed = [(key.name, row[key]) for key in (SYSTEM, PREFILL) if row.get(key) is not None]
    used: dict[str, str] = {}
    all_readable = wordings is not None
    for key, text in (*(wordings or ()), *fixed):
        names = _slots_of(key, text, row, faults)
        if names is None:
            all_readable = False
            continue
        for name in names:
            used.setdefault(name, key)
            if slots is not None and name not in PERSON_SLOTS and name not in slots:
                valid = (*PERSON_SLOTS, *slots)
                reason = f"unknown slot {{{name}}}; valid slots are {listed(valid)}{did_you_mean(name, valid)}"
                faults.misfit(row.where, key, text, reason)
        if key not in (SYSTEM.name, PREFILL.name) and not set(names) & set(NAME_SLOTS):
            needed = listed(f"{{{name}}}" for name in NAME_SLOTS)
            faults.misfit(row.where, key, text, f"does not show who is meant; it must have at least one of {needed}")
    for name in usable:
        if all_readable and name not in used:
            reason = f"no wording uses it; write {{{name}}} in one, or remove it"
            faults.add(f"{row.where} / [audit.slots]", f"{name}: {reason}")
    if people_list is not None:
        _check_people_fill(used, people_list, row, faults)


def _slots_of(key: str, text: str, row: Row, faults: Faults) -> tuple[str, ...] | None:
    from pytest_biasaudit.prompts.template import TemplateError, slots_of

    try:
        return slots_of(text)
    except TemplateError as error:
        faults.misfit(row.where, key, text, str(error))
        return None


def _is_slot_name(name: str, row: Row, faults: Faults) -> bool:
    where = f"{row.where} / [audit.slots]"
    if name in PERSON_SLOTS:
        reason = f"the slots {listed(PERSON_SLOTS)} are filled from the people list; give this slot another name"
        faults.add(where, f"unusable name {name!r}; {reason}")
    elif not name.isidentifier():
        faults.add(where, f"unusable name {shown(name)}; it must be letters, digits and _, as in {{item}}")
    return name.isidentifier() and name not in PERSON_SLOTS


def _check_people_fill(used: Mapping[str, str], people_list: PeopleList, row: Row, faults: Faults) -> None:
    """A slot that the list leaves empty for some would tell groups apart by the gap."""
    has_surnames = bool(people_list.surnames) or all(person.last for person in people_list.people)
    if "last" in used and not has_surnames:
        reason = f"{people_list.name} does not give every person a surname; use {{person}} or {{first}}"
        faults.add(row.where, f"{used['last']} uses {{last}}, but {reason}")
    if "pronoun" in used and not people_list.has_pronouns:
        reason = f"{people_list.name} has no pronouns; add a column pronoun, or reword"
        faults.add(row.where, f"{used['pronoun']} uses {{pronoun}}, but {reason}")

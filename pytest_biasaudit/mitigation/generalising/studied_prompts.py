"""The prompts of a study: those of its audits, cut down to the two groups and to the part that the plan asks for.

Imports prompts; asks nothing. A set must not meet its own prompts under another name, so no text may stand in two variations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pytest_biasaudit.context.declaration import CounterfactualAudit
from pytest_biasaudit.errors import PlanError
from pytest_biasaudit.mitigation.choosing.places import capped
from pytest_biasaudit.mitigation.generalising.plan import Place, Plan
from pytest_biasaudit.mitigation.generalising.result import Half, StudiedContext, StudiedPerson
from pytest_biasaudit.mitigation.trial import Variation, variations_of
from pytest_biasaudit.prompts.counterfactual import build_prompts, people_list_of, templates_of
from pytest_biasaudit.prompts.people import cells_of
from pytest_biasaudit.prompts.prompt import Person

LEAST = 2
"""People of a group that a study needs: below, neither half has somebody."""


def studied_variations(
    plan: Plan, *, seed: int, extra: Mapping[str, Sequence[Person]] | None = None
) -> dict[str, tuple[Variation, ...]]:
    """By context id, the variations that take part.

    seed   of the draw of people, as an audit has it
    extra  people lists that hooks give

    Raises PlanError for a group with fewer than two people, and for a prompt that stands in two variations; PeopleError and
    ContextError as `build_prompts` does.
    """
    found = {place.context.id: _of_place(plan, place, seed, extra) for place in plan.places}
    faults = [*_too_few(plan, found), *_twice(found)]
    if faults:
        raise PlanError(str(plan.path), capped(faults))
    return found


def studied_contexts(
    plan: Plan,
    variations: Mapping[str, Sequence[Variation]],
    halves: Mapping[str, Half],
    *,
    extra: Mapping[str, Sequence[Person]] | None = None,
) -> tuple[StudiedContext, ...]:
    """What the study says of each context: what it used of what there is."""
    return tuple(
        StudiedContext(
            context=place.context.id,
            context_sha256=place.context.sha256,
            audit=place.audit.id,
            variations=tuple(one.name for one in variations[place.context.id]),
            declared_variations=len(templates_of(place.audit)),
            people=tuple(
                StudiedPerson(
                    id=prompt.person_id, group=prompt.person.group(plan.attribute), half=halves[prompt.person_id]
                )
                for prompt in variations[place.context.id][0].prompts
            ),
            declared_people=_declared_people(plan, place, extra),
            repeats=place.audit.outcome.repeats,
            unit=place.audit.outcome.unit,
        )
        for place in plan.places
    )


def _of_place(
    plan: Plan, place: Place, seed: int, extra: Mapping[str, Sequence[Person]] | None
) -> tuple[Variation, ...]:
    audit = _capped(plan, place, extra)
    prompts = [
        one
        for one in build_prompts(place.context, audit, seed=seed, extra=extra)
        if one.person.group(plan.attribute) in plan.groups
    ]
    return variations_of(place.context, audit, prompts)[: plan.max_variations]


def _capped(plan: Plan, place: Place, extra: Mapping[str, Sequence[Person]] | None) -> CounterfactualAudit:
    """The audit with so many people a group at most, as many of each intersection where attributes cross.

    Draws go round the mixes, so that fewer are a balanced part. Raises PlanError for fewer than one of each intersection.
    """
    most = plan.max_people
    if most is None:
        return place.audit
    cells = max(_cells(plan, place, extra).values(), default=1)
    if most < cells:
        raise PlanError(
            str(plan.path),
            [
                f"[study]: max_people = {most}: a group of context {place.context.id!r} is {cells} intersections of "
                f"{' and '.join(place.audit.people.attributes)}, and people are drawn from each: give {cells} or more"
            ],
        )
    per_group = min(place.audit.people.per_group, most // cells)
    return replace(place.audit, people=replace(place.audit.people, per_group=per_group))


def _declared_people(plan: Plan, place: Place, extra: Mapping[str, Sequence[Person]] | None) -> int:
    """People of the two groups that the audit asks about: where attributes cross, of every cell with one of them."""
    return place.audit.people.per_group * sum(_cells(plan, place, extra).values())


def _cells(plan: Plan, place: Place, extra: Mapping[str, Sequence[Person]] | None) -> Counter[str]:
    """Of how many intersections each of the two groups is made; of one where attributes do not cross."""
    people = place.audit.people
    people_list = people_list_of(place.context, place.audit, extra=extra)
    at = people.attributes.index(plan.attribute)
    return Counter(cell[at] for cell in cells_of(people_list, people) if cell[at] in plan.groups)


def _too_few(plan: Plan, variations: Mapping[str, Sequence[Variation]]) -> Iterator[str]:
    for context, some in variations.items():
        counts = Counter(prompt.person.group(plan.attribute) for prompt in some[0].prompts) if some else Counter()
        for group in plan.groups:
            if counts[group] < LEAST:
                yield (
                    f"context {context!r}: {counts[group]} people of group {group!r} of {plan.attribute}; a study needs "
                    f"{LEAST} or more of each group"
                )


def _twice(variations: Mapping[str, Sequence[Variation]]) -> Iterator[str]:
    """One fault for each two variations that ask the same."""
    seen: dict[tuple[str | None, str, str], str] = {}
    told: set[tuple[str, str]] = set()
    for some in variations.values():
        for variation in some:
            for prompt in variation.prompts:
                other = seen.setdefault((prompt.system, prompt.text, prompt.prefill), variation.name)
                if other != variation.name and (other, variation.name) not in told:
                    told.add((other, variation.name))
                    yield (
                        f"{variation.name} asks what {other} asks ({prompt.person.name}): a set found on the one would be "
                        "held to its own prompts in the other"
                    )

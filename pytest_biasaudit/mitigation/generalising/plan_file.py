"""A study's plan read from its TOML file, with every fault of the file. Reads the contexts it names; loads no model.

One way to say what a study does: a file that is reviewed and kept beside its contexts, rather than a line of options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from pytest_biasaudit.context.declaration import Context, CounterfactualAudit
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.context.shapes import Exactly, Flag, Number, OneOf, Slug, Text, Texts, Whole
from pytest_biasaudit.context.spelling import did_you_mean, listed
from pytest_biasaudit.context.strict import Faults, Key, RawTable, Row, Table, Tables, read_row
from pytest_biasaudit.context.toml_file import read_toml
from pytest_biasaudit.errors import ContextError, PlanError
from pytest_biasaudit.metrics.over_variations import GapMetric
from pytest_biasaudit.mitigation.choosing.settings import Rule, Scope, Settings
from pytest_biasaudit.mitigation.generalising.plan import ACROSS, COMBINE, LEVELS, Choice, Combine, Place, Plan
from pytest_biasaudit.mitigation.generalising.rows import Level
from pytest_biasaudit.mitigation.units import METHODS_OF, Mode, ScoreMethod, Unit
from pytest_biasaudit.prompts.counterfactual import people_list_of
from pytest_biasaudit.prompts.prompt import Person

ReadContext = Callable[[Path], Context]

UNITS: tuple[Unit, ...] = ("heads", "neurons", "weights")
SCORES = tuple(dict.fromkeys(method for methods in METHODS_OF.values() for method in methods))
UNIT = Key("unit", OneOf(UNITS), "What is removed.", required=True)
METHOD = Key("method", OneOf(SCORES), "What components are scored by.", required=True)
K = Key("k", Whole(low=1, high=10**9), "How many are chosen, over the whole model.")
P = Key("p", Number(above=0), "Which share of every layer or matrix is chosen, at most 1.")
Q = Key("q", Number(at_least=0), "What is taken off for the reference group: a count with k, a share with p.")
RULE = Key("rule", OneOf(("difference", "sum", "top")), "How the scores of two groups make one set.")
SCOPE = Key("scope", OneOf(("layer", "global")), "Whether the highest are looked for by layer or in the whole model.")
MODE = Key("mode", OneOf(("ablate", "uniform")), "Heads only: write nothing, or look at all alike.")
CHOICE_KEYS = (UNIT, METHOD, K, P, Q, RULE, SCOPE, MODE)

SCHEMA = Key("schema", Exactly(1), "Version of this format.", required=True)
ID = Key("id", Slug(), "Name of the study.", required=True)
CONTEXTS = Key("contexts", Texts(), "Context files, relative to this one: FILE, or FILE::AUDIT.", required=True)
ATTRIBUTE = Key("attribute", Text(), "What tells the two groups apart; when absent, the people's only attribute.")
GROUPS = Key("groups", Texts(at_least=2), "The reference group and the group; when absent, the people's first two.")
STUDIED_LEVELS = Key("levels", Texts(), "Levels of generalisation; when absent, all that the contexts allow.")
COMBINED = Key(
    "combine", Texts(), "How the sets of several variations become one; when absent, intersection and frequency."
)
MODEL = Key("model", Slug(), "The declared model to study.")
SEED = Key("seed", Whole(low=0, high=2**31 - 1), "Of halves, draws and intervals; when absent, the run's.")
MAX_VARIATIONS = Key(
    "max_variations", Whole(low=1, high=100_000), "Variations of each context at most: its first ones."
)
MAX_PEOPLE = Key("max_people", Whole(low=2, high=100_000), "People of each group at most.")
PERPLEXITY = Key("perplexity", Flag(), "Whether perplexity is measured without every set.")
METRIC = Key(
    "metric", OneOf(("smd", "smd_pooled", "mean_difference", "rate_difference")), "The gap whose mean is taken."
)
LEVEL = Key("level", Number(above=0.5, below=1), "Level of the intervals.")
COMPONENTS = Key(
    "components", Tables("[[study.components]]", CHOICE_KEYS), "What to remove, a table each.", required=True
)
STUDY_KEYS = (
    ID, CONTEXTS, ATTRIBUTE, GROUPS, STUDIED_LEVELS, COMBINED, MODEL, SEED, MAX_VARIATIONS, MAX_PEOPLE, PERPLEXITY, METRIC,
    LEVEL, COMPONENTS,
)  # fmt: skip
STUDY = Key("study", Table("[study]", STUDY_KEYS), "The study.", required=True)


def read_plan(
    path: Path, *, reading: ReadContext = read_context, extra_people: Mapping[str, Sequence[Person]] | None = None
) -> Plan:
    """The plan in a TOML file, and the contexts it names.

    reading       reads a context file, with whatever hooks add
    extra_people  people lists that hooks give

    Raises PlanError with every fault of the file; what is wrong in a context stands among them, with its own file's name.
    """
    file = read_toml(path, raising=PlanError)
    faults = Faults()
    top = read_row(file.table, (SCHEMA, STUDY), where="top level", faults=faults)
    if STUDY.name not in top.values:
        raise PlanError(str(path), faults.found)
    row = read_row(top[STUDY], STUDY_KEYS, where="[study]", faults=faults)
    places = _places(row, path, reading, faults)
    attribute, groups = _compared(row, places, extra_people, faults)
    choices = _choices(row.get(COMPONENTS, ()), faults)
    levels = _levels(row, len(row.get(CONTEXTS, ())), faults)
    combine = _words(row, COMBINED, COMBINE, faults) or COMBINE[:2]
    if faults.found or attribute is None or groups is None:
        raise PlanError(str(path), faults.found)
    return Plan(
        id=row[ID],
        path=path,
        sha256=file.sha256,
        places=places,
        attribute=attribute,
        groups=groups,
        choices=choices,
        levels=levels,
        combine=cast("tuple[Combine, ...]", combine),
        model=row.get(MODEL),
        seed=row.get(SEED),
        max_variations=row.get(MAX_VARIATIONS),
        max_people=row.get(MAX_PEOPLE),
        perplexity=row.get(PERPLEXITY, True),
        metric=cast("GapMetric", row.get(METRIC, "smd")),
        level=row.get(LEVEL, 0.95),
    )


def _places(row: Row, path: Path, reading: ReadContext, faults: Faults) -> tuple[Place, ...]:
    """The contexts that can be read, each with its audit."""
    found: dict[str, Place] = {}
    for named in row.get(CONTEXTS, ()):
        file, _, audit_id = named.partition("::")
        try:
            context = reading(path.parent / file)
        except ContextError as error:
            for fault in error.faults:
                faults.misfit(row.where, "contexts", named, f"{Path(error.path).name}: {fault}")
            continue
        audit = _audit(context, audit_id, named, row, faults)
        if audit is None:
            continue
        if context.id in found:
            reason = f"its context is {context.id!r}, which another file has; give each context its own id"
            faults.misfit(row.where, "contexts", named, reason)
            continue
        found[context.id] = Place(context=context, audit=audit)
    return tuple(found.values())


def _audit(context: Context, audit_id: str, named: str, row: Row, faults: Faults) -> CounterfactualAudit | None:
    """The audit meant: the one that is named, or the context's only one that names people."""
    fit = {one.id: one for one in context.audits if isinstance(one, CounterfactualAudit)}
    others = f"; the other audits of {context.path.name} name no people" if len(fit) < len(context.audits) else ""
    if not fit:
        reason = f"no audit of {context.path.name} names people, so there are no groups to compare"
    elif audit_id and audit_id not in fit:
        near = did_you_mean(audit_id, fit)
        reason = f"{context.path.name} has no audit {audit_id!r} with people; it has {listed(fit)}{near}{others}"
    elif not audit_id and len(fit) > 1:
        reason = f"{context.path.name} has several audits: write {named}::AUDIT with one of {listed(fit)}"
    else:
        return fit[audit_id] if audit_id else next(iter(fit.values()))
    faults.misfit(row.where, "contexts", named, reason)
    return None


def _compared(
    row: Row, places: Sequence[Place], extra: Mapping[str, Sequence[Person]] | None, faults: Faults
) -> tuple[str | None, tuple[str, str] | None]:
    """The attribute and the two groups, which every context must have."""
    if not places:
        return None, None
    attributes = places[0].audit.people.attributes
    attribute = row.get(ATTRIBUTE) or (attributes[0] if len(attributes) == 1 else None)
    if attribute is None:
        faults.add(
            row.where, f"attribute is missing; {places[0].context.path.name} tells people apart by {listed(attributes)}"
        )
        return None, None
    there: list[tuple[str, tuple[str, ...]]] = []
    for place in places:
        people = place.audit.people
        if attribute not in people.attributes:
            name = place.context.path.name
            reason = (
                f"{name} tells people apart by {listed(people.attributes)}{did_you_mean(attribute, people.attributes)}"
            )
            faults.misfit(row.where, "attribute", attribute, reason)
            continue
        declared = people.groups[people.attributes.index(attribute)]
        if not declared:
            declared = people_list_of(place.context, place.audit, extra=extra).groups(attribute)
        there.append((place.context.path.name, declared))
    if not there:
        return attribute, None
    given = row.get(GROUPS)
    groups = given or there[0][1][:2]
    if len(groups) != 2:
        reason = "components are chosen for one group against one reference: two groups are needed"
        faults.misfit(row.where, "groups", list(groups), f"{reason}, {len(groups)} came")
        return attribute, None
    for name, declared in there:
        for group in groups:
            if group not in declared:
                said = "" if given else f" (the first two of {there[0][0]})"
                faults.misfit(
                    row.where, "groups", list(groups), f"{name} has no group {group!r}{said}; it has {listed(declared)}"
                )
    return attribute, (groups[0], groups[1])


def _choices(tables: tuple[RawTable, ...], faults: Faults) -> tuple[Choice, ...]:
    found: list[Choice] = []
    for number, raw in enumerate(tables, start=1):
        where = f"[[study.components]] {number}"
        before = len(faults.found)
        row = read_row(raw, CHOICE_KEYS, where=where, faults=faults)
        unit, method = row.get(UNIT), row.get(METHOD)
        if unit is not None and method is not None:
            valid = METHODS_OF[cast("Unit", unit)]
            if method not in valid:
                faults.misfit(where, "method", method, f"no score of {unit}; there are {listed(valid)}")
        if row.declares(K) and row.declares(P):
            faults.misfit(where, "p", raw["p"], "k is given too; a set is chosen by a count or by a share")
        if row.declares(K) and unit == "weights":
            faults.misfit(where, "k", raw["k"], "weights are chosen by a share of each matrix: give p")
        for key in (P, Q):
            value = row.get(key)
            if value is not None and value > 1 and not (key is Q and row.declares(K)):
                faults.misfit(where, key.name, raw[key.name], "a share is at most 1")
        if row.get(MODE) == "uniform" and unit != "heads":
            faults.misfit(where, "mode", "uniform", f"is for heads; {unit} have no attention to make uniform")
        q = row.get(Q)
        if row.declares(K) and q is not None and q != int(q):
            faults.misfit(where, "q", raw["q"], "with k it is a count: a whole number")
        if len(faults.found) > before:
            continue
        choice = Choice(
            unit=cast("Unit", unit),
            method=cast("ScoreMethod", method),
            settings=Settings(
                k=row.get(K),
                p=row.get(P),
                q=int(q) if row.declares(K) and q is not None else q,
                rule=cast("Rule | None", row.get(RULE)),
                scope=cast("Scope | None", row.get(SCOPE)),
            ),
            mode=cast("Mode", row.get(MODE, "ablate")),
        )
        if any((one.unit, one.method) == (choice.unit, choice.method) for one in found):
            faults.add(where, f"{choice.name} stands there twice; rows of the table could not be told apart")
        found.append(choice)
    return tuple(found)


def _levels(row: Row, contexts: int, faults: Faults) -> tuple[Level, ...]:
    """As declared, in the order of the table; all that so many contexts allow where none are."""
    declared = _words(row, STUDIED_LEVELS, LEVELS, faults)
    if contexts < 2:
        for level in declared:
            if level in ACROSS:
                faults.misfit(row.where, "levels", level, "needs two contexts or more, and contexts names one")
    wanted = declared or tuple(level for level in LEVELS if contexts > 1 or level not in ACROSS)
    return tuple(level for level in LEVELS if level in wanted)


def _words(row: Row, key: Key[tuple[str, ...]], valid: Sequence[str], faults: Faults) -> tuple[str, ...]:
    found = row.get(key, ())
    for word in found:
        if word not in valid:
            faults.misfit(row.where, key.name, word, f"valid are {listed(valid)}{did_you_mean(word, valid)}")
    return tuple(word for word in found if word in valid)

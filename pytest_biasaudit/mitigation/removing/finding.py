"""Finds the components that a step of `prune = "bias"` removes: asks the model, scores, chooses. Imports torch.

The model is asked as it stands at this step, in the people of the declared audit, and is as it was after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.context.declaration import Context, CounterfactualAudit
from pytest_biasaudit.errors import ContextError, RecipeError
from pytest_biasaudit.mitigation.choosing.settings import Settings
from pytest_biasaudit.mitigation.components import ComponentSet, Mode, Origin, ScoreMethod, Unit
from pytest_biasaudit.mitigation.methods import SIGNED, WITHOUT_GROUPS
from pytest_biasaudit.mitigation.trial import Variation, variations_of
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.identity import file_sha256
from pytest_biasaudit.outcomes.journal import Journal
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.counterfactual import build_prompts


@dataclass(frozen=True, kw_only=True)
class Sought:
    """What a step asks for, held against its context file."""

    context: Context
    audit: CounterfactualAudit
    attribute: str
    groups: tuple[str, str]
    """(reference, group)."""
    unit: Unit
    method: ScoreMethod
    mode: Mode
    seed: int

    @property
    def people_file(self) -> Path | None:
        """The people list beside the context file; None for a bundled list, or a hook's."""
        path = self.context.path.parent / self.audit.people.source
        return path if path.is_file() else None


def sought_by(step: Step, materials: Materials) -> Sought:
    """What a step of `bias` asks for. Raises RecipeError naming the file, the key, what came and what is valid."""
    file = str(step.setting("context"))
    where = f"prune = 'bias': context = {file!r}"
    try:
        context = materials.read_context(materials.root / file)
    except ContextError as fault:
        raise RecipeError(f"{where}: {fault}") from fault
    audit = _audit(context, step.setting("audit"), where)
    where = f"{where}, audit = {audit.id!r}"
    attribute = _attribute(audit, step.setting("attribute"), where)
    seed = step.setting("seed")
    return Sought(
        context=context,
        audit=audit,
        attribute=attribute,
        groups=_groups(context, audit, attribute, step.setting("group"), where, materials),
        unit=cast(Unit, step.setting("unit")),
        method=cast(ScoreMethod, step.setting("method")),
        mode=cast(Mode, step.setting("mode")),
        seed=seed if isinstance(seed, int) else materials.seed,
    )


def found_by(
    step: Step, sought: Sought, model: CausalModel, materials: Materials
) -> tuple[ComponentSet, dict[str, object]]:
    """The components, and what was asked to find them. May be empty.

    Answers are kept in the journal of the run's cache, under the model's digest, as an audit's are.

    Raises RecipeError for a model that has none of the unit, a name that does not stand in its prompt, groups of which one
    gives nothing to score, settings out of the model's range, and no difference to look for; naming file and audit.
    """
    from pytest_biasaudit.mitigation.removing.asking import ModelTrial

    where = where_of(step, sought)
    if sought.unit != "weights":
        structure_of(model.module).of(sought.unit)  # refuses a model without
    settings = _settings(step, sought, model, where)
    path = materials.cache / "journal.sqlite" if materials.cache is not None else None
    try:
        prompts = build_prompts(sought.context, sought.audit, seed=sought.seed, extra=materials.people)
        variations = variations_of(sought.context, sought.audit, prompts)
        with (
            Journal.open(path) as journal,
            ModelTrial(
                model,
                journal=journal,
                seed=sought.seed,
                batch_size=materials.batch_size,
                scorers=materials.scorers,
            ) as trial,
        ):
            answers = [trial.outcomes(variation, None) for variation in variations]
            found, scored = _chosen(step, sought, settings, model, variations, answers, materials)
    except ContextError as fault:
        raise RecipeError(f"{where}: {fault}") from fault
    facts: dict[str, object] = {
        "context": sought.context.id,
        "audit": sought.audit.id,
        "attribute": sought.attribute,
        "reference_group": sought.groups[0],
        "group": sought.groups[1],
        "people_seed": sought.seed,
        **({"people_sha256": file_sha256(sought.people_file)} if sought.people_file is not None else {}),
        "variations": len(variations),
        "answers": sum(map(len, answers)),
        "answers_scored": scored,
        **(dict(found.origin.settings) if found.origin is not None else {}),
    }
    return found, facts


def _settings(step: Step, sought: Sought, model: CausalModel, where: str) -> Settings:
    """How many are chosen. Raises RecipeError for more than the model has, before anything is asked."""
    from pytest_biasaudit.mitigation.score import completed

    k, p, q = (step.setting(name) for name in ("k", "p", "q"))
    given = Settings(
        k=k if isinstance(k, int) else None,
        p=p if isinstance(p, (int, float)) else None,
        q=q if isinstance(q, (int, float)) else None,
    )
    try:
        return completed(given, model, unit=sought.unit, method=sought.method)
    except RecipeError as fault:
        raise RecipeError(f"{where}: {fault}") from fault


def _chosen(
    step: Step,
    sought: Sought,
    settings: Settings,
    model: CausalModel,
    variations: Sequence[Variation],
    answers: Sequence[Sequence[Outcome]],
    materials: Materials,
) -> tuple[ComponentSet, int]:
    """The set, and how many answers were scored."""
    from pytest_biasaudit.mitigation.choosing.choose import choose_by
    from pytest_biasaudit.mitigation.gap import mean_gap
    from pytest_biasaudit.mitigation.halves import halves_of
    from pytest_biasaudit.mitigation.score import score
    from pytest_biasaudit.mitigation.scored_prompt import prompts_sha256, scored_prompts

    halves = halves_of(variations, attribute=sought.attribute, seed=sought.seed)
    scored = [
        one
        for variation, outcomes in zip(variations, answers, strict=True)
        for one in scored_prompts(model, variation, outcomes, attribute=sought.attribute, halves=halves)
        if one.cell.group in sought.groups
    ]
    gap = mean_gap(answers, attribute=sought.attribute, groups=sought.groups) if sought.method in SIGNED else None
    if sought.method in SIGNED and not gap:
        raise RecipeError(
            f"{where_of(step, sought)}: the answers show no difference between {sought.groups[0]!r} and "
            f"{sought.groups[1]!r} ({_told(answers)}), so that {sought.method} has nothing to explain, and there is nothing "
            "to remove"
        )
    table = score(
        model, scored, unit=sought.unit, method=sought.method, batch_size=materials.batch_size, seed=sought.seed
    )
    # Of what no prompt has a part in, the prompts are not where it was found.
    seen = sought.method not in WITHOUT_GROUPS
    found = choose_by(
        table,
        settings,
        reference=sought.groups[0],
        group=sought.groups[1],
        mode=sought.mode,
        gap=gap,
        origin=Origin(
            model=model.identity.name,
            model_digest=model.identity.digest,
            weights_sha256=model.tensors_sha256,
            contexts=((sought.context.id, sought.context.sha256),) if seen else (),
            templates=tuple(one.name for one in variations) if seen else (),
            attribute=sought.attribute,
            groups=sought.groups,
            prompts_sha256=prompts_sha256(scored) if seen else "",
            method=sought.method,
            settings=(),
        ),
    )
    return found, len(scored)


def where_of(step: Step, sought: Sought) -> str:
    """The step with its file and audit, for messages."""
    return f"prune = 'bias': context = {str(step.setting('context'))!r}, audit = {sought.audit.id!r}"


def _told(answers: Sequence[Sequence[Outcome]]) -> str:
    every = [one for outcomes in answers for one in outcomes]
    return f"{sum(one.reading.status == 'ok' for one in every):,} of {len(every):,} answers have a value"


def _audit(context: Context, wanted: object, where: str) -> CounterfactualAudit:
    asking = [audit for audit in context.audits if isinstance(audit, CounterfactualAudit)]
    valid = ", ".join(repr(audit.id) for audit in asking) or "none in this file"
    if wanted is None:
        if len(asking) != 1:
            raise RecipeError(f"{where}: audit is missing; valid, as audits that ask about people: {valid}")
        return asking[0]
    found = next((audit for audit in context.audits if audit.id == wanted), None)
    if found is None:
        raise RecipeError(f"{where}: audit = {wanted!r}: there is no such audit; valid: {valid}")
    if not isinstance(found, CounterfactualAudit):
        raise RecipeError(
            f"{where}: audit = {wanted!r} is of kind {found.kind!r}, which asks about no people whose groups could be told "
            f"apart; valid: {valid}"
        )
    return found


def _attribute(audit: CounterfactualAudit, wanted: object, where: str) -> str:
    known = audit.people.attributes
    valid = ", ".join(map(repr, known))
    if wanted is None:
        if len(known) != 1:
            raise RecipeError(f"{where}: attribute is missing; valid: {valid}")
        return known[0]
    if wanted not in known:
        raise RecipeError(f"{where}: attribute = {wanted!r}: the audit's people are told apart by {valid}")
    return str(wanted)


def _groups(
    context: Context, audit: CounterfactualAudit, attribute: str, wanted: object, where: str, materials: Materials
) -> tuple[str, str]:
    """(reference, group). Raises RecipeError for one group only, and where it is open which of several is meant."""
    from pytest_biasaudit.prompts.counterfactual import people_list_of
    from pytest_biasaudit.prompts.people import cells_of

    try:
        people = people_list_of(context, audit, extra=materials.people)
        at = audit.people.attributes.index(attribute)
        known = list(dict.fromkeys(cell[at] for cell in cells_of(people, audit.people)))
    except ContextError as fault:
        raise RecipeError(f"{where}: {fault}") from fault
    reference, others = known[0], known[1:]
    valid = ", ".join(map(repr, others))
    if not others:
        raise RecipeError(
            f"{where}: attribute = {attribute!r}: its people are of one group only, {reference!r}; two are needed, the "
            "reference group first: groups in [audit.people]"
        )
    if wanted is None:
        if len(others) != 1:
            raise RecipeError(f"{where}: group is missing: against {reference!r} stand several; valid: {valid}")
        return reference, others[0]
    if wanted not in others:
        told = "is the reference group" if wanted == reference else "is not among the groups"
        raise RecipeError(f"{where}: group = {wanted!r} {told}; valid: {valid}")
    return reference, str(wanted)

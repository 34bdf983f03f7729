"""A study of generalisation, done: its plan, one model, the scores and answers that are kept, and the table at the end.

Stands beside `audit`, and sees as much: contexts, prompts, models, outcomes, mitigation. Torch starts with the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.errors import BiasAuditError, DataError, ModelError, PlanError, RecipeError
from pytest_biasaudit.mitigation.generalising.plan import Plan
from pytest_biasaudit.prompts.prompt import Person
from pytest_biasaudit.settings import Settings

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.components import ComponentSet, Origin, ScoreMethod, Unit
    from pytest_biasaudit.mitigation.generalising.result import Generalisation, Half
    from pytest_biasaudit.mitigation.generalising.schedule import Asked, Source
    from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
    from pytest_biasaudit.mitigation.scores import ScoreTable
    from pytest_biasaudit.mitigation.trial import Trial, Variation
    from pytest_biasaudit.models.causal import CausalModel
    from pytest_biasaudit.models.perplexity import HeldText
    from pytest_biasaudit.models.protocol import Model
    from pytest_biasaudit.outcomes.asking import Watch
    from pytest_biasaudit.outcomes.journal import Journal


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a study takes, at most: equal sets are tried once, and what is known is not asked."""

    contexts: int
    variations: int
    people: int
    """In the largest context."""
    fewest: int
    """People of one group, in the context that has fewest."""
    fewest_in_half: int
    """The same in one half of the names."""
    sets: int
    """Of components, baselines included."""
    evaluations: int
    """Sets held to a variation."""
    answers: int
    """Of the model as it is, and without each set."""
    perplexities: int


def cost_of(plan: Plan, *, seed: int, extra: Mapping[str, Sequence[Person]] | None = None) -> Cost:
    """What the study takes, before any model is loaded. Raises PlanError, and what building prompts raises."""
    from pytest_biasaudit.mitigation.generalising.protocol import questions_of
    from pytest_biasaudit.mitigation.generalising.schedule import evaluations_of, schedule, sources_of
    from pytest_biasaudit.mitigation.generalising.studied_prompts import studied_variations
    from pytest_biasaudit.mitigation.halves import halves_of

    seed = seed if plan.seed is None else plan.seed
    variations = studied_variations(plan, seed=seed, extra=extra)
    whole = [one for some in variations.values() for one in some]
    halves = halves_of(whole, attribute=plan.attribute, seed=seed)
    rows = schedule(plan, {context: [one.name for one in some] for context, some in variations.items()})
    return Cost(
        contexts=len(variations),
        variations=len(whole),
        people=max(len(one.prompts) for one in whole),
        fewest=min(_fewest(plan, one, halves, (0, 1)) for one in whole),
        fewest_in_half=min(_fewest(plan, one, halves, (half,)) for one in whole for half in (0, 1)),
        sets=len(sources_of(rows)),
        evaluations=len(evaluations_of(rows)),
        answers=questions_of(plan, variations, halves),
        perplexities=len(sources_of(rows)) + 1 if plan.perplexity else 0,
    )


def _fewest(plan: Plan, variation: Variation, halves: Mapping[str, int], of: Sequence[int]) -> int:
    groups = [one.person.group(plan.attribute) for one in variation.prompts if halves[one.person_id] in of]
    return min(groups.count(group) for group in plan.groups)


def asked_by(plan: Plan, *, seed: int, extra: Mapping[str, Sequence[Person]] | None = None) -> Hashable:
    """All that decides what a study asks and does beside the model: equal for equal studies. Raises as `cost_of`.

    A plan's digest is not enough: it may be changed in code, and the people of its contexts stand in files of their own.
    """
    from pytest_biasaudit.mitigation.generalising.studied_prompts import studied_variations

    seed = seed if plan.seed is None else plan.seed
    variations = studied_variations(plan, seed=seed, extra=extra)
    return plan, seed, tuple(one.prompts for some in variations.values() for one in some)


def study(
    plan: Plan,
    model: Model,
    *,
    settings: Settings,
    journal: Journal,
    held_text: HeldText | None = None,
    extra: Mapping[str, Sequence[Person]] | None = None,
    scorers: Mapping[str, Callable[[str], float]] | None = None,
    watch: Watch | None = None,
    save_sets: Path | None = None,
) -> Generalisation:
    """The whole study of one model.

    model      a causal language model with its weights at hand; lent, and checked at the end to be what it was
    settings   seed (unless the plan has one), batch size, and the cache folder, where scores are kept
    journal    where answers are kept: a killed study goes on from there, and comes to the same table
    extra      people lists that hooks give
    save_sets  folder for the scored sets of whole contexts, a file each; made where it is not there

    Raises BiasAuditError, before anything is asked, for sets to save where the plan has no level that finds sets of whole
    contexts, or where the folder cannot be made; PlanError, then too, for prompts that cannot be studied, components that
    the model has none of, and settings that it cannot meet; ModelError for a model that is no causal transformer or is not
    what it was; RecipeError and DataError as scoring and choosing do.
    """
    from pytest_biasaudit.mitigation.generalising.protocol import Studied, generalise
    from pytest_biasaudit.mitigation.generalising.result import Generalisation
    from pytest_biasaudit.mitigation.generalising.studied_prompts import studied_contexts, studied_variations
    from pytest_biasaudit.mitigation.halves import halves_of
    from pytest_biasaudit.mitigation.removing.asking import ModelTrial
    from pytest_biasaudit.models.causal import CausalModel

    if not isinstance(model, CausalModel):
        raise ModelError(
            f"{plan.path.name}: components are looked for in a causal language model whose weights are at hand; "
            f"{model.identity.name!r} is a {type(model).__name__}"
        )
    keep = None if save_sets is None else _saving(plan, save_sets)
    seed = settings.seed if plan.seed is None else plan.seed
    variations = studied_variations(plan, seed=seed, extra=extra)
    halves: dict[str, Half] = halves_of(
        [one for some in variations.values() for one in some], attribute=plan.attribute, seed=seed
    )
    # One process studies a model; another that wants the same waits, and finds the answers written.
    with (
        journal.lock(f"study-{plan.sha256}-{model.identity.digest}"),
        ModelTrial(
            model,
            journal=journal,
            seed=seed,
            batch_size=settings.batch_size,
            scorers=scorers,
            held_text=held_text,
        ) as trial,
    ):
        _refuse_settings(plan, model)
        scoring = _Scoring(plan, model, trial, variations, halves, settings=settings, seed=seed, watch=watch)
        found = generalise(
            Studied(
                plan=plan,
                variations=variations,
                halves=halves,
                trial=trial,
                scores=scoring.table,
                seed=seed,
                origin=scoring.origin,
                keep=keep,
                watch=watch,
            )
        )
    return Generalisation(
        study=plan.id,
        plan_file=plan.path.name,
        plan_sha256=plan.sha256,
        model=model.identity,
        attribute=plan.attribute,
        groups=plan.groups,
        metric=plan.metric,
        level=plan.level,
        seed=seed,
        choices=found.choices,
        contexts=studied_contexts(plan, variations, halves, extra=extra),
        rows=found.rows,
        sets=found.sets,
        evaluations=found.evaluations,
        components={name_of(plan, source): components for source, components in found.components.items()},
        declared=tuple(place.context for place in plan.places),
        observe=settings.observe,
        inconclusive=settings.inconclusive,
    )


def _refuse_settings(plan: Plan, model: CausalModel) -> None:
    """Raises PlanError for components that the model has none of, and settings that it cannot meet."""
    from pytest_biasaudit.mitigation.score import completed

    faults = []
    for number, choice in enumerate(plan.choices, start=1):
        try:
            completed(choice.settings, model, unit=choice.unit, method=choice.method)
        except RecipeError as fault:
            faults.append(f"[[study.components]] {number}: {fault}")
    if faults:
        raise PlanError(str(plan.path), faults)


def name_of(plan: Plan, source: Source) -> str:
    """What the scored set of a whole context is called: "purchase-heads-attribution-frequency"."""
    choice = plan.choices[source.choice]
    context = source.variations[0].partition("/")[0]
    return f"{context}-{choice.unit}-{choice.method}-{source.rule.replace(' ', '-')}"


class _Scoring:
    """Scores of the study's prompts, each table taken once, and kept in the cache for the next time."""

    def __init__(
        self,
        plan: Plan,
        model: CausalModel,
        trial: Trial,
        variations: Mapping[str, Sequence[Variation]],
        halves: Mapping[str, Half],
        *,
        settings: Settings,
        seed: int,
        watch: Watch | None,
    ) -> None:
        self._plan, self._model, self._trial = plan, model, trial
        self._variations, self._halves = variations, halves
        self._settings, self._seed, self._watch = settings, seed, watch
        self._prompts: tuple[ScoredPrompt, ...] | None = None

    def table(self, unit: Unit, method: ScoreMethod) -> ScoreTable:
        """The scores of all prompts with the model's own answers."""
        from pytest_biasaudit.mitigation.generalising.protocol import watched
        from pytest_biasaudit.mitigation.score import score
        from pytest_biasaudit.mitigation.score_file import load_scores, save_scores
        from pytest_biasaudit.mitigation.scored_prompt import prompts_sha256

        prompts = self.prompts
        on = prompts_sha256(prompts)
        contexts = [(place.context.id, place.context.sha256) for place in self._plan.places]
        path = self._path(unit, method)
        if path is not None and path.exists():
            # A file that cannot be used is no reason to stop: the scores are taken again, and it is written over.
            with suppress(DataError):
                return load_scores(path, model=self._model, contexts=contexts, prompts_sha256=on)
        with watched(self._watch, f"{self._plan.id}: scoring {unit} by {method}", len(prompts)) as step:
            made = score(
                self._model,
                prompts,
                unit=unit,
                method=method,
                batch_size=self._settings.batch_size,
                seed=self._seed,
            )
            step(len(prompts))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_scores(made, path, model=self._model, contexts=contexts, prompts_sha256=on)
        return made

    @property
    def prompts(self) -> tuple[ScoredPrompt, ...]:
        """Every prompt of the study with what the model answered, in tokens."""
        from pytest_biasaudit.mitigation.scored_prompt import scored_prompts

        if self._prompts is None:
            self._prompts = tuple(
                prompt
                for some in self._variations.values()
                for variation in some
                for prompt in scored_prompts(
                    self._model,
                    variation,
                    self._trial.outcomes(variation, None),
                    attribute=self._plan.attribute,
                    halves=self._halves,
                )
            )
        return self._prompts

    def origin(self, unit: Unit, method: ScoreMethod, on: frozenset[Asked]) -> Origin:
        """Where a set comes from, for its file."""
        from pytest_biasaudit.mitigation.components import Origin
        from pytest_biasaudit.mitigation.scored_prompt import prompts_sha256

        identity = self._model.identity
        names = sorted({variation for variation, _ in on})
        contexts = {place.context.id: place.context.sha256 for place in self._plan.places}
        there = sorted({name.partition("/")[0] for name in names})
        return Origin(
            model=identity.name,
            model_digest=identity.digest,
            weights_sha256=self._model.tensors_sha256,
            contexts=tuple((context, contexts[context]) for context in there),
            templates=tuple(names),
            attribute=self._plan.attribute,
            groups=self._plan.groups,
            prompts_sha256=prompts_sha256([one for one in self.prompts if (one.cell.variation, one.cell.half) in on]),
            method=method,
            settings=(("unit", unit),),
        )

    def _path(self, unit: Unit, method: ScoreMethod) -> Path | None:
        from pytest_biasaudit.mitigation.score import REVISION

        cache = self._settings.cache
        if cache is None or not self._model.identity.cacheable or method == "random":
            return None
        told = "\n".join(
            [
                self._model.identity.digest,
                unit,
                method,
                REVISION,
                repr(self._model.identity.libraries),
                *(f"{one.cell} {one.name} {one.answer} {one.outcome.reading} {one.text!r}" for one in self.prompts),
            ]
        )
        return cache / "scores" / f"{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()}.safetensors"


def _saving(plan: Plan, folder: Path) -> Callable[[Source, ComponentSet], tuple[str, str]]:
    from pytest_biasaudit.mitigation.generalising.schedule import WHOLE
    from pytest_biasaudit.mitigation.removing.file import save_components, suffix_of
    from pytest_biasaudit.models.identity import file_sha256

    if not set(WHOLE) & set(plan.levels):
        raise BiasAuditError(
            f"{plan.path.name}: the sets of whole contexts were to be saved in {folder}, and none is found at the levels "
            f"{', '.join(plan.levels)}; add {' or '.join(map(repr, WHOLE))} to its levels"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise BiasAuditError(f"the sets cannot be saved in {folder}: {fault.strerror}") from fault

    def keep(source: Source, components: ComponentSet) -> tuple[str, str]:
        path = folder / f"{name_of(plan, source)}{suffix_of(components)}"
        save_components(components, path)
        return path.name, file_sha256(path)

    return keep

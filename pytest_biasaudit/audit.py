"""The line from context to record, walked once for one audit and one model. The only file that sees all stages.

Imports nothing heavy itself: torch starts with the first model, numpy with the first estimate.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.artefacts import Artefacts, refuse_if_changed
from pytest_biasaudit.collecting import Collector
from pytest_biasaudit.comparing import Other, another_batch_size, rerun_of, with_what_stands_beside
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.context.declaration import (
    Audit,
    BenchmarkAudit,
    Context,
    CorpusAudit,
    CounterfactualAudit,
    Limit,
    TabularAudit,
)
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.errors import BiasAuditError, ModelError
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.metrics.registry import for_kind
from pytest_biasaudit.models.protocol import Model
from pytest_biasaudit.models.spec import ModelSpec
from pytest_biasaudit.records.record import AuditRecord, Rerun
from pytest_biasaudit.result import AuditResult
from pytest_biasaudit.settings import Extensions, Settings
from pytest_biasaudit.studies import Studies
from pytest_biasaudit.tables.itself import TableItself

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.generalising.plan import Plan
    from pytest_biasaudit.mitigation.generalising.result import Generalisation
    from pytest_biasaudit.mitigation.study.plan import StudyPlan
    from pytest_biasaudit.mitigation.study.result import StudyResult
    from pytest_biasaudit.models.transformer import TransformerModel
    from pytest_biasaudit.outcomes.asking import Watch
    from pytest_biasaudit.outcomes.collect import Collected
    from pytest_biasaudit.tables.tally import Tally


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What an audit of one model came to, before it is judged."""

    estimates: tuple[Estimate, ...]
    held: list[tuple[Limit, tuple[Estimate, ...]]]
    """Each limit that applies, with the estimates it is held against."""
    reruns: tuple[Rerun, ...] = ()
    tallies: tuple[tuple[str, Tally], ...] = ()
    """Tables: what was compared with, counted, by the name that limits give in `versus`."""


class Auditor:
    """Runs audits: asks, measures, judges, and remembers what it has asked. Its models are those of `artefacts`.

    settings    how to ask
    specs       the declared models
    extensions  what hooks add
    watch       shows progress; None shows nothing
    reading     the same for a table that is scanned, in bytes

    Close it, or use it in `with`.
    """

    def __init__(
        self,
        settings: Settings,
        specs: Mapping[str, ModelSpec] | None = None,
        *,
        extensions: Extensions | None = None,
        watch: Watch | None = None,
        reading: Watch | None = None,
    ) -> None:
        self.settings = settings
        self.extensions = extensions or Extensions()
        self.artefacts = Artefacts(settings, specs or {}, self.extensions)
        self._collector = Collector(settings, self.extensions, self.artefacts, watch=watch, reading=reading)
        self._measures: dict[Hashable, Measures] = {}
        self._results: dict[Hashable, AuditResult] = {}
        self._studies = Studies(settings, self.extensions, self.artefacts, self._collector, read=self.read, watch=watch)

    def __enter__(self) -> Auditor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the journal and lets go of the model held."""
        self._collector.close()
        self.artefacts.close()

    @property
    def messages(self) -> list[str]:
        """What a user should know and no verdict says, such as a damaged journal."""
        return self._collector.messages

    # -- models -----------------------------------------------------------------------------------------------------

    def load(self, name: str) -> Model:
        """A declared model, loaded. See `Artefacts.load`."""
        return self.artefacts.load(name)

    def model(self, given: object) -> Model:
        """A model from whatever a test has. See `Artefacts.model`."""
        return self.artefacts.model(given)

    def derive(self, parent: object, steps: Sequence[Step], *, name: str | None = None) -> TransformerModel:
        """A child of a model by recipe steps. See `Artefacts.derive`."""
        return self.artefacts.derive(parent, steps, name=name)

    # -- audits -----------------------------------------------------------------------------------------------------

    def read(self, path: Path) -> Context:
        """A context file, with what hooks add allowed in it."""
        extensions = self.extensions
        return read_context(
            path, metrics=extensions.metrics, people_lists=extensions.people, scorers=tuple(extensions.scorers)
        )

    def run(self, context: Context | Path | str, *, audit: str | None = None, model: object = None) -> AuditResult:
        """Audits one model in one declared audit; answers already given are not asked again.

        context  a context, or the path of a `*.bias.toml` file
        audit    the audit's id; may be left out where the context has one
        model    a declared name, a loaded model, or (module, tokenizer); not needed, and not asked, in an audit of data or
                 of predictions already made

        Raises ContextError, ModelError and their kin. A model that answers nothing raises nothing: its verdicts are
        `not_measured`.
        """
        declared = context if isinstance(context, Context) else self.read(Path(context))
        chosen = _chosen(declared, audit)
        asked = self._asked(declared, chosen, model)
        # Names are in a result, and limits and what they are held against: what shares answers need not share it.
        identity = asked.identity
        key = (declared.audits, self._collector.key(declared, chosen, asked), identity.name, identity.parent, chosen)
        if key not in self._results:
            self._results[key] = self._run(declared, chosen, asked)
        return self._results[key]

    def generalise(
        self, plan: Plan | Path | str, *, model: object = None, save_sets: Path | None = None
    ) -> Generalisation:
        """Studies how far removing components carries: from prompts to others of a context, and to other contexts.

        plan       a plan, or the path of its TOML file
        model      as `run` takes it; None: the declared model that the plan names
        save_sets  folder for the scored sets of whole contexts, a file each

        What is known is not asked: a study that was stopped goes on, and comes to the same table. Raises PlanError,
        ModelError and their kin.
        """
        return self._studies.generalise(plan, model=model, save_sets=save_sets)

    def study(self, plan: StudyPlan | Path | str, *, model: object = None) -> StudyResult:
        """Fine-tunes under every pair of levers on model and data, over seeds, and measures which lowers the gap.

        plan   a plan, or the path of the TOML file that holds it
        model  as `run` takes it; None: the model that the plan names

        Finished cells are kept in the cache: a study that was stopped goes on, and comes to the same tables. Raises PlanError,
        DataError, ModelError, TrainingError and their kin.
        """
        return self._studies.study(plan, model=model)

    def _asked(self, context: Context, audit: Audit, model: object) -> Model:
        """Who answers: the model given, or the table itself where it holds all there is to know."""
        if isinstance(audit, TabularAudit) and not audit.asks_model:
            return self._collector.itself(context, audit)
        if model is None:
            raise BiasAuditError(f"{context.path.name}: audit {audit.id!r} is put to a model; say which with model=...")
        asked = self.model(model)
        refuse_if_changed(asked)
        return asked

    def _run(self, context: Context, audit: Audit, model: Model) -> AuditResult:
        from pytest_biasaudit.verdict.finding import Where
        from pytest_biasaudit.verdict.judge import judge_limits

        started = time.monotonic()
        identity, seed = model.identity, self.settings.seed
        metrics = for_kind(self.extensions.metrics, audit.kind)
        collected = self._collector.collect(context, audit, model)
        measured = self._measured(context, audit, model, collected)
        held = measured.held
        family: list[float] = []
        if any(limit.rule == "lower" for limit, _ in held):
            # Holm looks at every `lower` limit of the context: what the other audits give belongs to the family.
            for other in context.audits:
                if other.id != audit.id and any(limit.rule == "lower" for limit in other.limits):
                    family.extend(self._family_of(context, other, model))
        where = Where.of(context, audit, model=identity.name, seed=seed)
        record = AuditRecord(
            context=context,
            audit=audit,
            model=identity,
            prompt_format=self._collector.asked_as(context, audit, model).prompt_format,
            seed=seed,
            batch_size=self.settings.batch_size,
            outcomes=collected.outcomes,
            estimates=measured.estimates,
            judgements=judge_limits(held, metrics=metrics, where=where, family=family),
            seconds=time.monotonic() - started,
            asked=collected.asked,
            recalled=collected.recalled,
            controls=collected.controls,
            facts=collected.facts,
            data=collected.data,
            obstacle=collected.obstacle,
            tally=collected.tally,
            reruns=measured.reruns,
            tallies=measured.tallies,
        )
        return AuditResult(
            record=record, metrics=metrics, observe=self.settings.observe, inconclusive=self.settings.inconclusive
        )

    def _family_of(self, context: Context, audit: Audit, model: Model) -> Sequence[float]:
        """What another audit's `lower` limits add to the family; ones where its model is not the one at hand."""
        from pytest_biasaudit.verdict.judge import lower_ps

        metrics = for_kind(self.extensions.metrics, audit.kind)
        asks_none = isinstance(audit, TabularAudit) and not audit.asks_model
        if not asks_none and isinstance(model, TableItself):
            return [1.0 for limit in audit.limits if limit.rule == "lower"]
        who = self._asked(context, audit, model)
        theirs = self._measured(context, audit, who, self._collector.collect(context, audit, who))
        return lower_ps(theirs.held, metrics=metrics)

    def _measured(self, context: Context, audit: Audit, model: Model, collected: Collected) -> Measures:
        """All estimates, and for each limit that applies those it is held against; reckoned once for an audit."""
        identity = model.identity
        key = (self._collector.key(context, audit, model), identity.name, identity.parent, audit.limits)
        if key not in self._measures:
            self._measures[key] = self._measure(context, audit, model, collected)
        return self._measures[key]

    def _measure(self, context: Context, audit: Audit, model: Model, collected: Collected) -> Measures:
        from pytest_biasaudit.metrics.measure import estimates_of

        identity = model.identity
        limits = tuple(
            limit
            for limit in audit.limits
            if applies(limit, model=identity.name, parent=identity.parent, specs=self.artefacts.specs)
        )
        others: dict[str, Other] = {}
        if isinstance(audit, TabularAudit):
            return self._measure_table(context, audit, limits, model, collected)
        for versus in sorted({limit.versus for limit in limits if limit.versus is not None}):
            other = self._other(context, audit, model, versus)
            if other is not None:
                others[versus] = other
        applying = replace(audit, limits=limits)
        came = {name: other.came for name, other in others.items()}
        estimates = with_what_stands_beside(
            self._estimates(applying, collected, came),
            applying,
            self._collector.asked_as(context, audit, model),
            others,
            partial(self._estimates, always=False),
        )
        return Measures(
            estimates=estimates,
            held=[(limit, estimates_of(limit, estimates)) for limit in limits],
            reruns=tuple(filter(None, (rerun_of(name, other) for name, other in others.items()))),
        )

    def _measure_table(
        self, context: Context, audit: TabularAudit, limits: tuple[Limit, ...], model: Model, collected: Collected
    ) -> Measures:
        """The same of a labelled table: other models' answers are paired row by row, earlier data are counted alike."""
        from pytest_biasaudit.metrics.measure import estimates_of

        came: dict[str, Collected] = {}
        for versus in sorted({limit.versus for limit in limits if limit.versus is not None}):
            if versus == BEFORE and isinstance(audit, CorpusAudit):
                before = self._collector.before(context, audit)
                if before is not None:
                    came[versus] = before
                continue
            other = self._other(context, audit, model, versus)
            if other is not None:
                came[versus] = self._collector.paired(context, audit, collected, other.came)
        estimates = self._estimates(replace(audit, limits=limits), collected, came)
        return Measures(
            estimates=estimates,
            held=[(limit, estimates_of(limit, estimates)) for limit in limits],
            tallies=tuple((name, other.tally) for name, other in came.items() if other.tally is not None),
        )

    def _estimates(
        self, audit: Audit, collected: Collected, others: Mapping[str, Collected], *, always: bool = True
    ) -> tuple[Estimate, ...]:
        metrics, seed = for_kind(self.extensions.metrics, audit.kind), self.settings.seed
        if isinstance(audit, TabularAudit):
            from pytest_biasaudit.metrics.tables.measure import measure_table

            return measure_table(audit, collected, metrics=metrics, seed=seed, others=others, always=always)
        if isinstance(audit, BenchmarkAudit):
            from pytest_biasaudit.metrics.benchmarks.measure import measure_benchmark

            return measure_benchmark(audit, collected, metrics=metrics, seed=seed, others=others, always=always)
        from pytest_biasaudit.metrics.measure import measure

        assert isinstance(audit, CounterfactualAudit)
        theirs = {name: other.outcomes for name, other in others.items()}
        estimates = measure(audit, collected.outcomes, metrics=metrics, seed=seed, others=theirs, always=always)
        if collected.obstacle:
            return tuple(replace(estimate, reason=collected.obstacle) for estimate in estimates)
        return estimates

    def _other(self, context: Context, audit: Audit, model: Model, versus: str) -> Other | None:
        """The answers of the model a `versus` limit names, asked twice where a noise floor is wanted; None: no such model."""
        name = model.identity.parent if versus == "parent" else versus
        if name is None:
            return None
        compared = any(limit.versus == versus and limit.shows != "value" for limit in audit.limits)
        floor = self.settings.noise_floor and not isinstance(audit, TabularAudit)  # tables have no floor beside a rise
        again = another_batch_size(self.settings.batch_size) if compared and floor else None
        digest = model.identity.parent_digest if versus == "parent" else self.artefacts.digest_of(name)
        known = self._collector.known(context, audit, digest, again) if digest is not None else None
        if known is not None and (known.again is not None or again is None):
            return known
        held = self._other_model(model, name, versus)
        if held is None:
            return known
        refuse_if_changed(held)
        came = self._collector.collect(context, audit, held)
        asked_as = self._collector.asked_as(context, audit, held)
        if again is None or came.obstacle:
            return Other(came=came, asked_as=asked_as)
        second = self._collector.collect(context, audit, held, batch_size=again)
        return Other(came=came, asked_as=asked_as, again=second, again_batch_size=again)

    def _other_model(self, model: Model, name: str, versus: str) -> Model | None:
        """The model itself: held by the child, or loaded. Raises ModelError where a declared one is not the parent."""
        held = getattr(model, "parent", None) if versus == "parent" else None
        if held is None:
            if name not in self.artefacts.specs:
                return None
            held = self.load(name)
            if versus == "parent" and held.identity.digest != model.identity.parent_digest:
                raise ModelError(
                    f"{model.identity.name}: the declared model {name!r} is not the parent it was made from "
                    "(their digests differ); load the parent anew and make the child from it"
                )
        return held


BEFORE = "before"
"""What a limit of a corpus names in `versus`: the data's earlier version."""


def applies(limit: Limit, *, model: str, parent: str | None, specs: Mapping[str, ModelSpec]) -> bool:
    """Whether a limit can be asked of a model: nothing is held against the model itself.

    A limit against "parent" is not asked of the models that others are declared to be made from (`specs`). Of any
    other model without a parent it is asked, and ends as not measured: dropped, it would be green by accident.
    """
    if limit.versus is None:
        return True
    if limit.versus == "parent":
        return parent is not None or all(spec.parent != model for spec in specs.values())
    return limit.versus != model


def _chosen(context: Context, audit: str | None) -> Audit:
    if audit is not None:
        return context.audit(audit)
    if len(context.audits) == 1:
        return context.audits[0]
    raise BiasAuditError(
        f"{context.path.name} has several audits: say which with audit=...; there are {', '.join(a.id for a in context.audits)}"
    )

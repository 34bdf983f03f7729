"""The line from context to record, walked once for one audit and one model. The only file that sees all stages.

Imports nothing heavy itself: torch starts with the first model, numpy with the first estimate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.artefacts import Artefacts, refuse_if_changed
from pytest_biasaudit.compression.recipe import Step
from pytest_biasaudit.context.declaration import Audit, BenchmarkAudit, Context, CounterfactualAudit, Limit
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.errors import BiasAuditError, ModelError
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.models.declared import ModelSpec
from pytest_biasaudit.models.protocol import LanguageModel, Model
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.result import AuditResult
from pytest_biasaudit.settings import Extensions, Settings

if TYPE_CHECKING:
    from pytest_biasaudit.models.transformer import TransformerModel
    from pytest_biasaudit.outcomes.asking import Watch
    from pytest_biasaudit.outcomes.collect import Collected
    from pytest_biasaudit.outcomes.journal import Journal


Measures = tuple[tuple[Estimate, ...], list[tuple[Limit, tuple[Estimate, ...]]]]
"""All estimates of an audit, and each limit with those it is held against."""


class Auditor:
    """Runs audits: asks, measures, judges, and remembers what it has asked. Its models are those of `artefacts`.

    settings    how to ask
    specs       the declared models
    extensions  what hooks add
    watch       shows progress; None shows nothing

    Close it, or use it in `with`.
    """

    def __init__(
        self,
        settings: Settings,
        specs: Mapping[str, ModelSpec] | None = None,
        *,
        extensions: Extensions | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.settings = settings
        self.extensions = extensions or Extensions()
        self.artefacts = Artefacts(settings, specs or {}, self.extensions)
        self.messages: list[str] = []
        """What a user should know and no verdict says, such as a damaged journal."""
        self._watch = watch or _unwatched
        self._journal: Journal | None = None
        self._collected: dict[Hashable, Collected] = {}
        self._measures: dict[Hashable, Measures] = {}
        self._results: dict[Hashable, AuditResult] = {}

    def __enter__(self) -> Auditor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the journal and lets go of the model held."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self.artefacts.close()

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

    def run(self, context: Context | Path | str, *, audit: str | None = None, model: object) -> AuditResult:
        """Audits one model in one declared audit; answers already given are not asked again.

        context  a context, or the path of a `*.bias.toml` file
        audit    the audit's id; may be left out where the context has one
        model    a declared name, a loaded model, or (module, tokenizer)

        Raises ContextError, ModelError and their kin. A model that answers nothing raises nothing: its verdicts are
        `not_measured`.
        """
        declared = context if isinstance(context, Context) else self.read(Path(context))
        chosen = _chosen(declared, audit)
        asked = self.model(model)
        refuse_if_changed(asked)
        # Names are in a result, and limits and what they are held against: what shares answers need not share it.
        identity = asked.identity
        key = (declared.audits, self._key(declared, chosen, asked), identity.name, identity.parent, chosen)
        if key not in self._results:
            self._results[key] = self._run(declared, chosen, asked)
        return self._results[key]

    def _run(self, context: Context, audit: Audit, model: Model) -> AuditResult:
        from pytest_biasaudit.verdict.finding import Where
        from pytest_biasaudit.verdict.judge import judge_limits, lower_ps

        started = time.monotonic()
        identity, metrics, seed = model.identity, self.extensions.metrics, self.settings.seed
        collected = self._collect(context, audit, model)
        estimates, held = self._measured(context, audit, model, collected)
        family: list[float] = []
        if any(limit.rule == "lower" for limit, _ in held):
            # Holm looks at every `lower` limit of the context: what the other audits give belongs to the family.
            for other in context.audits:
                if other.id != audit.id and any(limit.rule == "lower" for limit in other.limits):
                    theirs = self._measured(context, other, model, self._collect(context, other, model))[1]
                    family.extend(lower_ps(theirs, metrics=metrics))
        where = Where.of(context, audit, model=identity.name, seed=seed)
        record = AuditRecord(
            context=context,
            audit=audit,
            model=identity,
            prompt_format=model.prompt_format if isinstance(model, LanguageModel) else "raw",
            seed=seed,
            batch_size=self.settings.batch_size,
            outcomes=collected.outcomes,
            estimates=estimates,
            judgements=judge_limits(held, metrics=metrics, where=where, family=family),
            seconds=time.monotonic() - started,
            asked=collected.asked,
            recalled=collected.recalled,
            controls=collected.controls,
            facts=collected.facts,
            data=collected.data,
            obstacle=collected.obstacle,
        )
        return AuditResult(
            record=record, metrics=metrics, observe=self.settings.observe, inconclusive=self.settings.inconclusive
        )

    def _measured(self, context: Context, audit: Audit, model: Model, collected: Collected) -> Measures:
        """All estimates, and for each limit that applies those it is held against; reckoned once for an audit."""
        identity = model.identity
        key = (self._key(context, audit, model), identity.name, identity.parent, audit.limits)
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
        others = {}
        for versus in {limit.versus for limit in limits if limit.versus is not None}:
            other = self._other(context, audit, model, versus)
            if other is not None:
                others[versus] = other
        estimates = self._estimates(replace(audit, limits=limits), collected, others)
        return estimates, [(limit, estimates_of(limit, estimates)) for limit in limits]

    def _estimates(self, audit: Audit, collected: Collected, others: Mapping[str, Collected]) -> tuple[Estimate, ...]:
        metrics, seed = self.extensions.metrics, self.settings.seed
        if isinstance(audit, BenchmarkAudit):
            from pytest_biasaudit.metrics.benchmarks.measure import measure_benchmark

            return measure_benchmark(audit, collected, metrics=metrics, seed=seed, others=others)
        from pytest_biasaudit.metrics.measure import measure

        assert isinstance(audit, CounterfactualAudit)
        theirs = {name: other.outcomes for name, other in others.items()}
        estimates = measure(audit, collected.outcomes, metrics=metrics, seed=seed, others=theirs)
        if collected.obstacle:
            return tuple(replace(estimate, reason=collected.obstacle) for estimate in estimates)
        return estimates

    def _other(self, context: Context, audit: Audit, model: Model, versus: str) -> Collected | None:
        """The answers of the model a `versus` limit names; None where there is no such model."""
        name = model.identity.parent if versus == "parent" else versus
        if name is None:
            return None
        digest = model.identity.parent_digest if versus == "parent" else self.artefacts.digest_of(name)
        if digest is not None:
            known = self._collected.get((self._questions(context, audit), digest))
            if known is not None:
                return known
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
        refuse_if_changed(held)
        return self._collect(context, audit, held)

    def _collect(self, context: Context, audit: Audit, model: Model) -> Collected:
        key = self._key(context, audit, model)
        if key not in self._collected:
            what = f"{context.id} / {audit.id}[{model.identity.name}]"
            # One process asks an audit of a model; another that wants the same waits, and finds the answers written.
            with self._opened().lock(f"{context.sha256}-{audit.id}-{key[1]}"):
                if isinstance(audit, BenchmarkAudit):
                    self._collected[key] = self._collect_items(context, audit, model, what)
                else:
                    assert isinstance(audit, CounterfactualAudit)
                    self._collected[key] = self._collect_prompts(context, audit, model, what)
        return self._collected[key]

    def _collect_prompts(self, context: Context, audit: CounterfactualAudit, model: Model, what: str) -> Collected:
        from pytest_biasaudit.outcomes.collect import Collected, collect
        from pytest_biasaudit.prompts.counterfactual import build_prompts

        prompts = build_prompts(context, audit, seed=self.settings.seed, extra=self.extensions.people)
        if not isinstance(model, LanguageModel):
            lacks = f": {model.identity.lacks}" if model.identity.lacks else ""
            obstacle = (
                f"a counterfactual audit needs a causal language model; {model.identity.name!r} is a "
                f"{type(model).__name__}{lacks}"
            )
            return Collected(outcomes=(), asked=0, recalled=0, obstacle=obstacle)
        with self._watch(what, len(prompts) * audit.outcome.repeats) as progress:
            return collect(
                prompts,
                audit.outcome,
                model,
                journal=self._opened(),
                seed=self.settings.seed,
                batch_size=self.settings.batch_size,
                progress=progress,
                scorers=self.extensions.scorers,
            )

    def _collect_items(self, context: Context, audit: BenchmarkAudit, model: Model, what: str) -> Collected:
        from pytest_biasaudit.benchmarks import collect_items, data_of, items_of
        from pytest_biasaudit.outcomes.asking import Asker

        data = data_of(context, audit, offline=self.settings.offline)
        items = items_of(data, audit)
        asker = Asker(model, journal=self._opened(), batch_size=self.settings.batch_size, watch=self._watch, what=what)
        return replace(collect_items(items, audit, asker, seed=self.settings.seed), data=data.facts)

    def _opened(self) -> Journal:
        if self._journal is None:
            from pytest_biasaudit.outcomes.journal import Journal

            path = self.settings.cache / "journal.sqlite" if self.settings.cache is not None else None
            self._journal = Journal.open(path)
            self.messages = self._journal.messages
        return self._journal

    def _key(self, context: Context, audit: Audit, model: Model) -> tuple[Hashable, str]:
        """What answers are remembered under: what is asked, and of which model."""
        identity = model.identity
        # A model no digest pins down is its own key; it is kept alive so that no other gets its id.
        if not identity.cacheable:
            self.artefacts.keep_alive(model)
        return self._questions(context, audit), identity.digest if identity.cacheable else f"object-{id(model)}"

    def _questions(self, context: Context, audit: Audit) -> Hashable:
        """What decides what is asked. The path too: copies of one file have other people lists beside them."""
        data = ""
        if isinstance(audit, BenchmarkAudit):
            from pytest_biasaudit.benchmarks import data_of

            data = data_of(context, audit, offline=self.settings.offline).sha256
        return context.path, context.sha256, replace(audit, limits=()), data


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


@contextmanager
def _unwatched(_what: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _count: None

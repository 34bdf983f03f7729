"""The two studies that an auditor runs, each once: how far removing components carries, and which lever lowers a gap.

Reads the plan, finds the model, remembers the result; the study itself is in `generalising` and `studying`. Imports nothing
heavy itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.artefacts import Artefacts, refuse_if_changed
from pytest_biasaudit.collecting import Collector
from pytest_biasaudit.context.declaration import Context
from pytest_biasaudit.errors import BiasAuditError
from pytest_biasaudit.models.protocol import Model
from pytest_biasaudit.models.spec import ModelSpec
from pytest_biasaudit.settings import Extensions, Settings
from pytest_biasaudit.tables.source import state_of

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.generalising.plan import Plan
    from pytest_biasaudit.mitigation.generalising.result import Generalisation
    from pytest_biasaudit.mitigation.study.plan import StudyPlan
    from pytest_biasaudit.mitigation.study.result import StudyResult
    from pytest_biasaudit.outcomes.asking import Watch


class Studies:
    """What was studied in this run.

    read  reads a context file as the auditor does
    """

    def __init__(
        self,
        settings: Settings,
        extensions: Extensions,
        artefacts: Artefacts,
        collector: Collector,
        *,
        read: Callable[[Path], Context],
        watch: Watch | None,
    ) -> None:
        self._settings, self._extensions, self._artefacts = settings, extensions, artefacts
        self._collector, self._read, self._watch = collector, read, watch
        self._carried: dict[Hashable, Generalisation] = {}
        self._levers: dict[Hashable, StudyResult] = {}

    def generalise(self, plan: Plan | Path | str, *, model: object, save_sets: Path | None) -> Generalisation:
        """See `Auditor.generalise`."""
        from pytest_biasaudit.generalising import asked_by, study
        from pytest_biasaudit.mitigation.generalising.plan import Plan
        from pytest_biasaudit.mitigation.generalising.plan_file import read_plan

        people = self._extensions.people
        declared = plan if isinstance(plan, Plan) else read_plan(Path(plan), reading=self._read, extra_people=people)
        if model is None and declared.model is None:
            raise _no_model(declared.path)
        asked = self._artefacts.model(declared.model if model is None else model)
        known = self._known(asked)
        held = self._artefacts.held_text(asked.identity.name)
        what = asked_by(declared, seed=self._settings.seed, extra=people)
        key = (what, held.sha256, asked.identity.name, known, save_sets)
        if key not in self._carried:
            self._carried[key] = study(
                declared,
                asked,
                settings=self._settings,
                journal=self._collector.journal,
                held_text=held,
                extra=people,
                scorers=self._extensions.scorers,
                watch=self._watch,
                save_sets=save_sets,
            )
        return self._carried[key]

    def study(self, plan: StudyPlan | Path | str, *, model: object) -> StudyResult:
        """See `Auditor.study`."""
        from pytest_biasaudit.mitigation.study.plan import StudyPlan
        from pytest_biasaudit.mitigation.study.plan_file import read_study
        from pytest_biasaudit.studying import study

        declared = plan if isinstance(plan, StudyPlan) else read_study(Path(plan))
        if model is None and declared.model is None and declared.source is None:
            raise _no_model(declared.path)
        asked = self._named_by(declared) if model is None else self._artefacts.model(model)
        tables = tuple(state_of(table.source, beside=declared.path.parent) for table in (declared.train, declared.test))
        key = (declared, tables, asked.identity.name, self._known(asked))
        if key not in self._levers:
            self._levers[key] = study(declared, asked, settings=self._settings, watch=self._watch)
        return self._levers[key]

    def _known(self, model: Model) -> str:
        """What tells the model from others in this run. Raises ModelError for one that was changed since it was loaded."""
        refuse_if_changed(model)
        if model.identity.cacheable:
            return model.identity.digest
        self._artefacts.keep_alive(model)
        return f"object-{id(model)}"

    def _named_by(self, plan: StudyPlan) -> Model:
        """The model that a plan names: a declared one, or a source of its own, whose path starts beside the plan.

        Raises BiasAuditError where another plan of the same id has brought another source.
        """
        if plan.model is not None:
            return self._artefacts.model(plan.model)
        assert plan.source is not None
        here = plan.path.parent / plan.source
        name, source = f"{plan.id}-base", str(here) if here.exists() else plan.source
        spec = ModelSpec(
            name=name, source=source, revision=None, dtype="float32", parent=None, recipe=(), where=plan.path.name
        )
        known = self._artefacts.specs.setdefault(name, spec)
        if known.source != source:
            raise BiasAuditError(
                f"{plan.path}: the model of this study is called {name!r}, which is {known.source!r} already and here "
                f"{source!r}; give the study another id"
            )
        return self._artefacts.model(name)


def _no_model(path: Path) -> BiasAuditError:
    return BiasAuditError(f"{path.name} names no model; say which with model=...")

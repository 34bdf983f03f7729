"""What each model answered in each audit: asked once, remembered for the run, asked again only where that is wanted.

Sees prompts, outcomes, benchmarks and the journal. Imports nothing heavy itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_biasaudit.artefacts import Artefacts
from pytest_biasaudit.comparing import Other
from pytest_biasaudit.context.declaration import (
    Audit,
    BenchmarkAudit,
    ClassifierAudit,
    Context,
    CorpusAudit,
    CounterfactualAudit,
    TabularAudit,
)
from pytest_biasaudit.models.protocol import Classifies, LanguageModel, Model
from pytest_biasaudit.records.unlike import AskedAs
from pytest_biasaudit.settings import Extensions, Settings

if TYPE_CHECKING:
    from pytest_biasaudit.outcomes.asking import Watch
    from pytest_biasaudit.outcomes.collect import Collected
    from pytest_biasaudit.outcomes.journal import Journal
    from pytest_biasaudit.tables.source import TableFile

Asked = tuple[Hashable, str]
"""What answers are remembered under: what is asked, and of which model."""


class Collector:
    """Puts audits to models, and remembers what came back.

    artefacts  keeps alive the models that no digest pins down
    watch      shows progress; None shows nothing
    reading    the same for a table that is scanned, in bytes
    """

    def __init__(
        self,
        settings: Settings,
        extensions: Extensions,
        artefacts: Artefacts,
        *,
        watch: Watch | None = None,
        reading: Watch | None = None,
    ) -> None:
        self.messages: list[str] = []
        """What a user should know and no verdict says, such as a damaged journal."""
        self._settings, self._extensions, self._artefacts = settings, extensions, artefacts
        self._watch, self._reading = watch or _unwatched, reading or _unwatched
        self._journal: Journal | None = None
        self._collected: dict[Hashable, Collected] = {}
        self._asked_as: dict[Hashable, AskedAs] = {}
        self._tables: dict[Hashable, TableFile] = {}

    def close(self) -> None:
        """Closes the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    @property
    def journal(self) -> Journal:
        """Where answers are kept, opened at first use."""
        return self._opened()

    def collect(self, context: Context, audit: Audit, model: Model, *, batch_size: int | None = None) -> Collected:
        """The model's answers.

        batch_size  asks everything again, so many at a time, whatever is known; what came of that is kept apart
        """
        asked = self.key(context, audit, model)
        key = (asked, batch_size)
        if key not in self._collected:
            what = f"{context.id} / {audit.id}[{model.identity.name}]"
            again = ""
            if batch_size is not None:
                what, again = f"{what} again, {batch_size} at a time", f"-again-{batch_size}"
            # One process asks an audit of a model; another that wants the same waits, and finds the answers written.
            with self._opened().lock(f"{context.sha256}-{audit.id}-{asked[1]}{again}"):
                if isinstance(audit, BenchmarkAudit):
                    self._collected[key] = self._items(context, audit, model, what, batch_size)
                elif isinstance(audit, TabularAudit):
                    self._collected[key] = self._rows(context, audit, model, what, batch_size)
                else:
                    assert isinstance(audit, CounterfactualAudit)
                    self._collected[key] = self._prompts(context, audit, model, what, batch_size)
            self._asked_as[key] = AskedAs(
                model=model.identity,
                prompt_format=model.prompt_format if isinstance(model, LanguageModel) else "raw",
                batch_size=batch_size or self._settings.batch_size,
                facts=dict(self._collected[key].facts),
            )
        return self._collected[key]

    def known(self, context: Context, audit: Audit, digest: str, again: int | None = None) -> Other | None:
        """What a model of that digest answered in this run; None where it was not asked.

        again  the batch size of its second asking, which comes with it where there was one
        """
        asked = (self.questions(context, audit), digest)
        if (asked, None) not in self._collected:
            return None
        second = self._collected.get((asked, again)) if again is not None else None
        return Other(
            came=self._collected[asked, None],
            asked_as=self._asked_as[asked, None],
            again=second,
            again_batch_size=again or 0,
        )

    def asked_as(self, context: Context, audit: Audit, model: Model) -> AskedAs:
        """How the model was asked; it has been."""
        return self._asked_as[self.key(context, audit, model), None]

    def key(self, context: Context, audit: Audit, model: Model) -> Asked:
        """What the answers are remembered under."""
        identity = model.identity
        # A model no digest pins down is its own key; it is kept alive so that no other gets its id.
        if not identity.cacheable:
            self._artefacts.keep_alive(model)
        return self.questions(context, audit), identity.digest if identity.cacheable else f"object-{id(model)}"

    def questions(self, context: Context, audit: Audit) -> Hashable:
        """What decides what is asked. The path too: copies of one file have other people lists beside them."""
        data = ""
        if isinstance(audit, BenchmarkAudit):
            from pytest_biasaudit.benchmarks import data_of

            data = data_of(context, audit, offline=self._settings.offline).sha256
        if isinstance(audit, TabularAudit):
            data = self._table(context, audit.data, audit.sha256).sha256
        return context.path, context.sha256, replace(audit, limits=()), data

    def itself(self, context: Context, audit: TabularAudit) -> Model:
        """What stands for the model in an audit that asks none. Raises DataError where the data are not to be had."""
        from pytest_biasaudit.tables.itself import table_itself

        return table_itself(audit.data, self._table(context, audit.data, audit.sha256).sha256)

    def before(self, context: Context, audit: CorpusAudit) -> Collected | None:
        """The earlier version of a corpus, counted; None where none is declared."""
        if audit.before is None:
            return None
        # `before` stays declared: of two versions either may lack a group that is left out.
        earlier = replace(audit, data=audit.before, sha256=audit.before_sha256)
        return self.collect(context, earlier, self.itself(context, earlier))

    def paired(self, context: Context, audit: TabularAudit, mine: Collected, theirs: Collected) -> Collected:
        """What came of the other model, counted row by row beside this model's answers."""
        from pytest_biasaudit.counting import paired

        assert isinstance(audit, ClassifierAudit)
        return paired(self._table(context, audit.data, audit.sha256), audit, mine, theirs)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _prompts(
        self, context: Context, audit: CounterfactualAudit, model: Model, what: str, again: int | None
    ) -> Collected:
        from pytest_biasaudit.outcomes.collect import Collected, collect
        from pytest_biasaudit.prompts.counterfactual import build_prompts, table_of

        prompts = build_prompts(context, audit, seed=self._settings.seed, extra=self._extensions.people)
        table = table_of(context, audit)
        data = None if table is None else table.facts
        if isinstance(model, Classifies) and not isinstance(model, LanguageModel):
            from pytest_biasaudit.outcomes.classifier_options import ChoosesAmongLabels, cannot_choose

            obstacle = cannot_choose(model, audit.outcome)
            if obstacle:
                return Collected(outcomes=(), asked=0, recalled=0, data=data, obstacle=obstacle)
            model = ChoosesAmongLabels(model)
        if not isinstance(model, LanguageModel):
            lacks = f": {model.identity.lacks}" if model.identity.lacks else ""
            obstacle = (
                f"a counterfactual audit needs a causal language model; {model.identity.name!r} is a "
                f"{type(model).__name__}{lacks}"
            )
            return Collected(outcomes=(), asked=0, recalled=0, data=data, obstacle=obstacle)
        with self._watch(what, len(prompts) * audit.outcome.repeats) as progress:
            came = collect(
                prompts,
                audit.outcome,
                model,
                journal=self._opened(),
                seed=self._settings.seed,
                batch_size=again or self._settings.batch_size,
                rerun=again is not None,
                progress=progress,
                scorers=self._extensions.scorers,
            )
        return replace(came, data=data)

    def _items(self, context: Context, audit: BenchmarkAudit, model: Model, what: str, again: int | None) -> Collected:
        from pytest_biasaudit.benchmarks import collect_items, data_of, items_of
        from pytest_biasaudit.outcomes.asking import Asker

        data = data_of(context, audit, offline=self._settings.offline)
        items = items_of(data, audit)
        asker = Asker(
            model,
            journal=self._opened(),
            batch_size=again or self._settings.batch_size,
            watch=self._watch,
            what=what,
            rerun=again is not None,
        )
        return replace(collect_items(items, audit, asker, seed=self._settings.seed), data=data.facts)

    def _rows(self, context: Context, audit: TabularAudit, model: Model, what: str, again: int | None) -> Collected:
        from pytest_biasaudit.counting import corpus_counted, predictions_counted, texts_classified

        table = self._table(context, audit.data, audit.sha256)
        if isinstance(audit, CorpusAudit):
            return corpus_counted(table, audit, watch=self._reading, what=what)
        assert isinstance(audit, ClassifierAudit)
        if not audit.asks_model:
            return predictions_counted(table, audit)
        return texts_classified(
            table,
            audit,
            model,
            journal=self._opened(),
            batch_size=again or self._settings.batch_size,
            rerun=again is not None,
            watch=self._watch,
            what=what,
        )

    def _table(self, context: Context, source: str, sha256: str | None) -> TableFile:
        """The declared table, found and digested once for each state of its file: a test may write it anew."""
        from pytest_biasaudit.tables.source import locate, state_of

        key = (context.path.parent, source, sha256, state_of(source, beside=context.path.parent))
        if key not in self._tables:
            self._tables[key] = locate(
                source, beside=context.path.parent, sha256=sha256, offline=self._settings.offline
            )
        return self._tables[key]

    def _opened(self) -> Journal:
        if self._journal is None:
            from pytest_biasaudit.outcomes.journal import Journal

            cache = self._settings.cache
            self._journal = Journal.open(cache / "journal.sqlite" if cache is not None else None)
            self.messages = self._journal.messages
        return self._journal


@contextmanager
def _unwatched(_what: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _count: None

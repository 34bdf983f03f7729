"""The fixtures. Each imports what it needs when a test asks for it. Imported by every pytest run: keep it light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_biasaudit.mitigation.generalising.result import Generalisation
    from pytest_biasaudit.mitigation.study.result import StudyResult
    from pytest_biasaudit.models.classifier import TransformerClassifier
    from pytest_biasaudit.models.protocol import Model
    from pytest_biasaudit.models.transformer import TransformerModel
    from pytest_biasaudit.result import AuditResult


class BiasAudit:
    """What the `biasaudit` fixture gives: runs audits in a test and keeps their evidence."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        from pytest_biasaudit.plugin.session import session_of

        self._session = session_of(request.config)
        self._folder = request.path.parent

    def run(
        self, context: str | Path, *, audit: str | None = None, model: object = None, tokenizer: object = None
    ) -> AuditResult:
        """Audits one model in one declared audit.

        context    a `*.bias.toml` file: beside the test file, else in the root folder
        audit      the audit's id; may be left out where the context has one
        model      a declared name, what a fixture gave, a ScriptedModel, or a live torch module; none in an audit of data, or of
                   predictions already made
        tokenizer  that of a live module; module and tokenizer may also come as a tuple
        """
        result = self._session.auditor.run(self._found(context), audit=audit, model=_with(model, tokenizer))
        self._session.keep(result)
        return result

    def generalise(
        self,
        plan: str | Path,
        *,
        model: object = None,
        tokenizer: object = None,
        save_sets: str | Path | None = None,
    ) -> Generalisation:
        """Studies how far removing components carries, as a plan file says.

        plan       a TOML file: beside the test file, else in the root folder
        model      as `run` takes it; when absent, the declared model that the plan names
        save_sets  folder for the sets of whole contexts, a file each

        Its table is in the run's evidence and report. Hold it against what it must come to with `assert_generalises`.
        """
        from pathlib import Path

        given = None if model is None else _with(model, tokenizer)
        result = self._session.auditor.generalise(
            self._found(plan), model=given, save_sets=None if save_sets is None else Path(save_sets)
        )
        self._session.keep_study(result)
        return result

    def study(self, plan: str | Path, *, model: object = None, tokenizer: object = None) -> StudyResult:
        """Studies which lever on model or data lowers the gap of a fine-tuned classifier, as a plan says.

        plan   the TOML file that holds it (pyproject.toml, biasaudit.toml or one of its own): beside the test file, else in
               the root folder
        model  as `run` takes it; when absent, the model that the plan names

        Its tables are in the run's evidence.
        """
        given = None if model is None else _with(model, tokenizer)
        result = self._session.auditor.study(self._found(plan), model=given)
        self._session.keep_levers(result)
        return result

    def save(self, model: object, folder: str | Path, *, date: str | None = None) -> Path:
        """Writes a model that a fixture gave to a folder, with its record. See `pytest_biasaudit.save`."""
        from pytest_biasaudit.compression.saving import save

        return save(self._session.auditor.model(model), folder, date=date)

    def _found(self, context: str | Path) -> Path:
        from pathlib import Path

        places = [self._folder / context, self._session.config.rootpath / context]
        for place in places:
            if place.is_file():
                return place
        return Path(places[0])


@pytest.fixture
def biasaudit(request: pytest.FixtureRequest) -> BiasAudit:
    """Runs audits: `biasaudit.run(context, audit=..., model=...)` gives a result to assert on."""
    return BiasAudit(request)


@pytest.fixture(scope="session")
def biasaudit_load(request: pytest.FixtureRequest) -> Callable[..., Model]:
    """Loads a declared model by name; or takes a live torch module with its tokenizer as a model."""
    from pytest_biasaudit.plugin.session import session_of

    auditor = session_of(request.config).auditor

    def load(model: object, tokenizer: object = None) -> Model:
        return auditor.model(_with(model, tokenizer))

    return load


@pytest.fixture(scope="session")
def biasaudit_model(request: pytest.FixtureRequest) -> Model:
    """Every selected model in turn, loaded."""
    from pytest_biasaudit.plugin.session import session_of

    return session_of(request.config).auditor.load(request.param)


@pytest.fixture(scope="session")
def biasaudit_quantize(request: pytest.FixtureRequest) -> Callable[..., TransformerModel]:
    """Makes a quantised child: `biasaudit_quantize(model, "rtn", bits=4, group_size=32)`. The model is not touched."""
    return _deriving(request, "quantize")


@pytest.fixture(scope="session")
def biasaudit_prune(request: pytest.FixtureRequest) -> Callable[..., TransformerModel]:
    """Makes a pruned child: `biasaudit_prune(model, "magnitude", sparsity=0.3)`. The model is not touched.

    Settings that are lists are given as lists: `biasaudit_prune(model, "heads", heads=[[12, 4]])`. A saved set of
    components is given by itself: `biasaudit_prune(model, components="fairer.json")`, a file relative to the root folder,
    or a `ComponentSet`.
    """
    return _pruning(request)


@pytest.fixture(scope="session")
def biasaudit_distill(request: pytest.FixtureRequest) -> Callable[..., TransformerModel]:
    """Teaches a student: `biasaudit_distill(teacher, "logits", text="corpus.txt", layers=4, steps=500)`.

    The teacher is not touched. Files are relative to the root folder, or absolute; a student that was taught before on
    the same text is taken from the cache.
    """
    return _deriving(request, "distill")


@pytest.fixture(scope="session")
def biasaudit_finetune(request: pytest.FixtureRequest) -> Callable[..., TransformerClassifier]:
    """Fine-tunes a classifier: `biasaudit_finetune("minilm", "train.csv", columns={"text": "cv", "label": "hired"}, epochs=3)`.

    The model is not touched. The table is a file, relative to the root folder or absolute, with its columns named as in
    [audit.columns]; or a table that was read or changed before. Settings are those of `FineTuning`. A classifier that was
    taught before on the same table is taken from the cache.
    """
    return _fine_tuning(request)


def _deriving(request: pytest.FixtureRequest, action: str) -> Callable[..., TransformerModel]:
    from pytest_biasaudit.plugin.session import session_of

    session = session_of(request.config)

    def derive(
        model: object, method: str, *, name: str | None = None, tokenizer: object = None, **settings: Any
    ) -> TransformerModel:
        """A child of `model` (a declared name, a loaded model, or a live module with its tokenizer) by one recipe step."""
        from pathlib import Path

        from pytest_biasaudit.compression.recipe import read_step

        plain = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
        step = read_step({action: method, **plain}, session.methods)
        return session.auditor.derive(_with(model, tokenizer), [step], name=name)

    return derive


def _pruning(request: pytest.FixtureRequest) -> Callable[..., TransformerModel]:
    from pytest_biasaudit.plugin.session import session_of

    derive = _deriving(request, "prune")
    cache = session_of(request.config).auditor.settings.cache

    def prune(
        model: object, method: str | None = None, *, components: object = None, **settings: Any
    ) -> TransformerModel:
        """A child of `model` by one recipe step, or without the components of a file or set."""
        if method is not None:
            given = {} if components is None else {"components": components}
            return derive(model, method, **given, **settings)
        if components is None:
            raise TypeError('biasaudit_prune(model, ...) needs a method, such as "magnitude", or components=...')
        from pathlib import Path

        if isinstance(components, (str, Path)):
            return derive(model, "components", file=components, **settings)
        from pytest_biasaudit.mitigation.components import ComponentSet
        from pytest_biasaudit.mitigation.removing.file import kept_in

        if not isinstance(components, ComponentSet):
            raise TypeError(f"components must be a component file or a ComponentSet, not {type(components).__name__}")
        with kept_in(components, None if cache is None else cache / "components") as file:
            return derive(model, "components", file=file, **settings)

    return prune


def _fine_tuning(request: pytest.FixtureRequest) -> Callable[..., TransformerClassifier]:
    from functools import partial

    from pytest_biasaudit.plugin.progress import watch
    from pytest_biasaudit.plugin.session import session_of

    config, auditor = request.config, session_of(request.config).auditor

    def finetune(
        model: object,
        table: object,
        *,
        columns: object = None,
        name: str | None = None,
        tokenizer: object = None,
        seed: int | None = None,
        **settings: Any,
    ) -> TransformerClassifier:
        """A classifier of a table's texts, from `model`: a declared name, a loaded model, or a live module with its tokenizer.

        columns  which column is text, label and so on; not given with a table in memory
        name     for reports; when absent, the model's with "+finetune"
        seed     when absent, the run's
        """
        from pytest_biasaudit.artefacts import with_weights
        from pytest_biasaudit.training.fine_tuning import fine_tuning
        from pytest_biasaudit.training.finetune import finetune as taught
        from pytest_biasaudit.training.source import table_from

        return taught(
            with_weights(auditor.model(_with(model, tokenizer)), "fine-tuning"),
            table_from(table, columns, beside=config.rootpath),
            settings=fine_tuning(settings),
            home=auditor.settings.cache,
            seed=auditor.settings.seed if seed is None else seed,
            name=name,
            watch=partial(watch, config, unit="steps"),
        )

    return finetune


def _with(model: object, tokenizer: object) -> object:
    return model if tokenizer is None else (model, tokenizer)

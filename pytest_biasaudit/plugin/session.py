"""One pytest session's audits: settings from the command line, the auditor, and the evidence as it comes together.

Made when the first context file or fixture needs it. Under xdist every worker has one that audits, and the controller
one that only gathers what the workers' reports carry.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_biasaudit.errors import BiasAuditError
from pytest_biasaudit.plugin.run_options import RunOptions

if TYPE_CHECKING:
    from pytest_biasaudit.audit import Auditor
    from pytest_biasaudit.compression.method import Method
    from pytest_biasaudit.mitigation.generalising.result import Generalisation
    from pytest_biasaudit.mitigation.study.result import StudyResult
    from pytest_biasaudit.models.protocol import ModelIdentity
    from pytest_biasaudit.models.spec import ModelSpec
    from pytest_biasaudit.records.evidence import Evidence
    from pytest_biasaudit.result import AuditResult
    from pytest_biasaudit.settings import Extensions

CLI_MODEL = "cli"
MOST_LISTED = 20
"""Models named in one message: a sweep makes thousands."""
SESSION = pytest.StashKey["AuditSession"]()
Plain = dict[str, Any]


class AuditSession:
    """What the plugin keeps for one pytest session."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.options = RunOptions.of(config)
        self.payloads: list[Plain] = []
        """Evidence of audits as it came in on reports."""
        self.problems: list[str] = []
        """Why the evidence or the report was not written."""
        self.evidence: Evidence | None = None
        """Everything gathered, once the run has finished; None where nothing was audited."""
        self._pending: list[Plain] = []
        self._kept: dict[tuple[str, ...], list[AuditResult]] = {}
        self._studies: list[Generalisation] = []
        self._lever_studies: list[StudyResult] = []
        self._auditor: Auditor | None = None
        self._extensions: Extensions | None = None
        self._specs: dict[str, ModelSpec] | None = None

    # -- what is declared -------------------------------------------------------------------------------------------

    @property
    def specs(self) -> dict[str, ModelSpec]:
        """Declared models, and the one from --biasaudit-source."""
        if self._specs is None:
            from pytest_biasaudit.models.declared import read_models
            from pytest_biasaudit.models.spec import ModelSpec

            self._specs = read_models(self.config.rootpath, methods=self.methods)
            if self.options.source is not None:
                self._specs[CLI_MODEL] = ModelSpec(
                    name=CLI_MODEL,
                    source=self._from_here(self.options.source),
                    revision=None,
                    dtype="float32",
                    parent=None,
                    recipe=(),
                    where="--biasaudit-source",
                )
        return self._specs

    def selected(self) -> list[str]:
        """Names of the models to audit: those asked for, else the one given as a source, else all declared.

        Of a model that a sweep crosses with revisions these are audited, and it only where it is asked for.
        Raises UsageError for an unknown name; the list is empty where nothing is declared.
        """
        for name in self.options.models:
            if name not in self.specs:
                points = [
                    one for one, spec in self.specs.items() if spec.point is not None and spec.point.model == name
                ]
                reason = "is swept, and no model by itself" if points else "no such model is declared"
                known = points or list(self.specs)
                raise pytest.UsageError(f"--biasaudit-model={name}: {reason}; there are {some_of(known, name)}")
        asked = list(dict.fromkeys(self.options.models))
        if self.options.source is not None and CLI_MODEL not in asked:
            asked.append(CLI_MODEL)
        return asked or [name for name, spec in self.specs.items() if not spec.by_name_only]

    def _from_here(self, source: str) -> str:
        """A path given on the command line starts where pytest was called, as every other path there."""
        path = self.config.invocation_params.dir / source
        return str(path) if path.exists() else source

    @property
    def methods(self) -> tuple[Method, ...]:
        """Recipe methods: the built-in ones and those of hooks."""
        from pytest_biasaudit.compression.methods import METHODS

        more = [method for methods in self.config.hook.pytest_biasaudit_compressors() for method in methods]
        return (*METHODS, *more)

    @property
    def extensions(self) -> Extensions:
        """What hooks add. A name given twice is an error: silently taking one would change what is measured."""
        if self._extensions is None:
            from pytest_biasaudit.metrics.registry import METRICS
            from pytest_biasaudit.settings import Extensions

            hook = self.config.hook
            metrics = dict(METRICS)
            for metric in (one for some in hook.pytest_biasaudit_metrics() for one in some):
                _add(metrics, metric.name, metric, "metric")
            parts: dict[str, dict[str, Any]] = {"people": {}, "scorers": {}, "models": {}}
            for name, found in parts.items():
                for some in getattr(hook, f"pytest_biasaudit_{name}")():
                    for key, value in some.items():
                        _add(found, key, value, name)
            self._extensions = Extensions(
                metrics=metrics,
                people=parts["people"],
                scorers=parts["scorers"],
                backends=parts["models"],
                methods=self.methods,
            )
        return self._extensions

    # -- auditing ---------------------------------------------------------------------------------------------------

    @property
    def auditor(self) -> Auditor:
        """The auditor of this process, made on first use."""
        if self._auditor is None:
            from pytest_biasaudit.audit import Auditor
            from pytest_biasaudit.cache_folder import own_folder
            from pytest_biasaudit.plugin.progress import watch
            from pytest_biasaudit.settings import Settings

            settings = Settings(
                root=self.config.rootpath,
                seed=self.options.seed,
                batch_size=self.options.batch_size,
                cache=self.options.cache,
                offline=self.options.offline,
                threads=_threads(),
                noise_floor=self.options.noise_floor,
                observe=self.options.observe,
                inconclusive=self.options.inconclusive,
            )
            if self.options.cache is not None:
                own_folder(
                    self.options.cache,
                    instead="name another with --biasaudit-cache, or --biasaudit-no-cache",
                )
            self._auditor = Auditor(
                settings,
                self.specs,
                extensions=self.extensions,
                watch=partial(watch, self.config),
                reading=partial(watch, self.config, unit="bytes"),
            )
        return self._auditor

    def keep(self, result: AuditResult) -> None:
        """Puts a result's record on the report of the test that is running, once a process."""
        from pytest_biasaudit.records.codec import audit_to_plain, context_to_plain, model_to_plain

        record = result.record
        key = (record.context.sha256, record.audit.id, record.model.name, record.model.digest)
        kept = self._kept.setdefault(key, [])
        if any(known is result for known in kept):
            return
        kept.append(result)
        messages = list(self.auditor.messages)
        notes = record.model.achieved.get("notes")
        messages.extend(f"{record.model.name}: {note}" for note in (notes if isinstance(notes, (list, tuple)) else ()))
        paths = {known.record.context.path for known in kept}
        if len(paths) > 1:  # the same bytes in several folders, with other people lists beside them
            messages.append(
                f"{record.context.id} / {record.audit.id}: {len(paths)} files say the same; the evidence keeps the one with "
                "the gravest verdicts: give each context its own id"
            )
        elif len(kept) > 1:  # models that no digest tells apart
            messages.append(
                f"{record.context.id} / {record.audit.id}: {len(kept)} different models are all named "
                f"{record.model.name!r}; the evidence keeps the one with the gravest verdicts: give them other names"
            )
        self._pending.append(
            {
                "audit": audit_to_plain(record),
                "context": context_to_plain(record.context),
                "model": model_to_plain(self._at_its_point(record.model)),
                "messages": messages,
            }
        )

    def keep_study(self, result: Generalisation) -> None:
        """Puts a study's table on the report of the test that is running, once a process."""
        from pytest_biasaudit.records.codec import context_to_plain, model_to_plain
        from pytest_biasaudit.records.transfer import transfer_to_plain

        if any(known is result for known in self._studies):
            return
        self._studies.append(result)
        self._pending.append(
            {
                "transfer": transfer_to_plain(result),
                "contexts": [context_to_plain(context) for context in result.declared],
                "model": model_to_plain(self._at_its_point(result.model)),
                "messages": list(self.auditor.messages),
            }
        )

    def keep_levers(self, result: StudyResult) -> None:
        """Puts a study of levers on the report of the test that is running, once a process."""
        from pytest_biasaudit.records.codec import model_to_plain
        from pytest_biasaudit.records.study import study_to_plain

        if any(known is result for known in self._lever_studies):
            return
        self._lever_studies.append(result)
        self._pending.append(
            {
                "study": study_to_plain(result),
                "model": model_to_plain(self._at_its_point(result.model)),
                "messages": list(self.auditor.messages),
            }
        )

    def _at_its_point(self, model: ModelIdentity) -> ModelIdentity:
        """The identity with its place in the sweep. Known by digest: a live model may have a declared one's name."""
        spec = self.specs.get(model.name)
        if spec is None or spec.point is None or self.auditor.artefacts.digest_of(model.name) != model.digest:
            return model
        return replace(model, point=spec.point)

    def take_pending(self) -> list[Plain]:
        """The records not yet on a report."""
        pending, self._pending = self._pending, []
        return pending

    def gather(self, payloads: list[Plain]) -> None:
        """Takes in what a report carries."""
        self.payloads.extend(payloads)

    # -- the end ----------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Puts the evidence together, shows its records to the hook, writes what was asked for.

        What goes wrong is a problem of the run, never silence.
        """
        if not self.payloads:
            if self.options.insist and not self.config.option.collectonly:
                self.problems.append("no audit was run, so no evidence and no report was written")
            return
        from pytest_biasaudit.records.evidence import evidence_from_plain, write_evidence

        evidence = self._assembled()
        for record in evidence["audits"]:  # what several workers say of one audit is one record by now
            self.config.hook.pytest_biasaudit_record(record=record)
        try:
            self.evidence = evidence_from_plain(evidence)
            if self.options.json is not None:
                write_evidence(self.options.json, evidence)
            if self.options.html is not None:
                from pytest_biasaudit.report.page import write_report

                write_report(self.options.html, self.evidence, sections=self._sections(evidence))
        except (
            Exception
        ) as error:  # a hook's section, or a drawing: the verdicts are still to be shown, and the run fails
            said = str(error) if isinstance(error, (BiasAuditError, OSError)) else f"{type(error).__name__}: {error}"
            self.problems.append(f"evidence or report not written: {said}")

    def _assembled(self) -> Plain:
        from pytest_biasaudit.records.evidence import assemble
        from pytest_biasaudit.records.provenance import run_info

        run = run_info(
            seed=self.options.seed,
            argv=["pytest", *self.config.invocation_params.args] if self.config.invocation_params.args else sys.argv,
            directory=self.config.rootpath,
            observe=self.options.observe,
            inconclusive=self.options.inconclusive,
        )
        payloads = self.payloads
        return assemble(
            [payload["audit"] for payload in payloads if "audit" in payload],
            [
                context
                for payload in payloads
                for context in payload.get("contexts") or ([payload["context"]] if "context" in payload else [])
            ],
            [payload["model"] for payload in payloads],
            run=run,
            transfer=[payload["transfer"] for payload in payloads if "transfer" in payload],
            study=[payload["study"] for payload in payloads if "study" in payload],
        )

    def _sections(self, evidence: Mapping[str, object]) -> list[tuple[str, str]]:
        given = self.config.hook.pytest_biasaudit_html_sections(evidence=evidence)
        return [(str(title), str(text)) for some in given for title, text in some]

    def close(self) -> None:
        """Lets go of models and the journal."""
        if self._auditor is not None:
            self._auditor.close()


def session_of(config: pytest.Config) -> AuditSession:
    """The session's audits, made on first use."""
    if SESSION not in config.stash:
        config.stash[SESSION] = AuditSession(config)
    return config.stash[SESSION]


def some_of(models: list[str], meant: str) -> str:
    """Names for a message: all, or the first and how many more; and the one that is spelt nearly as what came."""
    from pytest_biasaudit.context.spelling import did_you_mean

    more = f" and {len(models) - MOST_LISTED:,} more" if len(models) > MOST_LISTED else ""
    return (", ".join(models[:MOST_LISTED]) or "none") + more + did_you_mean(meant, models)


def _add(found: dict[str, Any], name: str, value: object, what: str) -> None:
    if name in found:
        raise pytest.UsageError(f"a plugin gives {what} {name!r}, which exists already")
    found[name] = value


def _threads() -> int | None:
    """Under xdist each worker gets its share of the cores, unless the user has set the number of threads."""
    workers = os.environ.get("PYTEST_XDIST_WORKER_COUNT")
    if workers is None or "OMP_NUM_THREADS" in os.environ:
        return None
    return max(1, (os.cpu_count() or 1) // int(workers))

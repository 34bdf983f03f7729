"""Context files as test items: FILE::AUDIT[MODEL]::LIMIT. Collecting reads the file and loads no model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_biasaudit.assertions import RAISED, InconclusiveWarning
from pytest_biasaudit.audit import applies
from pytest_biasaudit.context.declaration import TabularAudit
from pytest_biasaudit.context.shapes import SLUG
from pytest_biasaudit.errors import BiasAuditError
from pytest_biasaudit.plugin.session import session_of, some_of
from pytest_biasaudit.tables.itself import DATA
from pytest_biasaudit.verdict.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_biasaudit.context.declaration import Audit, Context, Limit
    from pytest_biasaudit.models.spec import ModelSpec


class ContextFile(pytest.File):
    """A `*.bias.toml` file."""

    def collect(self) -> Iterator[LimitItem]:
        session = session_of(self.config)
        try:
            from pytest_biasaudit.context.read import read_context

            extensions = session.extensions
            context = read_context(
                self.path,
                metrics=extensions.metrics,
                people_lists=extensions.people,
                scorers=tuple(extensions.scorers),
            )
            models = session.selected()
            known = session.specs
        except (BiasAuditError, pytest.UsageError) as error:
            raise self.CollectError(str(error)) from None
        asking = [audit for audit in context.audits if not _asks_none(audit)]
        if not models and asking:
            raise self.CollectError(
                f"{self.path.name}: no model to audit: declare one in [tool.biasaudit.models.NAME] of pyproject.toml (or "
                "[models.NAME] of biasaudit.toml) in the root folder, or name one with --biasaudit-source. A folder whose "
                "contexts are only used from Python tests: --ignore-glob='*.bias.toml'"
            )
        _refuse_unknown_versus(self, context, list(known))
        here = [name for name in models if _audited_in(known[name], self.path)]
        if not here and asking and not session.options.models:
            raise self.CollectError(
                f"{self.path.name}: every declared model is a point of the sweep, and contexts in [sweep] does not name this "
                "file: name it there, or declare a model. A folder whose contexts are only used from Python tests: "
                "--ignore-glob='*.bias.toml'"
            )
        for audit in context.audits:
            if _asks_none(audit):
                for limit in audit.limits:
                    yield self._item(context, audit, DATA, limit)
        for model in here:
            for audit in asking:
                for limit in audit.limits:
                    if applies(limit, model=model, parent=known[model].parent, specs=known):
                        yield self._item(context, audit, model, limit)

    def _item(self, context: Context, audit: Audit, model: str, limit: Limit) -> LimitItem:
        name = f"{audit.id}[{model}]::{limit.id}"
        # Given as text, so that an id read back (--lf, xdist, the command line) is the same id.
        nodeid = f"{self.nodeid}::{name}"
        item: LimitItem = LimitItem.from_parent(
            self, name=name, nodeid=nodeid, context=context, audit=audit, model=model, limit=limit
        )
        return item


def _asks_none(audit: Audit) -> bool:
    """Whether the audit is of a table that holds all there is to know: it is run once, for no model."""
    return isinstance(audit, TabularAudit) and not audit.asks_model


def _audited_in(spec: ModelSpec, path: Path) -> bool:
    """Whether a model has items in a context file: a sweep may keep its points to some."""
    return not spec.only_in or path.resolve() in spec.only_in


def _refuse_unknown_versus(file: ContextFile, context: Context, known: list[str]) -> None:
    named = [name for name in known if re.fullmatch(SLUG, name)]  # a limit cannot name a point of a sweep
    faults = [
        f"audit {audit.id!r}, limit {limit.id!r}: versus = {limit.versus!r} is no declared model; "
        f"valid: parent, {some_of(named, limit.versus)}"
        for audit in context.audits
        for limit in audit.limits
        if not _asks_none(audit)
        if limit.versus is not None and limit.versus != "parent" and limit.versus not in known
    ]
    if faults:
        raise file.CollectError("\n".join([f"{file.path.name}:", *faults]))


class LimitItem(pytest.Item):
    """One limit on one audit of one model: passes when its verdict is `within`. The limits of an audit share answers."""

    def __init__(self, *, context: Context, audit: Audit, model: str, limit: Limit, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.context = context
        self.audit = audit
        self.model = model
        self.limit = limit
        self.add_marker("biasaudit")

    def runtest(self) -> None:
        session = session_of(self.config)
        model = None if _asks_none(self.audit) else self.model
        result = session.auditor.run(self.context, audit=self.audit.id, model=model)
        session.keep(result)
        judgement = result.judgement(self.limit.id)
        note(self, judgement)
        enforce(judgement, observe=session.options.observe, inconclusive=session.options.inconclusive)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, (*RAISED.values(), InconclusiveWarning, BiasAuditError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self.path, None, self.name


def note(item: pytest.Item, judgement: Judgement) -> None:
    """Puts verdict and estimate on the item, where --junitxml finds them as properties."""
    properties: list[tuple[str, object]] = [("biasaudit_verdict", judgement.verdict.value)]
    estimate = judgement.estimate
    if estimate is not None:
        properties.append(("biasaudit_metric", estimate.metric))
        if estimate.value is not None:
            properties.append(("biasaudit_estimate", estimate.value))
        if estimate.interval is not None:
            properties.extend([("biasaudit_low", estimate.interval.low), ("biasaudit_high", estimate.interval.high)])
    item.user_properties.extend(properties)


def enforce(judgement: Judgement, *, observe: bool, inconclusive: str) -> None:
    """Raises the finding of a verdict that is not `within`, as the options say."""
    __tracebackhide__ = True
    verdict = judgement.verdict
    if observe or verdict is Verdict.WITHIN:
        return
    if verdict is Verdict.INCONCLUSIVE and inconclusive != "fail":
        if inconclusive == "skip":
            pytest.skip(judgement.message)
        import warnings

        warnings.warn(InconclusiveWarning(judgement.message), stacklevel=2)
        return
    raise RAISED[verdict](judgement.message)


def by_model(items: list[pytest.Item]) -> None:
    """Groups the limit items by model, in place: each model is then loaded once. Other items keep their places."""
    places = [index for index, item in enumerate(items) if isinstance(item, LimitItem)]
    ours = [item for item in items if isinstance(item, LimitItem)]
    order = {model: rank for rank, model in enumerate(dict.fromkeys(item.model for item in ours))}
    for index, item in zip(places, sorted(ours, key=lambda item: order[item.model]), strict=True):
        items[index] = item

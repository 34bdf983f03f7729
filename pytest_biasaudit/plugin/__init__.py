"""The pytest plugin. Loaded by every pytest run where it is installed: imports pytest and its own light modules only.

Everything else starts when a context file is collected or a fixture is asked for.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pytest_biasaudit.plugin import hookspecs
from pytest_biasaudit.plugin.fixtures import (  # noqa: F401  (pytest finds fixtures by their names in this module)
    biasaudit,
    biasaudit_distill,
    biasaudit_finetune,
    biasaudit_load,
    biasaudit_model,
    biasaudit_prune,
    biasaudit_quantize,
)
from pytest_biasaudit.plugin.options import OPTIONS, value_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from pytest_biasaudit.plugin.session import AuditSession

SUFFIX = ".bias.toml"


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("biasaudit", "bias audits of language models")
    for option in OPTIONS:
        kwargs: dict[str, Any] = {"dest": option.dest, "help": option.help, "default": None}
        if option.switch:
            kwargs["action"] = "store_true"
        else:
            kwargs["metavar"] = option.metavar
            if option.choices:
                kwargs["choices"] = option.choices
            if option.repeatable:
                kwargs["action"] = "append"
        group.addoption(option.flag, **kwargs)
        kind: Any = "bool" if option.switch else "linelist" if option.repeatable else "string"
        parser.addini(option.ini, f"{option.help} ({option.flag})", type=kind, default=None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "biasaudit: a limit of a declared deployment context")
    if any(value_of(config, option) != option.default for option in OPTIONS):
        from pytest_biasaudit.plugin.run_options import RunOptions

        RunOptions.of(config)  # a wrong value stops the run before anything is collected
    if not hasattr(config, "workerinput"):  # a worker of xdist only sends its reports
        config.pluginmanager.register(Gatherer(config), "biasaudit-gatherer")


def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.getoption("biasaudit_model"):
        from pytest_biasaudit.errors import BiasAuditError
        from pytest_biasaudit.plugin.session import session_of

        with suppress(BiasAuditError):  # a broken model table is told where it is collected
            session_of(session.config).selected()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if not file_path.name.endswith(SUFFIX):
        return None
    from pytest_biasaudit.plugin.context_items import ContextFile

    return ContextFile.from_parent(parent, path=file_path)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "biasaudit_model" not in metafunc.fixturenames:
        return
    from pytest_biasaudit.errors import BiasAuditError
    from pytest_biasaudit.plugin.session import session_of

    try:
        models = session_of(metafunc.config).selected()
    except (BiasAuditError, pytest.UsageError) as error:
        raise pytest.Collector.CollectError(str(error)) from None
    if not models:
        raise pytest.Collector.CollectError(
            f"{metafunc.function.__name__} asks for biasaudit_model and no model is declared: declare one in "
            "[tool.biasaudit.models.NAME] of pyproject.toml, or name one with --biasaudit-source"
        )
    metafunc.parametrize("biasaudit_model", models, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _session(config) is not None:
        from pytest_biasaudit.plugin.context_items import by_model

        by_model(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    session = _session(item.config)
    if session is not None:
        pending = session.take_pending()
        if pending:
            # Plain data on the report: one path for one process and for many.
            report.biasaudit = pending  # type: ignore[attr-defined]
    return report


class Gatherer:
    """Takes the evidence off the reports, on the process that has the last word; writes and shows it at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if f"{SUFFIX}::" in report.nodeid:
            from pytest_biasaudit.plugin.node_ids import show_whole

            show_whole(report, self.config)
        payloads = getattr(report, "biasaudit", None)
        if payloads:
            from pytest_biasaudit.plugin.session import session_of

            session_of(self.config).gather(payloads)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        ours = self._audits()
        if ours is None:
            return
        ours.finish()
        if ours.problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if not self.config.pluginmanager.has_plugin("terminalreporter"):
            for text in ours.problems:
                print(f"biasaudit: error: {text}", file=sys.stderr)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        ours = self._audits()
        if ours is not None:
            from pytest_biasaudit.plugin.summary import show

            show(ours, terminalreporter)

    def _audits(self) -> AuditSession | None:
        """The session's audits; made here when a report was asked for and nothing was audited, to say so."""
        if any(self.config.getoption(name) for name in ("biasaudit_html", "biasaudit_json")):
            from pytest_biasaudit.plugin.session import session_of

            return session_of(self.config)
        return _session(self.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    session = _session(config)
    if session is not None:
        session.close()


def _session(config: pytest.Config) -> AuditSession | None:
    """The session's audits if anything has used them, without importing what makes them."""
    module = sys.modules.get(f"{__name__}.session")
    return config.stash.get(module.SESSION, None) if module is not None else None

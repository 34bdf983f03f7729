"""The end of a run, in the terminal: one table of verdicts, what to know beside it, and where the report is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from pytest_biasaudit.plugin.session import AuditSession


def show(session: AuditSession, reporter: pytest.TerminalReporter) -> None:
    """Prints the table and what goes with it; nothing where nothing was audited and nothing is amiss."""
    messages = list(dict.fromkeys(text for payload in session.payloads for text in payload["messages"]))
    if not session.payloads and not session.problems:
        return
    reporter.section("bias audits", sep="=")
    if session.evidence is not None:
        from pytest_biasaudit.report.terminal import render_terminal

        width = reporter._tw.fullwidth
        for line in render_terminal(session.evidence, width=width, colour=reporter._tw.hasmarkup):
            reporter.write_line(line)
        if session.evidence.transfer:
            from pytest_biasaudit.report.transfer_table import render_transfer

            for line in render_transfer(session.evidence.transfer, width=width, colour=reporter._tw.hasmarkup):
                reporter.write_line(line)
        if session.evidence.study:
            from pytest_biasaudit.report.lever_table import render_levers

            for line in render_levers(session.evidence.study, width=width):
                reporter.write_line(line)
    if session.options.observe:
        reporter.write_line("observe mode: verdicts are recorded and fail nothing")
    for text in messages:
        reporter.write_line(f"note: {text}")
    for text in session.problems:
        reporter.write_line(f"error: {text}", red=True)
    if session.evidence is not None and not session.problems:
        for what, path in (("report", session.options.html), ("evidence", session.options.json)):
            if path is not None:
                reporter.write_line(f"{what}: {path}")

"""The command line: init, check, plan, report, tables, diff, generalise, study. Sees every stage, and imports each in
the command that needs it.

Exit status: 0 done; 1 a context has faults (`check`), or a verdict got worse (`diff`); 2 wrong usage, or something given
cannot be used.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from pytest_biasaudit.errors import BiasAuditError, ContextError
from pytest_biasaudit.generalise_command import add_to as add_generalise
from pytest_biasaudit.study_command import add_to as add_study

OK, FAULTS, UNUSABLE = 0, 1, 2
WORSE = 1


def main(argv: Sequence[str] | None = None, *, prog: str = "biasaudit") -> int:
    """Run one command and return its exit status. Errors of ours are printed, never raised."""
    arguments = _parser(prog).parse_args(argv)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without the letters of a name is no reason to stop
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except BiasAuditError as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    except BrokenPipeError:  # the reader (head, less) has left; what is not read need not be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return status


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Audit language models for bias in a declared deployment context. The audit itself runs in pytest.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    init = commands.add_parser("init", help="write a context, a test and a model table that run as they stand")
    init.add_argument("folder", nargs="?", type=Path, default=Path(), metavar="DIR", help="default: here")
    init.add_argument("--source", metavar="REF", help="the model: hub id, folder, .gguf file or package:NAME/PATH")
    init.set_defaults(run=_init)

    check = commands.add_parser("check", help="read context files strictly and say what they ask")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    check.set_defaults(run=_check)

    plan = commands.add_parser("plan", help="say what a context can show and what it costs, before any model is loaded")
    plan.add_argument("file", type=Path, metavar="FILE")
    plan.add_argument("--power", type=_power, default=0.8, metavar="P", help="chance to decide, default: 0.8")
    plan.add_argument(
        "--from", dest="evidence", type=Path, metavar="EVIDENCE.json", help="take the variance from an earlier run"
    )
    plan.set_defaults(run=_plan)

    report = commands.add_parser("report", help="draw the HTML report again from an evidence file")
    report.add_argument("evidence", type=Path, metavar="EVIDENCE.json")
    report.add_argument("-o", "--output", type=Path, metavar="FILE.html", help="default: beside the evidence")
    report.set_defaults(run=_report)

    tables = commands.add_parser("tables", help="print benchmark scores by model in the form of the compression study")
    tables.add_argument("evidence", type=Path, metavar="EVIDENCE.json")
    tables.add_argument("--baseline", metavar="NAME", help="compare every model with this one, default: its parent")
    tables.set_defaults(run=_tables)

    diff = commands.add_parser("diff", help="say what changed between two evidence files, or two models of one")
    diff.add_argument("before", type=Path, metavar="BEFORE.json")
    diff.add_argument("after", type=Path, nargs="?", metavar="AFTER.json", help="default: the same file, with --model")
    diff.add_argument("--audit", action="append", default=[], metavar="ID", help="only this audit; may be repeated")
    diff.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME[=OTHER]",
        help="only this model; NAME=OTHER: one model of the first file against another of the second; may be repeated",
    )
    diff.add_argument("--all", action="store_true", help="list every item that changed, not the 20 largest an audit")
    diff.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: standard output")
    diff.set_defaults(run=_diff)

    add_generalise(commands)
    add_study(commands)
    return parser


def _power(text: str) -> float:
    try:
        power = float(text)
    except ValueError:
        power = 0.0
    if not 0.05 < power < 1:
        raise argparse.ArgumentTypeError(f"a chance above 0.05 and below 1, got {text!r}")
    return power


def _init(arguments: argparse.Namespace) -> int:
    from pytest_biasaudit.models.declared import read_models
    from pytest_biasaudit.starter import CONTEXT, TABLE, default_source, write_starter

    folder: Path = arguments.folder
    declared = read_models(folder)
    if declared and arguments.source is not None:
        raise BiasAuditError(
            f"{folder} declares models already ({', '.join(declared)}); add {arguments.source!r} to them"
        )
    source = default_source() if arguments.source is None else arguments.source
    written = write_starter(folder, source=source, table=not declared)
    for path in written:
        print(f"wrote {path}")
    if declared:
        print(f"kept the models that are declared already: {', '.join(declared)}")
    print("\nNext:")
    if folder.resolve() != Path.cwd():
        print(f"  cd {folder}")
    print(f"  python -m pytest_biasaudit check {CONTEXT}")
    print(f"  python -m pytest_biasaudit plan {CONTEXT}")
    root = "" if not _root_is_above(folder) else " --rootdir=."
    print(f"  python -m pytest{root} --biasaudit-observe --biasaudit-html=report.html --biasaudit-json=evidence.json")
    if root:
        print(
            f"\n--rootdir=. because a project above has a pytest configuration, and {TABLE} is looked for in the root."
        )
    return OK


def _root_is_above(folder: Path) -> bool:
    """Whether pytest would take a folder above for its root, and so not find the model table."""
    marks = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "setup.py")
    here = folder.resolve()
    if any((here / mark).exists() for mark in marks):
        return False
    return any((above / mark).exists() for above in here.parents for mark in marks)


def _check(arguments: argparse.Namespace) -> int:
    from pytest_biasaudit.context.read import read_context
    from pytest_biasaudit.planning.preview import check_lines

    status = OK
    for path in arguments.files:
        try:
            lines = check_lines(read_context(path))
        except ContextError as error:
            print(error, file=sys.stderr)
            status = FAULTS
        else:
            print("\n".join(lines))
    return status


def _plan(arguments: argparse.Namespace) -> int:
    from pytest_biasaudit.context.read import read_context
    from pytest_biasaudit.planning.plan import plan_lines

    evidence = None
    if arguments.evidence is not None:
        from pytest_biasaudit.records.evidence import read_evidence

        evidence = read_evidence(arguments.evidence)
    print("\n".join(plan_lines(read_context(arguments.file), power=arguments.power, evidence=evidence)))
    return OK


def _report(arguments: argparse.Namespace) -> int:
    from pytest_biasaudit.records.evidence import read_evidence

    path: Path = arguments.evidence
    output: Path = arguments.output or path.with_suffix(".html")
    if output.resolve() == path.resolve():
        raise BiasAuditError(f"the report would overwrite the evidence {path}; give another file with -o")
    evidence = read_evidence(path)

    from pytest_biasaudit.report.page import render_page  # only now: drawing is heavy, and the file may not be evidence

    _write(output, render_page(evidence))
    return OK


def _write(output: Path, text: str) -> None:
    """The old file stands until the new one is whole."""
    half_written = output.with_name(output.name + ".part")
    try:
        half_written.write_text(text, encoding="utf-8")
        half_written.replace(output)
    except OSError as error:
        raise BiasAuditError(f"cannot write {output}: {error.strerror or error}") from error
    print(f"wrote {output}")


def _tables(arguments: argparse.Namespace) -> int:
    from pytest_biasaudit.records.evidence import read_evidence

    evidence = read_evidence(arguments.evidence)

    from pytest_biasaudit.report.checkpoint_text import checkpoint_lines, published_lines
    from pytest_biasaudit.report.checkpoints import checkpoint_tables
    from pytest_biasaudit.report.published import beside_published
    from pytest_biasaudit.report.study_tables import study_tables
    from pytest_biasaudit.report.study_text import study_lines

    tables = study_tables(evidence, baseline=arguments.baseline)
    parts = (
        study_lines(tables, width=_width(), unicode=_unicode()),
        checkpoint_lines(checkpoint_tables(evidence), width=_width(), unicode=_unicode()),
        published_lines(beside_published(evidence), width=_width(), unicode=_unicode()),
    )
    print("\n\n".join("\n".join(lines) for lines in parts if lines))
    return OK


def _diff(arguments: argparse.Namespace) -> int:
    from pytest_biasaudit.records.evidence import read_evidence

    if arguments.after is None and not any("=" in one for one in arguments.model):
        raise BiasAuditError("one evidence file can be compared with itself by --model NAME=OTHER only; else give two")
    paths: list[Path] = [arguments.before, arguments.after or arguments.before]
    output: Path | None = arguments.output
    if output is not None and any(output.resolve() == path.resolve() for path in paths):
        raise BiasAuditError(f"the difference would overwrite the evidence {output}; give another file with -o")
    before = read_evidence(paths[0])
    after = before if paths[1] == paths[0] else read_evidence(paths[1])

    from pytest_biasaudit.report.diff import diff_of
    from pytest_biasaudit.report.diff_text import diff_lines

    found = diff_of(before, after, audits=arguments.audit, models=arguments.model)
    if output is None:
        print("\n".join(diff_lines(found, width=_width(), everything=arguments.all, unicode=_unicode())))
    else:
        _write(output, "\n".join([*diff_lines(found, everything=arguments.all), ""]))
    return WORSE if found.worse else OK


def _width() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def _unicode() -> bool:
    return "utf" in (sys.stdout.encoding or "").lower()

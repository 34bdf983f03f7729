"""`study`: which lever helps, from the command line. Sees every stage; imports each when used."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.command_model import add_model_arguments, auditor_of, chosen, refuse_overwriting
from pytest_biasaudit.errors import BiasAuditError

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.study.plan import StudyPlan
    from pytest_biasaudit.mitigation.study.result import StudyResult


def add_to(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "study", help="fine-tune under every pair of levers on model and data, and say which lowers the gap"
    )
    parser.add_argument(
        "plan",
        type=Path,
        nargs="?",
        metavar="PLAN.toml",
        help="the study; default: [tool.biasaudit.study] of pyproject.toml, or [study] of biasaudit.toml",
    )
    parser.add_argument("-o", "--out", dest="output", type=Path, metavar="FILE.json", help="write the evidence here")
    parser.add_argument("--html", type=Path, metavar="FILE.html", help="write the report here")
    add_model_arguments(parser, kept="finished cells", asked="texts")
    parser.add_argument("--plan-only", action="store_true", help="say what the study takes, and stop")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The command; gives its exit status."""
    from pytest_biasaudit.mitigation.study.plan_file import read_study, study_file
    from pytest_biasaudit.studying import read_tables

    if arguments.plan is None:
        arguments.plan = study_file(Path.cwd())
    refuse_overwriting(arguments)
    plan = read_study(arguments.plan)
    studied, _ = read_tables(plan, seed=arguments.seed, offline=arguments.offline)
    for line in cost_lines(plan, rows=(studied.train.rows, studied.test.rows), seeds=studied.seeds):
        print(line)
    if arguments.plan_only:
        return 0
    sys.stdout.flush()
    os.environ.setdefault("TQDM_DISABLE", "1")  # loaders draw bars of their own, which would stand between ours
    with auditor_of(arguments, plan.path) as auditor:
        named = arguments.model is not None or arguments.source is not None
        model = (
            None if plan.source is not None and not named else chosen(arguments, plan.path.name, plan.model, auditor)
        )
        result = auditor.study(plan, model=model)
        for message in auditor.messages:
            print(f"note: {message}", file=sys.stderr)
    _show(result)
    _write(result, arguments)
    return 0


def cost_lines(plan: StudyPlan, *, rows: tuple[int, int], seeds: tuple[int, ...]) -> Iterator[str]:
    """What a study takes, in words."""
    frozen = bool(dict(plan.training).get("frozen", False))
    yield f"{plan.id}: {plan.cells:,} classifiers, {'heads on a frozen body' if frozen else 'fine-tuned'}"
    yield f"  upstream    {', '.join(one.name for one in plan.upstream)}"
    yield f"  data        {', '.join(one.name for one in plan.data)}"
    yield f"  seeds       {', '.join(map(str, seeds))}"
    yield f"  rows        {rows[0]:,} to learn from, {rows[1]:,} held out"


def _show(result: StudyResult) -> None:
    import shutil

    from pytest_biasaudit.report.lever_table import render_levers

    print()
    print("\n".join(render_levers([result], width=shutil.get_terminal_size((140, 24)).columns)))


def _write(result: StudyResult, arguments: argparse.Namespace) -> None:
    from pytest_biasaudit.records.evidence import assemble, evidence_from_plain, write_evidence
    from pytest_biasaudit.records.provenance import run_info
    from pytest_biasaudit.records.study import study_to_plain

    if arguments.output is None and arguments.html is None:
        return
    evidence = assemble([], [], [result.model], run=run_info(seed=result.seeds[0]), study=[study_to_plain(result)])
    try:
        if arguments.output is not None:
            write_evidence(arguments.output, evidence)
            print(f"wrote {arguments.output}")
        if arguments.html is not None:
            from pytest_biasaudit.report.page import write_report

            write_report(arguments.html, evidence_from_plain(evidence))
            print(f"wrote {arguments.html}")
    except OSError as error:
        raise BiasAuditError(f"cannot write: {error}") from error

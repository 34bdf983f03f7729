"""`generalise`: a study of how far removed components carry, from the command line. Sees every stage; imports each when used."""

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
    from pytest_biasaudit.generalising import Cost
    from pytest_biasaudit.mitigation.generalising.plan import Plan
    from pytest_biasaudit.mitigation.generalising.result import Generalisation


def add_to(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "generalise", help="find components that make a difference, remove them, and measure how far that carries"
    )
    parser.add_argument("plan", type=Path, metavar="PLAN.toml", help="what to study: contexts, components, levels")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.json", help="write the evidence here")
    parser.add_argument("--html", type=Path, metavar="FILE.html", help="write the report here")
    parser.add_argument(
        "--save-sets", type=Path, metavar="DIR", help="save the sets of whole contexts here, a file each"
    )
    add_model_arguments(parser, kept="answers and scores", asked="prompts")
    parser.add_argument("--plan-only", action="store_true", help="say what the study takes, and stop")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The command; gives its exit status."""
    from pytest_biasaudit.generalising import cost_of
    from pytest_biasaudit.mitigation.generalising.plan_file import read_plan

    refuse_overwriting(arguments)
    plan = read_plan(arguments.plan)
    for line in cost_lines(plan, cost_of(plan, seed=arguments.seed), seed=arguments.seed):
        print(line)
    if arguments.plan_only:
        return 0
    sys.stdout.flush()
    # Loaders draw bars of their own, which would stand between ours.
    os.environ.setdefault("TQDM_DISABLE", "1")
    with auditor_of(arguments, arguments.plan) as auditor:
        result = auditor.generalise(
            plan, model=chosen(arguments, plan.path.name, plan.model, auditor), save_sets=arguments.save_sets
        )
        for message in auditor.messages:
            print(f"note: {message}", file=sys.stderr)
    _show(result)
    _write(result, plan, arguments)
    return 0


def cost_lines(plan: Plan, cost: Cost, *, seed: int) -> Iterator[str]:
    """What a study takes, in words."""
    yield (
        f"{plan.id}: {cost.contexts} context{'s' * (cost.contexts != 1)}, {cost.variations} variations, up to {cost.people} "
        f"people; {' and '.join(choice.name for choice in plan.choices)}"
    )
    yield f"  levels      {', '.join(plan.levels)}"
    yield f"  sets        {cost.sets:,}, a third of them scored, the others baselines of equal size"
    yield f"  answers     {cost.answers:,} at most, in {cost.evaluations:,} evaluations; equal sets are asked once"
    if cost.perplexities:
        yield f"  perplexity  {cost.perplexities:,} times at most"
    yield f"  seed        {seed if plan.seed is None else plan.seed}"
    yield from _too_few(plan, cost)


def _too_few(plan: Plan, cost: Cost) -> Iterator[str]:
    """What the study cannot give, however long it runs."""
    from pytest_biasaudit.metrics.over_variations import MIN_PER_GROUP

    if cost.fewest < MIN_PER_GROUP:
        yield (
            f"  too few     {cost.fewest} people of a group; a gap needs {MIN_PER_GROUP} with an answer: no row will have a "
            "figure of bias"
        )
    elif "names" in plan.levels and cost.fewest_in_half < MIN_PER_GROUP:
        yield (
            f"  too few     {cost.fewest_in_half} people of a group in half of the names; a gap needs {MIN_PER_GROUP}: the level "
            "'names' will have no figure of bias"
        )


def _show(result: Generalisation) -> None:
    import shutil

    from pytest_biasaudit.report.transfer_table import render_transfer

    print()
    print("\n".join(render_transfer([result], width=shutil.get_terminal_size((140, 24)).columns)))
    for one in result.sets:
        if one.file:
            print(f"wrote {one.file}: {one.count:,} {one.unit}")


def _write(result: Generalisation, plan: Plan, arguments: argparse.Namespace) -> None:
    from pytest_biasaudit.records.evidence import assemble, evidence_from_plain, write_evidence
    from pytest_biasaudit.records.provenance import run_info
    from pytest_biasaudit.records.transfer import transfer_to_plain

    if arguments.output is None and arguments.html is None:
        return
    evidence = assemble(
        [],
        [place.context for place in plan.places],
        [result.model],
        run=run_info(seed=result.seed),
        transfer=[transfer_to_plain(result)],
    )
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

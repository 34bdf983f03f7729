"""`generalise`: a study of how far removed components carry, from the command line. Sees every stage; imports each when used."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.errors import BiasAuditError

if TYPE_CHECKING:
    from pytest_biasaudit.audit import Auditor
    from pytest_biasaudit.generalising import Cost
    from pytest_biasaudit.mitigation.generalising.plan import Plan
    from pytest_biasaudit.mitigation.generalising.result import Generalisation

CLI_MODEL = "cli"
PATIENCE = 15.0
"""Seconds between two lines in a log."""


def add_to(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "generalise", help="find components that make a difference, remove them, and measure how far that carries"
    )
    parser.add_argument("plan", type=Path, metavar="PLAN.toml", help="what to study: contexts, components, levels")
    parser.add_argument("--model", metavar="NAME", help="a declared model; default: the plan's, or the only one")
    parser.add_argument(
        "--source", metavar="REF", help="an undeclared model: hub id, folder, .gguf file, package:NAME/PATH"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.json", help="write the evidence here")
    parser.add_argument("--html", type=Path, metavar="FILE.html", help="write the report here")
    parser.add_argument(
        "--save-sets", type=Path, metavar="DIR", help="save the sets of whole contexts here, a file each"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder of answers and scores; default: .biasaudit")
    parser.add_argument("--seed", type=_whole(0), default=0, metavar="N", help="where the plan has none; default: 0")
    parser.add_argument(
        "--batch-size", type=_whole(1), default=32, metavar="N", help="prompts asked at once; default: 32"
    )
    parser.add_argument("--offline", action="store_true", help="load nothing from the network")
    parser.add_argument("--plan-only", action="store_true", help="say what the study takes, and stop")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The command; gives its exit status."""
    from pytest_biasaudit.generalising import cost_of
    from pytest_biasaudit.mitigation.generalising.plan_file import read_plan

    _refuse_overwriting(arguments)
    plan = read_plan(arguments.plan)
    for line in cost_lines(plan, cost_of(plan, seed=arguments.seed), seed=arguments.seed):
        print(line)
    if arguments.plan_only:
        return 0
    sys.stdout.flush()
    # Loaders draw bars of their own, which would stand between ours.
    os.environ.setdefault("TQDM_DISABLE", "1")
    with _auditor(arguments) as auditor:
        result = auditor.generalise(plan, model=_chosen(arguments, plan, auditor), save_sets=arguments.save_sets)
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


def _auditor(arguments: argparse.Namespace) -> Auditor:
    from pytest_biasaudit.audit import Auditor
    from pytest_biasaudit.cache_folder import default_cache, own_folder
    from pytest_biasaudit.models.declared import read_models
    from pytest_biasaudit.models.spec import ModelSpec
    from pytest_biasaudit.settings import Settings

    root = Path.cwd()
    specs = read_models(root)
    if not specs:
        root = arguments.plan.resolve().parent
        specs = read_models(root)
    if arguments.source is not None:
        here = Path.cwd() / arguments.source
        specs[CLI_MODEL] = ModelSpec(
            name=CLI_MODEL,
            source=str(here) if here.exists() else arguments.source,
            revision=None,
            dtype="float32",
            parent=None,
            recipe=(),
            where="--source",
        )
    cache = arguments.cache.absolute() if arguments.cache is not None else default_cache(root)
    own_folder(cache, instead="name another with --cache")
    settings = Settings(
        root=root, seed=arguments.seed, batch_size=arguments.batch_size, cache=cache, offline=arguments.offline
    )
    return Auditor(settings, specs, watch=_watch)


def _chosen(arguments: argparse.Namespace, plan: Plan, auditor: Auditor) -> str:
    """The model's name: as asked for, as the plan says, or the only one there is."""
    specs = auditor.artefacts.specs
    if arguments.model is not None and arguments.source is not None:
        raise BiasAuditError("--model and --source were both given; a study is of one model")
    named = arguments.model or (CLI_MODEL if arguments.source is not None else plan.model)
    if named is not None:
        return str(named)
    if len(specs) == 1:
        return next(iter(specs))
    raise BiasAuditError(
        f"{plan.path.name} names no model, and {len(specs)} are declared ({', '.join(specs) or 'none'}): name one with --model, "
        "or an undeclared one with --source"
    )


def _refuse_overwriting(arguments: argparse.Namespace) -> None:
    given = {"-o": arguments.output, "--html": arguments.html}
    for option, path in given.items():
        if path is not None and path.resolve() == arguments.plan.resolve():
            raise BiasAuditError(f"{option} would overwrite the plan {path}; give another file")
    both = [path.resolve() for path in given.values() if path is not None]
    if len(both) > len(set(both)):
        raise BiasAuditError(f"-o and --html both name {arguments.html}; give two files")


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


def _whole(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"a whole number, at least {least}, got {text!r}")
        return number

    return read


@contextmanager
def _watch(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """How far the asking has come, on standard error: a bar on a terminal, lines in a log."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, transient=True, console=Console(stderr=True)) as progress:
            task = progress.add_task(what, total=total)
            yield lambda count: progress.advance(task, count)
        return
    started = last = time.monotonic()
    done = 0

    def step(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= PATIENCE and done < total:
            last = now
            print(f"{what}: {done:,} of {total:,}, {now - started:.0f} s", file=sys.stderr, flush=True)

    yield step
    print(f"{what}: {done:,} of {total:,}, {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)

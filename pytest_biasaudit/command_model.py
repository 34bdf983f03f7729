"""What the commands that study a model share: which model, asked how, kept where. Imports each stage when used."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.command_progress import watch
from pytest_biasaudit.errors import BiasAuditError

if TYPE_CHECKING:
    from pytest_biasaudit.audit import Auditor

CLI_MODEL = "cli"


def add_model_arguments(parser: argparse.ArgumentParser, *, kept: str, asked: str) -> None:
    """The arguments that say which model, and how it is asked.

    kept, asked  in words: what the cache folder holds, what stands in a batch
    """
    parser.add_argument("--model", metavar="NAME", help="a declared model; default: the plan's, or the only one")
    parser.add_argument(
        "--source", metavar="REF", help="an undeclared model: hub id, folder, .gguf file, package:NAME/PATH"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help=f"folder of {kept}; default: .biasaudit")
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="where the plan has none; default: 0")
    parser.add_argument(
        "--batch-size", type=whole(1), default=32, metavar="N", help=f"{asked} asked at once; default: 32"
    )
    parser.add_argument("--offline", action="store_true", help="load nothing from the network")


def auditor_of(arguments: argparse.Namespace, plan: Path) -> Auditor:
    """The auditor of a command: its models are those declared where it was called, else beside the plan."""
    from pytest_biasaudit.audit import Auditor
    from pytest_biasaudit.cache_folder import default_cache, own_folder
    from pytest_biasaudit.models.declared import read_models
    from pytest_biasaudit.models.spec import ModelSpec
    from pytest_biasaudit.settings import Settings

    root = Path.cwd()
    specs = read_models(root)
    if not specs:
        root = plan.resolve().parent
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
    return Auditor(settings, specs, watch=watch)


def chosen(arguments: argparse.Namespace, plan: str, model: str | None, auditor: Auditor) -> str:
    """The model's name: as asked for, as the plan says, or the only one there is.

    plan, model  the plan's file name, and the model that it names

    Raises BiasAuditError where two are asked for, or none can be told.
    """
    specs = auditor.artefacts.specs
    if arguments.model is not None and arguments.source is not None:
        raise BiasAuditError("--model and --source were both given; a study is of one model")
    named = arguments.model or (CLI_MODEL if arguments.source is not None else model)
    if named is not None:
        return str(named)
    if len(specs) == 1:
        return next(iter(specs))
    raise BiasAuditError(
        f"{plan} names no model, and {len(specs)} are declared ({', '.join(specs) or 'none'}): name one with --model, "
        "or an undeclared one with --source"
    )


def refuse_overwriting(arguments: argparse.Namespace) -> None:
    """Raises BiasAuditError where a file to be written is the plan, or two are one."""
    given = {"-o": arguments.output, "--html": arguments.html}
    for option, path in given.items():
        if path is not None and path.resolve() == arguments.plan.resolve():
            raise BiasAuditError(f"{option} would overwrite the plan {path}; give another file")
    both = [path.resolve() for path in given.values() if path is not None]
    if len(both) > len(set(both)):
        raise BiasAuditError(f"-o and --html both name {arguments.html}; give two files")


def whole(least: int) -> Callable[[str], int]:
    """Reads a whole number of at least so many, for argparse."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"a whole number, at least {least}, got {text!r}")
        return number

    return read

"""Where a model is: a source as the model table says it, resolved to a place. Imports nothing heavy.

Four kinds (docs: reference/models): a hub id, a local folder, a .gguf file, and `package:NAME/FILE` for weights inside
an installed Python package. The package is found without importing it: no code of it runs.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_biasaudit.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Place:
    """A resolved source."""

    kind: Literal["hub", "folder", "gguf"]
    hub_id: str = ""
    path: Path | None = None
    """Folder, or .gguf file; None for a hub id."""


def resolve(source: str, *, beside: Path) -> Place:
    """The place a source names. Relative paths are looked for in `beside`, the folder of the model table.

    Raises ModelError for a package or file that is not there. Something that looks like a path is never tried as a hub
    id: a typing mistake must not reach the network.
    """
    if source.startswith("package:"):
        return _local(_in_package(source), source)
    path = (beside / source).expanduser() if not source.startswith("~") else Path(source).expanduser()
    if path.exists():
        return _local(path, source)
    looks_local = source.startswith((".", "/", "~")) or source.endswith((".gguf", ".safetensors")) or "\\" in source
    owner = source.partition("/")[0]
    looks_local = looks_local or ("/" in source and bool(owner) and (beside / owner).is_dir())
    if looks_local or source.count("/") > 1 or not source.strip():
        raise ModelError(
            f"source {source!r}: no such file or folder (looked in {beside}); valid: a hub id like 'owner/name', a folder, "
            "a .gguf file, or 'package:NAME/FILE'"
        )
    return Place(kind="hub", hub_id=source)


def _local(path: Path, source: str) -> Place:
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(f"source {source!r}: the folder has no config.json, so it holds no transformers model")
        return Place(kind="folder", path=path)
    if path.suffix == ".gguf":
        return Place(kind="gguf", path=path)
    raise ModelError(f"source {source!r}: a file must be a .gguf file; for safetensors name the folder that holds them")


def _in_package(source: str) -> Path:
    name, _, inside = source.removeprefix("package:").partition("/")
    if not name.isidentifier() or not inside:
        raise ModelError(f"source {source!r}: write 'package:NAME/FILE' with the import name of an installed package")
    found = importlib.util.find_spec(name)  # a top-level name: finds the package without running it
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"source {source!r}: no package {name!r} is installed in this environment")
    for root in found.submodule_search_locations:
        folder = Path(root).resolve()
        path = (folder / inside).resolve()
        if path.is_relative_to(folder) and path.exists():
            return path
    raise ModelError(f"source {source!r}: package {name!r} is installed but has no file {inside!r}")

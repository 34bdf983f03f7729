"""Where a model is: a source as the model table says it, resolved to a place. Imports nothing heavy.

Where it may be (docs: reference/models): a hub id, a local folder, a file (.gguf, or word vectors), and `package:NAME/PATH`
for a file or folder inside an installed Python package. The package is found without importing it: no code of it runs.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_biasaudit.context.shapes import SLUG
from pytest_biasaudit.errors import ModelError

FILES = (".gguf", ".safetensors", ".vec")
"""What ends so is a file, and never a hub id."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A resolved source."""

    kind: Literal["hub", "folder", "gguf", "vectors"]
    hub_id: str = ""
    path: Path | None = None
    """Folder or file; None for a hub id."""


def resolve(source: str, *, beside: Path, vectors: bool = False) -> Place:
    """The place a source names. Relative paths are looked for in `beside`, the folder of the model table.

    vectors  it is declared to be a file of word vectors, whatever its name ends with

    Raises ModelError for a package or file that is not there. Something that looks like a path is never tried as a hub
    id: a typing mistake must not reach the network.
    """
    if source.startswith("package:"):
        return _local(_in_package(source), source, vectors)
    path = (beside / source).expanduser() if not source.startswith("~") else Path(source).expanduser()
    if path.exists():
        return _local(path, source, vectors)
    looks_local = vectors or source.startswith((".", "/", "~")) or source.endswith(FILES) or "\\" in source
    owner = source.partition("/")[0]
    looks_local = looks_local or ("/" in source and bool(owner) and (beside / owner).is_dir())
    if looks_local or source.count("/") > 1 or not source.strip():
        raise ModelError(
            f"source {source!r}: no such file or folder (looked in {beside}); valid: a hub id like 'owner/name', a folder, "
            "a .gguf file, a .vec file of word vectors, or 'package:NAME/PATH'"
        )
    return Place(kind="hub", hub_id=source)


def _local(path: Path, source: str, vectors: bool) -> Place:
    if path.is_dir():
        if vectors:
            raise ModelError(f"source {source!r}: it is a folder; kind = 'vectors' reads one text file of word vectors")
        if not (path / "config.json").is_file():
            raise ModelError(f"source {source!r}: the folder has no config.json, so it holds no transformers model")
        return Place(kind="folder", path=path)
    if vectors or path.suffix == ".vec":
        return Place(kind="vectors", path=path)
    if path.suffix == ".gguf":
        return Place(kind="gguf", path=path)
    raise ModelError(
        f"source {source!r}: a file must be a .gguf file, or word vectors (a .vec file, or kind = 'vectors'); for "
        "safetensors name the folder that holds them"
    )


def _in_package(source: str) -> Path:
    name, _, inside = source.removeprefix("package:").partition("/")
    if not name.isidentifier() or not inside:
        raise ModelError(f"source {source!r}: write 'package:NAME/PATH' with the import name of an installed package")
    found = importlib.util.find_spec(name)  # a top-level name: finds the package without running it
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"source {source!r}: no package {name!r} is installed in this environment")
    for root in found.submodule_search_locations:
        folder = Path(root).resolve()
        path = (folder / inside).resolve()
        if path.is_relative_to(folder) and path.exists():
            return path
    raise ModelError(f"source {source!r}: package {name!r} is installed but has no file or folder {inside!r}")


def is_hub_id(source: str, folder: Path) -> bool:
    """Whether a source can only be a hub id: not a file or folder, and not written like one."""
    if not re.fullmatch(f"{SLUG}(/{SLUG})?", source) or source.endswith(FILES):
        return False
    try:
        return not (folder / source).exists()
    except OSError:  # longer than the file system takes, so no file
        return True

"""Whether what a training left behind is whole: files sealed with their digests, by us, and read back only then.

A process may be killed while it writes. A checkpoint of the Trainer holds the weights as safetensors, and the states of
optimiser and random numbers as torch's own files, which transformers reads with `weights_only`. Imports no torch itself.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pytest_biasaudit.models.identity import file_sha256

SEAL = "sealed.json"
"""Written last into a folder: the digest of every file in it."""
NOT_READ = "training_args.bin"
"""A pickled object that the Trainer writes and nobody reads; it is taken away."""


def seal(folder: Path) -> None:
    """Writes down the digest of every file of a folder, in one stroke."""
    (folder / NOT_READ).unlink(missing_ok=True)
    digests = {file.name: file_sha256(file) for file in sorted(folder.iterdir()) if file.is_file()}
    making = folder / f"{SEAL}.making"
    making.write_text(json.dumps(digests, indent=1), encoding="utf-8")
    making.replace(folder / SEAL)


def is_whole(folder: Path) -> bool:
    """Whether every file that was sealed is there with its digest, and no other."""
    try:
        digests = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        there = {file.name for file in folder.iterdir()} - {SEAL}
        return there == set(digests) and all(file_sha256(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, TypeError, AttributeError):
        return False


def newest_whole(home: Path) -> Path | None:
    """The newest whole checkpoint of a training; broken ones are taken away. None where there is none."""
    found = [folder for folder in home.glob("checkpoint-*") if folder.name.rpartition("-")[2].isdigit()]
    for folder in sorted(found, key=lambda one: int(one.name.rpartition("-")[2]), reverse=True):
        if is_whole(folder):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
    return None

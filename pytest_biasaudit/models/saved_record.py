"""The record beside a saved child's files: what it was made from and how, and the digests that tie both. Imports nothing heavy.

A folder with such a record loads as the child it was: same parent, recipe and measurements. A record that does not fit the
files is an error, never a guess.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.identity import file_sha256, files_sha256
from pytest_biasaudit.models.protocol import ModelIdentity

RECORD = "biasaudit-record.json"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class SavedRecord:
    """What the record says."""

    digest: str
    """The child's in memory: of tensors, where a loaded folder's is of files."""
    tensors_sha256: str
    saved_digest: str
    """The digest it has when it is loaded from its folder."""
    weights_sha256: str
    """Of the weight files, as a folder's identity has it."""
    files: Mapping[str, str]
    """sha256 of every file of the folder but the record, by name."""
    dtype: str
    parent: str | None
    parent_digest: str | None
    recipe: tuple[dict[str, object], ...]
    achieved: dict[str, object]
    sha256: str = ""
    """Of the record itself."""

    def told(self, identity: ModelIdentity) -> ModelIdentity:
        """The identity of what was loaded from the folder, with what the record knows of its descent."""
        saved = {"child_digest": self.digest, "tensors_sha256": self.tensors_sha256, "record_sha256": self.sha256}
        return replace(
            identity,
            parent=self.parent,
            parent_digest=self.parent_digest,
            recipe=self.recipe,
            achieved={**self.achieved, "saved": saved},
        )


def read_record(folder: Path, *, source: str) -> SavedRecord | None:
    """The record of a folder, None where there is none; the folder's files are those it was written for.

    Raises ModelError for a record that cannot be read, and for files that it does not fit, naming both digests.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    data = path.read_bytes()
    try:
        raw = json.loads(data)
        saved = raw["saved"]
        if raw["schema"] != SCHEMA:
            raise ModelError(
                f"source {source!r}: {RECORD} is of version {raw['schema']}, and this package reads version {SCHEMA}"
            )
        record = SavedRecord(
            digest=str(raw["digest"]),
            tensors_sha256=str(raw["tensors_sha256"]),
            saved_digest=str(saved["digest"]),
            weights_sha256=str(saved["weights_sha256"]),
            files={str(name): str(digest) for name, digest in saved["files"].items()},
            dtype=str(raw["dtype"]),
            parent=None if raw["parent"] is None else str(raw["parent"]["name"]),
            parent_digest=None if raw["parent"] is None else str(raw["parent"]["digest"]),
            recipe=tuple(dict(step) for step in raw["recipe"]),
            achieved=dict(raw["achieved"]),
            sha256=hashlib.sha256(data).hexdigest(),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ModelError(
            f"source {source!r}: {RECORD} is damaged ({type(fault).__name__}: {fault}); save the child anew, or take the "
            "file away to load the weights as a model without a known parent"
        ) from fault
    _refuse_misfit(folder, record, source)
    return record


def _refuse_misfit(folder: Path, record: SavedRecord, source: str) -> None:
    weights = sorted(folder.glob("*.safetensors"))
    found = files_sha256(weights) if weights else "none: there is no .safetensors file"
    if found != record.weights_sha256:
        raise ModelError(
            f"source {source!r}: {RECORD} was written for other weights: it says {record.weights_sha256}, the files have "
            f"{found}; save the child anew, or take the record away"
        )
    for name, digest in record.files.items():
        if name.endswith(".safetensors"):
            continue
        now = file_sha256(folder / name) if (folder / name).is_file() else "none: it is not there"
        if now != digest:
            raise ModelError(
                f"source {source!r}: {RECORD} was written for another {name}: it says {digest}, the file has {now}; save the "
                "child anew, or take the record away"
            )


def record_text(
    identity: ModelIdentity,
    loaded: ModelIdentity,
    *,
    tensors: str,
    files: Mapping[str, str],
    achieved: Mapping[str, object],
    date: str | None,
) -> str:
    """A record as it is written.

    identity  the child's; loaded  what its folder gives; tensors  sha256 of the child's tensors
    files     sha256 of each file; achieved  the child's, as plain values
    date      as the user gives it; None: the record has none, and the same child gives the same record
    """
    parent = None if identity.parent is None else {"name": identity.parent, "digest": identity.parent_digest}
    record: dict[str, object] = {
        "schema": SCHEMA,
        "name": identity.name,
        **({"date": date} if date is not None else {}),
        "digest": identity.digest,
        "tensors_sha256": tensors,
        "saved": {
            "digest": loaded.digest,
            "weights_sha256": loaded.weights_sha256,
            "files": dict(sorted(files.items())),
        },
        "parent": parent,
        "recipe": list(identity.recipe),
        "achieved": dict(achieved),
        "source": identity.source,
        "revision": identity.revision,
        "architecture": identity.architecture,
        "parameters": identity.parameters,
        "dtype": identity.dtype,
        "tokenizer_sha256": identity.tokenizer_sha256,
        "chat_template_sha256": identity.chat_template_sha256,
        "config_sha256": identity.config_sha256,
        "libraries": dict(identity.libraries),
    }
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def ours(folder: Path) -> bool:
    """Whether a folder holds nothing but a saved child: its record, and files that the record names."""
    try:
        raw = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        named = {RECORD, *raw["saved"]["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return {path.name for path in folder.iterdir()} <= named


def digests_of(files: Sequence[Path]) -> dict[str, str]:
    """sha256 by name."""
    return {path.name: file_sha256(path) for path in files}

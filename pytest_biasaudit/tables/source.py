"""Where a labelled table is: a file beside the context file, or a hub data set at a pinned revision.

Finds and digests; reads no row. Imports huggingface_hub only for a hub set.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.prompts.benchmarks.data import HUB, DataFacts

Format = Literal["csv", "jsonl", "parquet"]
ENDINGS: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
VALID = "a .csv, .jsonl or .parquet file"
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """A table, found and digested, and not yet read."""

    source: str
    """As declared: a path, or "hub:NAME@REVISION"."""
    paths: tuple[Path, ...]
    """One file; several of one format where a hub set is sharded, in order of name."""
    format: Format
    sha256: str
    """Of the one file; of "DIGEST  NAME" lines in order of name where there are several, as `sha256sum` prints them."""
    bytes: int

    @property
    def name(self) -> str:
        """The one file's name, for messages; the source where there are several."""
        return self.paths[0].name if len(self.paths) == 1 else self.source

    @property
    def facts(self) -> DataFacts:
        """Which data these are, for the evidence."""
        return DataFacts(title=self.name, source=self.source, url="", licence="", sha256=self.sha256)


def locate(source: str, *, beside: Path, sha256: str | None, offline: bool) -> TableFile:
    """The declared table, found and digested in chunks.

    source   a path relative to the folder `beside`, which it may not leave; or "hub:NAME@REVISION", a hub data set at a
             commit: its .parquet files, else its .jsonl files, else its .csv files. "hub:NAME@REVISION/FOLDER" takes
             those of a folder, "hub:NAME@REVISION/FILE" one file, in which "*" stands for anything: a set has its training
             and its test rows in different files
    sha256   what `TableFile.sha256` must be; None for a file whose digest the context does not declare
    offline  only what is in the local hub cache is used

    Raises DataError: not there, another format, a path that is absolute or leads out of the folder, a digest that is not
    the declared one, a hub set without revision or sha256, or that cannot be had.
    """
    if source.startswith(HUB):
        folder, names = _from_hub(source, offline)
        paths = tuple(folder / name for name in names)
    else:
        paths, names = (_from_disk(source, beside),), (source,)
    kind = ENDINGS[paths[0].suffix.lower()]
    try:
        digests = [_digest_of(path) for path in paths]
        size = sum(path.stat().st_size for path in paths)
    except OSError as error:
        raise DataError(source, [f"the file cannot be read: {error.strerror or type(error).__name__}"]) from None
    digest = digests[0]
    if len(digests) > 1:
        lines = "".join(f"{one}  {name}\n" for one, name in zip(digests, names, strict=True))
        digest = hashlib.sha256(lines.encode()).hexdigest()
    if source.startswith(HUB) and sha256 is None:
        fault = "a hub data set needs sha256 in the context file, so that the rows cannot change under the limit"
        raise DataError(source, [f"{fault}; these files have sha256 = {digest!r}"])
    if sha256 is not None and digest != sha256.lower():
        raise DataError(source, [f"sha256 is {digest}, and the context declares {sha256}: these are other data"])
    return TableFile(source=source, paths=paths, format=kind, sha256=digest, bytes=size)


def state_of(source: str, *, beside: Path) -> tuple[int, int] | None:
    """When the file was last written, in nanoseconds, and its bytes: another state, another table. None where it is no file."""
    path = beside / source
    if not path.is_file():
        return None
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _from_disk(source: str, beside: Path) -> Path:
    pure = PurePosixPath(source)
    if pure.is_absolute() or PureWindowsPath(source).is_absolute() or source.startswith("~"):
        raise DataError(
            source, ["the path is absolute; give it relative to the context file, so that it holds elsewhere"]
        )
    if ".." in (*pure.parts, *PureWindowsPath(source).parts):
        raise DataError(source, ['the path leaves the folder of the context file by ".."; put the table beside it'])
    path = beside / source
    if path.suffix.lower() not in ENDINGS:
        raise DataError(source, [f"ends in {path.suffix or 'no extension'}; it must be {VALID}, or hub:NAME@REVISION"])
    if path.is_dir():
        raise DataError(source, [f"is a folder; it must be {VALID}"])
    if not path.is_file():
        near = sorted(one.name for one in beside.iterdir() if one.suffix.lower() in ENDINGS) if beside.is_dir() else []
        there = f"; there are {', '.join(near[:8])}" if near else ""
        raise DataError(source, [f"there is no such file beside the context file{there}"])
    return path


def _from_hub(source: str, offline: bool) -> tuple[Path, tuple[str, ...]]:
    """The folder of the downloaded set, and the files in it that hold the table."""
    name, at, rest = source.removeprefix(HUB).partition("@")
    revision, _, inside = rest.partition("/")
    if not at or not name or not revision:
        raise DataError(source, ['a hub data set is written "hub:NAME@REVISION", with the commit it is pinned to'])
    if ".." in PurePosixPath(inside).parts:
        raise DataError(source, ['the path leaves the data set by ".."'])
    from huggingface_hub import snapshot_download

    inside = inside.strip("/")
    named = PurePosixPath(inside).suffix.lower() in ENDINGS
    whole = [f"{inside}/*{ending}" if inside else f"*{ending}" for ending in ENDINGS]
    try:
        folder = Path(
            snapshot_download(
                name,
                repo_type="dataset",
                revision=revision,
                allow_patterns=[inside] if named else whole,
                local_files_only=offline,
            )
        )
    except Exception as error:  # network, permission and cache errors alike: the data cannot be had
        from huggingface_hub.errors import LocalEntryNotFoundError

        hint = " (offline: only what is in the local hub cache can be used)" if offline else ""
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if offline and isinstance(error, LocalEntryNotFoundError):
            first = f"revision {revision!r} is not in it; fetch it once online"
        raise DataError(source, [f"cannot be loaded{hint}: {first}"]) from error
    start = folder if named else folder / inside
    there = [one for one in start.glob(inside if named else "**/*") if one.is_file()]
    for kind in ("parquet", "jsonl", "csv"):
        names = sorted(one.relative_to(folder).as_posix() for one in there if ENDINGS.get(one.suffix.lower()) == kind)
        if names:
            return folder, tuple(names)
    raise DataError(source, [f"there is no {VALID.removeprefix('a ')} in it{f' under {inside}' if inside else ''}"])

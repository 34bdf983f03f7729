"""Where a table is: beside the context file or on the hub, digested before a row is read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.tables.source import TableFile, locate


def here(source: str, folder: Path, sha256: str | None = None) -> TableFile:
    return locate(source, beside=folder, sha256=sha256, offline=True)


def refusal(source: str, folder: Path, sha256: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        here(source, folder, sha256)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.csv", "csv"), ("a.CSV", "csv"), ("a.jsonl", "jsonl"), ("a.ndjson", "jsonl"), ("sub/a.parquet", "parquet")],
)
def test_a_table_beside_the_context_is_found_and_digested(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    content = b"x" * 3_000_000
    (tmp_path / name).write_bytes(content)
    found = here(name, tmp_path)
    assert (found.format, found.bytes, found.source) == (kind, 3_000_000, name)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.facts.title == Path(name).name


def test_other_data_than_the_declared_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n")
    digest = hashlib.sha256(b"a\n").hexdigest()
    assert here("a.csv", tmp_path, digest.upper()).sha256 == digest
    assert "these are other data" in refusal("a.csv", tmp_path, "0" * 64)


def test_a_file_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "held_out.csv").write_text("a\n")
    (tmp_path / "notes.txt").write_text("a\n")
    said = refusal("heldout.csv", tmp_path)
    assert "held_out.csv" in said
    assert "notes.txt" not in said
    assert str(tmp_path) not in said


@pytest.mark.parametrize("source", ["/etc/table.csv", "~/table.csv", "C:\\data\\table.csv", "\\\\host\\share\\t.csv"])
def test_an_absolute_path_is_refused(source: str, tmp_path: Path) -> None:
    assert "absolute" in refusal(source, tmp_path)


@pytest.mark.parametrize("source", ["../table.csv", "sub/../../table.csv", "sub\\..\\table.csv"])
def test_a_path_out_of_the_folder_is_refused(source: str, tmp_path: Path) -> None:
    assert "leaves the folder" in refusal(source, tmp_path)


@pytest.mark.parametrize("name", ["a.xlsx", "a.json", "a.csv.gz", "a"])
def test_another_format_is_refused_with_those_that_are_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("a")
    assert ".csv, .jsonl or .parquet" in refusal(name, tmp_path)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    assert "is a folder" in refusal("a.csv", tmp_path)


@pytest.mark.parametrize("source", ["hub:me/set", "hub:@abc", "hub:me/set@"])
def test_a_hub_set_needs_a_revision(source: str, tmp_path: Path) -> None:
    assert "hub:NAME@REVISION" in refusal(source, tmp_path, "0" * 64)


class Hub:
    """Stands for the hub: a folder that a download would fill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: dict[str, Any] = {}

    def __call__(self, name: str, **settings: Any) -> str:
        self.asked = {"name": name, **settings}
        return str(self.folder)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    folder = tmp_path / "snapshot"
    (folder / "data").mkdir(parents=True)
    stand_in = Hub(folder)
    monkeypatch.setattr("huggingface_hub.snapshot_download", stand_in)
    return stand_in


def test_the_parts_of_a_hub_set_are_one_table_in_order_of_name(hub: Hub, tmp_path: Path) -> None:
    for name, content in (("data/train-1.parquet", b"two"), ("data/train-0.parquet", b"one"), ("README.md", b"")):
        (hub.folder / name).write_bytes(content)
    lines = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in (("data/train-0.parquet", b"one"), ("data/train-1.parquet", b"two"))
    )
    digest = hashlib.sha256(lines.encode()).hexdigest()
    found = here("hub:me/set@abc123", tmp_path, digest)
    assert [path.name for path in found.paths] == ["train-0.parquet", "train-1.parquet"]
    assert (found.format, found.bytes, found.sha256) == ("parquet", 6, digest)
    assert found.name == "hub:me/set@abc123"
    assert hub.asked["name"] == "me/set"
    assert hub.asked["revision"] == "abc123"
    assert hub.asked["repo_type"] == "dataset"
    assert hub.asked["local_files_only"] is True


def test_one_file_of_a_hub_set_can_be_named(hub: Hub, tmp_path: Path) -> None:
    (hub.folder / "data/test.csv").write_bytes(b"a,b\n")
    (hub.folder / "data/train.csv").write_bytes(b"a,b\n1,2\n")
    found = here("hub:me/set@abc/data/test.csv", tmp_path, hashlib.sha256(b"a,b\n").hexdigest())
    assert [path.name for path in found.paths] == ["test.csv"]
    assert hub.asked["allow_patterns"] == ["data/test.csv"]


def test_the_files_of_a_split_can_be_named_with_a_star(hub: Hub, tmp_path: Path) -> None:
    for name in ("test-0.parquet", "test-1.parquet", "train-0.parquet"):
        (hub.folder / "data" / name).write_bytes(b"x")
    with pytest.raises(DataError, match="sha256"):
        here("hub:me/set@abc/data/test-*.parquet", tmp_path)
    lines = "".join(f"{hashlib.sha256(b'x').hexdigest()}  data/test-{part}.parquet\n" for part in (0, 1))
    found = here("hub:me/set@abc/data/test-*.parquet", tmp_path, hashlib.sha256(lines.encode()).hexdigest())
    assert [path.name for path in found.paths] == ["test-0.parquet", "test-1.parquet"]


def test_a_hub_set_without_digest_is_refused_with_the_digest_it_has(hub: Hub, tmp_path: Path) -> None:
    (hub.folder / "data/t.csv").write_bytes(b"a\n")
    assert hashlib.sha256(b"a\n").hexdigest() in refusal("hub:me/set@abc", tmp_path)


def test_a_hub_set_without_a_table_is_refused(hub: Hub, tmp_path: Path) -> None:
    (hub.folder / "README.md").write_text("")
    assert "there is no .csv, .jsonl or .parquet file in it" in refusal("hub:me/set@abc", tmp_path, "0" * 64)


def test_offline_only_the_local_hub_cache_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    said = refusal("hub:nobody/no-such-set@0123456789abcdef0123456789abcdef01234567", tmp_path, "0" * 64)
    assert "offline: only what is in the local hub cache can be used" in said

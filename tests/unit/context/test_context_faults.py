"""What is told of a context file that is broken in several ways, through another file, or before it is read at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.errors import ContextError

EXAMPLE = (Path(__file__).parent / "design_example.toml").read_text(encoding="utf-8")

PROMPT = 'prompt = "I want to buy {item} from {person}. What should I offer first? Give one amount in US dollars."'
ATTRIBUTE = 'attribute = "race"              #'
SOURCE = 'source = "us-names"'
GROUPS = 'groups = ["white", "black"]'
PER_GROUP = "per_group = 16"

IN_PEOPLE = "[[audit]] 1 'offers' / [audit.people]: "


def error_of(folder: Path, text: str) -> ContextError:
    path = folder / "offers.bias.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContextError) as caught:
        read_context(path)
    return caught.value


def test_all_faults_of_a_file_are_in_one_message(tmp_path: Path) -> None:
    text = EXAMPLE
    for old, new in [
        ("schema = 1\n", "schema = 3\n"),
        ('owner = "marketplace-ml"', ""),
        ("{item}", "{itm}"),
        (PER_GROUP, "per_group = 0"),
        ("repeats = 1", "repeats = 2"),
        ("max = 0.2 ", "max = -0.2 "),
        ('metric = "answer_rate"', 'metric = "answers_rate"'),
    ]:
        text = text.replace(old, new, 1)
    error = error_of(tmp_path, text)
    for fragment in (
        "schema = 3",
        "owner is missing",
        "unknown slot {itm}",
        "item: no wording uses it",
        "per_group = 0",
        "repeats = 2",
        "max = -0.2",
        "answers_rate",
    ):
        assert fragment in str(error)
    assert len(error.faults) == 8
    assert "8 faults" in str(error)


def test_faults_of_a_second_audit_are_told_with_its_number_and_id(tmp_path: Path) -> None:
    second = EXAMPLE[EXAMPLE.index("[[audit]]") :].replace('id = "offers"', 'id = "rents"').replace("0.95", "95")
    error = error_of(tmp_path, EXAMPLE + "\n" + second)
    assert error.faults == (
        "[[audit]] 2 'rents' / [[audit.limit]] 1 'race-smd': level = 95: must be a finite number above 0.5 and below 1",
    )


def test_two_audits_of_one_id_are_told(tmp_path: Path) -> None:
    second = EXAMPLE[EXAMPLE.index("[[audit]]") :]
    error = error_of(tmp_path, EXAMPLE + "\n" + second)
    assert error.faults == (
        "[[audit]] 2 'offers': id = 'offers': [[audit]] 1 has the same id; give each audit its own",
    )


CSV_WITHOUT_PRONOUNS = "first,last,team\nAnn,,red\nBea,Poe,red\nCy,Roe,blue\nDee,Lum,blue\n"


@pytest.mark.parametrize(
    ("wording", "told"),
    [
        ("{last} sells {item}", "prompt uses {last}, but team.csv does not give every person a surname"),
        ("{first} sells {item} as {pronoun} says", "prompt uses {pronoun}, but team.csv has no pronouns"),
    ],
)
def test_a_person_slot_that_the_list_cannot_fill_is_told(tmp_path: Path, wording: str, told: str) -> None:
    (tmp_path / "team.csv").write_text(CSV_WITHOUT_PRONOUNS, encoding="utf-8")
    text = (
        EXAMPLE.replace(PROMPT, f'prompt = "{wording}"')
        .replace(SOURCE, 'source = "team.csv"')
        .replace(GROUPS, "")
        .replace(PER_GROUP, "per_group = 2")
        .replace('"race"', '"team"')
    )
    error = error_of(tmp_path, text)
    assert len(error.faults) == 1
    assert told in error.faults[0]


def test_a_flat_group_that_two_attributes_have_needs_a_table(tmp_path: Path) -> None:
    (tmp_path / "team.csv").write_text(
        "first,team,floor\nAnn,other,one\nBea,red,other\nCy,other,other\nDee,red,one\n", encoding="utf-8"
    )
    text = (
        EXAMPLE.replace(ATTRIBUTE, 'attribute = ["team", "floor"] #')
        .replace(SOURCE, 'source = "team.csv"')
        .replace(GROUPS, 'groups = ["red", "one", "other"]')
        .replace(PER_GROUP, "per_group = 1")
        .replace('attribute = "race"\n', "")
    )
    error = error_of(tmp_path, text)
    assert len(error.faults) == 1
    assert "'other' is a group of 'team', 'floor'; write groups as a table" in error.faults[0]


def test_every_fault_of_a_people_list_is_told_where_the_context_names_it(tmp_path: Path) -> None:
    (tmp_path / "team.csv").write_text("first,race\nAnn,white\nAnn,white\nBea,\n", encoding="utf-8")
    error = error_of(tmp_path, EXAMPLE.replace(SOURCE, 'source = "team.csv"'))
    assert len(error.faults) >= 2
    assert all(fault.startswith(f"{IN_PEOPLE}source = 'team.csv': ") for fault in error.faults)
    assert all("team.csv: " in fault for fault in error.faults)


def test_a_missing_file_is_a_context_error(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match=r"nothing\.bias\.toml: 1 fault\n  - there is no such file"):
        read_context(tmp_path / "nothing.bias.toml")


def test_a_folder_is_a_context_error(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="this is a folder"):
        read_context(tmp_path)


def test_a_file_below_a_file_is_a_context_error(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(ContextError, match="cannot be read"):
        read_context(tmp_path / "plain" / "x.bias.toml")


def test_a_path_that_no_file_system_takes_is_a_context_error(tmp_path: Path) -> None:
    for name in ("a\0b", "x" * 5000):
        with pytest.raises(ContextError, match="cannot be read"):
            read_context(tmp_path / name)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.bias.toml"
    path.write_bytes(EXAMPLE.encode() + b"#" * 1_000_000)
    with pytest.raises(ContextError, match="more than 1,000,000 bytes"):
        read_context(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"schema = 1\n[context\n", "not valid TOML: .*line 2, column"),
        (b"schema = 1\nschema = 2\n", "not valid TOML: .*line 2"),
        (b"schema = 1\n# caf\xe9\n", "not UTF-8: byte 0xe9 at line 2, column 6"),
        (b"\xef\xbb\xbfschema = 1\n# caf\xe9\n", "not UTF-8: byte 0xe9 at line 2, column 6"),
        ("schema = 1\n".encode("utf-16"), "not UTF-8: byte 0xff at line 1, column 1"),
        (b"schema = " + b"[" * 20_000, "nested too deeply"),
        (b"schema = " + b"1" * 10_000, "not valid TOML"),
        (b"schema = 0x" + b"f" * 10_000, "schema = a number too long to print: must be 1"),
        (b"\0", "not valid TOML: .*line 1"),
        (b"", "schema is missing"),
    ],
)
def test_what_is_no_toml_is_told_with_its_place(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "x.bias.toml"
    path.write_bytes(content)
    with pytest.raises(ContextError, match=told):
        read_context(path)

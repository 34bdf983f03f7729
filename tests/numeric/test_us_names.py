"""The bundled list `us-names` against the files it was taken from, where those are at hand."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_biasaudit.prompts.people import load_people

DATA = Path(__file__).parents[3] / "shared" / "data" / "names"
US = load_people("us-names", beside=Path())
CELL = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

needs_census = pytest.mark.skipif(not DATA.is_dir(), reason="the census files are not beside this checkout")


def table(workbook: str, sheet: str) -> Iterator[dict[str, str]]:
    """Rows of a sheet, cells by column letter."""
    with zipfile.ZipFile(DATA / workbook) as archive:
        shared = [
            "".join(text.text or "" for text in item.iter(f"{CELL}t"))
            for item in ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))
        ]
        for row in ElementTree.fromstring(archive.read(f"xl/worksheets/{sheet}.xml")).iter(f"{CELL}row"):
            cells: dict[str, str] = {}
            for cell in row:
                value = cell.findtext(f"{CELL}v")
                if value is not None:
                    column = "".join(c for c in cell.get("r", "") if c.isalpha())
                    cells[column] = shared[int(value)] if cell.get("t") == "s" else value
            yield cells


def as_listed(name: str) -> str:
    """The census files write capitals without apostrophes."""
    return name.upper().replace("'", "")


def test_the_list_has_sixteen_first_names_in_each_cell_and_none_twice() -> None:
    assert set(Counter(person.groups for person in US.people).values()) == {16}
    assert len({person.first for person in US.people}) == 64
    assert {(person.group("gender"), person.pronoun) for person in US.people} == {("men", "he"), ("women", "she")}
    heidi = next(person for person in US.people if person.first == "Heidi")
    assert heidi.groups == (("race", "white"), ("gender", "women"))


def test_the_first_group_of_each_attribute_is_the_majority_in_the_studies() -> None:
    assert US.groups("race") == ("white", "black")
    assert US.groups("gender") == ("men", "women")


def test_every_race_has_the_same_number_of_surnames_and_the_two_of_the_first_study() -> None:
    assert Counter(surname.group for surname in US.surnames) == {"white": 24, "black": 24}
    groups = {surname.name: surname.group for surname in US.surnames}
    assert (groups["Becker"], groups["Washington"]) == ("white", "black")
    assert not {person.first for person in US.people} & set(groups)


def test_every_name_has_a_source_and_a_share_only_where_the_source_gives_one() -> None:
    assert all(person.source for person in US.people)
    assert all((person.share is not None) == ("Tzioumis" in person.source) for person in US.people)
    assert all(surname.share is not None and "Census 2010" in surname.source for surname in US.surnames)


@needs_census
def test_shares_of_first_names_are_those_of_the_mortgage_data() -> None:
    column = {"white": "D", "black": "E"}
    rows = {row["A"]: row for row in table("firstnames.xlsx", "sheet2")}
    for person in US.people:
        row = rows.get(as_listed(person.first))
        if row is None:
            assert person.share is None, person.first
        else:
            assert person.share == pytest.approx(float(row[column[person.group("race")]]) / 100, abs=5e-6), person.first
            assert person.source.endswith(f"Tzioumis 2018, {row['B']} people")


@needs_census
def test_surnames_and_their_shares_are_those_of_the_census_by_the_rule_in_the_note() -> None:
    def commonest(file: str) -> set[str]:
        lines = (line.split() for line in (DATA / file).read_text().splitlines())
        return {name for name, _, _, rank in lines if int(rank) <= 100}

    first_names = commonest("dist.male.first.txt") | commonest("dist.female.first.txt")
    rows = [row for row in table("Names_2010Census_Top1000.xlsx", "sheet1") if row.get("B", "").isdigit()]
    assert len(rows) == 1000
    rows = [row for row in rows if row["A"] not in first_names]
    black = sorted(rows, key=lambda row: -float(row["G"].replace("(S)", "0")))[:24]
    white = [row for row in rows if float(row["F"].replace("(S)", "0")) >= 92][:24]
    for group, chosen, column in (("white", white, "F"), ("black", black, "G")):
        expected = {row["A"]: float(row[column]) / 100 for row in chosen}
        listed = {as_listed(s.name): s.share for s in US.surnames if s.group == group}
        assert listed == pytest.approx(expected, abs=5e-5)

"""Words near terms, by hand: what a word is, what near is, what is counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.corpus.nearness import CHUNK
from pytest_biasaudit.corpus.scan import scan_corpus
from tests.corpus_tables import GENDER, corpus_audit, table_file

Counts = tuple[int, int, int, int]


def near(folder: Path, texts: list[str], words: list[str], *, window: int, terms: object = GENDER) -> dict[str, Counts]:
    """Of each group: occurrences with a word near, occurrences, rows, rows with a word near."""
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    audit = corpus_audit(
        Columns(text="text"), terms=(("gender", terms),), words=(("list", tuple(words)),), window=window
    )
    tally = scan_corpus(table_file(path), audit)
    return {one.group: (one.near, one.occurrences, one.rows, one.near_rows) for one in tally.near}


@pytest.mark.parametrize(
    ("text", "window", "is_near"),
    [
        ("She is a kind nurse", 4, 1),  # she(0) ... nurse(4)
        ("She is a kind nurse", 3, 0),
        ("A nurse said she", 2, 1),
        ("A nurse said she", 1, 0),
        ("she nurse", 1, 1),
        ("She. Nurse", 1, 1),  # sentences do not matter
        ("She isn't a nurse", 3, 0),  # she, isn, t, a, nurse
        ("She isn't a nurse", 4, 1),
        ("She, well-read nurse", 2, 0),  # she, well, read, nurse
        ("She, well-read nurse", 3, 1),
        ("SHE NURSE", 1, 1),
        ("Shed nurse", 1, None),  # no term at all
        ("she nurses", 1, 0),
    ],
)
def test_near_is_counted_in_words(tmp_path: Path, text: str, window: int, is_near: int | None) -> None:
    expected = (0, 0, 0, 0) if is_near is None else (is_near, 1, 1, is_near)
    assert near(tmp_path, [text], ["nurse"], window=window) == {"men": (0, 0, 0, 0), "women": expected}


def test_a_term_that_ends_in_a_sign_is_a_word(tmp_path: Path) -> None:
    terms = (("c", ("c++",)), ("net", (".net",)))
    assert near(tmp_path, ["c++ expert", "an expert in .NET"], ["expert"], window=2, terms=terms) == {
        "c": (1, 1, 1, 1),
        "net": (1, 1, 1, 1),
    }


def test_an_occurrence_counts_once_and_a_row_once(tmp_path: Path) -> None:
    texts = [
        "She cooks, she sews, and he cooks what she cooks.",  # she0 cooks1 she2 sews3 and4 he5 cooks6 what7 she8 cooks9
        "He walks.",
        "",
    ]
    # window 1: she0 and she8 are near; she2 has cooks1 beside it; he5 has cooks6 beside it.
    assert near(tmp_path, texts, ["cooks"], window=1) == {"men": (1, 2, 2, 1), "women": (3, 3, 1, 1)}


def test_words_of_the_next_text_are_never_near(tmp_path: Path) -> None:
    assert near(tmp_path, ["I saw her", "nurse", "nurse her"], ["nurse"], window=50)["women"] == (1, 2, 2, 1)


def test_a_term_is_not_near_itself(tmp_path: Path) -> None:
    assert near(tmp_path, ["her cat", "her and her"], ["her"], window=5)["women"] == (2, 3, 2, 1)


def test_a_listed_term_of_several_words_is_one_word(tmp_path: Path) -> None:
    terms = (("a", ("middle aged",)), ("b", ("young",)))
    texts = ["a Middle-aged clerk", "middle\n aged and clerk", "middle, aged clerk", "young software engineer"]
    # middle-aged0 clerk1; middle aged0 and1 clerk2; the third has a comma between, and is no term.
    assert near(tmp_path, texts, ["clerk", "software engineer"], window=1, terms=terms) == {
        "a": (1, 2, 2, 1),
        "b": (1, 1, 1, 1),
    }


def test_a_shorter_term_within_a_longer_one_of_another_group_is_found_as_rows_find_it(tmp_path: Path) -> None:
    terms = (("american", ("american",)), ("african american", ("african american",)))
    found = near(tmp_path, ["an african american poet"], ["poet"], window=1, terms=terms)
    assert found == {"american": (1, 1, 1, 1), "african american": (1, 1, 1, 1)}


def test_letters_of_every_script_belong_to_words(tmp_path: Path) -> None:
    terms = (("frau", ("ärztin",)), ("mann", ("arzt",)))
    texts = ["Die ÄRZTIN heilt", "Oberärztin heilt", "Der Arzt heilt"]
    assert near(tmp_path, texts, ["heilt"], window=1, terms=terms) == {"frau": (1, 1, 1, 1), "mann": (1, 1, 1, 1)}


def test_counts_do_not_depend_on_how_texts_are_portioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{'she' if at % 3 else 'he'} sees {'a nurse' if at % 5 else 'hay'}" for at in range(200)]
    whole = near(tmp_path, texts, ["nurse"], window=3)
    # he: at % 3 == 0, 67 of them; of these at % 15 == 0, 14 of them, see hay.
    assert whole == {"men": (53, 67, 67, 53), "women": (107, 133, 133, 107)}
    monkeypatch.setattr("pytest_biasaudit.corpus.nearness.CHUNK", 50)
    assert near(tmp_path, texts, ["nurse"], window=3) == whole
    assert CHUNK > 50

from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_biasaudit.errors import JournalError
from pytest_biasaudit.outcomes.journal import SCHEMA, Answer, Journal, key_of

MANY: dict[str, Answer] = {f"key-{number}": {"text": f"answer {number}" * 20} for number in range(400)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "journal.sqlite"


def filled(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.put(MANY)


def asides(path: Path) -> list[Path]:
    return sorted(found for found in path.parent.iterdir() if ".damaged-" in found.name)


def test_answers_are_there_again_after_closing(path: Path) -> None:
    answer: Answer = {"text": "500", "finish": "stop", "broken": False}
    with Journal.open(path) as journal:
        assert journal.get(["a"]) == {}
        journal.put({"a": answer, "b": {"logprobs": [-0.5, -1.25]}})
    with Journal.open(path) as journal:
        assert journal.get(["a", "b", "c", "a"]) == {"a": answer, "b": {"logprobs": [-0.5, -1.25]}}
        assert journal.messages == []


def test_an_answer_is_there_for_others_as_soon_as_put_returns(path: Path) -> None:
    with Journal.open(path) as one, Journal.open(path) as other:
        one.put({"a": {"text": "1"}})
        assert other.get(["a"]) == {"a": {"text": "1"}}


def test_the_first_answer_stays(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.put({"a": {"text": "first"}})
        journal.put({"a": {"text": "second"}, "b": {"text": "third"}})
        assert journal.get(["a", "b"]) == {"a": {"text": "first"}, "b": {"text": "third"}}


def test_without_a_path_answers_live_in_memory() -> None:
    with Journal.open(None) as journal, journal.lock("any"), journal.lock("any"):
        journal.put({"a": {"text": "1"}})
        assert journal.get(["a", "b"]) == {"a": {"text": "1"}}
        assert journal.path is None
    with Journal.open(None) as journal:
        assert journal.get(["a"]) == {}


@pytest.mark.parametrize("text", ["", "\x00", "a\x00b", "\ud800", "\u202e\u2028", "<script>", "\U0001f6b2" * 1000])
def test_any_text_is_kept_to_the_character(path: Path, text: str) -> None:
    with Journal.open(path) as journal:
        journal.put({"a": {"text": text}})
    with Journal.open(path) as journal:
        assert journal.get(["a"]) == {"a": {"text": text}}


def test_scores_are_kept_to_the_bit(path: Path) -> None:
    scores = [0.1 + 0.2, -1e-300, -math.inf, math.inf, math.nan]
    with Journal.open(path) as journal:
        journal.put({"a": {"logprobs": scores}})
        kept = journal.get(["a"])["a"]["logprobs"]
    assert isinstance(kept, list)
    assert kept[:4] == scores[:4]
    assert math.isnan(kept[4])


def test_thousands_of_keys_are_asked_for_at_once(path: Path) -> None:
    filled(path)
    with Journal.open(path) as journal:
        assert journal.get([*MANY, *(f"no-{number}" for number in range(3000))]) == MANY


def test_a_key_depends_on_everything_that_decides_the_answer() -> None:
    def key(**changed: object) -> str:
        base: dict[str, object] = {
            "model": "m",
            "prompt": "p",
            "elicitation": {"temperature": 0.0, "max_new_tokens": 8},
            "seed": None,
            "repeat": 0,
        }
        return key_of(**{**base, **changed})  # type: ignore[arg-type]  # one of them changed at a time

    keys = [
        key(),
        key(model="n"),
        key(prompt="q"),
        key(elicitation={"temperature": 0.5, "max_new_tokens": 8}),
        key(elicitation={"temperature": 0.0, "max_new_tokens": 9}),
        key(elicitation={"options": ["a", "b"]}),
        key(elicitation={"options": ["b", "a"]}),
        key(seed=0),
        key(seed=1),
        key(repeat=1),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == key(elicitation={"max_new_tokens": 8, "temperature": 0.0}), "order of settings means nothing"


# -- damage ---------------------------------------------------------------------------------------------------------


def garbage(path: Path) -> None:
    path.write_bytes(b"\x8f\x01 not a database " * 4000)


def text_file(path: Path) -> None:
    path.write_text("This is a note to self.\n")


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def truncated_in_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def wrong_header(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(b"SQLite format 4\x00" + content[16:])


def zeroed_pages(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))


def overwritten_in_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 512] = b"\xff" * 512
    path.write_bytes(bytes(content))


def execute(*statements: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return damage


def flipped_letter(path: Path) -> None:
    content = path.read_bytes()
    at = content.index(b"answer 7answer 7")
    path.write_bytes(content[:at] + b"Answer" + content[at + 6 :])


DAMAGES: dict[str, Callable[[Path], None]] = {
    "garbage": garbage,
    "a text file": text_file,
    "truncated": truncated,
    "truncated in the header": truncated_in_the_header,
    "wrong header": wrong_header,
    "zeroed pages": zeroed_pages,
    "overwritten in the middle": overwritten_in_the_middle,
    "another schema": execute(f"PRAGMA user_version={SCHEMA + 1}"),
    "an older schema": execute("PRAGMA user_version=0"),
    "another program's file": execute("PRAGMA application_id=1"),
    "no table": execute("DROP TABLE answers"),
    "another table": execute("DROP TABLE answers", "CREATE TABLE answers (id INTEGER)"),
}
DAMAGED_ROWS: dict[str, Callable[[Path], None]] = {
    "an edited body": execute("""UPDATE answers SET body='{"text": "900"}' WHERE key='key-7'"""),
    "a body of another type": execute("UPDATE answers SET body=x'00ff' WHERE key='key-7'"),
    "an edited checksum": execute("UPDATE answers SET checksum='' WHERE key='key-7'"),
    "an answer under another key": execute(
        "DELETE FROM answers WHERE key='key-8'", "UPDATE answers SET key='key-8' WHERE key='key-7'"
    ),
    "one flipped letter": flipped_letter,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside_with_a_message_and_a_new_one_begun(path: Path, damage: str) -> None:
    filled(path)
    DAMAGES[damage](path)
    damaged = path.read_bytes()
    with Journal.open(path) as journal:
        (message,) = journal.messages
        assert str(path) in message
        assert "set aside" in message
        assert journal.get(MANY) == {}
        journal.put({"a": {"text": "new"}})
    (aside,) = asides(path)
    assert aside.name in message
    assert aside.read_bytes()[:100] == damaged[:100]
    with Journal.open(path) as journal:
        assert journal.get(["a"]) == {"a": {"text": "new"}}
        assert journal.messages == []


@pytest.mark.parametrize("damage", DAMAGED_ROWS)
def test_an_answer_whose_checksum_is_off_makes_the_whole_file_suspect(path: Path, damage: str) -> None:
    filled(path)
    DAMAGED_ROWS[damage](path)
    with Journal.open(path) as journal:
        assert journal.messages == []
        assert journal.get(["key-1", "key-7", "key-8"]) == {}
        (message,) = journal.messages
        assert "checksum" in message
        assert journal.get(["key-1"]) == {}, "none of its answers is used"
        journal.put({"key-1": {"text": "asked again"}})
        assert journal.get(["key-1"]) == {"key-1": {"text": "asked again"}}
    assert any(found.name in message for found in asides(path))


def test_a_log_without_its_file_is_not_played_into_a_new_one(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"")
    Path(f"{path}-wal").write_bytes(b"left over")
    with Journal.open(path) as journal:
        assert len(journal.messages) == 1
        journal.put({"a": {"text": "1"}})
    with Journal.open(path) as journal:
        assert journal.get(["a"]) == {"a": {"text": "1"}}


def test_an_empty_file_is_begun_without_fuss(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with Journal.open(path) as journal:
        assert journal.messages == []
        journal.put({"a": {"text": "1"}})


def test_a_file_left_half_begun_by_a_kill_is_in_nobodys_way(path: Path) -> None:
    path.parent.mkdir()
    Path(f"{path}.new").write_bytes(b"half begun")
    with Journal.open(path) as journal:
        assert journal.messages == []


def test_a_journal_set_aside_by_another_process_is_followed(path: Path) -> None:
    filled(path)
    with Journal.open(path) as one, Journal.open(path) as other:
        one.put({"before": {"text": "1"}})
        connection = sqlite3.connect(path)
        connection.execute("UPDATE answers SET body='{}' WHERE key='key-7'")
        connection.commit()
        connection.close()
        assert other.get(["key-7"]) == {}
        assert len(other.messages) == 1
        one.put({"after": {"text": "2"}})
        assert len(one.messages) == 1
        assert other.get(["before", "after"]) == {"after": {"text": "2"}}
    with Journal.open(path) as journal:
        assert journal.get(["after"]) == {"after": {"text": "2"}}
        assert journal.messages == []


def test_a_journal_removed_while_in_use_is_begun_anew(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.put({"a": {"text": "1"}})
        for found in path.parent.iterdir():
            found.unlink()
        journal.put({"b": {"text": "2"}})
        assert journal.get(["a", "b"]) == {"b": {"text": "2"}}
        assert len(journal.messages) == 1


# -- places that cannot be written ------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JournalError, match="cannot be made"):
        Journal.open(tmp_path / "file" / "journal.sqlite")


def test_a_folder_in_the_journals_place_is_an_error(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal.open(path)


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a folder that nobody can write, root included")
def test_a_folder_that_cannot_be_written_is_an_error() -> None:
    with pytest.raises(JournalError, match="cannot be written"):
        Journal.open(Path("/proc/journal.sqlite"))


def test_a_closed_journal_says_so(path: Path) -> None:
    journal = Journal.open(path)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="is closed"):
        journal.get(["a"])


# -- several processes ------------------------------------------------------------------------------------------------


def run_all(path: Path, code: str, *arguments: str) -> list[str]:
    """Runs the code in one process an argument, at the same time; what each printed."""
    head = "import sys\nfrom pathlib import Path\nfrom pytest_biasaudit.outcomes.journal import Journal\n"
    program = head + "path, name = Path(sys.argv[1]), sys.argv[2]\n" + textwrap.dedent(code)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), argument],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for argument in arguments
    ]
    printed = []
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        printed.append(out)
    return printed


def test_processes_write_at_once_and_lose_nothing(path: Path) -> None:
    code = """
        with Journal.open(path) as journal:
            for number in range(150):
                journal.put({f"{name}-{number}": {"text": name}, f"shared-{number}": {"text": name}})
            assert not journal.messages, journal.messages
    """
    run_all(path, code, "one", "two", "three")
    keys = [f"{name}-{number}" for name in ("one", "two", "three", "shared") for number in range(150)]
    with Journal.open(path) as journal:
        found = journal.get(keys)
    assert len(found) == 600
    assert all(found[f"one-{number}"] == {"text": "one"} for number in range(150))


def test_processes_that_find_damage_at_once_set_it_aside_once(path: Path) -> None:
    filled(path)
    garbage(path)
    code = """
        import json
        with Journal.open(path) as journal:
            journal.put({name: {"text": name}})
            print(json.dumps(journal.messages))
    """
    printed = run_all(path, code, "one", "two", "three")
    assert sorted(len(json.loads(messages)) for messages in printed) == [0, 0, 1]
    assert len(asides(path)) == 1
    with Journal.open(path) as journal:
        assert set(journal.get(["one", "two", "three"])) == {"one", "two", "three"}


def test_a_lock_is_held_by_one_process_at_a_time(path: Path) -> None:
    code = """
        import time
        with Journal.open(path) as journal, journal.lock("offers/base"):
            start = time.time(); time.sleep(0.4); print(start, time.time())
    """
    spans = sorted(tuple(map(float, printed.split())) for printed in run_all(path, code, "one", "two"))
    assert spans[0][1] <= spans[1][0]


def test_locks_of_different_names_do_not_wait_for_each_other_and_one_may_be_taken_again(path: Path) -> None:
    with Journal.open(path) as journal, journal.lock("a"), journal.lock("a"):
        entered = threading.Event()

        def other() -> None:
            with Journal.open(path) as beside, beside.lock("b"):
                entered.set()

        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(10)
        thread.join()


def test_writing_one_answer_takes_little_time(path: Path) -> None:
    with Journal.open(path) as journal:
        started = time.perf_counter()
        for number in range(200):
            journal.put({str(number): {"text": "500"}})
        assert (time.perf_counter() - started) / 200 < 0.02

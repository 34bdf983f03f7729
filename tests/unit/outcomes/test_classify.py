"""Texts of a table put to a classifier: order, one asking a text, the journal, and what cannot be answered."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit.context.declaration import ClassifierAudit, Columns
from pytest_biasaudit.errors import DataError, ModelError
from pytest_biasaudit.models.callable_classifier import CallableClassifier
from pytest_biasaudit.models.protocol import Model, ModelIdentity
from pytest_biasaudit.outcomes.classify import Answered, classify_texts
from pytest_biasaudit.outcomes.journal import Journal
from pytest_biasaudit.tables.source import locate
from tests.labelled_rows import live_classifier

CHANCES = {"good": (0.1, 0.9), "bad": (0.8, 0.2), "so so": (0.5, 0.5)}
ROWS = ("text,label,sex\n" + "good,yes,f\nbad,no,m\ngood,yes,m\n,no,f\nso so,no,f\n").encode()


class Known:
    """A classifier by a table of probabilities, with a digest; counts what it is asked."""

    def __init__(self, chances: Mapping[str, tuple[float, ...]], labels: tuple[str, ...] = ("no", "yes")) -> None:
        self.labels, self.asked, self._chances = labels, list[str](), chances
        self.identity = ModelIdentity(name="known", source="test", weights_sha256="a" * 64)
        self.reads = (("texts are cut at", "4 letters"),)

    def classify(self, texts: Any, *, batch_size: int) -> Iterator[tuple[int, tuple[float, ...]]]:
        for at in reversed(range(len(texts))):
            self.asked.append(texts[at])
            yield at, tuple(math.log(chance) if chance else -math.inf for chance in self._chances[texts[at]])

    def reading_facts(self) -> tuple[tuple[str, str], ...]:
        return self.reads

    def cut(self, texts: Any) -> tuple[bool, ...]:
        return tuple(len(text) > 4 for text in texts)


def asked(
    model: Model,
    folder: Path,
    *,
    rows: bytes = ROWS,
    journal: Journal | None = None,
    rerun: bool = False,
    **columns: Any,
) -> Answered:
    (folder / "rows.csv").write_bytes(rows)
    declared = Columns(**{"text": "text", "label": "label", "groups": (("gender", "sex"),), **columns})
    audit = ClassifierAudit(id="a", kind="classifier", limits=(), data="rows.csv", sha256=None, columns=declared)
    table = locate("rows.csv", beside=folder, sha256=None, offline=True)
    with journal or Journal.open(None) as kept:
        return classify_texts(
            table, audit, model, journal=kept, batch_size=2, rerun=rerun, watch=unwatched, what="a[known]"
        )


@contextmanager
def unwatched(_what: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _count: None


def test_every_row_gets_its_texts_likeliest_label_in_the_order_of_the_file(tmp_path: Path) -> None:
    model = Known(CHANCES)
    found = asked(model, tmp_path, positive="yes")
    assert found.answers is not None
    assert found.answers.labels == ("no", "yes")
    assert found.answers.prediction.tolist() == [1, 0, 1, -1, 0]
    assert found.answers.score is not None
    assert found.answers.score.tolist() == pytest.approx([0.9, 0.2, 0.9, math.nan, 0.5], nan_ok=True)
    assert sorted(model.asked) == ["bad", "good", "so so"]
    assert (found.asked, found.recalled, found.obstacle) == (3, 0, "")
    facts = dict(found.facts)
    assert facts["texts"] == "5 rows, 3 different texts"
    assert facts["texts that were cut"].startswith("1 of 3:")
    assert facts["rows without text"].startswith("1 of 5:")


def test_there_are_no_scores_without_a_positive_label(tmp_path: Path) -> None:
    found = asked(Known(CHANCES), tmp_path)
    assert found.answers is not None
    assert found.answers.score is None


def test_nan_and_infinities_are_no_prediction_and_are_counted(tmp_path: Path) -> None:
    class Broken(Known):
        def classify(self, texts: Any, *, batch_size: int) -> Iterator[tuple[int, tuple[float, ...]]]:
            for at, text in enumerate(texts):
                yield at, {"good": (math.nan, 0.0), "bad": (math.inf, 0.0), "so so": (-math.inf, -math.inf)}[text]

    found = asked(Broken(CHANCES), tmp_path, positive="yes")
    assert found.answers is not None
    assert found.answers.prediction.tolist() == [-1] * 5
    assert found.answers.score is not None
    assert all(math.isnan(score) for score in found.answers.score)
    assert dict(found.facts)["texts without an answer"].startswith("3 of 3:")


def test_a_function_that_gives_labels_alone_has_no_scores(tmp_path: Path) -> None:
    model = CallableClassifier(lambda texts: ["yes" if text == "good" else "no" for text in texts], ("no", "yes"))
    found = asked(model, tmp_path, positive="yes")
    assert found.answers is not None
    assert found.answers.prediction.tolist() == [1, 0, 1, -1, 0]
    assert found.answers.score is None
    assert ("the callable gives", "labels without probabilities") in found.facts


# -- the journal ------------------------------------------------------------------------------------------------------------


def test_what_the_journal_knows_is_not_asked(tmp_path: Path) -> None:
    model = Known(CHANCES)
    first = asked(model, tmp_path, journal=Journal.open(tmp_path / "j.sqlite"), positive="yes")
    second = asked(model, tmp_path, journal=Journal.open(tmp_path / "j.sqlite"), positive="yes")
    assert (second.asked, second.recalled) == (0, 3)
    assert len(model.asked) == 3
    assert first.answers is not None
    assert second.answers is not None
    assert second.answers.prediction.tolist() == first.answers.prediction.tolist()
    assert second.facts == first.facts
    again = asked(model, tmp_path, journal=Journal.open(tmp_path / "j.sqlite"), rerun=True)
    assert (again.asked, again.recalled) == (3, 0)


def test_other_labels_and_another_way_of_reading_are_asked_anew(tmp_path: Path) -> None:
    asked(Known(CHANCES), tmp_path, journal=Journal.open(tmp_path / "j.sqlite"))
    turned = Known(CHANCES, ("yes", "no"))
    assert asked(turned, tmp_path, journal=Journal.open(tmp_path / "j.sqlite")).recalled == 0
    longer = Known(CHANCES)
    longer.reads = (("texts are cut at", "9 letters"),)
    assert asked(longer, tmp_path, journal=Journal.open(tmp_path / "j.sqlite")).recalled == 0


def test_answers_that_came_before_a_fault_are_kept(tmp_path: Path) -> None:
    class Stops(Known):
        def classify(self, texts: Any, *, batch_size: int) -> Iterator[tuple[int, tuple[float, ...]]]:
            yield from list(super().classify(texts, batch_size=batch_size))[:2]

    with pytest.raises(ModelError, match="answered 2 of 3 questions and stopped"):
        asked(Stops(CHANCES), tmp_path, journal=Journal.open(tmp_path / "j.sqlite"))
    found = asked(Known(CHANCES), tmp_path, journal=Journal.open(tmp_path / "j.sqlite"))
    assert (found.asked, found.recalled) == (1, 2)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_a_killed_asking_goes_on_where_it_stood(tmp_path: Path) -> None:
    program = """
import json, math, sys, time
from contextlib import contextmanager
from pathlib import Path
from pytest_biasaudit.context.declaration import ClassifierAudit, Columns
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.outcomes.classify import classify_texts
from pytest_biasaudit.outcomes.journal import Journal
from pytest_biasaudit.tables.source import locate

folder, pause, name = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
log = (folder / f"asked-{name}.txt").open("a", buffering=1)

class Slow:
    labels = ("no", "yes")
    identity = ModelIdentity(name="slow", source="test", weights_sha256="b" * 64)
    def classify(self, texts, *, batch_size):
        for at, text in enumerate(texts):
            time.sleep(pause)
            log.write(text + "\\n")
            yes = (int(text[1:]) % 9 + 0.5) / 10
            yield at, (math.log(1 - yes), math.log(yes))
    def reading_facts(self):
        return ()
    def cut(self, texts):
        return (False,) * len(texts)

@contextmanager
def watch(what, total):
    yield lambda count: None

columns = Columns(text="text", label="label", groups=(("gender", "sex"),))
audit = ClassifierAudit(id="a", kind="classifier", limits=(), data="rows.csv", sha256=None, columns=columns)
table = locate("rows.csv", beside=folder, sha256=None, offline=True)
with Journal.open(folder / "journal.sqlite") as journal:
    found = classify_texts(table, audit, Slow(), journal=journal, batch_size=8, rerun=False, watch=watch, what="a")
print(json.dumps({"asked": found.asked, "recalled": found.recalled, "said": found.answers.prediction.tolist()}))
"""
    (tmp_path / "rows.csv").write_text("text,label,sex\n" + "".join(f"t{at},yes,f\n" for at in range(100)))

    def start(pause: float, name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, str(tmp_path), str(pause), name]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def told(name: str) -> list[str]:
        file = tmp_path / f"asked-{name}.txt"
        return file.read_text().splitlines() if file.exists() else []

    killed, deadline = start(0.01, "first"), time.monotonic() + 60
    while len(told("first")) < 40:
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.005)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    resumed = start(0.0, "second")
    out, _ = resumed.communicate(timeout=60)
    found = json.loads(out)
    before, after = told("first"), told("second")
    # One text may have been on its way when the process died: asked, and its answer not yet handed over.
    assert found["recalled"] in (len(before), len(before) - 1)
    assert found["recalled"] + found["asked"] == 100
    assert len(set(before) & set(after)) <= 1
    assert found["said"] == [int(at % 9 >= 5) for at in range(100)]


# -- obstacles ------------------------------------------------------------------------------------------------------------------


def test_labels_that_were_not_seen_in_training_are_named_and_nothing_is_asked(tmp_path: Path) -> None:
    model = Known(CHANCES, ("No", "yes"))
    found = asked(model, tmp_path)
    assert found.answers is None
    assert model.asked == []
    assert found.obstacle.startswith(
        "'known' does not know the label 'no' of the table, so it can never be right about it; it knows 'No', 'yes'; "
        "did you mean 'No'? Spell labels alike"
    )


def test_a_positive_label_that_the_classifier_does_not_know_is_an_obstacle(tmp_path: Path) -> None:
    assert "does not know the label 'hired'" in asked(Known(CHANCES), tmp_path, positive="hired").obstacle


def test_stand_in_labels_are_told_with_how_to_name_them(tmp_path: Path) -> None:
    found = asked(Known(CHANCES, ("LABEL_0", "LABEL_1")), tmp_path)
    assert '"id2label": {"0": "no", "1": "yes"}' in found.obstacle
    assert "stand-ins of transformers" in found.obstacle
    assert (
        "the table has 'no', 'yes': name them"
        in asked(Known(CHANCES, ("LABEL_0", "LABEL_1")), tmp_path, positive="yes").obstacle
    )


def test_a_model_that_is_no_classifier_is_an_obstacle_that_says_what_would_do(tmp_path: Path) -> None:
    from pytest_biasaudit.models.scripted import ScriptedModel

    found = asked(ScriptedModel(lambda _question: "yes"), tmp_path)
    assert "a classifier audit that reads texts needs a classifier; 'scripted' is a ScriptedModel" in found.obstacle
    assert "biasaudit_finetune" in found.obstacle


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (b"text,label,sex\n", r"there is no row in it"),
        (b"words,label,sex\ngood,yes,f\n", r"no column 'text'"),
        (b"text,label,sex\ngo\xffod,yes,f\n", r"line 2"),
        (b"text,label,sex\ngood,yes,f,more\n", r"line 2"),
    ],
)
def test_a_broken_table_is_refused_with_its_place_before_anything_is_asked(
    rows: bytes, told: str, tmp_path: Path
) -> None:
    model = Known(CHANCES)
    with pytest.raises(DataError, match=told):
        asked(model, tmp_path, rows=rows)
    assert model.asked == []


def test_a_cell_of_ten_megabytes_is_answered_as_far_as_it_is_read(tmp_path: Path) -> None:
    model = live_classifier(("no", "yes"))
    long = b"cat " * 2_500_000
    found = asked(model, tmp_path, rows=b"text,label,sex\n" + long + b",yes,f\ncat,no,m\n")
    assert found.answers is not None
    assert (found.answers.prediction >= 0).all()
    assert dict(found.facts)["texts that were cut"].startswith("1 of 2")

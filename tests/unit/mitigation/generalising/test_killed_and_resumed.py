"""A study that is killed in the middle goes on: the same table to the last byte, and nothing is asked twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit.audit import Auditor
from pytest_biasaudit.mitigation.generalising.result import Generalisation
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from pytest_biasaudit.models.protocol import Generation, Question
from pytest_biasaudit.records.evidence import encoded
from pytest_biasaudit.records.transfer import transfer_to_plain
from pytest_biasaudit.report.transfer_table import render_transfer
from pytest_biasaudit.settings import Settings
from tests.planted_component import PLACES, planted_contexts, planted_model

PLAN = """\
schema = 1
[study]
id = "planted"
contexts = ["sale.bias.toml", "care.bias.toml"]
seed = 1
max_variations = 3
levels = ["prompt", "leave-one-out", "context", "cross-context"]
combine = ["frequency"]
perplexity = {perplexity}
[[study.components]]
unit = "{unit}"
method = "attribution"
k = 1
"""

KILLED = """
    import os, signal, sys
    from contextlib import contextmanager
    from pathlib import Path
    from pytest_biasaudit.audit import Auditor
    from pytest_biasaudit.settings import Settings
    from tests.planted_component import planted_model

    left = int(sys.argv[2])

    @contextmanager
    def watch(what, total):
        def step(count):
            global left
            left -= count
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        yield step

    folder = Path(sys.argv[1])
    module, tokenizer, _ = planted_model("head")
    with Auditor(Settings(root=folder, cache=folder / "cache"), watch=watch) as auditor:
        auditor.generalise(folder / "study.toml", model=(module, tokenizer))
    print("NOT KILLED")
"""


def written(folder: Path, *, unit: str = "heads", perplexity: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    planted_contexts(folder)
    path = folder / "study.toml"
    path.write_text(PLAN.format(unit=unit, perplexity="true" if perplexity else "false"), encoding="utf-8")
    return path


def studied(plan: Path, **given: Any) -> Generalisation:
    module, tokenizer, _ = planted_model("head")
    before = tensors_sha256(module), hooks_of(module)
    with Auditor(Settings(root=plan.parent, cache=plan.parent / "cache"), **given) as auditor:
        result = auditor.generalise(plan, model=(module, tokenizer))
    assert (tensors_sha256(module), hooks_of(module)) == before
    return result


def table_of(result: Generalisation) -> bytes:
    plain = transfer_to_plain(result)
    return encoded(plain) + "\n".join(render_transfer([result], width=160, unicode=True)).encode()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every prompt that is put to the model."""
    found: list[str] = []
    whole = CausalModel.generate

    def generate(self: CausalModel, questions: Sequence[Question], **settings: Any) -> Iterator[tuple[int, Generation]]:
        found.extend(question.text for question in questions)
        return whole(self, questions, **settings)

    monkeypatch.setattr(CausalModel, "generate", generate)
    return found


def answers_in(journal: Path) -> int:
    with sqlite3.connect(journal) as connection:
        rows = connection.execute("SELECT body FROM answers").fetchall()
    return sum("text" in json.loads(body) for (body,) in rows)


@pytest.mark.slow
def test_killed_in_the_middle_it_comes_to_the_same_table_and_repeats_nothing(tmp_path: Path, asked: list[str]) -> None:
    plan = written(tmp_path / "whole")
    whole = studied(plan)
    in_all = len(asked)
    assert in_all == answers_in(plan.parent / "cache" / "journal.sqlite")

    again = written(tmp_path / "killed")
    script = [sys.executable, "-c", textwrap.dedent(KILLED), str(again.parent), str(whole_cost(whole) // 2)]
    killed = subprocess.run(
        script,
        cwd=Path(__file__).parents[4],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    known = answers_in(again.parent / "cache" / "journal.sqlite")
    assert 0 < known < in_all
    assert list((again.parent / "cache" / "scores").glob("*.safetensors"))

    asked.clear()
    resumed = studied(again)
    assert len(asked) == in_all - known
    assert table_of(resumed) == table_of(whole)

    asked.clear()
    assert table_of(studied(again)) == table_of(whole)
    assert not asked


def whole_cost(result: Generalisation) -> int:
    """Answers that the study's sets were evaluated with."""
    return sum(len(one.values) for one in result.evaluations)


@pytest.mark.slow
def test_a_planted_head_is_removed_where_it_was_found_and_is_no_help_elsewhere(tmp_path: Path) -> None:
    result = studied(written(tmp_path, perplexity=False))
    here = result.row(level="leave-one-out", unit="heads", evaluated_in="sale")
    there = result.row(level="cross-context", unit="heads", evaluated_in="care")
    assert here.removed.interval is not None
    assert here.removed.interval.low > 0.5
    assert there.removed.value is not None
    assert abs(there.removed.value) < 0.2
    (layer, head) = PLACES["head"]["sale"]
    assert result.components["sale-heads-attribution-frequency"].pairs == ((layer, head),)


@pytest.mark.slow
def test_the_model_is_as_it_was_after_an_exception_in_the_middle(tmp_path: Path) -> None:
    plan = written(tmp_path, perplexity=False)
    module, tokenizer, _ = planted_model("head")
    before = tensors_sha256(module), hooks_of(module)
    from contextlib import contextmanager

    @contextmanager
    def watch(what: str, _total: int) -> Iterator[Any]:
        def step(_count: int) -> None:
            if "without" in what:
                raise KeyboardInterrupt

        yield step

    with Auditor(Settings(root=tmp_path), watch=watch) as auditor, pytest.raises(KeyboardInterrupt):
        auditor.generalise(plan, model=(module, tokenizer))
    assert (tensors_sha256(module), hooks_of(module)) == before

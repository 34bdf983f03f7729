"""What one run knows of its studies: the same again is not done again, and nothing else is taken for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_biasaudit import generalising
from pytest_biasaudit.audit import Auditor
from pytest_biasaudit.errors import BiasAuditError, PlanError
from pytest_biasaudit.mitigation import score
from pytest_biasaudit.mitigation.generalising.plan_file import read_plan
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.outcomes.outcome import Reading
from pytest_biasaudit.settings import Settings
from tests import tiny_architectures
from tests.carried_worlds import write_study
from tests.tiny_models import byte_tokenizer

CONTEXTS = {"roofs": ["a tile", "a beam"], "gardens": ["a hedge"]}


def test_a_plan_changed_in_code_is_another_study_and_the_same_plan_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []

    def study(plan: Any, *_: object, **__: object) -> object:
        done.append(plan)
        return object()

    monkeypatch.setattr(generalising, "study", study)
    plan = read_plan(write_study(tmp_path, contexts=CONTEXTS))
    people = tmp_path / "people.csv"
    own = replace(
        plan,
        places=tuple(
            replace(one, audit=replace(one.audit, people=replace(one.audit.people, source="people.csv", per_group=2)))
            for one in plan.places
        ),
    )
    with Auditor(Settings(root=tmp_path)) as auditor:
        model = auditor.model((tiny_architectures.tiny("llama", vocab_size=300), byte_tokenizer()))
        first = auditor.generalise(plan, model=model)
        assert auditor.generalise(plan.path, model=model) is first
        assert auditor.generalise(replace(plan, max_people=12), model=model) is not first
        assert auditor.generalise(replace(plan, levels=("context",)), model=model) is not first
        people.write_text("first,last,race\nAnn,A,white\nEve,B,white\nZoe,C,black\nIda,D,black\n", encoding="utf-8")
        one_list = auditor.generalise(own, model=model)
        people.write_text("first,last,race\nAnn,A,white\nEve,B,white\nZoe,C,black\nAda,D,black\n", encoding="utf-8")
        assert auditor.generalise(own, model=model) is not one_list
    assert len(done) == 5


def test_sets_that_no_level_finds_are_not_promised(tmp_path: Path) -> None:
    plan = read_plan(write_study(tmp_path, contexts=CONTEXTS, more='levels = ["names", "leave-one-out"]'))
    with Auditor(Settings(root=tmp_path)) as auditor:
        model = auditor.model((tiny_architectures.tiny("llama", vocab_size=300), byte_tokenizer()))
        with pytest.raises(
            BiasAuditError, match=r"study\.toml: .*none is found at the levels names, leave-one-out; add"
        ):
            auditor.generalise(plan, model=model, save_sets=tmp_path / "sets")
        (tmp_path / "file").write_text("", encoding="utf-8")
        with pytest.raises(BiasAuditError, match=r"cannot be saved in .*file"):
            auditor.generalise(replace(plan, levels=("cross-context",)), model=model, save_sets=tmp_path / "file")
    assert not (tmp_path / "sets").exists()


def test_settings_that_the_model_cannot_meet_are_told_before_it_is_asked_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CausalModel, "generate", None)
    monkeypatch.setattr(CausalModel, "score_options", None)
    path = write_study(tmp_path, contexts=CONTEXTS, k=1_000)
    more = '[[study.components]]\nunit = "neurons"\nmethod = "attribution"\np = 0.1\nq = 0.1\n'
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    with Auditor(Settings(root=tmp_path)) as auditor:
        model = auditor.model((tiny_architectures.tiny("llama", vocab_size=300), byte_tokenizer()))
        with pytest.raises(PlanError) as raised:
            auditor.generalise(path, model=model)
    assert "[[study.components]] 1: choosing heads by attribution: k = 1000 is not in 1 to 12" in str(raised.value)
    assert "[[study.components]] 2: choosing neurons by attribution: q = 0.1 has no meaning here" in str(raised.value)


def test_scores_are_kept_by_all_that_decides_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = read_plan(write_study(tmp_path, contexts=CONTEXTS))
    prompt = SimpleNamespace(
        cell="c", name=(1,), answer=2, text="t", outcome=SimpleNamespace(reading=Reading(status="ok", value=1.0))
    )
    other = SimpleNamespace(**{**vars(prompt), "outcome": SimpleNamespace(reading=Reading(status="ok", value=2.0))})

    def path_of(*prompts: Any) -> Path | None:
        model: Any = SimpleNamespace(identity=ModelIdentity(name="m", source="s", weights_sha256="1" * 64))
        trial: Any = None
        settings = Settings(root=tmp_path, cache=tmp_path)
        scoring = generalising._Scoring(plan, model, trial, {}, {}, settings=settings, seed=0, watch=None)
        scoring._prompts = prompts
        return scoring._path("heads", "attribution")

    assert path_of(prompt) == path_of(prompt)
    # The same words read as another value, by a scorer that was changed, have another attribution.
    assert path_of(prompt) != path_of(other)
    before = path_of(prompt)
    monkeypatch.setattr(score, "REVISION", "scores/2")
    assert path_of(prompt) != before

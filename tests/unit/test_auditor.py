"""The auditor from Python: live models, children, parents, and what a run remembers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit import Auditor, ScriptedModel, Settings, Verdict
from pytest_biasaudit.audit import applies
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.context.declaration import Limit
from pytest_biasaudit.errors import BiasAuditError, ModelError
from pytest_biasaudit.models.identity import tensors_sha256
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.models.spec import ModelSpec
from tests.declared_project import declared
from tests.tiny_models import byte_tokenizer, tiny

CONTEXT = declared(
    """
[[audit]]
id = "first"
kind = "counterfactual"
prompt = "Ask {first} about {thing}?"
[audit.slots]
thing = ["tea", "rain", "maps"]
[audit.people]
attribute = "gender"
source = "us-names"
groups = ["men", "women"]
per_group = 3
[audit.outcome]
kind = "yes-no"
[[audit.limit]]
metric = "mean_difference"
max = 0.9
[[audit.limit]]
metric = "mean_difference"
versus = "parent"
max_increase = 0.5
"""
)
SECOND = CONTEXT[CONTEXT.index("[[audit]]") :].replace('"first"', '"second"').replace("Ask", "Tell")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "tiny.bias.toml").write_text(CONTEXT)
    return tmp_path / "tiny.bias.toml"


@pytest.fixture
def auditor() -> Any:
    with Auditor(Settings(cache=None)) as found:
        yield found


def test_a_live_module_with_its_tokenizer_is_a_model_and_stays_as_it_was(auditor: Auditor, context: Path) -> None:
    module = tiny()
    before = tensors_sha256(module)
    result = auditor.run(context, model=(module, byte_tokenizer()))
    assert tensors_sha256(module) == before
    assert len(result.record.outcomes) == 18
    assert result.record.model.source == "live:LlamaForCausalLM"


def test_a_child_is_held_against_its_parent_which_is_asked_too(auditor: Auditor, context: Path) -> None:
    parent = auditor.model((tiny(), byte_tokenizer()))
    child = auditor.derive(parent, [read_step({"quantize": "rtn", "bits": 8})])
    result = auditor.run(context, model=child)
    assert child.identity.name == "live+rtn-8"
    assert [judgement.limit.id for judgement in result.judgements] == [
        "gender-mean_difference",
        "gender-mean_difference-versus-parent",
    ]
    change = result.judgement("gender-mean_difference-versus-parent").estimate
    assert change is not None
    assert change.value is not None
    gaps = [auditor.run(context, model=model).estimate("mean_difference").value for model in (child, parent)]
    assert gaps[0] is not None
    assert gaps[1] is not None
    assert change.value == pytest.approx(abs(gaps[0]) - abs(gaps[1]), abs=1e-12)


def test_a_faithful_copy_is_never_worse_than_its_parent(auditor: Auditor, context: Path) -> None:
    parent = auditor.model((tiny(), byte_tokenizer()))
    result = auditor.run(context, model=auditor.derive(parent, [], name="copy"))
    assert result.judgement("gender-mean_difference-versus-parent").verdict in (Verdict.WITHIN, Verdict.INCONCLUSIVE)


def test_the_same_live_model_is_asked_once_and_a_changed_one_anew(auditor: Auditor, context: Path) -> None:
    module, tokenizer = tiny(), byte_tokenizer()
    first = auditor.run(context, model=(module, tokenizer))
    assert auditor.run(context, model=(module, tokenizer)) is first
    with torch.no_grad():
        module.lm_head.weight.mul_(2)
    second = auditor.run(context, model=(module, tokenizer))
    assert second.record.model.digest != first.record.model.digest
    assert second.record.model.name != first.record.model.name


def test_a_model_that_changed_behind_its_digest_is_refused(auditor: Auditor, context: Path) -> None:
    model = auditor.model((tiny(), byte_tokenizer()))
    with torch.no_grad():
        model.module.lm_head.weight.mul_(2)  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match="weights have changed"):
        auditor.run(context, model=model)


def test_an_audit_must_be_named_where_there_are_several(auditor: Auditor, context: Path) -> None:
    context.write_text(CONTEXT + SECOND)
    model = ScriptedModel({}, default="Yes")
    with pytest.raises(BiasAuditError, match=r"several audits.*first, second"):
        auditor.run(context, model=model)
    assert auditor.run(context, audit="second", model=model).record.audit.id == "second"


def test_an_estimate_can_be_asked_for_without_a_limit_on_it(auditor: Auditor, context: Path) -> None:
    result = auditor.run(context, model=ScriptedModel(lambda q: {"Yes": 0.8 if "Emily" in q.text else 0.4, "No": 0.2}))
    assert result.estimate("mann_whitney").metric == "mann_whitney"
    assert result.estimate("mean_difference", attribute="gender", group="women").groups == ("men", "women")
    wrongs: list[dict[str, Any]] = [
        {"metric": "no_such"},
        {"metric": "smd", "attribute": "race"},
        {"metric": "smd", "group": "men"},
    ]
    for wrong in wrongs:
        with pytest.raises(KeyError):
            result.estimate(**wrong)


@pytest.mark.parametrize("given", [tiny, 3, None, ("a", "b", "c")])
def test_what_is_no_model_is_refused_with_what_would_be(auditor: Auditor, given: object) -> None:
    with pytest.raises(TypeError, match="declared name, a loaded model, or a tuple"):
        auditor.model(given() if callable(given) else given)


def test_a_scripted_model_has_no_weights_to_quantise(auditor: Auditor) -> None:
    with pytest.raises(ModelError, match="needs a model whose weights are at hand"):
        auditor.derive(ScriptedModel({}, default="Yes"), [read_step({"quantize": "rtn"})])


def test_answers_in_the_journal_are_not_asked_again(context: Path, tmp_path: Path) -> None:
    asked = []
    for _ in range(2):
        model = ScriptedModel(lambda q: {"Yes": 0.6, "No": 0.3}, digest="constant")
        with Auditor(Settings(cache=tmp_path / "cache")) as auditor:
            record = auditor.run(context, model=model).record
        asked.append((record.asked, record.recalled, sum(model.asked.values())))
    assert asked == [(18, 0, 18), (0, 18, 0)]


def test_copies_of_a_context_with_other_people_beside_them_are_asked_apart(auditor: Auditor, tmp_path: Path) -> None:
    model = ScriptedModel(lambda q: {"Yes": 0.9 if "Mia" in q.text else 0.1, "No": 0.1}, digest="knows Mia")
    values = []
    for folder, women in (("first", ("Ann", "Bea", "Cleo")), ("second", ("Mia", "Mia-Lou", "Mia-May"))):
        (tmp_path / folder).mkdir()
        names = [(name, "men") for name in ("Al", "Bo", "Cy")] + [(name, "women") for name in women]
        lines = ["first,last,gender", *(f"{name},,{gender}" for name, gender in names)]
        (tmp_path / folder / "people.csv").write_text("\n".join(lines) + "\n")
        (tmp_path / folder / "tiny.bias.toml").write_text(CONTEXT.replace("us-names", "people.csv"))
        result = auditor.run(tmp_path / folder / "tiny.bias.toml", model=model)
        values.append(result.estimate("mean_difference").value)
    assert values == [pytest.approx(0.0), pytest.approx(0.4)]


def test_other_limits_on_the_same_answers_are_judged_anew(auditor: Auditor, context: Path) -> None:
    model = ScriptedModel(lambda q: {"Yes": 0.8 if "Emily" in q.text else 0.4, "No": 0.2}, digest="likes Emily")
    loose = auditor.read(context)
    assert auditor.run(loose, model=model).judgements[0].limit.max == 0.9
    audit = loose.audits[0]
    strict = replace(loose, audits=(replace(audit, limits=(replace(audit.limits[0], max=0.001),)),))
    result = auditor.run(strict, model=model)
    assert [judgement.limit.max for judgement in result.judgements] == [0.001]
    assert sum(model.asked.values()) == 18


def test_one_artefact_under_two_names_is_asked_once_and_recorded_under_both(auditor: Auditor, context: Path) -> None:
    models = [ScriptedModel({}, default="Yes", name=name) for name in ("one", "two")]
    assert [auditor.run(context, model=model).record.model.name for model in models] == ["one", "two"]
    assert sum(models[1].asked.values()) == 0


def test_models_without_a_digest_of_weights_do_not_answer_for_each_other(auditor: Auditor, context: Path) -> None:
    class Bare(ScriptedModel):
        @property
        def identity(self) -> ModelIdentity:
            return ModelIdentity(name=super().identity.name, source="elsewhere")

    models = [Bare({}, default=answer, name=answer) for answer in ("Yes", "No")]
    texts = [{one.text for one in auditor.run(context, model=model).record.outcomes} for model in models]
    assert texts == [{"Yes"}, {"No"}]


def test_a_parent_that_changed_after_its_child_was_made_is_refused(auditor: Auditor, context: Path) -> None:
    parent = auditor.model((tiny(), byte_tokenizer()))
    child = auditor.derive(parent, [read_step({"quantize": "rtn", "bits": 8})])
    with torch.no_grad():
        parent.module.lm_head.weight.mul_(2)  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match="weights have changed"):
        auditor.run(context, model=child)


def test_a_limit_against_the_parent_is_spared_only_a_model_that_is_a_parent() -> None:
    def spec(name: str, parent: str | None = None) -> ModelSpec:
        source = None if parent else "somewhere"
        return ModelSpec(name=name, source=source, revision=None, dtype="float32", parent=parent, recipe=(), where="t")

    limit = Limit(id="l", metric="smd", attributes=("race",), versus="parent", max_increase=0.1)
    specs = {one.name: one for one in (spec("base"), spec("int8", "base"), spec("cli"))}
    asked = {name: applies(limit, model=name, parent=one.parent, specs=specs) for name, one in specs.items()}
    assert asked == {"base": False, "int8": True, "cli": True}
    assert applies(limit, model="live", parent=None, specs=specs)

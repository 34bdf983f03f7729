"""`prune = "bias"`: components found in a declared context and removed for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.audit import Auditor
from pytest_biasaudit.compression.child import child_of
from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.removed import removed_from
from pytest_biasaudit.mitigation.removing.file import load_components
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.identity import file_sha256
from pytest_biasaudit.models.load import wrap_live
from pytest_biasaudit.models.perplexity import HeldText
from pytest_biasaudit.settings import Settings
from tests import planted_component, tiny_architectures
from tests.tiny_masked_models import tiny_masked, wordpiece_tokenizer

TEXT = HeldText(name="short", text="the old lamp is under the bridge .", sha256="0" * 64)
BENCHMARK = """
[[audit]]
id = "pairs"
kind = "crows-pairs"
[[audit.limit]]
metric = "stereotype_score"
max = 10
"""


def logits(module: Any) -> torch.Tensor:
    return tiny_architectures.logits_of(module, input_ids=torch.arange(3, 35).reshape(4, 8))


CHOICE = """kind = "choice"
options = ["lamp", "stone"]
favourable_option = "lamp\""""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    planted_component.planted_contexts(tmp_path, per_group=3)
    return tmp_path


def a_model(architecture: str = "llama", **settings: Any) -> Any:
    words = planted_component.tokenizer()
    module = tiny_architectures.tiny(architecture, vocab_size=len(words), max_position_embeddings=64, **settings)
    return wrap_live("tiny", module, words)


@pytest.fixture
def model() -> CausalModel:
    made = a_model()
    assert isinstance(made, CausalModel)
    return made


def pruned(model: Any, folder: Path, **settings: Any) -> Any:
    raw = {"prune": "bias", "context": "sale.bias.toml", "unit": "heads", "method": "attention", **settings}
    step = read_step({key: value for key, value in raw.items() if value is not None})
    materials = Materials(tokenizer=model.tokenizer, root=folder)
    return child_of(model, [step], name="child", materials=materials, held_text=TEXT)


@pytest.mark.parametrize(
    "settings",
    [
        {"k": 2, "q": 0},
        {"k": 2, "q": 0, "mode": "uniform"},
        {"method": "random", "k": 3},
        {"method": "magnitude", "k": 3},
        {"unit": "neurons", "method": "wanda", "p": 0.2, "q": 0.1},
        {"unit": "neurons", "method": "wanda", "k": 6, "q": 2},
        {"unit": "weights", "method": "wanda", "p": 0.15, "q": 0.1},
        {"unit": "weights", "method": "random", "p": 0.1},
        {"unit": "weights", "method": "magnitude", "p": 0.1},
    ],
)
def test_what_is_found_is_removed_and_the_parent_is_as_it_was(
    settings: dict[str, Any], model: CausalModel, folder: Path
) -> None:
    before = logits(model.module)
    child = pruned(model, folder, **settings)
    assert not torch.equal(logits(child.module), before)
    assert torch.equal(logits(model.module), before)
    model.refuse_if_changed()
    (found,) = removed_from(child.identity.achieved)
    assert (found.unit, found.mode) == (settings.get("unit", "heads"), settings.get("mode", "ablate"))
    assert found.count == settings.get("k", found.count) or settings["unit"] == "neurons"
    assert found.origin is not None
    assert (found.origin.model_digest, found.origin.weights_sha256) == (model.identity.digest, model.tensors_sha256)
    assert found.origin.groups == ("north", "south")


def test_the_record_says_where_it_was_found_and_pins_the_files(model: CausalModel, folder: Path) -> None:
    child = pruned(model, folder, k=2, q=0)
    recipe, facts = child.identity.recipe[0], child.identity.achieved["steps"]["1 prune bias"]
    context = file_sha256(folder / "sale.bias.toml")
    assert recipe["context_sha256"] == context
    assert facts["people_sha256"] == file_sha256(folder / "people.csv")
    assert {key: facts[key] for key in ("context", "audit", "attribute", "reference_group", "group", "variations")} == {
        "context": "sale",
        "audit": "offers",
        "attribute": "region",
        "reference_group": "north",
        "group": "south",
        "variations": 4,
    }
    assert (facts["answers"], facts["answers_scored"], facts["k"], facts["q"]) == (24, 24, 2, 0)
    (found,) = removed_from(child.identity.achieved)
    assert found.origin is not None
    assert found.origin.contexts == (("sale", context),)
    assert found.origin.templates[0] == "sale/offers/w1/item=chair"
    assert any("found in sale / offers and nowhere else" in note for note in child.identity.achieved["notes"])


def test_a_baseline_says_that_it_is_one_and_names_no_context(model: CausalModel, folder: Path) -> None:
    child = pruned(model, folder, method="random", k=3)
    (found,) = removed_from(child.identity.achieved)
    assert found.origin is not None
    assert (found.origin.contexts, found.origin.templates, found.origin.prompts_sha256) == ((), (), "")
    assert any("method = 'random' is a baseline" in note for note in child.identity.achieved["notes"])
    other = pruned(model, folder, method="random", k=3, seed=5)
    assert removed_from(other.identity.achieved)[0].places != found.places


@pytest.mark.parametrize(
    ("unit", "method", "name"), [("heads", "attention", "f.json"), ("weights", "wanda", "f.safetensors")]
)
def test_what_was_found_is_saved_and_applied_again_to_the_bit(
    unit: str, method: str, name: str, model: CausalModel, folder: Path
) -> None:
    chosen = {"k": 2, "q": 0} if unit == "heads" else {"p": 0.15, "q": 0.1}
    child = pruned(model, folder, unit=unit, method=method, save=name, **chosen)
    step = read_step({"prune": "components", "file": name})
    materials = Materials(tokenizer=model.tokenizer, root=folder)
    again = child_of(model, [step], name="again", materials=materials, held_text=TEXT)
    assert again.tensors_sha256 == child.tensors_sha256
    (one,), (other,) = (removed_from(made.identity.achieved) for made in (child, again))
    assert one == other
    assert one.sha256 == file_sha256(folder / name)
    assert load_components(folder / name).count == one.count
    assert "save" not in child.identity.recipe[0]


@pytest.mark.parametrize(
    ("unit", "method"),
    [
        ("heads", "attribution"),
        ("heads", "ablation"),
        ("neurons", "attribution"),
        ("neurons", "snip"),
        ("weights", "snip"),
    ],
)
def test_scores_of_the_difference_need_a_difference_and_find_what_carries_it(
    unit: str, method: str, model: CausalModel, folder: Path
) -> None:
    change(folder, 'kind = "number"\nunit = "USD"\nmax_new_tokens = 3', CHOICE)
    change(folder, 'metric = "smd"\nmax = 0.5', 'attribute = "region"\nmetric = "mean_difference"\nmax = 0.5')
    counted: dict[str, int] = {} if unit == "weights" else {"k": 2, "q": 0} if method == "snip" else {"k": 2}
    child = pruned(model, folder, unit=unit, method=method, **counted)
    (found,) = removed_from(child.identity.achieved)
    assert found.origin is not None
    assert ("gap" in dict(found.origin.settings)) == (method != "snip")
    assert found.count
    model.refuse_if_changed()


def test_a_second_step_is_found_in_what_the_first_one_left(model: CausalModel, folder: Path) -> None:
    whole = {"prune": "bias", "context": "sale.bias.toml", "unit": "heads", "method": "attention", "k": 2, "q": 0}
    drawn = {"prune": "bias", "context": "care.bias.toml", "unit": "neurons", "method": "random", "k": 4}
    steps = [read_step(whole), read_step(drawn)]
    child = child_of(
        model, steps, name="child", materials=Materials(tokenizer=model.tokenizer, root=folder), held_text=TEXT
    )
    first, second = removed_from(child.identity.achieved)
    assert first.origin is not None
    assert second.origin is not None
    assert first.origin.weights_sha256 == model.tensors_sha256
    assert second.origin.weights_sha256 not in (model.tensors_sha256, child.tensors_sha256)
    assert second.origin.model == "tiny, changed by earlier steps"


def test_answers_that_an_audit_has_got_are_not_asked_for_again(
    model: CausalModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = read_step(
        {"prune": "bias", "context": "sale.bias.toml", "unit": "heads", "method": "attention", "k": 2, "q": 0}
    )
    with Auditor(Settings(root=folder, cache=folder / "cache", seed=3)) as auditor:
        auditor.run(folder / "sale.bias.toml", model=model)
        monkeypatch.setattr(CausalModel, "generate", lambda *_, **__: pytest.fail("it was asked again"))
        child = auditor.derive(model, [step])
    assert child.identity.achieved["steps"]["1 prune bias"]["people_seed"] == 3  # type: ignore[index]


# -- what is refused ----------------------------------------------------------------------------------------------------


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "sale.bias.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new), encoding="utf-8")


def refused(model: Any, folder: Path, **settings: Any) -> str:
    with pytest.raises(RecipeError) as caught:
        pruned(model, folder, **settings)
    return str(caught.value)


def test_a_context_that_is_not_there_or_says_nothing_is_named(model: CausalModel, folder: Path) -> None:
    assert "context = 'none.bias.toml'" in refused(model, folder, context="none.bias.toml")
    (folder / "bad.bias.toml").write_text("schema = 1\n", encoding="utf-8")
    said = refused(model, folder, context="bad.bias.toml")
    assert "prune = 'bias': context = 'bad.bias.toml'" in said
    assert "[context]" in said


def test_an_audit_without_people_is_refused(model: CausalModel, folder: Path) -> None:
    text = (folder / "sale.bias.toml").read_text(encoding="utf-8")
    (folder / "both.bias.toml").write_text(text + BENCHMARK, encoding="utf-8")
    said = refused(model, folder, context="both.bias.toml", audit="pairs")
    assert (
        "audit = 'pairs' is of kind 'crows-pairs', which asks about no people whose groups could be told apart" in said
    )
    assert "valid: 'offers'" in said
    head = text.partition("[[audit]]")[0]
    (folder / "none.bias.toml").write_text(head + BENCHMARK, encoding="utf-8")
    assert "audit is missing; valid, as audits that ask about people: none" in refused(
        model, folder, context="none.bias.toml"
    )
    pruned(model, folder, context="both.bias.toml", k=2, q=0)  # the only one that asks about people


def test_an_audit_attribute_or_group_that_is_not_there_is_refused(model: CausalModel, folder: Path) -> None:
    assert "audit = 'offer': there is no such audit; valid: 'offers'" in refused(model, folder, audit="offer")
    said = refused(model, folder, attribute="race")
    assert "audit = 'offers': attribute = 'race': the audit's people are told apart by 'region'" in said
    assert "group = 'east' is not among the groups; valid: 'south'" in refused(model, folder, group="east")
    assert "group = 'north' is the reference group; valid: 'south'" in refused(model, folder, group="north")


def test_people_of_one_group_only_are_refused(model: CausalModel, folder: Path) -> None:
    people = (folder / "people.csv").read_text(encoding="utf-8").splitlines()
    (folder / "people.csv").write_text("\n".join(one for one in people if "south" not in one) + "\n", encoding="utf-8")
    change(folder, 'groups = ["north", "south"]\n', "")
    said = refused(model, folder)
    assert "prune = 'bias': context = 'sale.bias.toml'" in said
    assert "every person is 'north' in 'region'; an attribute needs two groups or more" in said
    change(folder, 'source = "people.csv"\n', 'source = "people.csv"\ngroups = ["north"]\n')
    assert "groups" in refused(model, folder)


def test_among_several_groups_it_must_be_said_which(model: CausalModel, folder: Path) -> None:
    with (folder / "people.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"{name},,east\n" for name in ("Ava", "Ben", "Col"))
    change(folder, '["north", "south"]', '["north", "south", "east"]')
    assert "group is missing: against 'north' stand several; valid: 'south', 'east'" in refused(model, folder)
    child = pruned(model, folder, group="south", k=2, q=0)
    facts = child.identity.achieved["steps"]["1 prune bias"]
    assert (facts["answers"], facts["answers_scored"]) == (36, 24)


def test_a_name_that_does_not_stand_in_its_prompt_is_refused(model: CausalModel, folder: Path) -> None:
    change(folder, "{first} sells", "{first}ville sells")
    said = refused(model, folder, k=2, q=0)
    assert "prune = 'bias': context = 'sale.bias.toml', audit = 'offers'" in said
    assert "the name 'Ola' does not occur in what is put to the model" in said
    change(folder, "{first}ville sells", "a friend sells")
    said = refused(model, folder)
    assert "prune = 'bias': context = 'sale.bias.toml'" in said
    assert "does not show who is meant; it must have at least one of '{person}', '{first}', '{last}'" in said


def test_a_model_without_attention_is_refused(folder: Path) -> None:
    said = refused(a_model("mamba"), folder)
    assert "heads of MambaForCausalLM: it has no attention" in said


def test_a_model_that_answers_nothing_is_refused(folder: Path) -> None:
    masked = wrap_live("bert", tiny_masked(), wordpiece_tokenizer())
    assert "the model is asked about people, and a MaskedModel answers nothing; it needs a causal" in refused(
        masked, folder
    )


def test_more_heads_than_there_are_is_refused(
    model: CausalModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "k = 40, the default, is not in 1 to 12 (the model has 12)" in refused(model, folder)
    assert "k = 13 is not in 1 to 12" in refused(model, folder, k=13, q=0)
    # Before the model is asked anything, and with the file it stands beside.
    monkeypatch.setattr(CausalModel, "generate", None)
    monkeypatch.setattr(CausalModel, "score_options", None)
    said = refused(model, folder, k=13, q=0)
    assert said.startswith("prune = 'bias': context = 'sale.bias.toml', audit = ")
    assert "k = 13 is not in 1 to 12" in said


def test_a_choice_that_leaves_nothing_is_refused(model: CausalModel, folder: Path) -> None:
    said = refused(model, folder, k=12, q=12)
    assert "none of the 12 heads answers to 'south' and not to 'north' at these settings" in said


def test_without_a_difference_there_is_nothing_to_attribute(model: CausalModel, folder: Path) -> None:
    said = refused(model, folder, method="attribution", k=2)
    assert "audit = 'offers': the answers show no difference between 'north' and 'south'" in said
    assert "of 24 answers have a value" in said

"""A model asked without sets of components: answers kept under the set, and the model as it was."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_biasaudit.compression.structure.remove import heads as remove_heads
from pytest_biasaudit.context.declaration import Context, CounterfactualAudit
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.errors import ModelError, RecipeError
from pytest_biasaudit.mitigation.components import ComponentSet, Unit, components_sha256
from pytest_biasaudit.mitigation.removing.asking import ModelTrial
from pytest_biasaudit.mitigation.removing.without import sizes_in
from pytest_biasaudit.mitigation.trial import Variation, variations_of
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from pytest_biasaudit.models.load import wrap_live
from pytest_biasaudit.models.perplexity import HeldText
from pytest_biasaudit.models.scripted import ScriptedModel
from pytest_biasaudit.outcomes.journal import Journal
from pytest_biasaudit.prompts.counterfactual import build_prompts
from tests import tiny_architectures
from tests.tiny_models import byte_tokenizer

TEXT = HeldText(name="short", text="A lamp is on the table. It is old.", sha256="0" * 64)
CONTEXT = """
schema = 1
[context]
id = "offers"
title = "Offers"
process = "A buyer asks."
use = "Always."
affected = ["sellers"]
harms = ["less"]
oversight = "Some."
response = "Off."
owner = "us"
jurisdictions = ["EU"]
language = "en"

[[audit]]
id = "ask"
kind = "counterfactual"
prompt = "{person} sells {item}. $"
[audit.slots]
item = ["a chair", "a car"]
[audit.people]
attribute = "race"
source = "us-names"
groups = ["white", "black"]
per_group = 2
[audit.outcome]
kind = "text"
favourable = "higher"
max_new_tokens = 4
[[audit.limit]]
attribute = "race"
metric = "mean_difference"
max = 1
basis = "policy"
reason = "None."
"""


def module_of(**settings: Any) -> Any:
    return tiny_architectures.tiny("llama", vocab_size=300, max_position_embeddings=256, **settings)


@pytest.fixture
def model() -> CausalModel:
    live = wrap_live("tiny", module_of(), byte_tokenizer())
    assert isinstance(live, CausalModel)
    return live


@pytest.fixture
def variations(tmp_path: Path) -> tuple[Variation, ...]:
    path = tmp_path / "offers.bias.toml"
    path.write_text(CONTEXT, encoding="utf-8")
    context: Context = read_context(path)
    (audit,) = context.audits
    assert isinstance(audit, CounterfactualAudit)
    return variations_of(context, audit, build_prompts(context, audit, seed=0))


def a_set(unit: Unit, model: CausalModel) -> ComponentSet:
    places = {"heads": {"0": [1], "2": [0, 2]}, "neurons": {"1": [0, 7]}}.get(
        unit, {"model.layers.0.mlp.up_proj": [3, 9]}
    )
    return ComponentSet(
        unit=unit,
        chosen={place: np.array(numbers) for place, numbers in places.items()},
        sizes=sizes_in(model.module, unit),
    )


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many questions the model itself was asked."""
    asked = 0
    generate = CausalModel.generate

    def counting(self: CausalModel, questions: Any, **settings: Any) -> Any:
        nonlocal asked
        asked += len(questions)
        return generate(self, questions, **settings)

    monkeypatch.setattr(CausalModel, "generate", counting)
    return lambda: asked


def texts(outcomes: Any) -> list[str]:
    return [outcome.text for outcome in outcomes]


def test_without_heads_it_answers_as_the_child_made_by_a_recipe(
    model: CausalModel, variations: tuple[Variation, ...]
) -> None:
    from pytest_biasaudit.compression.materials import Materials
    from pytest_biasaudit.compression.recipe import read_step

    gone = a_set("heads", model)
    other = module_of()
    step = read_step({"prune": "heads", "heads": [list(pair) for pair in gone.pairs]})
    child = wrap_live("child", remove_heads(other, step, Materials()).module, byte_tokenizer())
    with ModelTrial(model, held_text=TEXT) as trial, ModelTrial(child, held_text=TEXT) as made:
        assert texts(trial.outcomes(variations[0], gone)) == texts(made.outcomes(variations[0], None))
        assert texts(trial.outcomes(variations[0], gone)) != texts(trial.outcomes(variations[0], None))
        assert trial.perplexity(gone) == pytest.approx(made.perplexity(None), rel=1e-5)
        assert trial.perplexity(gone) != pytest.approx(trial.perplexity(None), rel=1e-3)


@pytest.mark.parametrize("unit", ["heads", "neurons", "weights"])
def test_the_model_is_as_it_was_after_every_call(
    unit: Unit, model: CausalModel, variations: tuple[Variation, ...]
) -> None:
    before = tensors_sha256(model.module), hooks_of(model.module)
    with ModelTrial(model, held_text=TEXT) as trial:
        gone = a_set(unit, model)
        trial.outcomes(variations[0], gone)
        assert (tensors_sha256(model.module), hooks_of(model.module)) == before
        trial.perplexity(gone)
        assert (tensors_sha256(model.module), hooks_of(model.module)) == before


@pytest.mark.parametrize("unit", ["heads", "neurons", "weights"])
def test_the_model_is_as_it_was_when_the_asking_is_interrupted(
    unit: Unit, model: CausalModel, variations: tuple[Variation, ...]
) -> None:
    def stop(_count: int) -> None:
        raise KeyboardInterrupt

    before = tensors_sha256(model.module), hooks_of(model.module)
    with pytest.raises(KeyboardInterrupt), ModelTrial(model, held_text=TEXT, progress=stop) as trial:
        trial.outcomes(variations[0], a_set(unit, model))
    assert (tensors_sha256(model.module), hooks_of(model.module)) == before


@pytest.mark.parametrize("unit", ["heads", "weights", None])
def test_no_asking_is_left_open_by_who_keeps_the_traceback(
    unit: Unit | None, model: CausalModel, variations: tuple[Variation, ...]
) -> None:
    def stop(_count: int) -> None:
        raise KeyboardInterrupt

    model.module.train()
    with pytest.raises(KeyboardInterrupt) as kept, ModelTrial(model, held_text=TEXT, progress=stop) as trial:
        trial.outcomes(variations[0], None if unit is None else a_set(unit, model))
    assert model.module.training, kept.value


def test_nothing_is_asked_twice_in_this_run_or_the_next(
    model: CausalModel, variations: tuple[Variation, ...], tmp_path: Path, counted: Callable[[], int]
) -> None:
    gone = a_set("neurons", model)

    def all_of(trial: ModelTrial) -> list[object]:
        return [
            *(texts(trial.outcomes(one, some)) for one in variations for some in (None, gone)),
            trial.perplexity(gone),
            trial.perplexity(None),
        ]

    with (
        Journal.open(tmp_path / "journal.sqlite") as journal,
        ModelTrial(model, journal=journal, held_text=TEXT) as trial,
    ):
        first = all_of(trial)
        asked = counted()
        assert asked == 2 * sum(len(one.prompts) for one in variations)
        assert all_of(trial) == first
    again = wrap_live("tiny", module_of(), byte_tokenizer())
    with (
        Journal.open(tmp_path / "journal.sqlite") as journal,
        ModelTrial(again, journal=journal, held_text=TEXT) as trial,
    ):
        assert all_of(trial) == first
    assert counted() == asked


def test_sets_of_other_components_share_no_answer_and_where_a_set_was_found_takes_no_part(model: CausalModel) -> None:
    heads, neurons = a_set("heads", model), a_set("neurons", model)
    uniform = ComponentSet(unit="heads", mode="uniform", chosen=heads.chosen, sizes=heads.sizes)
    fewer = ComponentSet(unit="heads", chosen={"0": np.array([1])}, sizes=heads.sizes)
    bare = ComponentSet(unit="heads", chosen={**heads.chosen, "1": np.array([], dtype=np.int64)}, sizes={})
    digests = [components_sha256(one) for one in (heads, neurons, uniform, fewer)]
    assert len(set(digests)) == 4
    assert components_sha256(bare) == digests[0]


def test_a_set_without_components_is_the_model_as_it_is(
    model: CausalModel, variations: tuple[Variation, ...], counted: Callable[[], int]
) -> None:
    none = ComponentSet(unit="heads", chosen={}, sizes=sizes_in(model.module, "heads"))
    with ModelTrial(model, held_text=TEXT) as trial:
        assert texts(trial.outcomes(variations[0], none)) == texts(trial.outcomes(variations[0], None))
    assert counted() == len(variations[0].prompts)


def test_the_forward_pass_is_proved_on_the_model_as_it_is(
    model: CausalModel, variations: tuple[Variation, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_biasaudit.models.tree_pass import TreePass

    hooked: list[bool] = []
    prove = TreePass._prove

    def proving(self: TreePass) -> None:
        hooked.append(bool(hooks_of(self.module)))
        prove(self)

    monkeypatch.setattr(TreePass, "_prove", proving)
    with ModelTrial(model, held_text=TEXT) as trial:
        trial.outcomes(variations[0], a_set("heads", model))
    assert hooked == [False]


def test_a_model_without_what_it_needs_has_infinite_perplexity(model: CausalModel) -> None:
    with torch.no_grad():
        model.module.model.layers[0].mlp.down_proj.weight[0, 0] = math.nan  # type: ignore[union-attr,index]
    broken = wrap_live("broken", model.module, byte_tokenizer())
    with ModelTrial(broken, held_text=TEXT) as trial:
        assert trial.perplexity(None) == math.inf


def test_a_set_of_another_model_is_said_also_where_perplexity_is_asked(model: CausalModel) -> None:
    other = module_of(num_hidden_layers=4)
    gone = ComponentSet(unit="heads", chosen={"3": np.array([0])}, sizes=sizes_in(other, "heads"))
    with ModelTrial(model, held_text=TEXT) as trial, pytest.raises(RecipeError, match="model of other sizes"):
        trial.perplexity(gone)


def test_a_text_without_a_token_is_no_perplexity(model: CausalModel) -> None:
    with ModelTrial(model, held_text=HeldText(name="blank", text="\n\n", sha256="0" * 64)) as trial:
        for gone in (None, a_set("heads", model)):
            with pytest.raises(ModelError, match=r"it has no perplexity: .*no token"):
                trial.perplexity(gone)


def test_a_model_that_was_changed_meanwhile_is_said_at_the_end(model: CausalModel) -> None:
    said = "its weights have changed"
    with pytest.raises(ModelError, match=said), ModelTrial(model, held_text=TEXT), torch.no_grad():
        next(model.module.parameters()).add_(1)


def test_a_model_that_predicts_no_text_is_refused() -> None:
    with pytest.raises(ModelError, match=r"tried in a causal language model .*; this is a ScriptedModel"):
        ModelTrial(ScriptedModel(lambda _: "5"))

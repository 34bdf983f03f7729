"""What each head and unit carries of a lean: against derivatives taken otherwise, and against taking it away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.errors import ModelError, RecipeError
from pytest_biasaudit.mitigation.lean import lean_values, leans_of
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.mitigation.scoring.ablation import ablation_scores
from pytest_biasaudit.mitigation.scoring.attribution import Part, attribution_scores, attributions
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from tests.leaning_samples import byte_model, number_prompts, option_prompts
from tests.scored_samples import causal
from tests.tiny_architectures import tiny


@contextmanager
def scaled(module: Any, name: str, inputs: slice, factor: float) -> Iterator[None]:
    """Some inputs of a layer times a factor."""

    def scale(_part: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
        changed = given[0].clone()
        changed[..., inputs] *= factor
        return (changed, *given[1:])

    handle = module.get_submodule(name).register_forward_pre_hook(scale)
    try:
        yield
    finally:
        handle.remove()


def summed(model: CausalModel, prompts: list[ScoredPrompt], group: str) -> float:
    leans = leans_of(model, prompts)
    with torch.no_grad():
        values = lean_values(model, leans.leans).tolist()
    own = [
        value * sum(count for cell, count in shares if cell.group == group)
        for value, shares in zip(values, leans.shares, strict=True)
    ]
    return float(sum(own) / sum(count for cell, count in leans.counts.items() if cell.group == group))


# Heads that share keys and values: llama, qwen2 and others; biased projections: qwen2, gpt2, opt, phi; attention beside
# the MLP: gpt_neox, gptj, phi, falcon; layers turned round: gpt2.
DOUBLE = ["gpt2", "gpt_neox", "opt", "phi", "falcon"]
SINGLE_INSIDE = ["llama", "qwen2", "qwen3", "gemma2", "mistral", "gptj", "bloom", "mpt", "olmo2"]
"""These take norms, or attention, in float32 whatever they are given: a difference of two passes has its rounding."""


def slope(model: CausalModel, prompts: list[ScoredPrompt], name: str, inputs: slice, *, step: float) -> float:
    """By how much the mean lean grows with a factor on some inputs, at 1: five-point differences, wrong by step ** 4."""
    found = {}
    for steps in (-2, -1, 1, 2):
        with scaled(model.module, name, inputs, 1 + steps * step):
            found[steps] = summed(model, prompts, "black")
    return (8 * (found[1] - found[-1]) - (found[2] - found[-2])) / (12 * step)


@pytest.mark.parametrize("architecture", [*DOUBLE, *SINGLE_INSIDE])
def test_attribution_is_the_derivative_by_how_much_a_component_says(architecture: str) -> None:
    model = byte_model(architecture, double=True)
    # A tiny step where nothing is rounded: OPT's units bend at 0, and a longer one crosses the bend.
    step, rel, absolute = (1e-5, 1e-5, 1e-6) if architecture in DOUBLE else (0.03, 1e-3, 2e-4)
    prompts = number_prompts(model)
    places = structure_of(model.module)
    found = attributions(model, prompts, batch_size=8)
    for unit, numbers in (("heads", range(4)), ("neurons", (0, 17))):
        part: Part = "heads" if unit == "heads" else "neurons"
        table = found[part]
        for layer, place in places.of(part).items():
            for number in numbers:
                inputs = slice(number * place.width, (number + 1) * place.width)
                expected = slope(model, prompts, place.name, inputs, step=step)
                own = [cell for cell in table.cells if cell.group == "black"]
                carried = float(table.scores(str(layer), own)[number])
                assert carried == pytest.approx(expected, rel=rel, abs=absolute), (unit, layer, number)


@pytest.mark.parametrize("settings", [{}, {"attention_bias": True}, {"num_key_value_heads": 4}])
def test_where_nothing_bends_after_a_head_attribution_is_what_taking_it_away_does(settings: dict[str, Any]) -> None:
    module = tiny("llama", vocab_size=300, **settings).double()
    module.model.norm = torch.nn.Identity()
    with torch.no_grad():
        module.model.layers[-1].mlp.down_proj.weight.zero_()
    model = causal(module)
    # Two options that part in one token: their log odds are the difference of two logits, which is linear.
    prompts = option_prompts(model, ["y", "n"], favourable="n")
    predicted = attribution_scores(model, prompts, unit="heads", batch_size=8)
    tried = ablation_scores(model, prompts, unit="heads", batch_size=8)
    for cell in predicted.cells:
        last, first = predicted.scores("2", [cell]), predicted.scores("0", [cell])
        np.testing.assert_allclose(last, tried.scores("2", [cell]), rtol=1e-5)
        assert np.abs(last).min() > 1e-4
        assert not np.allclose(first, tried.scores("0", [cell]), rtol=1e-3)  # what bends after it shows


def test_scores_do_not_depend_on_the_batch() -> None:
    model = byte_model("qwen2")
    prompts = number_prompts(model, answers=("7", "150", "2400", "31"))
    alone, together = (attributions(model, prompts, batch_size=size) for size in (1, 64))
    for unit, table in alone.items():
        for place in table.sizes:
            for cell in table.cells:
                expected = together[unit].scores(place, [cell])
                np.testing.assert_allclose(table.scores(place, [cell]), expected, rtol=1e-3, atol=1e-6)


def test_a_cell_is_the_mean_of_its_prompts_and_repeats_count_as_often_as_they_come() -> None:
    model = byte_model()
    prompts = number_prompts(model)
    whole = attribution_scores(model, [*prompts, prompts[0]], unit="heads", batch_size=8)
    parts = [attribution_scores(model, [*prompts[2:], one], unit="heads", batch_size=8) for one in prompts[:2]]
    white = next(cell for cell in whole.cells if cell.group == "white")
    # The other answers keep the contrast: its quartiles stay between the same two.
    first, second = (part.scores("1", [white]) for part in parts)
    contrasts = {leans_of(model, some).leans[-1].rows for some in ([*prompts, prompts[0]], [*prompts[2:], prompts[0]])}
    assert whole.counts[white] == 3
    if len(contrasts) == 1:
        np.testing.assert_allclose(whole.scores("1", [white]), (2 * first + second) / 3, rtol=1e-4, atol=1e-7)


def test_the_model_is_as_it_was_and_no_parameter_has_a_gradient() -> None:
    model = byte_model()
    module: Any = model.module
    learning = [at % 3 != 0 for at, _ in enumerate(module.parameters())]
    for parameter, wanted in zip(module.parameters(), learning, strict=True):
        parameter.requires_grad_(wanted)
    module.train()
    module.model.layers[0].eval()
    modes = [part.training for part in module.modules()]
    before, hooks = tensors_sha256(module), hooks_of(module)
    attributions(model, number_prompts(model), batch_size=8)
    assert [parameter.requires_grad for parameter in module.parameters()] == learning
    assert all(parameter.grad is None for parameter in module.parameters())
    assert [part.training for part in module.modules()] == modes
    assert (tensors_sha256(module), hooks_of(module)) == (before, hooks)


def test_the_model_is_as_it_was_where_the_pass_breaks() -> None:
    model = byte_model()
    module: Any = model.module
    _ = model.tree_pass
    module.train()

    def breaks(_part: Any, given: tuple[Any, ...], *_: Any) -> None:
        if given[0].requires_grad:
            raise RuntimeError("no room")

    handle = module.model.layers[2].register_forward_hook(breaks)
    hooks = hooks_of(module)
    with pytest.raises(RuntimeError, match="no room"):
        attributions(model, number_prompts(model), batch_size=8)
    assert hooks_of(module) == hooks
    handle.remove()
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(part.training for part in module.modules())


def test_a_derivative_that_is_no_number_is_an_error_and_not_a_component_that_is_never_chosen() -> None:
    model = byte_model()
    prompts = number_prompts(model)
    _ = model.tree_pass

    def bend(_part: Any, _given: Any, out: torch.Tensor) -> torch.Tensor:
        return out + (out - out.detach()).abs().sqrt()  # adds 0, whose derivative is infinite

    model.module.get_submodule("model.layers.2.mlp.down_proj").register_forward_hook(bend)
    units: tuple[Part, ...] = ("heads", "neurons")
    for unit in units:
        with pytest.raises(ModelError, match=rf"derivative of a lean is not finite at the {unit} of layer"):
            attribution_scores(model, prompts, unit=unit, batch_size=4)


def test_it_works_where_gradients_are_off() -> None:
    model = byte_model()
    prompts = number_prompts(model)
    expected = attribution_scores(model, prompts, unit="heads", batch_size=8)
    for off in (torch.no_grad(), torch.inference_mode()):
        with off:
            found = attribution_scores(model, prompts, unit="heads", batch_size=8)
        for place in found.sizes:
            np.testing.assert_array_equal(found.scores(place, found.cells), expected.scores(place, expected.cells))


def test_a_model_without_attention_is_refused() -> None:
    from tests.tiny_architectures import STATE_SPACE

    model = causal(tiny("mamba", **{**STATE_SPACE["mamba"], "vocab_size": 300}))
    with pytest.raises(RecipeError, match="no attention"):
        attribution_scores(model, number_prompts(model), unit="heads", batch_size=8)


def test_a_table_says_what_it_is_and_what_was_left_out() -> None:
    model = byte_model()
    prompts = [*number_prompts(model), *number_prompts(model, answers=("5",) * 4, template="w2")]
    table = attribution_scores(model, prompts, unit="neurons", batch_size=8)
    assert (table.unit, table.method, table.signed) == ("neurons", "attribution", True)
    assert table.sizes == {"0": (48,), "1": (48,), "2": (48,)}
    assert {cell.variation for cell in table.cells} == {"shop/offers/w1"}
    assert [note.split(":")[0] for note in table.notes] == ["shop/offers/w2"]

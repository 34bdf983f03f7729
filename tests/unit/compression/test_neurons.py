"""MLP neurons removed: the right hidden unit, and the file that heads and neurons may stand in."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.child import child_of
from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.masks import masked
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.load import wrap_live
from tests.tiny_architectures import logits_of, tiny
from tests.tiny_models import byte_tokenizer


def test_a_neuron_is_the_unit_that_its_up_projection_fills() -> None:
    """Without its row of the up projection, a gated unit is zero: nothing of it is left to be projected down."""
    ours, theirs = tiny("llama"), tiny("llama")
    with torch.no_grad():
        theirs.model.layers[2].mlp.up_proj.weight[17] = 0
    with masked(ours, neurons=[(2, 17)]):
        assert torch.equal(logits_of(ours), logits_of(theirs))


def test_what_was_achieved_is_said() -> None:
    made = apply_recipe(tiny("gpt2"), [read_step({"prune": "neurons", "neurons": [[0, 1], [0, 40], [1, 1]]})])
    assert made.facts["1 prune neurons"] == {
        "neurons_removed": 3,
        "neurons_in_all": 3 * 48,
        "share": 3 / 144,
        "layers_changed": 2,
        "modules_changed": 2,
        "weights_zeroed": 3 * 32,
        "weights_changed": 3 * 32,
        "modules_masked": 0,
    }


@pytest.mark.parametrize(
    ("name", "pairs", "said"),
    [
        ("llama", [(0, 48)], "neuron 48 of layer 0: it has neurons 0 to 47"),
        ("llama", [(5, 1)], "layer 5: the model has layers 0 to 2"),
        ("bart", [(3, 40)], "neuron 40 of layer 3: it has neurons 0 to 39"),
        ("bart", [(5, 0)], r"layers 0 to 4 \(0 to 2 the encoder's, from 3 the decoder's\)"),
        ("mamba", [(0, 0)], "no MLP whose down projection could be found"),
        ("mixtral", [(0, 0)], "experts kept in one three-dimensional weight"),
        ("qwen3_moe", [(0, 0)], "experts kept in one three-dimensional weight"),
    ],
)
def test_neurons_that_are_not_there_are_named_with_what_there_is(name: str, pairs: Any, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        structure_of(tiny(name)).cuts(neurons=pairs)


def test_a_mixture_with_plain_layers_has_neurons_in_those_alone() -> None:
    model = tiny("qwen3_moe", mlp_only_layers=[1])
    structure = structure_of(model)
    assert list(structure.neurons) == [1]
    with pytest.raises(RecipeError, match="layer 0: the model has layer 1 only"):
        structure.cuts(neurons=[(0, 0)])


def from_file(tmp_path: Path, text: str, *, prune: str = "heads") -> Any:
    (tmp_path / "chosen.json").write_text(text, encoding="utf-8")
    step = read_step({"prune": prune, "components": "chosen.json"})
    return apply_recipe(tiny("llama"), [step], materials=Materials(root=tmp_path))


def test_components_come_from_a_file_too(tmp_path: Path) -> None:
    text = json.dumps({"heads": [[1, 2], [0, 3]], "neurons": [[2, 17]]})
    by_file = from_file(tmp_path, text).module
    by_list = apply_recipe(tiny("llama"), [read_step({"prune": "heads", "heads": [[1, 2], [0, 3]]})]).module
    assert torch.equal(logits_of(by_file), logits_of(by_list))
    by_file = from_file(tmp_path, text, prune="neurons").module
    with masked(tiny("llama"), neurons=[(2, 17)]) as by_mask:
        assert torch.equal(logits_of(by_file), logits_of(by_mask))


def test_the_files_digest_belongs_to_the_childs_recipe(tmp_path: Path) -> None:
    (tmp_path / "chosen.json").write_text('{"heads": [[1, 2]]}', encoding="utf-8")
    parent = wrap_live("base", tiny("llama", vocab_size=300), byte_tokenizer())
    step = read_step({"prune": "heads", "components": "chosen.json"})
    child = child_of(parent, [step], name="child", materials=Materials(tokenizer=parent.tokenizer, root=tmp_path))
    assert child.identity.recipe[0]["components_sha256"] == hashlib.sha256(b'{"heads": [[1, 2]]}').hexdigest()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[1, 2]]", "must be an object such as .*, not list"),
        ("{}", "has no key 'heads'"),
        ('{"heads": []}', "heads is empty"),
        ('{"heads": "all"}', "heads must be a list of pairs, not str"),
        ('{"heads": [[1, 2], [1, true]]}', r"heads\[1\] = \[1, true\] is not a pair \[layer, head\]"),
        ('{"heads": [[1, 2.0]]}', r"heads\[0\] = \[1, 2\.0\] is not a pair"),
        ('{"heads": [[1, -2]]}', r"heads\[0\] = \[1, -2\] is not a pair"),
        ('{"heads": [[1, 2, 3]]}', r"heads\[0\] = \[1, 2, 3\] is not a pair"),
        ('{"heads": [[1, 2]], "layers": [3]}', "unknown key 'layers'; valid: heads, neurons"),
        ('{"heads": [[1, 2]], "heads": [[0, 1]]}', "a key stands twice"),
        ('{"heads": [[1, 2]', "is not JSON that can be read"),
        ('{"heads": [[1, 2], [1, 2]]}', "head 2 of layer 1 is named twice"),
        ('{"heads": [[1, 2]], "neurons": [["a", 2]]}', r'neurons\[0\] = \["a", 2\] is not a pair \[layer, neuron\]'),
        ('{"heads": [[1, NaN]]}', r"heads\[0\] = \[1, NaN\] is not a pair"),
        (" ", "the file is empty"),
        ("[" * 100_000, "is not JSON that can be read"),
    ],
)
def test_a_file_that_says_something_else_is_refused_with_what_it_says(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        from_file(tmp_path, text)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"prune": "heads", "heads": []}, "heads = .*valid: a list of"),
        ({"prune": "heads", "heads": [[1, True]]}, "heads = .*valid: a list of"),
        ({"prune": "heads", "heads": [1, 2]}, "heads = .*valid: a list of"),
        ({"prune": "heads", "heads": [[1, 2]], "mode": "average"}, "mode = 'average'; valid: \"ablate\""),
        ({"prune": "neurons", "neurons": [[1, 2]], "mode": "uniform"}, "unknown setting 'mode'"),
        ({"prune": "neurons", "heads": [[1, 2]]}, "unknown setting 'heads'"),
        (
            {"prune": "neurons"},
            r"neurons or components is missing; give one of them: neurons \(a list .*\); components \(",
        ),
        ({"prune": "heads", "mode": "uniform"}, "heads or components is missing"),
        ({"prune": "heads", "heads": [[1, 2]], "components": "a.json"}, "heads and components are given together"),
    ],
)
def test_steps_are_checked_before_any_model_is_loaded(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        read_step(raw)

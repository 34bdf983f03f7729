"""Students made of some of their teacher's layers, over architectures: the same as the teacher with layers taken out."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.distillation.student import evenly_spaced, shortened
from pytest_biasaudit.errors import RecipeError
from tests.tiny_architectures import DECODERS, ENCODERS, EXPERTS, STATE_SPACE, logits_of, tiny

LISTS = ("layers", "layer", "h", "blocks")
"""What architectures call their list of blocks."""


def taken_out(teacher: Any, kept: list[int], config: Any) -> Any:
    """The teacher itself, its list of blocks shortened in place, told that it has as many layers as are left."""
    found = copy.deepcopy(teacher)
    for name, part in list(found.named_modules()):
        if isinstance(part, torch.nn.ModuleList) and name.rpartition(".")[2] in LISTS and len(part) == 3:
            outer = found.get_submodule(name.rpartition(".")[0])
            setattr(outer, name.rpartition(".")[2], torch.nn.ModuleList([part[place] for place in kept]))
            for place, block in enumerate(getattr(outer, name.rpartition(".")[2])):
                for inner in block.modules():
                    for key in ("layer_idx", "layer_id"):
                        if hasattr(inner, key):
                            setattr(inner, key, place)
    for part in found.modules():
        if hasattr(part, "config"):
            part.config = config
    return found


@pytest.mark.parametrize("kept", [[0, 2], [0]])
@pytest.mark.parametrize("architecture", [*DECODERS, *ENCODERS, *EXPERTS, *STATE_SPACE])
def test_a_student_answers_as_its_teacher_with_layers_taken_out(architecture: str, kept: list[int]) -> None:
    if architecture == "albert":
        pytest.skip("repeats one block; refused, see below")
    teacher = tiny(architecture, num_hidden_layers=3) if architecture == "mamba" else tiny(architecture)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    student = shortened(teacher, kept)
    assert torch.equal(logits_of(student), logits_of(taken_out(teacher, kept, student.config)))
    assert student.config.num_hidden_layers == len(kept)
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    assert not {one.data_ptr() for one in student.parameters()} & {one.data_ptr() for one in teacher.parameters()}


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gpt_neo", "gemma3_text", "bert", "modernbert"])
def test_a_student_is_saved_and_loaded_as_any_model(architecture: str, tmp_path: Any) -> None:
    student = shortened(tiny(architecture), [0, 2])
    student.save_pretrained(tmp_path)
    again = type(student).from_pretrained(tmp_path).eval()
    assert torch.equal(logits_of(student), logits_of(again))


@pytest.mark.parametrize(
    ("count", "wanted", "expected"),
    [(30, 4, (0, 9, 19, 29)), (12, 6, (0, 2, 4, 6, 8, 11)), (12, 2, (0, 11)), (12, 1, (0,)), (3, 2, (0, 2))],
)
def test_layers_are_evenly_spaced_with_the_first_and_the_last(
    count: int, wanted: int, expected: tuple[int, ...]
) -> None:
    assert evenly_spaced(count, wanted) == expected


def test_a_tied_head_stays_tied() -> None:
    student = shortened(tiny("gpt2"), [0, 2])
    assert student.lm_head.weight is student.transformer.wte.weight


@pytest.mark.parametrize(
    ("architecture", "kept", "says"),
    [
        ("llama", [0, 1, 2], r"the teacher has 3 layers \(layers 0 to 2\), and the student would have 3"),
        ("llama", [0, 3], r"the teacher has 3 layers .*keep \[0, 3\]"),
        ("albert", [0, 2], "has no list of 3 blocks, one a layer, so none can be left out"),
        ("modernbert", [1, 2], r"cannot be shortened: 1 weights .*layers\.0\.attn_norm"),
    ],
)
def test_what_cannot_be_shortened_is_refused(architecture: str, kept: list[int], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        shortened(tiny(architecture), kept)


def test_a_layer_that_would_attend_otherwise_at_its_new_place_is_refused() -> None:
    # The kinds of attention follow from the place and are written nowhere in the file.
    teacher = tiny("gpt2", scale_attn_by_inverse_layer_idx=True)
    with pytest.raises(RecipeError, match=r"layer 2 of the teacher has attn\.\w+ = .*as layer 1 of the student"):
        shortened(teacher, [0, 2])
    assert shortened(teacher, [0, 1]).config.num_hidden_layers == 2


def test_a_quantised_teacher_has_no_layers_to_teach() -> None:
    teacher = tiny("llama")
    weight = teacher.model.layers[0].mlp.up_proj.weight
    teacher.model.layers[0].mlp.up_proj.weight = torch.nn.Parameter(weight.to(torch.int8), requires_grad=False)
    with pytest.raises(RecipeError, match=r"is quantised \(model\.layers\.0\.mlp\.up_proj\.weight\).*distil first"):
        shortened(teacher, [0, 2])


def test_a_head_untied_by_hand_is_refused() -> None:
    teacher = tiny("gpt2")
    teacher.lm_head.weight = torch.nn.Parameter(teacher.lm_head.weight.detach() + 1)
    with pytest.raises(RecipeError, match="is tied to another weight in the student and not in the teacher"):
        shortened(teacher, [0, 2])

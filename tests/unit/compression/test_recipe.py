from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.protocol import ModelIdentity


def test_a_step_is_complete_with_its_defaults() -> None:
    assert read_step({"quantize": "rtn"}).plain() == {
        "quantize": "rtn",
        "bits": 8,
        "lm_head": False,
        "symmetric": True,
    }
    assert read_step({"prune": "magnitude", "sparsity": 0.3}).setting("sparsity") == 0.3


def test_a_step_has_a_short_name_with_its_figures() -> None:
    assert read_step({"quantize": "rtn", "bits": 4, "group_size": 32}).short == "rtn-4-32"
    assert read_step({"prune": "magnitude", "sparsity": 0.3}).short == "magnitude-0.3"
    assert read_step({"quantize": "bf16"}).short == "bf16"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"prune": "heads", "heads": [[1, 2]]}, {"prune": "heads", "heads": [[1, 3]]}),
        ({"prune": "heads", "components": "a.json"}, {"prune": "heads", "components": "b.json"}),
        ({"prune": "wanda", "calibration": "a.txt"}, {"prune": "wanda", "calibration": "b.txt"}),
        ({"quantize": "rtn"}, {"quantize": "rtn", "lm_head": True}),
        ({"quantize": "rtn"}, {"quantize": "rtn", "symmetric": False}),
        ({"distill": "logits", "text": "t", "layers": 2}, {"distill": "logits", "text": "t", "layers": 2, "top": 9}),
        (
            {"distill": "logits", "text": "t", "keep_layers": [0, 3]},
            {"distill": "logits", "text": "t", "keep_layers": [0, 2]},
        ),
    ],
)
def test_other_steps_have_other_short_names(one: dict[str, object], other: dict[str, object]) -> None:
    assert read_step(one).short != read_step(other).short
    assert read_step(one).short == read_step(dict(one)).short


def test_what_figures_do_not_tell_is_told_by_six_digits() -> None:
    digest = hashlib.sha256(b'{"heads": [[12, 4]]}').hexdigest()
    assert read_step({"prune": "heads", "heads": [[12, 4]]}).short == f"heads-ablate-{digest[:6]}"
    assert read_step({"prune": "heads", "heads": [[12, 4]], "mode": "uniform"}).short == f"heads-uniform-{digest[:6]}"


def test_the_digest_knows_steps_and_their_order_and_not_the_order_of_keys() -> None:
    one = read_step({"quantize": "rtn", "bits": 4, "group_size": 32})
    same = read_step({"group_size": 32, "bits": 4, "quantize": "rtn"})
    other = read_step({"prune": "magnitude"})
    assert digest(one) == digest(same)
    assert len({digest(*steps) for steps in ([], [one], [other], [one, other], [other, one])}) == 5


def digest(*steps: Step) -> str:
    return ModelIdentity(name="child", source="live", recipe=tuple(step.plain() for step in steps)).recipe_sha256


def test_a_file_below_the_root_is_named_from_it_and_any_other_as_it_was() -> None:
    wanda = {"prune": "wanda", "sparsity": 0.5}
    there = read_step({**wanda, "calibration": "/there/texts/plain.txt"})
    here = read_step({**wanda, "calibration": "/here/texts/plain.txt"})
    assert there.within(Path("/there")).setting("calibration") == "texts/plain.txt"
    assert there.within(Path("/there")) == here.within(Path("/here"))
    assert there.within(Path("/there")).short == here.within(Path("/here")).short
    assert there.within(Path("/here")) == there
    heads = read_step({"prune": "heads", "heads": [[0, 1]]})
    assert heads.within(Path("/there")) == heads


def test_a_recipe_is_the_same_wherever_its_files_lie_and_another_with_other_contents() -> None:
    def child(**files: str) -> ModelIdentity:
        return ModelIdentity(name="child", source="live", recipe=({"prune": "wanda", **files},))

    one = child(calibration="/there/plain.txt", calibration_sha256="ab")
    moved = child(calibration="plain.txt", calibration_sha256="ab")
    other = child(calibration="plain.txt", calibration_sha256="cd")
    assert (one.recipe_sha256, one.digest) == (moved.recipe_sha256, moved.digest)
    assert other.recipe_sha256 != one.recipe_sha256
    assert other.digest != one.digest


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({}, ["exactly one of", "quantize"]),
        ({"quantize": "rtn", "prune": "magnitude"}, ["exactly one of"]),
        ({"quantise": "rtn"}, ["exactly one of", "quantise"]),
        ({"quantize": "rnt"}, ["rnt", "did you mean 'rtn'"]),
        ({"quantize": 8}, ["8", "valid: rtn, bf16, fp16, "]),
        ({"quantize": "rtn", "bit": 4}, ["unknown setting 'bit'", "did you mean 'bits'"]),
        ({"quantize": "rtn", "bits": 9}, ["bits = 9", "2 to 8"]),
        ({"quantize": "rtn", "bits": True}, ["bits = True"]),
        ({"quantize": "rtn", "bits": 8.0}, ["bits = 8.0"]),
        ({"quantize": "rtn", "group_size": 0}, ["group_size = 0", "positive"]),
        ({"quantize": "rtn", "lm_head": 1}, ["lm_head = 1", "true or false"]),
        ({"quantize": "bf16", "bits": 8}, ["unknown setting 'bits'", "no settings"]),
        ({"prune": "magnitude", "sparsity": 1.5}, ["sparsity = 1.5", "below 1"]),
        ({"prune": "magnitude", "sparsity": 1}, ["sparsity = 1"]),
        ({"prune": "magnitude", "sparsity": float("nan")}, ["sparsity = nan"]),
        ({"prune": "magnitude", "sparsity": "half"}, ["sparsity = 'half'"]),
        ({"distill": "tiny"}, ["no such method", "logits"]),
    ],
)
def test_a_wrong_step_is_refused_with_what_came_and_what_is_valid(raw: dict[str, object], says: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        read_step(raw)
    assert all(text in str(caught.value) for text in says), str(caught.value)


def test_a_step_of_nothing_but_a_method_can_be_written_by_hand() -> None:
    assert Step(action="quantize", method="bf16").plain() == read_step({"quantize": "bf16"}).plain()

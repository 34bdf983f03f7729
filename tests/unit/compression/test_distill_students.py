"""Distillation from a recipe step: students come close to their teacher, the same ones every time, or not at all."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.child import child_of
from pytest_biasaudit.compression.distillation import distil, objective
from pytest_biasaudit.compression.distillation.student import shortened
from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import tensors_sha256
from pytest_biasaudit.models.load import wrap_live
from pytest_biasaudit.models.masked import MaskedModel
from pytest_biasaudit.models.transformer import TransformerModel
from tests.tiny_masked_models import WORDS, tiny_masked, wordpiece_tokenizer
from tests.tiny_models import ARCHITECTURES, byte_tokenizer, word_tokenizer

NOUNS = ["cat", "dog", "cow", "hen"]


def deep(seed: int = 0, **settings: Any) -> Any:
    """A llama of four layers and 40 tokens, with dropout where it is taught."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    given = {**ARCHITECTURES["llama"], "vocab_size": 40, "num_hidden_layers": 4, "attention_dropout": 0.1, **settings}
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.2}
    model: Any = LlamaForCausalLM(LlamaConfig(**{**special, **given}))
    return model.eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = random.Random(0)
    lines = [
        f"a {draw.choice(NOUNS)} and the {draw.choice(NOUNS)} sat on the {draw.choice(NOUNS)} ." for _ in range(80)
    ]
    (tmp_path / "corpus.txt").write_text("\n".join(lines))
    return tmp_path


def tokenizer() -> Any:
    return word_tokenizer(["a", "the", "and", "sat", "on", ".", *NOUNS])


def step(**settings: Any) -> Step:
    given = {"text": "corpus.txt", "steps": 40, "tokens": 16, "learning_rate": 3e-3, "save_every": 10}
    ways = {} if {"keep_layers", "student"} & set(settings) else {"layers": 2}
    return read_step({"distill": "logits", **given, **ways, **settings})


def taught(folder: Path, made: Step, *, teacher: Any = None, **materials: Any) -> Any:
    given = {"tokenizer": tokenizer(), "root": folder, **materials}
    found = apply_recipe(teacher if teacher is not None else deep(), [made], materials=Materials(**given))
    return found.module, found.facts["1 distill logits"], found.notes


def test_a_student_of_half_the_layers_comes_three_times_closer_to_its_teacher(folder: Path) -> None:
    teacher = deep()
    before = tensors_sha256(teacher)
    student, facts, notes = taught(folder, step(steps=80), teacher=teacher)
    assert student.config.num_hidden_layers == 2
    assert not student.training
    assert facts["held_kl_after"] < facts["held_kl_before"] / 3, facts
    assert facts["loss_last"] < facts["loss_first"] / 3
    assert facts["loss_curve"][0] == [1, facts["loss_first"]]
    assert facts["loss_curve"][-1] == [80, facts["loss_last"]]
    assert (facts["kept_layers"], facts["student_layers"], facts["teacher_layers"]) == ([0, 3], 2, 4)
    assert facts["parameters"] == sum(one.numel() for one in student.parameters()) < facts["teacher_parameters"]
    assert (facts["steps"], facts["seed"], facts["device"], facts["recalled"]) == (80, 0, "cpu", False)
    assert notes == ()
    assert tensors_sha256(teacher) == before


def test_the_same_seed_gives_the_same_student_and_another_seed_another(folder: Path) -> None:
    torch.manual_seed(1)
    one = tensors_sha256(taught(folder, step(steps=10))[0])
    torch.manual_seed(2)
    assert tensors_sha256(taught(folder, step(steps=10))[0]) == one
    other = tensors_sha256(taught(folder, step(steps=10), seed=1)[0])
    assert other != one
    assert tensors_sha256(taught(folder, step(steps=10, seed=1), seed=7)[0]) == other


def test_a_run_that_was_killed_goes_on_to_the_same_student_bit_for_bit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, facts, _ = taught(folder, step())
    taken = 0
    plain: Callable[..., torch.Tensor] = objective.Objective.__call__

    def until_killed(self: Any, *given: Any) -> torch.Tensor:
        nonlocal taken
        taken += 1
        if taken > 27:
            raise KeyboardInterrupt
        return plain(self, *given)

    cache = folder / "cache"
    with monkeypatch.context() as patched:
        patched.setattr(objective.Objective, "__call__", until_killed)
        with pytest.raises(KeyboardInterrupt):
            taught(folder, step(), cache=cache)
    again, resumed, _ = taught(folder, step(), cache=cache)
    assert resumed["resumed_at_step"] == 20
    assert tensors_sha256(again) == tensors_sha256(whole)
    for fact in ("loss_curve", "held_kl_before", "held_kl_after"):
        assert resumed[fact] == facts[fact]
    assert not list(cache.rglob("checkpoint-*"))


def test_a_finished_student_is_taught_once_and_taken_from_the_cache_after(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = folder / "cache"
    first, facts, _ = taught(folder, step(), cache=cache)

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("taught twice")

    monkeypatch.setattr("pytest_biasaudit.training.teach.teach", refused)
    again, recalled, _ = taught(folder, step(save_every=4), cache=cache)
    assert tensors_sha256(again) == tensors_sha256(first)
    assert recalled == {**facts, "recalled": True}
    weights = next(cache.rglob("weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(AssertionError, match="taught twice"):
        taught(folder, step(), cache=cache)


@pytest.mark.parametrize("change", ["text", "teacher", "tokenizer", "setting", "seed"])
def test_whatever_decides_a_student_has_it_taught_anew(folder: Path, change: str) -> None:
    cache = folder / "cache"
    taught(folder, step(steps=2), cache=cache)
    if change == "text":
        with (folder / "corpus.txt").open("a") as file:
            file.write("\na hen sat .")
    words = tokenizer()
    if change == "tokenizer":
        words.add_tokens(["owl"])
    given = {"teacher": deep(1 if change == "teacher" else 0), "tokenizer": words, "seed": int(change == "seed")}
    made = step(steps=2, temperature=3.0) if change == "setting" else step(steps=2)
    assert not taught(folder, made, cache=cache, **given)[1]["recalled"]
    assert len(list((cache / "distill").glob("*.lock"))) == 2


def test_hidden_states_come_closer_where_they_are_asked_to(folder: Path) -> None:
    ids = torch.tensor([tokenizer()("a cat and the dog sat on the hen .")["input_ids"]])
    teacher = deep()

    def gap(student: Any) -> float:
        with torch.no_grad():
            ours, theirs = (one(input_ids=ids, output_hidden_states=True).hidden_states for one in (student, teacher))
        return float((ours[2] - theirs[4]).square().mean())  # the ends: of two layers, and of four

    gaps = [gap(taught(folder, step(steps=60, hidden_weight=weight))[0]) for weight in (0.0, 5.0)]
    assert gaps[1] < 0.8 * gaps[0], gaps


def test_labels_take_the_student_to_the_text_and_away_from_the_teacher(folder: Path) -> None:
    # The teacher has random weights and knows nothing of the text.
    ids = torch.tensor([tokenizer()((folder / "corpus.txt").read_text())["input_ids"][:200]])
    losses = []
    for weight in (0.0, 5.0):
        student, _, _ = taught(folder, step(steps=60, label_weight=weight))
        with torch.no_grad():
            losses.append(float(student(input_ids=ids, labels=ids).loss))
    assert losses[1] < losses[0] - 1, losses


def test_a_student_of_the_top_tokens_and_of_lines_learns_too(folder: Path) -> None:
    _, facts, _ = taught(folder, step(top=20, rows="lines", keep_layers=[0, 1, 3], steps=60))
    assert facts["kept_layers"] == [0, 1, 3]
    assert facts["held_kl_after"] < 0.8 * facts["held_kl_before"], facts


def test_a_masked_student_learns_at_the_masks_and_stays_a_masked_model(tmp_path: Path) -> None:
    draw = random.Random(0)
    lines = [" ".join(draw.choice(WORDS.split()[:10]) for _ in range(6)) for _ in range(60)]
    (tmp_path / "corpus.txt").write_text("\n".join(lines))
    parent = wrap_live("teacher", tiny_masked("bert"), wordpiece_tokenizer())
    made = step(layers=1, steps=150, mask_rate=0.3)
    materials = Materials(tokenizer=parent.tokenizer, root=tmp_path)
    child = child_of(parent, [made], name="student", materials=materials)
    assert type(child) is MaskedModel
    facts: Any = child.identity.achieved["steps"]
    facts = facts["1 distill logits"]
    assert facts["held_kl_after"] < facts["held_kl_before"] / 2, facts
    assert child.identity.parameters == facts["parameters"] < parent.identity.parameters
    assert child.identity.config_sha256 != parent.identity.config_sha256
    assert child.identity.recipe[0]["text_sha256"] == materials.text(made, "text").sha256
    assert (child.identity.parent, child.identity.parent_digest) == ("teacher", parent.identity.digest)


def test_a_teacher_in_half_precision_gives_a_student_in_half_precision_taught_in_full(folder: Path) -> None:
    cache = folder / "cache"
    student, facts, _ = taught(folder, step(), teacher=deep().to(torch.bfloat16), cache=cache)
    assert {one.dtype for one in student.parameters()} == {torch.bfloat16}
    assert facts["taught_in"] == "float32"
    assert facts["held_kl_after"] < facts["held_kl_before"]
    again, recalled, _ = taught(folder, step(), teacher=deep().to(torch.bfloat16), cache=cache)
    assert recalled["recalled"]
    assert tensors_sha256(again) == tensors_sha256(student)
    for one in (student, again):  # rotary frequencies stay exact, as in a model that is loaded in half precision
        assert {table.dtype for table in one.buffers()} == {torch.float32}


def test_a_student_of_a_hooked_teacher_is_not_taken_for_that_of_another(folder: Path) -> None:
    cache = folder / "cache"
    teacher = deep()
    taught(folder, step(steps=2), teacher=teacher, cache=cache)
    teacher.lm_head.register_forward_hook(lambda part, given, logits: logits.flip(-1))
    first = taught(folder, step(steps=2), teacher=teacher, cache=cache)[1]
    assert not first["recalled"]
    assert not taught(folder, step(steps=2), teacher=teacher, cache=cache)[1]["recalled"]


def test_a_student_that_did_not_learn_is_said(folder: Path) -> None:
    _, facts, notes = taught(folder, step(steps=5, learning_rate=1.0))
    assert facts["held_kl_after"] > facts["held_kl_before"]
    assert len(notes) == 1
    assert "The student did not learn" in notes[0]


# -- a given student ----------------------------------------------------------------------------------------------------


def small(**settings: Any) -> TransformerModel:
    given = {"num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 24, **settings}
    return wrap_live("small", deep(3, **given), tokenizer())


def test_a_declared_student_is_taught_in_the_teachers_place(folder: Path) -> None:
    one = small()
    digest, before = one.identity.digest, tensors_sha256(one.module)
    student, facts, _ = taught(folder, step(student="small", steps=150), other=lambda name: one)
    assert student is one.module
    assert tensors_sha256(student) != before
    assert (facts["student"], facts["student_digest"], facts["student_layers"]) == ("small", digest, 1)
    assert facts["held_kl_after"] < facts["held_kl_before"] / 2, facts


def other_words() -> TransformerModel:
    return wrap_live("small", small().module, word_tokenizer(["the", "a", "and", "sat", "on", ".", *NOUNS]))


def quantised() -> TransformerModel:
    module = deep(3)
    module.lm_head.weight = torch.nn.Parameter(module.lm_head.weight.to(torch.int8), requires_grad=False)
    return wrap_live("small", module, tokenizer())


MISFITS: dict[str, tuple[Callable[[], TransformerModel], dict[str, Any], str]] = {
    "other logits": (lambda: small(vocab_size=44), {}, "has logits for 44 tokens, the teacher for 40"),
    "other ids": (other_words, {}, "its tokenizer gives other ids than the teacher's"),
    "the teacher": (lambda: wrap_live("small", deep(), tokenizer()), {}, "is the teacher itself"),
    "quantised": (quantised, {}, "is quantised .*distil first"),
    "masked": (
        lambda: wrap_live("small", tiny_masked("bert"), wordpiece_tokenizer()),
        {},
        "one fills masks and the other predicts the next token",
    ),
    "another width": (
        small,
        {"hidden_weight": 1.0},
        "hidden_weight needs hidden states of one width; the student has 16",
    ),
    "more layers": (
        lambda: small(hidden_size=32, num_hidden_layers=6),
        {"hidden_weight": 1.0},
        "hidden_weight needs a student with no more layers",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_student_that_does_not_go_with_the_teacher_is_refused(folder: Path, name: str) -> None:
    build, settings, says = MISFITS[name]
    with pytest.raises(RecipeError, match=says):
        taught(folder, step(student="small", **settings), other=lambda _: build())


# -- refused ------------------------------------------------------------------------------------------------------------


def test_a_text_that_is_empty_or_too_short_or_not_there_is_refused(folder: Path) -> None:
    for text, says in (("", "is empty"), (" \n", "is empty"), ("a cat .", r"gives 0 rows .*corpus\.txt, tokens = 16")):
        (folder / "corpus.txt").write_text(text)
        with pytest.raises(RecipeError, match=says):
            taught(folder, step())
    with pytest.raises(RecipeError, match=r"text = 'nowhere\.txt': cannot be read"):
        taught(folder, step(text="nowhere.txt"))


@pytest.mark.parametrize("layers", [4, 5])
def test_as_many_layers_as_the_teacher_has_are_refused(folder: Path, layers: int) -> None:
    with pytest.raises(RecipeError, match=f"layers = {layers}, and the teacher has 4; a student has fewer"):
        taught(folder, step(layers=layers))
    with pytest.raises(RecipeError, match="the teacher has 4 layers"):
        taught(folder, step(keep_layers=[0, layers]))


def test_a_teacher_without_logits_of_tokens_is_refused(folder: Path) -> None:
    with pytest.raises(RecipeError, match="LlamaModel has no language-model head"):
        taught(folder, step(), teacher=deep().model)
    with pytest.raises(RecipeError, match="needs a model of transformers; the teacher is a Linear"):
        taught(folder, step(), teacher=torch.nn.Linear(2, 2))


def test_rows_longer_than_the_teachers_positions_are_refused(folder: Path) -> None:
    from tests.tiny_models import tiny

    with pytest.raises(RecipeError, match="tokens = 300, and the teacher takes 256"):
        taught(folder, step(tokens=300, layers=1), teacher=tiny("gpt2"), tokenizer=byte_tokenizer())


def test_a_teacher_that_gives_no_numbers_stops_it(folder: Path) -> None:
    teacher = deep()
    teacher.model.layers[1].mlp.up_proj.weight.data[0, 0] = torch.nan
    with pytest.raises(RecipeError, match="the loss is nan at step 1"):
        taught(folder, step(), teacher=teacher)


def test_a_student_is_named_by_its_size_and_its_steps() -> None:
    assert step().short.startswith("logits-2-40-")
    assert step(student="small").short.startswith("logits-40-small-")


@pytest.mark.parametrize(
    ("kept", "pairs"),
    [([0, 1, 3], ((1, 1), (2, 2), (3, 4))), ([0, 1], ((1, 1), (2, 4))), ([2], ((1, 4),))],
)
def test_hidden_states_go_with_the_layer_a_layer_was_made_from_and_ends_go_together(
    kept: list[int], pairs: tuple[tuple[int, int], ...]
) -> None:
    """Behind the last layer of either stands the final norm, so the last of the student never goes with a middle one."""
    settings = {"temperature": 2.0, "hidden_weight": 1.0, "label_weight": 0.0}
    student = distil.Student(module=shortened(deep(), kept), matching=tuple(kept), said={})
    assert distil._objective(deep(), student, settings).pairs == pairs

"""Teaching: the loss falls, a run that was cut off goes on to the same numbers, and the process is given back."""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import tensors_sha256
from pytest_biasaudit.training.checkpoint import SEAL, is_whole, newest_whole, seal
from pytest_biasaudit.training.finished import keep, recall
from pytest_biasaudit.training.plan import MOST_POINTS, Plan
from pytest_biasaudit.training.teach import forget, teach
from tests.tiny_masked_models import tiny_masked
from tests.tiny_models import tiny


class Killed(Exception):
    """What stands for a process that is killed."""


class Line(torch.nn.Module):
    """y = w x, with dropout between: its numbers come from torch's random state."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(4))
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.dropout(x * self.weight)
        return found


def batches(step: int) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(8, 4, generator=torch.Generator().manual_seed(step))}


def towards_three(module: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    loss: torch.Tensor = (module(batch["x"]) - 3 * batch["x"]).square().mean()
    return loss


def killed_at(step: int) -> Callable[[torch.nn.Module, dict[str, torch.Tensor]], torch.Tensor]:
    """The loss, until it is asked for the step after that many."""
    taken = 0

    def loss(module: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        nonlocal taken
        if taken == step:
            raise Killed
        taken += 1
        return towards_three(module, batch)

    return loss


def plan(steps: int = 30, **settings: Any) -> Plan:
    return Plan(**{"steps": steps, "learning_rate": 0.1, "warmup": 0.1, "seed": 5, "save_every": 7, **settings})


def test_what_is_taught_comes_close_to_the_target() -> None:
    module = Line()
    taught = teach(module, towards_three, batches, plan=plan(steps=120))
    assert module.weight.tolist() == pytest.approx([3.0] * 4, abs=0.1)
    assert taught.curve[0][0] == 1
    assert taught.curve[0][1] == pytest.approx(float((4 * batches(0)["x"].square()).mean()), rel=1e-5)  # (3 - 1)^2 x^2
    assert taught.curve[-1][1] < taught.curve[0][1] / 50
    assert [step for step, _ in taught.curve] == list(range(1, 121))
    assert taught.resumed_at == 0
    assert not module.training
    assert module.weight.grad is None


def test_one_step_of_adam_by_hand() -> None:
    # The first step of Adam is the rate against the gradient's sign; the rate has not begun to fall.
    module = Line()
    teach(module, towards_three, batches, plan=plan(steps=1, warmup=0.0))
    assert module.weight.tolist() == pytest.approx([1.1] * 4, abs=1e-5)


@pytest.mark.parametrize(("killed", "dropout"), [(9, 0.3), (7, 0.3), (24, 0.0)])
def test_a_run_that_was_cut_off_gives_the_same_bits_as_one_that_was_not(
    tmp_path: Path, dropout: float, killed: int
) -> None:
    whole = Line(dropout)
    uninterrupted = teach(whole, towards_three, batches, plan=plan())
    with pytest.raises(Killed):
        teach(Line(dropout), killed_at(killed), batches, plan=plan(), folder=tmp_path)
    torch.manual_seed(77)  # whatever state another process is in
    again = Line(dropout)
    taught = teach(again, towards_three, batches, plan=plan(), folder=tmp_path)
    assert taught.resumed_at == killed // 7 * 7
    assert torch.equal(again.weight, whole.weight)
    assert taught.curve == uninterrupted.curve


def test_the_seed_decides_what_dropout_leaves_out() -> None:
    found = []
    for seed in (1, 2**40 + 1, 2):
        module = Line(0.3)
        teach(module, towards_three, batches, plan=plan(seed=seed))
        found.append(module.weight.tolist())
    assert found[0] == found[1]  # numpy takes 32 bits of a seed
    assert found[0] != found[2]


def test_a_checkpoint_that_was_not_written_whole_is_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        teach(Line(), killed_at(24), batches, plan=plan(), folder=tmp_path)
    newest, older = tmp_path / "checkpoint-21", tmp_path / "checkpoint-14"
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["checkpoint-14", "checkpoint-21"]
    (newest / "optimizer.pt").write_bytes((newest / "optimizer.pt").read_bytes()[:-9])
    assert newest_whole(tmp_path) == older
    assert not newest.exists()
    assert teach(Line(), towards_three, batches, plan=plan(), folder=tmp_path).resumed_at == 14
    forget(tmp_path)
    assert newest_whole(tmp_path) is None


def test_a_folder_is_whole_with_every_file_of_its_seal_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    assert not is_whole(tmp_path)
    seal(tmp_path)
    assert is_whole(tmp_path)
    (tmp_path / "b").write_text("b")
    assert not is_whole(tmp_path)
    (tmp_path / "b").unlink()
    (tmp_path / "a").write_text("A")
    assert not is_whole(tmp_path)
    for broken in ("[]", "{", '{"a": 3}', "null"):
        (tmp_path / SEAL).write_text(broken)
        assert not is_whole(tmp_path)


def test_no_pickled_object_is_left_in_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        teach(Line(), killed_at(8), batches, plan=plan(), folder=tmp_path)
    kept = {file.name for file in (tmp_path / "checkpoint-7").iterdir()}
    assert kept == {"model.safetensors", "optimizer.pt", "rng_state.pth", "scheduler.pt", "trainer_state.json", SEAL}
    for name in ("optimizer.pt", "scheduler.pt"):
        torch.load(tmp_path / "checkpoint-7" / name, weights_only=True)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_training(value: float) -> None:
    def broken(module: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        found: torch.Tensor = module(batch["x"]).mean() * value
        return found

    with pytest.raises(RecipeError, match=r"the loss is (nan|inf|-inf) at step 1; choose a lower learning_rate"):
        teach(Line(), broken, batches, plan=plan())


def test_the_process_is_given_back_as_it_was(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from transformers.utils import logging as talk

    random.seed(3), np.random.seed(4), torch.manual_seed(5)
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state(), dict(os.environ))  # type: ignore[index]
    loud, bars = talk.get_verbosity(), talk.is_progress_bar_enabled()
    root = logging.getLogger().handlers[:]
    with torch.no_grad():
        teach(Line(0.5), towards_three, batches, plan=plan(), folder=tmp_path)
        assert not torch.is_grad_enabled()
    after = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state(), dict(os.environ))  # type: ignore[index]
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    assert before[3] == after[3]
    assert (talk.get_verbosity(), talk.is_progress_bar_enabled()) == (loud, bars)
    assert logging.getLogger().handlers == root
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("error")
def test_a_users_settings_of_other_trainings_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def loss(module: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        found: torch.Tensor = module(input_ids=batch["ids"]).logits.square().mean()
        return found

    found = []
    for precision in ("no", "bf16"):
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", precision)
        module = tiny("llama")
        teach(module, loss, lambda step: {"ids": torch.arange(3, 20)[None]}, plan=plan(steps=2))
        found.append(tensors_sha256(module))
    assert found[0] == found[1]
    assert os.environ["ACCELERATE_MIXED_PRECISION"] == "bf16"


def test_a_training_of_the_users_own_goes_on_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState, PartialState

    kinds = (PartialState, AcceleratorState, GradientState)
    kept = [dict(kind._shared_state) for kind in kinds]
    try:
        AcceleratorState._reset_state(reset_partial_state=True)
        theirs = Accelerator(mixed_precision="bf16", cpu=True)
        before = [dict(kind._shared_state) for kind in kinds]
        module = Line()
        teach(module, towards_three, batches, plan=plan(steps=1, warmup=0.0))
        assert module.weight.tolist() == pytest.approx([1.1] * 4, abs=1e-5)
        assert theirs.mixed_precision == "bf16"
        assert [dict(kind._shared_state) for kind in kinds] == before
        Accelerator(mixed_precision="bf16", cpu=True)  # refused by accelerate where another precision was set
    finally:
        for kind, state in zip(kinds, kept, strict=True):
            kind._shared_state.clear()
            kind._shared_state.update(state)


def test_what_a_launcher_set_spreads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LOCAL_RANK", "0"), ("RANK", "0"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    module = Line()
    teach(module, towards_three, batches, plan=plan(steps=1, warmup=0.0))
    assert module.weight.tolist() == pytest.approx([1.1] * 4, abs=1e-5)
    assert not torch.distributed.is_initialized()
    assert os.environ["WORLD_SIZE"] == "2"


@pytest.mark.parametrize("architecture", ["gpt2", "bert"])
def test_a_model_with_a_tied_head_goes_on_to_the_same_bits(tmp_path: Path, architecture: str) -> None:
    left = 100

    def batch(step: int) -> dict[str, torch.Tensor]:
        return {"ids": torch.randint(5, 90, (2, 9), generator=torch.Generator().manual_seed(step))}

    def loss(module: torch.nn.Module, given: dict[str, torch.Tensor]) -> torch.Tensor:
        nonlocal left
        left -= 1
        if not left:
            raise Killed
        found: torch.Tensor = module(input_ids=given["ids"], labels=given["ids"]).loss
        return found

    def fresh() -> Any:
        return tiny_masked("bert") if architecture == "bert" else tiny(architecture)

    whole = fresh()
    teach(whole, loss, batch, plan=plan(steps=12, learning_rate=1e-3))
    left = 10
    with pytest.raises(Killed):
        teach(fresh(), loss, batch, plan=plan(steps=12, learning_rate=1e-3), folder=tmp_path)
    left, again = 100, fresh()
    assert teach(again, loss, batch, plan=plan(steps=12, learning_rate=1e-3), folder=tmp_path).resumed_at == 7
    assert tensors_sha256(again) == tensors_sha256(whole)
    head = again.get_output_embeddings().weight
    assert head is again.get_input_embeddings().weight


def test_the_configuration_is_given_back_as_it_was(tmp_path: Path) -> None:
    """Switched off and filled in by a training that keeps checkpoints, it would be another model's."""
    module = tiny("llama")
    before, config = json.dumps(module.config.to_dict(), sort_keys=True, default=str), module.config

    def loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        found: torch.Tensor = model(input_ids=batch["ids"], use_cache=False).logits.square().mean()
        return found

    teach(
        module, loss, lambda step: {"ids": torch.arange(3, 9)[None]}, plan=plan(steps=3, save_every=1), folder=tmp_path
    )
    assert module.config is config is module.model.config
    assert json.dumps(config.to_dict(), sort_keys=True, default=str) == before


@pytest.mark.parametrize("steps", [1, 197, 198, 199, 200, 250, 1000])
def test_a_curve_has_its_first_and_last_step_and_no_more_points_than_a_reader_wants(steps: int) -> None:
    every = plan(steps=steps).noting
    points = {1, steps, *range(every, steps + 1, every)}
    assert len(points) <= MOST_POINTS
    assert len(points) >= min(steps, MOST_POINTS / 2)


def test_checkpoints_are_at_least_fifty_steps_apart_and_twenty_at_most_unless_said() -> None:
    assert [plan(steps=steps, save_every=None).saving for steps in (10, 1000, 1001, 40_000)] == [50, 50, 51, 2000]
    assert plan(steps=1000, save_every=3).saving == 3


def test_a_finished_module_is_kept_with_its_facts_and_its_ties(tmp_path: Path) -> None:
    module, other = tiny("gpt2", seed=1), tiny("gpt2", seed=2)
    keep(module, {"seconds": 1.5, "loss_curve": [[1, 0.25]]}, tmp_path / "finished")
    keep(module, {"seconds": 2.5, "loss_curve": [[1, 0.25]]}, tmp_path / "finished")
    assert is_whole(tmp_path / "finished")
    assert recall(other, tmp_path / "finished") == {"seconds": 2.5, "loss_curve": [[1, 0.25]]}
    assert tensors_sha256(other) == tensors_sha256(module)
    assert other.lm_head.weight is other.transformer.wte.weight
    assert sorted(json.loads((tmp_path / "finished" / SEAL).read_text())) == ["facts.json", "weights.safetensors"]

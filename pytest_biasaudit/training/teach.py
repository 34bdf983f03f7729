"""Teaches a module with transformers' Trainer; a training that was cut off goes on where it stood. Imports torch.

The process is given back as it was: random states of Python, numpy and torch, and the environment. Nothing is reported
anywhere, and progress is shown on a terminal only.
"""

from __future__ import annotations

import copy
import os
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from torch.utils.data import Dataset, SequentialSampler
from transformers import PreTrainedConfig, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging as transformers_logging

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.training.checkpoint import newest_whole, seal
from pytest_biasaudit.training.plan import Plan, Taught

if TYPE_CHECKING:
    from pytest_biasaudit.training.plan import Batches, Loss

SPREAD = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
"""Variables by which a launcher spreads one training over processes; one is taught here, in this process."""
POINT = "taught_loss"
"""Key of the curve's points in the Trainer's log, which every checkpoint carries."""


def teach(
    module: torch.nn.Module,
    loss: Loss,
    batches: Batches,
    *,
    plan: Plan,
    folder: Path | None = None,
    only: Collection[str] | None = None,
    shown: bool = True,
) -> Taught:
    """Teaches a module in place; it comes out in evaluation mode, without gradients.

    loss     see `Loss`; called once a step, with the module in training mode
    batches  the batch of a step; see `Batches`
    folder   where checkpoints are kept, and found again; None: none are kept
    only     names of the parameters that are taught; None: all
    shown    a bar on a terminal; False where the caller shows how far it has come

    With a folder, a training that was cut off goes on from its newest whole checkpoint and gives what it would have
    given uninterrupted: the same numbers bit for bit where the device adds up the same way twice, as a CPU with as many
    threads does. Raises RecipeError when the loss is no number.
    """
    with (
        _given_back(),
        _settings_kept(module),
        torch.enable_grad(),
        tempfile.TemporaryDirectory(prefix="biasaudit-training-") as passing,
    ):
        home = folder or Path(passing)
        arguments = _arguments(plan, home, keep=folder is not None, device=_device_of(module), shown=shown)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(only is None or name in only)
        trainer = _Teacher(module, arguments, loss, _Steps(batches, plan.steps), noting=plan.noting)
        begun = newest_whole(home)
        started = time.monotonic()
        trainer.train(resume_from_checkpoint=str(begun) if begun is not None else None)
        seconds = time.monotonic() - started
        history = trainer.state.log_history
        trainer.accelerator.free_memory()
    module.zero_grad(set_to_none=True)
    module.requires_grad_(True)
    module.eval()
    points = {int(entry["step"]): float(entry[POINT]) for entry in history if POINT in entry}
    resumed = int(begun.name.rpartition("-")[2]) if begun is not None else 0
    return Taught(curve=tuple(sorted(points.items())), resumed_at=resumed, seconds=seconds)


class _Steps(Dataset[dict[str, torch.Tensor]]):
    """A training's batches as a data set whose rows are steps: skipping steps makes no batch."""

    def __init__(self, batches: Batches, count: int) -> None:
        self._batches, self._count = batches, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self._batches(index)


class _Teacher(Trainer):
    """Transformers' Trainer with a loss of ours, which must be a number, and steps in their order."""

    def __init__(
        self, module: torch.nn.Module, arguments: TrainingArguments, loss: Loss, steps: _Steps, *, noting: int
    ) -> None:
        self._loss, self._last, self.noting = loss, float("nan"), noting
        super().__init__(model=module, args=arguments, train_dataset=steps, data_collator=_only)
        self.remove_callback(PrinterCallback)
        self.add_callback(_Notes(self))

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        """The loss of a batch. Raises RecipeError for NaN and infinities."""
        found = self._loss(model, inputs)
        self._last = float(found.detach())
        if not torch.isfinite(found.detach()):
            raise RecipeError(
                f"training: the loss is {self._last} at step {self.state.global_step + 1}; choose a lower learning_rate, and "
                "look whether the teacher itself gives numbers on this text"
            )
        return found

    def _get_train_sampler(self, *_: Any, **__: Any) -> Any:
        return SequentialSampler(self.train_dataset)  # type: ignore[arg-type]  # transformers allows for None

    @property
    def last_loss(self) -> float:
        """Of the step just taken."""
        return self._last


class _Notes(TrainerCallback):
    """Keeps the loss curve in the Trainer's own state, and seals every checkpoint with the digests of its files."""

    def __init__(self, trainer: _Teacher) -> None:
        self._trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After every update."""
        step, most = state.global_step, state.max_steps
        if step in (1, most) or step % self._trainer.noting == 0:
            state.log_history.append({"step": step, POINT: self._trainer.last_loss})

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After every checkpoint."""
        seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def _only(rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """A step's one row is its whole batch."""
    return rows[0]


def _arguments(plan: Plan, home: Path, *, keep: bool, device: torch.device, shown: bool) -> TrainingArguments:
    given = TrainingArguments(
        output_dir=str(home),
        max_steps=plan.steps,
        per_device_train_batch_size=1,  # of our rows, which are batches
        gradient_accumulation_steps=1,
        learning_rate=plan.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(plan.warmup * plan.steps),
        optim="adamw_torch_fused" if plan.fused else "adamw_torch",
        weight_decay=plan.weight_decay,
        max_grad_norm=1.0,
        seed=plan.seed % 2**32,  # what numpy takes
        bf16=False,
        fp16=False,
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="steps" if keep else "no",
        save_steps=plan.saving,
        save_total_limit=2,  # the newest may be cut off while it is written
        report_to="none",
        disable_tqdm=not (shown and sys.stderr.isatty()),
        remove_unused_columns=False,
        label_names=[],
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        use_cpu=device.type == "cpu",
    )
    assert given.device is not None  # asking sets the devices up, and with them the number that is put right below
    given._n_gpu = min(
        1, given.n_gpu
    )  # else the module would be copied to every device in sight, and batches multiplied
    return given


def _device_of(module: torch.nn.Module) -> torch.device:
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))


@contextmanager
def _given_back() -> Iterator[None]:
    """Random states, environment, accelerate's state and transformers' own talk, put back after.

    The Trainer seeds all there are, writes variables, and tells of each file it writes. It also reads variables: those of
    accelerate, by which a user has other trainings run in another precision or spread over processes, do not decide what
    is taught here. Nor does what accelerate holds of a training of the user's own, which goes on with it after.
    """
    import numpy as np

    environment, python, numpy = dict(os.environ), random.getstate(), np.random.get_state()
    logging: Any = transformers_logging  # untyped in transformers
    loud, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    for name in [name for name in environment if name.startswith("ACCELERATE_") or name in SPREAD]:
        del os.environ[name]
    shared: list[dict[str, Any]] = [one._shared_state for one in (PartialState, AcceleratorState, GradientState)]
    held = [dict(one) for one in shared]
    for one in shared:
        one.clear()
    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the Trainer about itself; nothing here rests on what is outdated in it
            yield
    finally:
        for one, state in zip(shared, held, strict=True):
            one.clear()
            one.update(state)
        logging.set_verbosity(loud)
        if bars:
            logging.enable_progress_bar()
        random.setstate(python)
        np.random.set_state(numpy)
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)


@contextmanager
def _settings_kept(module: torch.nn.Module) -> Iterator[None]:
    """The module's configuration after as it was before: the Trainer switches the cache off in it, saving fills it in."""
    config = getattr(module, "config", None)
    before = copy.deepcopy(vars(config)) if hasattr(config, "__dict__") else {}
    try:
        yield
    finally:
        _put_back(config, before)


def _put_back(config: Any, before: dict[str, Any]) -> None:
    """Sets attributes as they were, in the same objects: a module's parts hold its configuration and those inside it."""
    for name in set(vars(config) if before else ()) - set(before):
        delattr(config, name)
    for name, value in before.items():
        now = vars(config).get(name)
        if isinstance(now, PreTrainedConfig) and isinstance(value, PreTrainedConfig):
            _put_back(now, vars(value))
        else:
            vars(config)[name] = value


def forget(folder: Path) -> None:
    """Takes a finished training's checkpoints away."""
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint, ignore_errors=True)

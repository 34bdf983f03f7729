"""Distillation applied: a student found or made, taught on the user's text, measured on rows held back. Imports torch.

What decides a student is digested, and the student is kept under that digest: nothing is taught twice, and a training
that was cut off goes on.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from pytest_biasaudit.compression.distillation.objective import Objective, mean_divergence
from pytest_biasaudit.compression.distillation.rows import Frame, Rows, cut
from pytest_biasaudit.compression.distillation.student import evenly_spaced, layer_count, shortened
from pytest_biasaudit.compression.materials import Applied, Materials, TextFile
from pytest_biasaudit.compression.precision import cast_weights
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import config_sha256, hooks_of, tensors_sha256, tokenizer_sha256
from pytest_biasaudit.models.kind import looks_both_ways
from pytest_biasaudit.models.transformer import positions_of
from pytest_biasaudit.training.plan import Plan

REVISION = 1
"""Raised whenever the same settings would give another student: those kept are then taught anew."""
LIBRARIES = ("torch", "transformers", "accelerate", "tokenizers", "safetensors")


@dataclass(frozen=True, kw_only=True)
class Student:
    """A student before it is taught, and how its layers go with the teacher's."""

    module: Any
    matching: tuple[int, ...]
    """The teacher's layer that each of the student's goes with."""
    said: dict[str, object]
    """Where it comes from, for the record."""


def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`. The teacher is the module handed over; the child's module is the student.

    Raises RecipeError: a teacher without logits, a text too short, a student that is not smaller, of another vocabulary or
    the teacher itself, a loss that is no number.
    """
    settings: dict[str, Any] = dict(step.settings)
    masked = _refuse_unteachable(module)
    text = materials.text(step, "text")
    seed = settings.get("seed", materials.seed)
    rows = _rows(module, text, settings, materials, masked=masked, seed=seed)
    teacher: Any = module.eval()
    with torch.random.fork_rng():  # a module is built with random weights, and then filled
        student = _student(teacher, settings, materials, text.text, masked=masked)
    objective = _objective(teacher, student, settings)
    plan = Plan(
        steps=settings["steps"],
        learning_rate=settings["learning_rate"],
        warmup=settings["warmup"],
        seed=seed,
        save_every=settings.get("save_every"),
    )
    facts: dict[str, object] = {
        **student.said,
        "student_layers": layer_count(student.module),
        "teacher_layers": layer_count(teacher),
        "parameters": sum(one.numel() for one in student.module.parameters()),
        "teacher_parameters": sum(one.numel() for one in teacher.parameters()),
        "steps": plan.steps,
        "seed": seed,
        "device": str(_device_of(teacher)),
        "taught_in": "float32",
        "rows": {
            "taught": len(rows.taught),
            "held": len(rows.held),
            "longest": max(map(len, (*rows.taught, *rows.held))),
        },
    }
    facts |= _taught(student.module, objective, rows, plan, _home(step, materials, teacher, student, text, seed))
    return Applied(module=student.module, facts=facts, notes=tuple(_notes(facts, rows)))


# -- the parts ----------------------------------------------------------------------------------------------------------


def _refuse_unteachable(module: Any) -> bool:
    """Whether the teacher fills masks. Raises RecipeError for a module without logits of tokens."""
    from transformers import PreTrainedModel

    if not isinstance(module, PreTrainedModel):
        raise RecipeError(f"distill = 'logits' needs a model of transformers; the teacher is a {type(module).__name__}")
    if getattr(module.config, "is_encoder_decoder", False):
        raise RecipeError(
            f"distill = 'logits' needs a model that reads one text; a {type(module).__name__} is an encoder with a decoder"
        )
    head: Any = module.get_output_embeddings  # transformers leaves it untyped
    if head() is None:
        raise RecipeError(
            f"distill = 'logits' needs a teacher that predicts tokens; {type(module).__name__} has no language-model head"
        )
    return looks_both_ways(module.config)


def _rows(
    module: Any, text: TextFile, settings: dict[str, Any], materials: Materials, *, masked: bool, seed: int
) -> Rows:
    most, tokens = positions_of(module), settings["tokens"]
    if most is not None and tokens > most:
        raise RecipeError(f"distill = 'logits': tokens = {tokens}, and the teacher takes {most}")
    frame = Frame.of(module, materials.tokenizer, masked=masked)
    how = settings.get("rows", "lines" if masked else "packed")
    try:
        found = cut(text.text, materials.tokenizer, frame, tokens=tokens, how=how)
        return Rows.split(
            found,
            share=settings["held"],
            seed=seed,
            frame=frame,
            batch_size=settings["batch_size"],
            mask_rate=settings["mask_rate"],
            device=_device_of(module),
        )
    except RecipeError as error:
        raise RecipeError(f"distill = 'logits': {error} ({text.path}, tokens = {tokens}, rows = {how!r})") from None


def _student(teacher: Any, settings: dict[str, Any], materials: Materials, text: str, *, masked: bool) -> Student:
    name = settings.get("student")
    if name is not None:
        return _given_student(teacher, name, materials, text, masked=masked)
    count = layer_count(teacher)
    kept = settings.get("keep_layers")
    if kept is None:
        layers = int(settings["layers"])
        if layers >= count:
            raise RecipeError(
                f"distill = 'logits': layers = {layers}, and the teacher has {count}; a student has fewer"
            )
        kept = evenly_spaced(count, layers)
    try:
        module = shortened(teacher, kept)
    except RecipeError as error:
        raise RecipeError(f"distill = 'logits': {error}") from error
    return Student(module=module.to(_device_of(teacher)), matching=tuple(kept), said={"kept_layers": list(kept)})


def _given_student(teacher: Any, name: str, materials: Materials, text: str, *, masked: bool) -> Student:
    """Another declared model. Raises RecipeError where it does not go with the teacher."""
    found = materials.other(name)
    module: Any = found.module
    what = f"distill = 'logits': student = {name!r}"
    if _refuse_unteachable(module) != masked:
        raise RecipeError(f"{what}: of teacher and student one fills masks and the other predicts the next token")
    ours, theirs = (one.get_output_embeddings().weight.shape[0] for one in (module, teacher))
    if ours != theirs:
        raise RecipeError(
            f"{what}: has logits for {ours} tokens, the teacher for {theirs}; their probabilities do not pair"
        )
    mine, its = found.tokenizer, materials.tokenizer
    if mine.get_vocab() != its.get_vocab() or _ids(mine, text) != _ids(its, text):
        raise RecipeError(f"{what}: its tokenizer gives other ids than the teacher's; both must read a text alike")
    odd = [key for key, one in module.named_parameters() if not one.is_floating_point() or _is_wrapped(one)]
    if odd:
        raise RecipeError(f"{what}: is quantised ({odd[0]}) and cannot be taught; distil first")
    if tensors_sha256(module) == tensors_sha256(teacher):
        raise RecipeError(f"{what}: is the teacher itself; there is nothing to learn")
    layers, count = layer_count(module), layer_count(teacher)
    matching = evenly_spaced(count, layers) if layers <= count else ()
    return Student(
        module=module.float().to(_device_of(teacher)).eval(),
        matching=matching,
        said={"student": name, "student_digest": found.identity.digest},
    )


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, truncation=False, padding=False, verbose=False)["input_ids"])


def _is_wrapped(parameter: torch.nn.Parameter) -> bool:
    return type(parameter) is not torch.nn.Parameter or type(parameter.data) is not torch.Tensor


def _objective(teacher: Any, student: Student, settings: dict[str, Any]) -> Objective:
    pairs: tuple[tuple[int, int], ...] = ()
    if settings["hidden_weight"] > 0:
        ours, theirs = (one.config.get_text_config().hidden_size for one in (student.module, teacher))
        if ours != theirs:
            raise RecipeError(
                f"distill = 'logits': hidden_weight needs hidden states of one width; the student has {ours}, the teacher "
                f"{theirs}"
            )
        if not student.matching:
            raise RecipeError("distill = 'logits': hidden_weight needs a student with no more layers than its teacher")
        # Behind the last layer stands the final norm, in the student as in the teacher: ends go together.
        ends = [place + 1 for place in student.matching[:-1]] + [layer_count(teacher)]
        pairs = tuple(enumerate(ends, start=1))
    vocabulary = teacher.get_output_embeddings().weight.shape[0]
    top = settings.get("top")
    return Objective(
        teacher=teacher,
        temperature=settings["temperature"],
        top=top if top is not None and top < vocabulary else None,
        hidden_weight=settings["hidden_weight"],
        label_weight=settings["label_weight"],
        pairs=pairs,
    )


def _taught(module: Any, objective: Objective, rows: Rows, plan: Plan, home: Path | None) -> dict[str, object]:
    """Teaches the student, or recalls what was taught; its weights are the teacher's dtype after. What came of it."""
    from filelock import FileLock

    from pytest_biasaudit.training.checkpoint import is_whole
    from pytest_biasaudit.training.finished import keep, recall
    from pytest_biasaudit.training.teach import forget, teach

    dtype = next(objective.teacher.parameters()).dtype
    if home is not None:
        home.mkdir(parents=True, exist_ok=True)
    with FileLock(str(home) + ".lock") if home is not None else nullcontext():
        if home is not None and is_whole(home / "finished"):
            return {**recall(cast_weights(module, dtype), home / "finished"), "recalled": True}
        started = time.monotonic()
        before = mean_divergence(objective.teacher, module, list(rows.held_batches()))
        run = teach(module, objective, rows.batch, plan=plan, folder=home)
        cast_weights(module, dtype)
        after = mean_divergence(objective.teacher, module, list(rows.held_batches()))
        found: dict[str, object] = {
            "loss_curve": [[step, loss] for step, loss in run.curve],
            "loss_first": run.curve[0][1],
            "loss_last": run.curve[-1][1],
            "held_kl_before": before,
            "held_kl_after": after,
            "resumed_at_step": run.resumed_at,
            "seconds": round(time.monotonic() - started, 1),
        }
        if home is not None:
            keep(module, found, home / "finished")
            forget(home)
    return {**found, "recalled": False}


def _home(step: Step, materials: Materials, teacher: Any, student: Student, text: TextFile, seed: int) -> Path | None:
    """Where this student is kept: named by all that decides it. None without a cache, and for a hooked teacher.

    A hook decides what a teacher answers, and no digest tells one from another.
    """
    if materials.cache is None or hooks_of(teacher) or hooks_of(student.module):
        return None
    plain = {key: value for key, value in step.plain().items() if key not in ("text", "save_every")}
    versions = {name: metadata.version(name) for name in LIBRARIES}
    decides = [
        REVISION,
        f"{type(teacher).__module__}.{type(teacher).__qualname__}",
        tensors_sha256(teacher),
        config_sha256(teacher),
        tokenizer_sha256(materials.tokenizer),
        student.said,
        plain,
        seed,
        text.sha256,
        versions,
        _device_of(teacher).type,
    ]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return materials.cache / "distill" / digest


def _notes(facts: dict[str, object], rows: Rows) -> list[str]:
    before, after = facts["held_kl_before"], facts["held_kl_after"]
    assert isinstance(before, float)
    assert isinstance(after, float)
    notes = []
    if not after < before:
        notes.append(
            f"The student did not learn: on {len(rows.held)} rows held back its divergence from the teacher is {after:.4g} "
            f"nats a token after teaching, and was {before:.4g} before."
        )
    return notes


def _device_of(module: torch.nn.Module) -> torch.device:
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))

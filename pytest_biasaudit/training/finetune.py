"""A classifier fine-tuned on a labelled table, from an encoder or a language model. Imports torch.

What decides a classifier is digested, and what was taught is kept under that digest: nothing is taught twice, and a
training that was cut off goes on to the same weights.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy

from pytest_biasaudit.compression.storage import weight_count
from pytest_biasaudit.errors import TrainingError
from pytest_biasaudit.models.classifier import TransformerClassifier
from pytest_biasaudit.models.identity import config_sha256, library_versions
from pytest_biasaudit.models.kind import pads
from pytest_biasaudit.models.transformer import TransformerModel, positions_of
from pytest_biasaudit.training.checkpoint import is_whole
from pytest_biasaudit.training.deciding import folder_of, pinned, store_of
from pytest_biasaudit.training.fine_tuning import FineTuning
from pytest_biasaudit.training.finished import keep, recall
from pytest_biasaudit.training.frozen import fit, linear_head, vectors
from pytest_biasaudit.training.head import Pooling, embedding_names, head_names, last_layers, pooling_of, with_head
from pytest_biasaudit.training.lora import adapted, merged
from pytest_biasaudit.training.plan import Plan, Taught
from pytest_biasaudit.training.rows import Deal, Labelled, complete, labelled, tokens_of
from pytest_biasaudit.training.split import split
from pytest_biasaudit.training.teach import forget, teach

if TYPE_CHECKING:
    from pytest_biasaudit.models.protocol import Model
    from pytest_biasaudit.tables.table import Change, Table
    from pytest_biasaudit.training.plan import Batch

__all__ = ["FineTuning", "finetune", "taught"]

STEP = "1 finetune classifier"
"""Where `identity.achieved["steps"]` says what came of the teaching."""
EVALUATED_AT_ONCE = 32
_UNWEIGHTED = FineTuning(row_weights=False)
"""Rows held out are looked at, and weigh nothing."""
Watch = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows how far the teaching has come: watch(what, steps) gives a function to call with steps as they are taken."""


def finetune(
    base: TransformerModel,
    table: Table,
    *,
    settings: FineTuning | None = None,
    home: Path | None = None,
    seed: int,
    name: str | None = None,
    watch: Watch | None = None,
) -> TransformerClassifier:
    """A classifier of a table's texts by its labels; the base is not touched.

    base   an encoder, a masked or causal language model, or a classifier, whose body gets a new head
    table  rows with a text and a label are taught, the others are counted; a column "weight" weighs rows
    home   folder where trainings are kept and gone on with; None: nothing is kept
    seed   of the head's first weights, the order of rows and dropout: same base, table, settings, seed and processor,
           same weights. The last bits of a head on a frozen body may differ where vectors kept from another table were
           used: a text's vector depends on its batch by rounding
    name   for reports; None: the base's with "+finetune"

    Its labels are the table's, in the order of their spelling. `identity.recipe` says what it was taught on (the table's
    digest and what was done to the table before) and how; `taught(model)` what came of it.

    Raises TrainingError: quantised weights, no such classifier in transformers, one label only, a row weight that is
    negative or no number, a loss that is no number. Raises ModelError for a base that was changed since it was loaded.
    """
    settings = settings or FineTuning()
    base.refuse_if_changed()
    pooling = pooling_of(base, settings.pooling, frozen=settings.frozen)
    rows, held = labelled(table, settings), None  # the whole first: faults name rows of the table
    if settings.held_out:
        kept, other = split(complete(table), settings.held_out, seed)
        rows = labelled(kept, settings, labels=rows.labels)
        held = labelled(other, _UNWEIGHTED, labels=rows.labels)
    module = with_head(base, rows.labels, pooling=pooling, seed=seed, frozen=settings.frozen)
    if settings.device is not None:
        module = module.to(settings.device)
    tokenizer = _tokenizer_of(base, module, settings)
    title = name or f"{base.identity.name}+finetune"
    work = _Work(
        base=base,
        module=module,
        tokenizer=tokenizer,
        settings=settings,
        rows=rows,
        held=held,
        seed=seed,
        only=_taught_names(module, settings),
    )
    step = _step(table, settings, pooling, seed)
    folder = folder_of(home, base, step, module)
    figures = _teach(work, folder, home, title, watch or _unwatched)
    return _classifier(work, title, step, figures, table)


def taught(model: Model) -> Mapping[str, Any]:
    """What came of a fine-tuning: rows, losses, seconds, the accuracy on rows held out. Raises TrainingError without one."""
    steps = model.identity.achieved.get("steps")
    facts = steps.get(STEP) if isinstance(steps, Mapping) else None
    if not isinstance(facts, Mapping):
        raise TrainingError(f"{model.identity.name} says nothing of a fine-tuning")
    return facts


@dataclass(kw_only=True, eq=False)
class _Work:
    """What is taught, on what, and how."""

    base: TransformerModel
    module: Any
    tokenizer: Any
    settings: FineTuning
    rows: Labelled
    held: Labelled | None
    seed: int
    only: frozenset[str] | None
    """Names of what is taught and kept; None: all."""

    @property
    def longest(self) -> int:
        """Tokens of a text that are read."""
        return int(self.tokenizer.model_max_length)


# -- the parts ----------------------------------------------------------------------------------------------------------


def _teach(work: _Work, folder: Path | None, home: Path | None, title: str, watch: Watch) -> dict[str, object]:
    """Teaches the module, or recalls what was taught. What came of it."""
    from filelock import FileLock

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(str(folder) + ".lock") if folder is not None else nullcontext():
        if folder is not None and is_whole(folder / "finished"):
            return {**recall(work.module, folder / "finished", only=work.only), "recalled": True}
        started = time.monotonic()
        tokens, cut = tokens_of(work.tokenizer, work.rows.texts, work.longest)
        frozen = work.settings.frozen
        figures = _fitted(work, tokens, home) if frozen else _stepped(work, tokens, folder, title, watch)
        figures["texts_cut"] = cut
        if work.held is not None:
            figures["held_out"] = _looked_at(work, title)
        figures["seconds"] = round(time.monotonic() - started, 1)
        if folder is not None:
            keep(work.module, figures, folder / "finished", only=work.only)
            forget(folder)
    return {**figures, "recalled": False}


def _fitted(work: _Work, tokens: list[list[int]], home: Path | None) -> dict[str, object]:
    """The head alone, on the body's vectors."""
    store = store_of(home, work.base, work.module, work.tokenizer)
    found = vectors(work.module, work.rows.texts, tokens, store=store)
    _, head = linear_head(work.module)
    return fit(head, found, work.rows, penalty=work.settings.number("weight_decay"))


def _stepped(work: _Work, tokens: list[list[int]], folder: Path | None, title: str, watch: Watch) -> dict[str, object]:
    """The weights themselves, or adapters beside them, step by step."""
    settings = work.settings
    deal = Deal(
        tokens=tokens,
        rows=work.rows,
        batch_size=int(settings.number("batch_size")),
        padding=work.module.config.pad_token_id if pads(work.module.config) else 0,
        seed=work.seed,
        device=_device_of(work.module),
    )
    plan = Plan(
        steps=deal.steps * int(settings.number("epochs")),
        learning_rate=settings.number("learning_rate"),
        warmup=settings.number("warmup"),
        weight_decay=settings.number("weight_decay"),
        seed=work.seed,
        fused=True,
        save_every=settings.save_every,
    )
    module, only = work.module, work.only
    if settings.lora is not None:
        module, only = adapted(work.module, rank=settings.lora, seed=work.seed)
    with watch(f"fine-tuning {title}", plan.steps) as progress:
        loss = _Loss(progress, title, plan.learning_rate)
        run = teach(module, loss, deal.batch, plan=plan, folder=folder, only=only, shown=False)
        progress(run.resumed_at)
    if settings.lora is not None:
        work.module = merged(module)
    return _figures(run, plan)


class _Loss:
    """The mean of weight x -ln P(label | text) over a batch's rows; tells each step that is taken.

    Raises TrainingError where it is no number.
    """

    def __init__(self, progress: Callable[[int], None], title: str, learning_rate: float) -> None:
        self._progress, self._title, self._learning_rate, self._asked = progress, title, learning_rate, 0

    def __call__(self, module: torch.nn.Module, batch: Batch) -> torch.Tensor:
        logits = module(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        each = cross_entropy(logits.float(), batch["labels"], reduction="none")
        found = (batch["weight"] * each).mean()
        self._asked += 1
        if not torch.isfinite(found.detach()):
            first = "" if self._asked > 1 else "; it was so before anything was taught: the model may give no numbers"
            raise TrainingError(
                f"fine-tuning {self._title}: the loss is no number; choose a learning_rate below "
                f"{self._learning_rate:g}{first}"
            )
        self._progress(1)
        return found


def _figures(run: Taught, plan: Plan) -> dict[str, object]:
    return {
        "steps_taken": plan.steps,
        "loss_curve": [[step, loss] for step, loss in run.curve],
        "loss_first": run.curve[0][1],
        "loss_last": run.curve[-1][1],
        "resumed_at_step": run.resumed_at,
    }


def _looked_at(work: _Work, title: str) -> dict[str, object]:
    """How the classifier does on rows that it was not taught."""
    assert work.held is not None
    texts, truth = work.held.texts, work.held.label.tolist()
    model = TransformerClassifier(work.module, work.tokenizer, replace(work.base.identity, name=title))
    answers = dict(model.classify(texts, batch_size=EVALUATED_AT_ONCE))
    right = [max(range(len(one)), key=one.__getitem__) == truth[at] for at, one in sorted(answers.items())]
    return {"rows": len(texts), "accuracy": sum(right) / len(right) if right else None}


def _classifier(
    work: _Work, title: str, step: dict[str, object], figures: dict[str, object], table: Table
) -> TransformerClassifier:
    base, module = work.base, work.module
    counts = torch.bincount(torch.from_numpy(work.rows.label), minlength=len(work.rows.labels)).tolist()
    facts: dict[str, object] = {
        "rows_taught": len(work.rows.texts),
        "rows_left_out": table.rows - len(work.rows.texts) - (len(work.held.texts) if work.held is not None else 0),
        "labels": [f"{label}: {count}" for label, count in zip(work.rows.labels, counts, strict=True)],
        **figures,
    }
    identity = replace(
        base.identity,
        name=title,
        config_sha256=config_sha256(module),
        architecture=type(module).__name__,
        parameters=weight_count(module),
        dtype="float32",
        parent=base.identity.name,
        parent_digest=base.identity.digest,
        recipe=(step,),
        achieved={"notes": _notes(facts), "steps": {STEP: facts}},
        libraries=library_versions(),
        lacks="it gives labels, and predicts no word",
        cacheable=pinned(base, module),
        point=None,
    )
    model = TransformerClassifier(module, work.tokenizer, identity, parent=base)
    model.settle(replace(identity, weights_sha256=model.tensors_sha256))
    return model


def _step(table: Table, settings: FineTuning, pooling: Pooling, seed: int) -> dict[str, object]:
    """The step of the recipe that made the classifier from its base."""
    return {
        "finetune": "classifier",
        "data": table.source,
        "data_sha256": table.digest,
        **({"data_changes": [_in_words(change) for change in table.changes]} if table.changes else {}),
        "text_column": table.columns.text,
        "label_column": table.columns.label,
        **settings.plain(),
        "pooling": pooling,
        "seed": seed,
    }


def _in_words(change: Change) -> str:
    told = ", ".join(f"{key} {value}" for key, value in change.settings)
    seed = "" if change.seed is None else f", seed {change.seed}"
    return f"{change.method}{f' ({told}{seed})' if told or seed else ''}: {change.before} rows to {change.after}"


def _notes(facts: dict[str, object]) -> list[str]:
    """What must be known wherever the classifier is shown."""
    notes = []
    first, last = facts.get("loss_first"), facts["loss_last"]
    assert isinstance(last, float)
    if isinstance(first, float) and facts["steps_taken"] != 1 and not last < first:
        notes.append(
            f"The classifier did not learn: the loss of its first batch was {first:.4g}, of its last {last:.4g}."
        )
    if facts.get("converged") is False:
        notes.append("The head was not fitted to the end: its loss still falls. Give a larger weight_decay.")
    if facts["texts_cut"]:
        notes.append(f"{facts['texts_cut']} of {facts['rows_taught']} texts were cut in teaching: see max_length.")
    return notes


def _tokenizer_of(base: TransformerModel, module: Any, settings: FineTuning) -> Any:
    """A tokenizer of the classifier's own, which knows how much of a text is read."""
    tokenizer = copy.deepcopy(base.tokenizer)
    most = positions_of(module)
    tokenizer.model_max_length = settings.max_length if most is None else min(settings.max_length, most)
    return tokenizer


def _taught_names(module: Any, settings: FineTuning) -> frozenset[str] | None:
    """Names of the parameters that will differ from the base's; None: all."""
    if settings.frozen:
        return head_names(module)
    if settings.layers is not None:
        return head_names(module) | last_layers(module, settings.layers)
    if settings.lora is None and not settings.embeddings:
        return frozenset(name for name, _ in module.named_parameters()) - embedding_names(module)
    return None


def _device_of(module: torch.nn.Module) -> torch.device:
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))


@contextmanager
def _unwatched(_what: str, _steps: int) -> Iterator[Callable[[int], None]]:
    yield lambda _count: None

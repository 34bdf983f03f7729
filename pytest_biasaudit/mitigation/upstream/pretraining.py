"""Pre-training that goes on: on text with both groups' words in every place, or with higher dropout. Imports torch.

For models that predict tokens. An encoder whose file has no language-model head has nothing to be taught by.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy

from pytest_biasaudit.compression.distillation.objective import forward
from pytest_biasaudit.compression.distillation.rows import Frame, Rows, cut
from pytest_biasaudit.compression.precision import cast_weights
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.data.counterfactual_augmentation import pairs_of
from pytest_biasaudit.mitigation.data.swap import WordPairs
from pytest_biasaudit.mitigation.upstream.derived import M, derived, refuse_foreign, refuse_quantised
from pytest_biasaudit.mitigation.upstream.sentences import sentences_of
from pytest_biasaudit.models.kind import looks_both_ways
from pytest_biasaudit.models.transformer import TransformerModel, positions_of
from pytest_biasaudit.training.plan import Plan

if TYPE_CHECKING:
    from pytest_biasaudit.training.plan import Batch

Text = str | Path | Sequence[str] | None
MASK_RATE = 0.15
WARMUP = 0.06
HELD = 0.05
HIDDEN = ("hidden_dropout_prob", "hidden_dropout", "dropout", "resid_pdrop", "embd_pdrop", "emb_pdrop")
"""Names under which configurations keep the dropout of hidden states."""
ATTENTION = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
"""Those of the dropout of attention."""
LOW = ("albert",)
"""Masked models whose dropout is raised as little as that of causal ones, as in the source."""


def cda_pretraining(
    model: M,
    *,
    text: Text = None,
    pairs: str | WordPairs | Sequence[Sequence[str]] = "gender",
    steps: int = 200,
    batch_size: int = 16,
    tokens: int = 64,
    learning_rate: float = 5e-5,
    home: Path | None = None,
    name: str | None = None,
    seed: int,
) -> M:
    """Pre-training goes on with counterfactual data, two-sided: each sentence with a listed word, and its counterpart.

    Sentences without a listed word are left out, as in the source. The task is the model's own: tokens behind masks (15 in
    100), or the next token.

    text    a file in UTF-8 with a sentence a line, or sentences; None: our own frames, which are few: for a trial only
    pairs   the list of word pairs, as for counterfactual data augmentation
    steps   updates of AdamW; 2,000 with 512 rows each and 512 tokens a row in the source
    home    a folder for checkpoints, in which a training that was cut off goes on; None: none are kept

    Raises RecipeError for a model that predicts no tokens, and for quantised weights; DataError: see `sentences_of`.
    Source: Webster et al. 2020 and Meade et al. 2022 (ACL).
    """
    words = pairs_of(pairs)
    sentences = sentences_of(text, words)
    lines = [one for pair in sentences.pairs for one in pair]
    facts = {"text": sentences.source, "text_sha256": sentences.sha256, "pairs": words.name}
    return _continued(
        model,
        lines,
        method="cda_pretraining",
        settings={**facts, **_rates(steps, batch_size, tokens, learning_rate)},
        dropout={},
        home=home,
        name=name,
        seed=seed,
    )


def dropout_pretraining(
    model: M,
    *,
    text: Text = None,
    hidden: float | None = None,
    attention: float | None = None,
    steps: int = 200,
    batch_size: int = 16,
    tokens: int = 64,
    learning_rate: float = 5e-5,
    home: Path | None = None,
    name: str | None = None,
    seed: int,
) -> M:
    """Pre-training goes on with higher dropout, on plain text; after, the configuration's own dropout stands again.

    text       as for `cda_pretraining`; all sentences are used. None: our own frames, for a trial only
    hidden     dropout of hidden states; None: 0.20 for masked models, 0.05 for ALBERT and causal ones, as in the source
    attention  dropout of attention; None: 0.15 and 0.05

    An architecture that has only one of the two kinds is taught with that one, and the record says which were set. Raises
    RecipeError for one that has neither, or has more than is asked for already, for a model that directions were taken out of,
    and as `cda_pretraining` does.
    Source: Webster et al. 2020 and Meade et al. 2022 (ACL).
    """
    from pytest_biasaudit.mitigation.data.word_pairs import GENDER

    sentences = sentences_of(text, GENDER)
    lines = [*(one for one, _ in sentences.pairs), *sentences.neutral]
    config: Any = getattr(model.module, "config", None)
    high = config is not None and looks_both_ways(config) and config.model_type not in LOW
    wanted = {
        "hidden": (0.20 if high else 0.05) if hidden is None else hidden,
        "attention": (0.15 if high else 0.05) if attention is None else attention,
    }
    for kind, share in wanted.items():
        if not 0 < share < 1:
            raise RecipeError(f"upstream = 'dropout_pretraining': {kind} = {share}; it must be above 0 and below 1")
    facts = {"text": sentences.source, "text_sha256": sentences.sha256, **wanted}
    return _continued(
        model,
        lines,
        method="dropout_pretraining",
        settings={**facts, **_rates(steps, batch_size, tokens, learning_rate)},
        dropout=wanted,
        home=home,
        name=name,
        seed=seed,
    )


def refuse_without_head(model: TransformerModel, *, method: str) -> None:
    """Raises RecipeError for a model that predicts no tokens, with why and what can be done instead."""
    module: Any = model.module
    refuse_foreign(module, method=method)
    if module.get_output_embeddings() is None:
        why = model.identity.lacks or f"a {type(module).__name__} has no language-model head"
        raise RecipeError(
            f"upstream = {method!r}: {model.identity.name} predicts no tokens, so its pre-training cannot go on: {why}. Take a "
            "masked or causal model; sentence_debias, inlp, weight_noise and random_initialisation work on encoders"
        )


# -- inside ---------------------------------------------------------------------------------------------------------------


def _continued(
    model: M,
    lines: Sequence[str],
    *,
    method: str,
    settings: Mapping[str, object],
    dropout: Mapping[str, float],
    home: Path | None,
    name: str | None,
    seed: int,
) -> M:
    refuse_without_head(model, method=method)

    def change(module: Any) -> Mapping[str, object]:
        from pytest_biasaudit.training.teach import teach

        refuse_quantised(module, method=method)
        tokens = int(str(settings["tokens"]))
        most = positions_of(module)
        if most is not None and tokens > most:
            raise RecipeError(f"upstream = {method!r}: tokens = {tokens}, and the model takes {most}")
        masked = looks_both_ways(module.config)
        frame = Frame.of(module, model.tokenizer, masked=masked)
        try:
            rows = Rows.split(
                cut("\n".join(lines), model.tokenizer, frame, tokens=tokens, how="lines"),
                share=HELD,
                seed=seed,
                frame=frame,
                batch_size=int(str(settings["batch_size"])),
                mask_rate=MASK_RATE,
                device=next(module.parameters()).device,
            )
        except RecipeError as error:
            raise RecipeError(f"upstream = {method!r}: {error}") from None
        dtype = next(module.parameters()).dtype
        pupil, dropped = _with_dropout(module, dropout, method=method)
        pupil = pupil.float()
        before = _held_loss(pupil, rows)
        plan = Plan(
            steps=int(str(settings["steps"])),
            learning_rate=float(str(settings["learning_rate"])),
            warmup=WARMUP,
            seed=seed,
        )
        run = teach(pupil, _loss, rows.batch, plan=plan, folder=_folder(home, model, method, settings, seed))
        cast_weights(pupil, dtype)
        if pupil is not module:
            module.load_state_dict(pupil.state_dict())
        return {
            "rows": {"taught": len(rows.taught), "held": len(rows.held)},
            "loss_curve": [[step, loss] for step, loss in run.curve],
            "held_loss_before": before,
            "held_loss_after": _held_loss(module, rows),
            "resumed_at_step": run.resumed_at,
            **({"dropout_set": dropped} if dropped else {}),
        }

    return derived(model, change, method=method, settings=settings, seed=seed, name=name)


def _loss(module: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Mean of -ln P(true token) over the tokens that are to be told."""
    read = batch["read"]
    return cross_entropy(forward(module, batch).logits[read].float(), batch["labels"][read], ignore_index=-100)


@torch.no_grad()
def _held_loss(module: torch.nn.Module, rows: Rows) -> float:
    """In nats a token, over rows that are not taught."""
    module.eval()
    total, count = 0.0, 0
    for batch in rows.held_batches():
        told = int((batch["labels"][batch["read"]] != -100).sum())
        total += float(_loss(module, batch)) * told
        count += told
    return total / max(count, 1)


def _with_dropout(module: Any, wanted: Mapping[str, float], *, method: str) -> tuple[Any, dict[str, float]]:
    """A module of the same weights, built with that dropout, and what was set; the module itself where none is wanted."""
    if not wanted:
        return module, {}
    config = copy.deepcopy(module.config)
    inner = config.get_text_config()
    known = {"hidden": HIDDEN, "attention": ATTENTION}
    there = {name: kind for kind, names in known.items() for name in names if _is_share(getattr(inner, name, None))}
    if not there:
        raise RecipeError(
            f"upstream = {method!r}: the configuration of a {type(module).__name__} has no dropout to raise"
        )
    lower = [name for name, kind in there.items() if getattr(inner, name) > wanted[kind]]
    if lower:
        raise RecipeError(
            f"upstream = {method!r}: {lower[0]} is {getattr(inner, lower[0])} already, and {wanted[there[lower[0]]]} is asked "
            "for; dropout is raised here, not lowered"
        )
    for name, kind in there.items():
        setattr(inner, name, wanted[kind])
    with torch.random.fork_rng():
        made = type(module)(config)
    added = sorted(set(module.state_dict()) - set(made.state_dict()))
    if added:
        raise RecipeError(
            f"upstream = {method!r}: {len(added)} tensors are not the architecture's own ({added[0]}); pre-train before other "
            "interventions"
        )
    made.load_state_dict(module.state_dict())
    return made.to(next(module.parameters()).device), {name: wanted[kind] for name, kind in there.items()}


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _rates(steps: int, batch_size: int, tokens: int, learning_rate: float) -> dict[str, object]:
    for name, value in (("steps", steps), ("batch_size", batch_size), ("tokens", tokens)):
        if value < 1:
            raise RecipeError(f"{name} = {value}; it must be 1 or more")
    if not learning_rate > 0:
        raise RecipeError(f"learning_rate = {learning_rate}; it must be above 0")
    return {"steps": steps, "batch_size": batch_size, "tokens": tokens, "learning_rate": learning_rate}


def _folder(
    home: Path | None, model: TransformerModel, method: str, settings: Mapping[str, object], seed: int
) -> Path | None:
    """Where the checkpoints of this training are kept: named by all that decides it."""
    if home is None:
        return None
    decides = [model.identity.digest, method, dict(settings), seed]
    folder = home / hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    return folder

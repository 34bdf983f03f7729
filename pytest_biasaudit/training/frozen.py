"""A head fitted to a body's vectors: multinomial logistic regression with a ridge penalty, to convergence. Imports torch.

The vectors of texts are kept under what decides them, so that many heads on one body cost one pass over it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from pytest_biasaudit.errors import TrainingError
from pytest_biasaudit.models.transformer import padded
from pytest_biasaudit.models.without_gradients import without_gradients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_biasaudit.training.rows import Labelled

BATCH = 32
ROUNDS = 500
"""Rounds of L-BFGS at most."""
FLAT = 1e-7
"""Largest entry of the gradient at which the head counts as fitted."""


def linear_head(module: Any) -> tuple[str, torch.nn.Linear]:
    """The one linear layer that is the head, and its name. Raises TrainingError for a head of several parts."""
    inside = f"{module.base_model_prefix}."
    found = [
        (name, part)
        for name, part in module.named_modules()
        if name
        and name != module.base_model_prefix
        and not name.startswith(inside)
        and any(True for _ in part.parameters())
    ]
    if len(found) != 1 or not isinstance(found[0][1], torch.nn.Linear):
        raise TrainingError(
            f"frozen: the head of a {type(module).__name__} has several parts ({', '.join(name for name, _ in found)}), and "
            "a frozen body takes one linear layer; give pooling = 'mean', or teach it with frozen = False"
        )
    return found[0]


def vectors(module: Any, texts: Sequence[str], tokens: Sequence[Sequence[int]], *, store: Path | None) -> torch.Tensor:
    """What the head is given for each text: (texts, width) in float32, on the CPU.

    store  file of vectors known already, of this body and way of reading; new ones are added to it
    """
    name, _ = linear_head(module)
    from filelock import FileLock

    with FileLock(f"{store}.lock") if store is not None else nullcontext():
        known = _read(store)
        digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        wanted = {digest: at for at, digest in enumerate(digests) if digest not in known}
        order = sorted(wanted.values(), key=lambda at: len(tokens[at]))
        module.eval()
        for begin in range(0, len(order), BATCH):
            rows = order[begin : begin + BATCH]
            for at, vector in zip(rows, _given(module, name, [tokens[at] for at in rows]), strict=True):
                known[digests[at]] = vector
        if store is not None and order:
            _write(store, known)
    return torch.from_numpy(np.stack([known[digest] for digest in digests]))


def fit(head: torch.nn.Linear, found: torch.Tensor, rows: Labelled, *, penalty: float) -> dict[str, object]:
    """Fits the head in place: the minimum of the mean weighted -ln P(label | vector) + penalty / 2 x squared weights.

    The bias is not penalised. Same rows, same head: nothing is drawn. Gives what came of it.
    Source: scikit-learn's LogisticRegression minimises the same with C = 1 / (rows x penalty).
    """
    values, label = found.double(), torch.from_numpy(rows.label)
    weight = torch.from_numpy(rows.weight)
    twin = torch.nn.Linear(head.in_features, head.out_features, bias=head.bias is not None, dtype=torch.float64)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()

    def loss() -> torch.Tensor:
        each = cross_entropy(twin(values), label, reduction="none")
        return (weight * each).mean() + penalty / 2 * twin.weight.square().sum()

    climb = torch.optim.LBFGS(
        twin.parameters(),
        max_iter=ROUNDS,
        max_eval=ROUNDS * 2,
        tolerance_grad=FLAT,
        tolerance_change=1e-14,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        climb.zero_grad()
        now = loss()
        now.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return now

    with torch.enable_grad():
        climb.step(closure)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        last = closure()
    steepest = max(float(one.grad.abs().max()) for one in twin.parameters() if one.grad is not None)
    rounds = int(climb.state[next(twin.parameters())]["n_iter"])
    if not bool(torch.isfinite(last.detach())):
        raise TrainingError("frozen: the loss is no number; the body gives vectors that are not finite")
    with torch.no_grad():
        head.weight.copy_(twin.weight)
        if head.bias is not None:
            head.bias.copy_(twin.bias)
    return {"rounds": rounds, "loss_last": float(last.detach()), "gradient": steepest, "converged": steepest <= 1e-4}


def _given(module: Any, name: str, rows: list[Sequence[int]]) -> NDArray[np.float32]:
    """What the head is given for rows of tokens: (rows, width)."""
    caught: list[torch.Tensor] = []
    ids, real = padded(module, rows)
    hook = module.get_submodule(name).register_forward_pre_hook(lambda _part, given: caught.append(given[0]))
    try:
        with without_gradients(module):
            module(input_ids=ids, attention_mask=real)
    finally:
        hook.remove()
    found = caught[0]
    if found.ndim == 3:  # a causal model's head reads every token, and its classifier the last that is no padding
        found = found[torch.arange(len(rows)), _last_read(module, ids)]
    array: NDArray[np.float32] = found.float().cpu().numpy()
    return array


def _last_read(module: Any, ids: torch.Tensor) -> torch.Tensor:
    """Place of the token by which transformers' causal classifiers judge: the last whose id is not the padding's.

    Where the end-of-text token is the padding too, and the tokenizer sets it behind every text, that is the one before it.
    """
    places = torch.arange(ids.shape[1], device=ids.device)
    padding: int | None = module.config.get_text_config().pad_token_id
    return (places * (ids != padding)).argmax(-1)


def _read(store: Path | None) -> dict[bytes, NDArray[np.float32]]:
    """The vectors that a file holds, by the digest of their text; none where it is not there or damaged."""
    if store is None or not store.is_file():
        return {}
    try:
        with np.load(store, allow_pickle=False) as held:
            digests, found = held["digests"], held["vectors"]
        return {digest.tobytes(): vector for digest, vector in zip(digests, found, strict=True)}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return {}


def _write(store: Path, known: dict[bytes, NDArray[np.float32]]) -> None:
    store.parent.mkdir(parents=True, exist_ok=True)
    making = store.with_name(f"{store.name}.making")
    with making.open("wb") as file:
        np.savez(
            file,
            digests=np.frombuffer(b"".join(known), dtype=np.uint8).reshape(len(known), 32),
            vectors=np.stack(list(known.values())),
        )
    making.replace(store)

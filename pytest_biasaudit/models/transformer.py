"""What every transformer here can do, whatever it predicts: hold still, be lent, and turn a text into a vector.

Imports torch. Causal, masked and encoder models build on it; what they predict is theirs.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from pytest_biasaudit.models.protocol import ModelIdentity, Pooling
from pytest_biasaudit.models.rows_meet import rows_meet
from pytest_biasaudit.models.without_gradients import without_gradients

REPACKS = "support_avx512bf16_for_cpu"
"""Where a bitsandbytes layer says so."""


class TransformerModel:
    """A `torch.nn.Module` with its tokenizer. Implements `Embeds`.

    The module is borrowed: it is put in evaluation mode while it is asked and given back as it was. Nothing is changed.

    module     a transformers module, or one that is called like it; its kind of model says what it must give
    tokenizer  a transformers tokenizer
    parent     the model it was derived from, where there is one at hand
    """

    def __init__(
        self,
        module: torch.nn.Module,
        tokenizer: Any,
        identity: ModelIdentity,
        *,
        parent: TransformerModel | None = None,
    ) -> None:
        self.module = module
        self.tokenizer = tokenizer
        self.parent = parent
        self._identity = identity
        self._tensors, self._hooks = tensors_sha256(module), hooks_of(module)
        self._reads = _reads_sha256(tokenizer)

    @property
    def identity(self) -> ModelIdentity:
        """Which artefact this is."""
        return self._identity

    @property
    def tensors_sha256(self) -> str:
        """sha256 of the module's state when it was wrapped, see `identity.tensors_sha256`; not computed again."""
        return self._tensors

    def settle(self, identity: ModelIdentity) -> None:
        """Gives the identity that could not be said before the model was asked. For who makes it, before handing it on."""
        self._identity = identity

    def refuse_if_changed(self) -> None:
        """Raises ModelError when the weights are no longer those the identity was made for (trained or edited since).

        Hooks set or removed since count too: they change what the weights do. So does the tokenizer: what it makes of a
        text, its special tokens, and the chat template.
        """
        if hooks_of(self.module) != self._hooks or tensors_sha256(self.module) != self._tensors:
            raise ModelError(
                f"{self.identity.name}: its weights have changed (or its hooks) since it was loaded: its digest is another's; "
                "give the changed module as a live model, (module, tokenizer), or make a child with a recipe"
            )
        if _reads_sha256(self.tokenizer) != self._reads:
            raise ModelError(
                f"{self.identity.name}: its tokenizer or chat template has changed since it was loaded: its digest is "
                "another's; give the module with the changed tokenizer as a live model, (module, tokenizer)"
            )

    def embed(
        self, texts: Sequence[str], *, pooling: Pooling, batch_size: int
    ) -> Iterator[tuple[int, tuple[float, ...] | None]]:
        """Each text's index and its vector of length one, in float32.

        The last hidden layer, as transformers' `hidden_states[-1]` gives it (after the final norm, where there is one).
        "mean": over all tokens that the tokenizer gives, special ones included; "cls": the first of them. Padding takes
        no part, so that the batch a text stands in does not matter (to rounding). NaN where the model is broken.

        Raises ModelError for a text without a token, one longer than the model's positions, and a module that gives no
        hidden states.
        Source: bias-bench's SEAT for the mean, sent-bias for the first token; both take one sentence at a time.
        """
        found = [tuple(tokens) for tokens in self.tokenizer(list(texts))["input_ids"]] if texts else []
        self._refuse_lengths(texts, found)
        order = sorted(range(len(found)), key=lambda index: len(found[index]))
        batch_size = 1 if rows_meet(self.module) else batch_size
        with self._borrowed():
            for begin in range(0, len(order), batch_size):
                rows = order[begin : begin + batch_size]
                vectors = self._vectors([found[row] for row in rows], pooling)
                for row, vector in zip(rows, vectors.tolist(), strict=True):
                    yield row, tuple(vector)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _refuse_lengths(self, texts: Sequence[str], found: list[tuple[int, ...]]) -> None:
        most = positions_of(self.module)
        for text, tokens in zip(texts, found, strict=True):
            if not tokens:
                raise ModelError(f"{self.identity.name}: the tokenizer gave no token for {text[:60]!r}")
            if most is not None and len(tokens) > most:
                raise ModelError(
                    f"{self.identity.name}: a text has {len(tokens)} tokens, the model takes {most} ({text[:60]!r}); "
                    "it is not cut off in silence: shorten it"
                )

    def _vectors(self, rows: list[tuple[int, ...]], pooling: Pooling) -> torch.Tensor:
        """(rows, width) float32 vectors of length one, of rows of token ids."""
        ids, real = padded(self.module, rows)
        with without_gradients(self.module):
            hidden = self._hidden(ids, real).float()
            pooled = hidden[:, 0] if pooling == "cls" else mean_of(hidden, real)
            lengths: torch.Tensor = torch.linalg.vector_norm(pooled, dim=-1, keepdim=True)
            return (pooled / lengths).cpu()

    def _hidden(self, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """(rows, tokens, width) of the last hidden layer of the body, without its head."""
        body = getattr(self.module, "base_model", self.module)
        # Not asked for all hidden states: transformers would set hooks on the module for that, and leave them there.
        asked: dict[str, Any] = {"input_ids": ids, "attention_mask": real}
        if "use_cache" in inspect.signature(body.forward).parameters:
            asked["use_cache"] = False
        try:
            output = body(**asked)
        except TypeError as error:  # a module of its own kind, called otherwise
            raise ModelError(
                f"{self.identity.name}: {type(body).__name__} is not called as transformers' models are, so it has no "
                f"hidden states to take vectors from: {error}"
            ) from error
        hidden = getattr(output, "last_hidden_state", None)
        if not isinstance(hidden, torch.Tensor) or hidden.shape[:2] != ids.shape:
            raise ModelError(f"{self.identity.name}: {type(body).__name__} gives no hidden states to take vectors from")
        return hidden

    @contextmanager
    def _borrowed(self) -> Iterator[None]:
        """Evaluation mode inside, the module's own modes after.

        bitsandbytes' NF4 layers repack themselves at a call where the processor has AVX512-BF16, and round their scales
        by it: not while they are lent. Asking would change the weights, and answers would be another processor's.
        """
        training = [module for module in self.module.modules() if module.training]
        repacking: list[Any] = [one for one in self.module.modules() if getattr(one, REPACKS, False)]
        self.module.eval()
        for layer in repacking:
            setattr(layer, REPACKS, False)
        try:
            yield
        finally:
            for layer in repacking:
                setattr(layer, REPACKS, True)
            for module in training:
                module.training = True


def _reads_sha256(tokenizer: Any) -> str:
    """sha256 of all that decides which tokens a text becomes; changes when, and mostly only when, that does.

    Not `identity.tokenizer_sha256`, which takes ten times as long to write the same down in an order of its own.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    # What stands before the added tokens are the settings of the last call: truncation and padding.
    state = tokenizer.get_vocab() if backend is None else backend.to_str().partition('"added_tokens":')[2]
    digest = hashlib.sha256(state.encode() if isinstance(state, str) else json.dumps(state, sort_keys=True).encode())
    settings = [getattr(tokenizer, name, None) for name in ("chat_template", "add_bos_token", "add_eos_token")]
    digest.update(repr((sorted(tokenizer.special_tokens_map.items()), settings)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def padded(module: torch.nn.Module, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of token ids as one batch on the module's device, padded behind, and where the tokens are real (1) or not (0)."""
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    # RoBERTa counts its positions over ids that are not padding: the padding must be the model's own.
    padding = getattr(getattr(module, "config", None), "pad_token_id", None)
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), padding if isinstance(padding, int) and padding >= 0 else 0)
    real = torch.zeros((len(rows), longest), dtype=torch.long)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        real[row, : len(tokens)] = 1
    return ids.to(device), real.to(device)


def mean_of(hidden: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """(rows, width): the mean of each row's hidden states over its real tokens."""
    # Padding is taken out, not multiplied by nought: NaN times nought is NaN.
    kept = hidden.masked_fill(real[..., None] == 0, 0.0)
    return kept.sum(1) / real.sum(1, keepdim=True)


def positions_of(module: torch.nn.Module) -> int | None:
    """The most tokens that the module's table of positions has room for; None where there is no table.

    RoBERTa and its kin leave the positions up to the padding id unused. Positions that are computed have no end.
    """
    for name, part in module.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(part, torch.nn.Embedding) and last in ("position_embeddings", "wpe", "embed_positions"):
            offset = getattr(part, "offset", None)  # OPT keeps two rows that no position uses
            if isinstance(offset, int):
                return part.num_embeddings - offset
            return part.num_embeddings - (part.padding_idx + 1 if part.padding_idx is not None else 0)
    return None

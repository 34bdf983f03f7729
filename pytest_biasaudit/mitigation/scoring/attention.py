"""How much each attention head looks at the person's name. Imports torch.

The mean over generated tokens of the attention paid to the name, as the study's first code took it; or the
maximum over the prompt's own positions after the name, as the later reproduction took it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Literal

import numpy as np
import torch

from pytest_biasaudit.compression.structure.blocks import attention_around
from pytest_biasaudit.compression.structure.places import Place, Structure
from pytest_biasaudit.errors import ModelError, RecipeError
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell
from pytest_biasaudit.mitigation.scoring.batches import Batch
from pytest_biasaudit.mitigation.scoring.eager import eager_attention
from pytest_biasaudit.mitigation.scoring.sums import CellSums, PromptCounts

Variant = Literal["generated", "prompt"]


class AttentionPass:
    """Reads the heads' attention to the name while the model runs.

    "generated"  a head's mean over the answer's tokens of its mean attention to the name's tokens. These are the rows of
                 steps t >= 1 of generation: each token of the answer, asking in its turn. Prompts with an empty answer
                 are left out, of the counts too
    "prompt"     a head's largest attention from a token of the prompt behind the name's last token to one of the name.
                 Prompts that end with the name are left out

    Raises RecipeError where the structure has no heads that are certain, or depths share their weights.
    """

    def __init__(self, structure: Structure, cells: Sequence[Cell], *, variant: Variant) -> None:
        self._structure, self._variant = structure, variant
        self._cells = tuple(cells)
        self._places = structure.of("heads")
        shared = [layer for layer, place in self._places.items() if place.runs != 1]
        if shared:
            raise RecipeError(
                f"heads of {type(structure.module).__name__}: layer {shared[0]} runs {self._places[shared[0]].runs} times "
                "in a pass, so that one head pays attention several times; use method 'attribution'"
            )
        self._sums = CellSums(len(self._cells))
        self._counts = PromptCounts(self._cells)
        self._batch: Batch | None = None
        self._seen: set[int] = set()

    def attach(self, stack: ExitStack) -> None:
        """Sets the hooks and the plain way of attention, until the stack is closed."""
        module = self._structure.module
        stack.enter_context(eager_attention(module))
        for layer, place in self._places.items():
            name = attention_around(module, place.name, place.block)
            if name is None:
                raise RecipeError(
                    f"{type(module).__name__}: {place.name} stands in no part that is called an attention, so its "
                    "attention weights cannot be read; use method 'attribution'"
                )
            outermost = module.get_submodule(name)
            # Some attentions wrap another, and either may be the one that gives the weights.
            for inner, part in outermost.named_modules():
                if not inner or place.name.startswith(f"{name}.{inner}."):
                    handle = part.register_forward_hook(
                        lambda _part, _args, given, layer=layer, place=place: self._read(layer, place, given)
                    )
                    stack.callback(handle.remove)

    def begin(self, batch: Batch) -> None:
        """Before a pass."""
        self._batch, self._seen = batch, set()

    def end(self) -> None:
        """After a pass. Raises RecipeError where a layer gave no attention weights."""
        missing = sorted(set(self._places) - self._seen)
        if missing:
            module = self._structure.module
            raise RecipeError(
                f"{type(module).__name__}: layer{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing[:5]))} "
                f"of {len(self._places)} gave no attention weights of shape (rows, heads, tokens, tokens), not even with "
                "attn_implementation = 'eager'; use method 'attribution'"
            )
        assert self._batch is not None
        self._counts.add(self._rows(self._batch), self._batch)

    def table(self) -> ArrayScores:
        """The heads' scores. Raises DataError for a cell with nothing to read, ModelError where one is not a number."""
        generated = self._variant == "generated"
        why = "no answer with a token" if generated else "no token between name and answer"
        counts, notes = self._counts.counts(
            f"attention = {self._variant!r}", why=f"{why}; try {'prompt' if generated else 'generated'!r}"
        )
        sums = self._sums.arrays()
        if not all(np.isfinite(one).all() for one in sums.values()):
            raise ModelError("attention weights are not all finite: the model is broken")
        return ArrayScores(
            unit="heads",
            method="attention",
            signed=False,
            sizes=_sizes(self._places),
            sums={
                cell: {place: np.asarray(found[at], dtype=np.float32) for place, found in sums.items()}
                for at, cell in enumerate(self._cells)
            },
            counts=counts,
            settings=(("attention", self._variant),),
            notes=notes,
        )

    def _rows(self, batch: Batch) -> torch.Tensor:
        return batch.answer if self._variant == "generated" else batch.after_name

    def _read(self, layer: int, place: Place, given: Any) -> None:
        if layer in self._seen or self._batch is None:
            return
        rows, tokens = self._batch.ids.shape
        shape = (rows, place.count, tokens, tokens)
        outputs = given if isinstance(given, (tuple, list)) else (given,)
        weights = next((one for one in outputs if isinstance(one, torch.Tensor) and _is_attention(one, shape)), None)
        if weights is None:
            return
        self._seen.add(layer)
        asking, names = self._rows(self._batch), self._batch.name
        # Only the asking rows are looked at: behind the first of them, up to the last.
        places = asking.any(0).nonzero()
        if not len(places):
            self._sums.add(str(layer), torch.zeros((rows, place.count), device=weights.device), self._batch)
            return
        first, last = int(places[0]), int(places[-1]) + 1
        weights, asking = weights[:, :, first:last].float(), asking[:, first:last]
        if self._variant == "generated":
            columns = names.float() / names.sum(1, keepdim=True)
            to_name = torch.matmul(weights, columns[:, None, :, None])[..., 0]
            to_name = to_name.masked_fill(~asking[:, None], 0.0)
            found = to_name.sum(2) / asking.sum(1).clamp(min=1)[:, None]
        else:
            pairs = asking[:, None, :, None] & names[:, None, None, :]
            # Attention is never below 0, so what is left out never wins.
            found = weights.masked_fill(~pairs, 0.0).amax((2, 3))
        self._sums.add(str(layer), found, self._batch)


def _is_attention(given: torch.Tensor, shape: tuple[int, ...]) -> bool:
    """Whether a tensor can be attention weights: of their shape, and the first token sees nothing behind it."""
    return given.shape == shape and not bool(torch.nan_to_num(given[:, :, 0, 1:]).any())


def _sizes(places: Mapping[int, Place]) -> dict[str, tuple[int, ...]]:
    return {str(layer): (place.count,) for layer, place in places.items()}

"""Pruning block by block on calibration text, every block on what the pruned ones before it give. Imports torch.

Each block is run twice over the windows: once to see what its linear layers are given, and, its layers pruned, once to
give the next block its input. Hidden states of all windows are held; of everything else, one batch and one block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial

import torch

from pytest_biasaudit.compression.linear import chosen_layers, linear_weights
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.pruning.achieved import refuse_not_finite, skipped_facts, sparsity_facts
from pytest_biasaudit.compression.pruning.blocks import (
    EnoughError,
    Stack,
    first_inputs,
    learn_calls,
    linear_parts,
    stack_of,
    still,
)
from pytest_biasaudit.compression.pruning.calibration import calibration_of
from pytest_biasaudit.compression.pruning.lowest import Amount
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError

BATCH_TOKENS = 512
"""Tokens a block is given at a time: enough for full speed, few enough for its working memory to stay small."""
ERROR_TOKENS = 64
"""Tokens, spread over the calibration text, on which a layer's output is compared before and after."""

Statistic = Callable[[torch.Tensor], torch.Tensor]
"""From a layer's inputs, (tokens, inputs), what is summed over all tokens."""
Pruned = Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]
"""From the weights (outputs, inputs), the summed statistic and the number of tokens, the pruned weights."""


@dataclass(frozen=True)
class Layer:
    """A linear layer of a block."""

    part: torch.nn.Module
    matrix: torch.Tensor
    """Its weights, (outputs, inputs), in place."""


@dataclass
class Seen:
    """What a linear layer was given by the calibration windows."""

    statistic: torch.Tensor
    tokens: int
    sample: list[torch.Tensor] = field(default_factory=list)


def prune_layer_by_layer(
    module: torch.nn.Module,
    step: Step,
    materials: Materials,
    *,
    amount: Amount,
    statistic: Statistic,
    pruned: Pruned,
) -> Applied:
    """Prunes the linear layers of a model's blocks in place. What stands outside the blocks is left, and named.

    Raises RecipeError: what `calibration_of` and `stack_of` raise, a model whose blocks cannot be run one at a time,
    a pattern that does not fit a layer, weights kept quantised, and inputs that are not finite (a broken model).
    """
    what = f"{step.action} = {step.method!r}"
    chosen_layers(module, step)  # refuses weights that are quantised, and a model without a linear layer
    stack = stack_of(module, what=what)
    names = {id(part): name for name, part in module.named_modules()}
    layers = [{names[id(part)]: Layer(part, matrix) for part, matrix in linear_parts(block)} for block in stack.blocks]
    for name, layer in (one for block in layers for one in block.items()):
        refuse_not_finite(name, layer.matrix, step)
        amount.refuse_unlike(layer.matrix.shape[1], layer=name, step=step)
    calibration = calibration_of(module, step, materials)
    device = next(module.parameters()).device
    batches = _batches(calibration.windows.to(device))
    errors: dict[str, float] = {}
    with still(module):
        calls = {size: learn_calls(module, stack, ids, what=what) for size, ids in {len(b): b for b in batches}.items()}
        hidden = first_inputs(module, stack, batches)
        for number, (block, inside) in enumerate(zip(stack.blocks, layers, strict=True)):
            run = [partial(calls[len(one)][number].run, block) for one in hidden]
            for name, found in _watch(run, hidden, inside, statistic).items():
                matrix = inside[name].matrix
                if not bool(torch.isfinite(found.statistic).all()):
                    raise RecipeError(
                        f"{what}: what {name} is given is not finite (NaN or infinite): the model is broken"
                    )
                after = pruned(matrix, found.statistic, found.tokens).to(matrix.dtype)
                errors[name] = _output_error(matrix, after, torch.cat(found.sample))
                matrix.copy_(after)
            if number + 1 < len(stack.blocks):
                hidden = [one(given) for one, given in zip(run, hidden, strict=True)]
    changed = {name: layer.matrix for block in layers for name, layer in block.items() if name in errors}
    if not changed:
        raise RecipeError(f"{what}: no linear layer of {stack.name} was run on the text, so none could be pruned")
    unseen = [
        f"{name}: the calibration text does not run through it"
        for block in layers
        for name in block
        if name not in errors
    ]
    other, others = _not_linear(stack, names)
    facts = {
        **sparsity_facts(module, changed),
        **skipped_facts([*unseen, *other, *_outside(module, layers)]),
        "output_error": _error_facts(errors),
        "calibration": calibration.facts(),
    }
    notes = []
    if unseen:
        notes.append(
            f"{what} left {len(unseen)} linear layers as they were: the calibration text does not run through them."
        )
    if others:
        share = others / (others + sum(layer.matrix.numel() for block in layers for layer in block.values()))
        notes.append(
            f"{what} left {100 * share:.0f} % of the blocks' weights as they were: they are in no linear layer "
            "(fused experts, convolutions)."
        )
    return Applied(module=module, facts=facts, notes=tuple(notes))


# -- inside ---------------------------------------------------------------------------------------------------------


def _batches(windows: torch.Tensor) -> list[torch.Tensor]:
    size = max(1, BATCH_TOKENS // windows.shape[1])
    return [windows[begin : begin + size] for begin in range(0, len(windows), size)]


def _watch(
    run: Sequence[Callable[[torch.Tensor], torch.Tensor]],
    hidden: Sequence[torch.Tensor],
    inside: Mapping[str, Layer],
    statistic: Statistic,
) -> dict[str, Seen]:
    """Runs a block over all batches; gives what each of its linear layers was given, without those that were given none."""
    watch = _Watch(layers=len(inside), statistic=statistic, rows=-(-ERROR_TOKENS // len(hidden)))
    with ExitStack() as hooks:
        for name, layer in inside.items():
            hook = layer.part.register_forward_pre_hook(lambda _, args, name=name: watch.see(name, args[0]))
            hooks.callback(hook.remove)
        for one, given in zip(run, hidden, strict=True):
            watch.begin()
            with suppress(EnoughError):
                one(given)
    return watch.seen


class _Watch:
    """Gathers what the linear layers of a block are given, over several passes."""

    def __init__(self, *, layers: int, statistic: Statistic, rows: int) -> None:
        self.seen: dict[str, Seen] = {}
        self._layers, self._statistic, self._rows = layers, statistic, rows
        self._passes, self._once = 0, True
        self._run: set[str] = set()
        # q, k and v are given one and the same tensor: what is made of it is made once. Kept alive, its id is its own.
        self._made: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def begin(self) -> None:
        """Another pass begins."""
        self._passes += 1
        self._run.clear()
        self._made.clear()

    def see(self, name: str, given: torch.Tensor) -> None:
        """A layer is about to be run. Raises EnoughError where nothing more is to be seen in this pass."""
        rows = given.reshape(-1, given.shape[-1])
        if len(rows):
            key = (id(given), given._version)
            if key not in self._made:
                self._made[key] = (given, self._statistic(rows))
            made = self._made[key][1]
            found = self.seen.setdefault(name, Seen(statistic=torch.zeros_like(made), tokens=0))
            found.statistic += made
            found.tokens += len(rows)
            found.sample.append(rows[:: -(-len(rows) // self._rows)].clone())
        self._once = self._once and name not in self._run
        self._run.add(name)
        # The last layer need not be run: an eighth of a llama's block. The first pass says whether layers are run once.
        if self._passes > 1 and self._once and len(self._run) == self._layers:
            raise EnoughError


def _output_error(before: torch.Tensor, after: torch.Tensor, rows: torch.Tensor) -> float:
    """||(W' - W) X|| / ||W X||; 0 where the layer gave nothing before. rows: X^T, (tokens, inputs)."""
    given = torch.linalg.matrix_norm((rows @ before.T).float())
    moved = torch.linalg.matrix_norm((rows @ (after - before).T).float())
    return float(moved / given) if given else 0.0


def _error_facts(errors: Mapping[str, float]) -> dict[str, object]:
    worst = max(errors, key=lambda name: errors[name])
    return {
        "mean": sum(errors.values()) / len(errors),
        "most": errors[worst],
        "most_at": worst,
        "tokens": ERROR_TOKENS,
    }


def _not_linear(stack: Stack, names: Mapping[int, str]) -> tuple[list[str], int]:
    """Weights of the blocks that are in no linear layer, named with the reason, and how many they are in all."""
    found, size = [], 0
    linear = {id(part) for block in stack.blocks for part, _ in linear_parts(block)}
    for part in (part for block in stack.blocks for part in block.modules() if id(part) not in linear):
        for name, parameter in part.named_parameters(recurse=False):
            if parameter.ndim >= 2:
                title = type(part).__name__
                reason = "fused experts" if "expert" in title.lower() else "not a linear layer"
                found.append(f"{names[id(part)]}.{name}: {reason} ({title})")
                size += parameter.numel()
    return found, size


def _outside(module: torch.nn.Module, layers: Sequence[Mapping[str, Layer]]) -> list[str]:
    """Linear layers that stand outside the blocks, named with the reason."""
    inside = {name for block in layers for name in block}
    body = {name for name, _, _ in linear_weights(module, lm_head=False)}
    return [
        f"{name}: {'outside the blocks' if name in body else 'belongs to the head'}"
        for name, _, _ in linear_weights(module, lm_head=True)
        if name not in inside
    ]

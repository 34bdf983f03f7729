"""A model as a stack of blocks that can be run one at a time: found, and learned how each is called. Imports torch.

A block is then run on hidden states of one's own. That is right only where the hidden states are all that passes from a
block to the next; it is tried on the model before anything is changed, and refused where it does not hold.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch

from pytest_biasaudit.errors import RecipeError

HIDDEN = "hidden_states"
"""What transformers calls the hidden states where it passes them by name."""


class EnoughError(Exception):
    """Ends a forward pass that has shown what was wanted."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The blocks of a model, in order."""

    name: str
    """Where they are: "model.layers"."""
    blocks: tuple[torch.nn.Module, ...]


@dataclass(frozen=True, kw_only=True)
class Call:
    """How a block is called, but for its hidden states: masks, positions, switches."""

    args: tuple[Any, ...]
    """After the hidden states."""
    kwargs: dict[str, Any]
    by_name: bool
    """Whether the hidden states are passed by name."""

    def run(self, block: torch.nn.Module, hidden: torch.Tensor) -> torch.Tensor:
        """What the block makes of these hidden states, of the batch size it was learned with."""
        if self.by_name:
            return _hidden_of(block(*self.args, **{HIDDEN: hidden}, **self.kwargs))
        return _hidden_of(block(hidden, *self.args, **self.kwargs))


def linear_parts(module: torch.nn.Module) -> Iterator[tuple[torch.nn.Module, torch.Tensor]]:
    """The linear layers in a module, itself included, with their weights as (outputs, inputs), in place."""
    from transformers.pytorch_utils import Conv1D

    for part in module.modules():
        if isinstance(part, torch.nn.Linear):
            yield part, part.weight.data
        elif isinstance(part, Conv1D):
            yield part, part.weight.data.T


def stack_of(module: torch.nn.Module, *, what: str) -> Stack:
    """The list of blocks that holds most of the model's linear weights.

    what  the step, for messages
    Raises RecipeError: no such list, or two stacks (an encoder and a decoder).
    """
    title = type(module).__name__
    if getattr(getattr(module, "config", None), "is_encoder_decoder", False):
        raise RecipeError(f"{what}: {title} has two stacks of blocks, an encoder's and a decoder's; one is needed")
    body = _body(module)
    sizes = {
        name: sum(_size(block) for block in part)
        for name, part in module.named_modules()
        if isinstance(part, torch.nn.ModuleList) and any(part is one for one in body.modules())
    }
    total = _size(body)
    if not total:
        raise RecipeError(f"{what}: the model ({title}) has no linear layer to change; the child would be its parent")
    # The outermost of the largest: a list inside a block holds no more than the block.
    name = max(sizes, key=lambda one: (sizes[one], -one.count(".")), default="")
    if not name or sizes[name] * 2 <= total:
        raise RecipeError(
            f"{what}: {title} has no list of blocks that holds most of its linear weights, and it is pruned block by block"
        )
    part = module.get_submodule(name)
    assert isinstance(part, torch.nn.ModuleList)
    return Stack(name=name, blocks=tuple(part))


def first_inputs(module: torch.nn.Module, stack: Stack, batches: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """What the first block is given for each batch of token ids; no block is run."""
    found: list[torch.Tensor] = []

    def stop(_: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found.append(_taken(args, kwargs)[0].clone())
        raise EnoughError

    handle = stack.blocks[0].register_forward_pre_hook(stop, with_kwargs=True)
    try:
        for ids in batches:
            with suppress(EnoughError):
                _run_body(module, ids)
    finally:
        handle.remove()
    return found


def learn_calls(module: torch.nn.Module, stack: Stack, ids: torch.Tensor, *, what: str) -> tuple[Call, ...]:
    """How each block is called for a batch of token ids of this shape, whatever the tokens are.

    Raises RecipeError where blocks cannot be run one at a time: one is run twice or not at all, more than the hidden
    states passes from one to the next, or what a block is given beside them depends on the text.
    """
    try:
        calls = _calls(module, stack, ids)
        # The same shape with other tokens at every place.
        others = _calls(module, stack, ids.flip(1))
    except _UnlikeError as fault:
        raise RecipeError(
            f"{what}: {type(module).__name__} cannot be pruned block by block: {stack.name}: {fault}"
        ) from None
    for number, (one, other) in enumerate(zip(calls, others, strict=True)):
        for key in one.kwargs.keys() | other.kwargs.keys():
            if key not in one.kwargs or key not in other.kwargs or not _same(one.kwargs[key], other.kwargs[key]):
                raise RecipeError(_depends(module, stack, number, repr(key), what))
        if not _same(one.args, other.args):
            raise RecipeError(_depends(module, stack, number, "an argument", what))
    return calls


@contextmanager
def still(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients inside; the module's own modes after."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part in training:
            part.training = True


# -- inside ---------------------------------------------------------------------------------------------------------


class _UnlikeError(Exception):
    """Blocks that do not hand over hidden states alone."""


def _calls(module: torch.nn.Module, stack: Stack, ids: torch.Tensor) -> tuple[Call, ...]:
    """How the blocks are called in one pass over the whole body. Raises _UnlikeError."""
    calls: dict[int, Call] = {}
    passed: list[torch.Tensor] = []

    def before(number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if number in calls:
            raise _UnlikeError(f"block {number} is run more than once in a pass (its weights serve several depths)")
        if number != len(calls):
            raise _UnlikeError(f"block {number} is run after {len(calls)} others")
        hidden, call = _taken(args, kwargs)
        if number and (hidden.shape != passed[-1].shape or not torch.equal(hidden, passed[-1])):
            # NaN equals nothing: a broken model is not an unlike one.
            if bool(torch.isnan(hidden).any()):
                raise _UnlikeError(
                    f"the hidden states before block {number} are not numbers (NaN): the model is broken"
                )
            raise _UnlikeError(f"block {number} is not given what block {number - 1} gave, but something made of it")
        calls[number] = call

    with ExitStack() as hooks:
        for number, block in enumerate(stack.blocks):
            pre = block.register_forward_pre_hook(
                lambda _, args, kwargs, number=number: before(number, args, kwargs), with_kwargs=True
            )
            hooks.callback(pre.remove)
            post = block.register_forward_hook(lambda _, args, given: passed.append(_hidden_of(given)))
            hooks.callback(post.remove)
        _run_body(module, ids)
    if len(calls) < len(stack.blocks):
        raise _UnlikeError(f"block {len(calls)} is never run")
    return tuple(calls[number] for number in range(len(stack.blocks)))


def _body(module: torch.nn.Module) -> torch.nn.Module:
    body = getattr(module, "base_model", module)
    return body if isinstance(body, torch.nn.Module) else module


def _run_body(module: torch.nn.Module, ids: torch.Tensor) -> None:
    """A pass without the head, which is the costliest layer of a small model."""
    body = _body(module)
    asked: dict[str, Any] = {"input_ids": ids}
    if "use_cache" in inspect.signature(body.forward).parameters:
        asked["use_cache"] = False
    try:
        body(**asked)
    except TypeError as fault:
        raise _UnlikeError(f"{type(body).__name__} is not called as transformers' models are: {fault}") from fault


def _taken(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[torch.Tensor, Call]:
    """The hidden states that a block is given, and the rest."""
    by_name = not args
    hidden = kwargs.get(HIDDEN) if by_name else args[0]
    if not isinstance(hidden, torch.Tensor):
        raise _UnlikeError(f"a block is given no hidden states, but {type(hidden).__name__}")
    rest = {key: value for key, value in kwargs.items() if not (by_name and key == HIDDEN)}
    return hidden, Call(args=args[1:], kwargs=rest, by_name=by_name)


def _hidden_of(given: Any) -> torch.Tensor:
    """The hidden states that a block gives: it itself, or the first of what it gives."""
    hidden = given[0] if isinstance(given, tuple) and given else given
    if not isinstance(hidden, torch.Tensor):
        raise _UnlikeError(f"a block gives no hidden states, but {type(hidden).__name__}")
    return hidden


def _same(one: Any, other: Any) -> bool:
    """Whether two arguments are equal; objects that cannot be compared are equal only where they are one."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.shape == other.shape and bool(torch.equal(one, other))
    if isinstance(one, (tuple, list)):
        return isinstance(other, type(one)) and len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if one is None or isinstance(one, (bool, int, float, str)):
        return type(one) is type(other) and bool(one == other)
    return one is other


def _size(module: torch.nn.Module) -> int:
    return sum(weight.numel() for _, weight in linear_parts(module))


def _depends(module: torch.nn.Module, stack: Stack, number: int, key: str, what: str) -> str:
    return (
        f"{what}: {type(module).__name__} cannot be pruned block by block: block {number} of {stack.name} is given {key} "
        "beside the hidden states, and it depends on the text"
    )

"""A parent before a recipe and its child after it, held beside one another part by part. Imports torch.

Of the parent only digests and counts are kept: its weights may be those that are changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from pytest_biasaudit.compression.linear import linear_weights, stacked_matrices
from pytest_biasaudit.compression.storage import stored_tensors
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256


@dataclass(frozen=True, kw_only=True)
class Look:
    """A module as it was found, in digests and counts: nothing of its weights is kept."""

    parts: Mapping[str, str]
    """Each module that holds weights of its own, by path: sha256 of them."""
    weights: Mapping[str, int]
    """Each tensor's number of weights, by name."""
    tied: Mapping[str, str]
    """Names that share another's storage, and whose it is: the head's is mostly the input embedding's."""
    bytes: int
    hooks: frozenset[tuple[str, str, int]]
    linear: frozenset[str]
    """Paths of the linear layers, the head's included."""
    body: frozenset[str]
    """Those of the body alone."""
    stacked: Mapping[str, int]
    """See `stacked_matrices`."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A parent and its child, weight by weight."""

    changed: tuple[str, ...]
    left: tuple[str, ...]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    hooked: tuple[str, ...]
    """Parts with hooks that the parent had not."""

    @property
    def anything(self) -> bool:
        """Whether the child differs from its parent at all."""
        return bool(self.changed or self.gone or self.new or self.hooked)


def look_at(module: torch.nn.Module) -> Look:
    """A module before a recipe may change it."""
    parts: dict[str, str] = {}
    tied: dict[str, str] = {}
    owners: dict[int, str] = {}
    for path, part in module.named_modules():
        own = [(name, tensor) for name, tensor in part._parameters.items() if tensor is not None]
        if own:
            parts[path] = tensors_sha256(part)
        for name, tensor in own:
            owner = owners.setdefault(tensor.data_ptr(), joined(path, name))
            if owner != joined(path, name):
                tied[joined(path, name)] = owner
    found = list(stored_tensors(module, sparsity=False))
    return Look(
        parts=parts,
        weights={one.name: one.numel for one in found},
        tied=tied,
        bytes=sum(one.bytes for one in found),
        hooks=frozenset(hooks_of(module)),
        linear=frozenset(name for name, _, _ in linear_weights(module, lm_head=True)),
        body=frozenset(name for name, _, _ in linear_weights(module, lm_head=False)),
        stacked=stacked_matrices(module),
    )


def change_of(before: Look, module: torch.nn.Module) -> Change:
    """Which parts of the parent the child has changed, and which it has as they were."""
    after = dict(module.named_modules())
    changed, left, gone = [], [], []
    for path, digest in before.parts.items():
        if path not in after:
            gone.append(path)
        elif tensors_sha256(after[path]) == digest:
            left.append(path)
        else:
            changed.append(path)
    new = [
        path
        for path, part in after.items()
        if any(tensor is not None for tensor in part._parameters.values())
        and not any(path == known or path.startswith(f"{known}.") for known in before.parts)
    ]
    hooked = sorted({name for name, _, _ in frozenset(hooks_of(module)) - before.hooks})
    return Change(changed=tuple(changed), left=tuple(left), gone=tuple(gone), new=tuple(new), hooked=tuple(hooked))


def joined(path: str, name: str) -> str:
    """The full name of a tensor in the part at a path."""
    return f"{path}.{name}" if path else name


def kind_of_part(path: str) -> str:
    """The kind of a part: the last word of its path that is no number."""
    words = [word for word in path.split(".") if not word.isdigit()]
    return words[-1] if words else "the module itself"

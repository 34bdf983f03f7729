"""What a model's weights take up: each tensor's true bytes, with the scales it needs, in whatever form it is kept. Imports torch.

Knows the forms by their look and imports no back end: plain tensors, wrappers that flatten into plain ones (torchao,
quanto), bitsandbytes' state, hqq's, and torch's own packed parameters. The digest of a model does not depend on this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from pytest_biasaudit.models.identity import plain_parts


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """A weight, a bias or a buffer as it is stored."""

    name: str
    """As the unquantised model names it: "model.layers.0.mlp.up_proj.weight"."""
    dtype: str
    """Of what is stored: "float32", "int8", "qint4", "nf4", "hqq-4"."""
    shape: tuple[int, ...]
    """Of the weights it stands for, whatever shape they are packed in."""
    numel: int
    """Weights it stands for, at least 1."""
    bytes: int
    """With scales, zero points and tables."""
    bits_per_weight: float
    """8 x bytes / numel: above the nominal bits by what the scales take."""
    quantised: bool
    """Kept as levels with scales, or in a back end's packed form, and not as one plain tensor."""
    sparsity: float | None
    """Share of weights that are exactly zero; None where it was not asked for, or what is stored cannot be read back."""


@dataclass(frozen=True, kw_only=True)
class _Held:
    """One logical tensor of a module, before it is known whether it was counted under another name."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    parts: tuple[torch.Tensor, ...]
    more_bytes: int = 0
    read: Callable[[], torch.Tensor] | None = None
    """The weights as numbers."""
    quantised: bool = True
    buffer: bool = False
    fleeting: bool = False
    """Unpacked for the asking: its address means nothing."""


def stored_tensors(module: torch.nn.Module, *, sparsity: bool = True) -> Iterator[StoredTensor]:
    """Every parameter and every buffer that would be saved, in the module's order; what two names share comes once.

    sparsity  False leaves the zeros uncounted, which is what takes the time
    """
    seen: set[tuple[int, int]] = set()
    for prefix, part in module.named_modules():
        for held in _held(part):
            fresh = [one for one in held.parts if held.fleeting or (one.data_ptr(), one.nbytes) not in seen]
            if not held.fleeting:
                seen.update((one.data_ptr(), one.nbytes) for one in held.parts)
            count = _count(held.shape)
            size = sum(one.nbytes for one in fresh) + held.more_bytes
            if not count or not fresh:
                continue
            yield StoredTensor(
                name=_named(prefix, held.name),
                dtype=held.dtype,
                shape=held.shape,
                numel=count,
                bytes=size,
                bits_per_weight=8 * size / count,
                quantised=held.quantised,
                sparsity=_sparsity(held, count) if sparsity else None,
            )


def stored_bytes(module: torch.nn.Module) -> int:
    """Bytes of all that `stored_tensors` gives: what the weights take up, each once."""
    return sum(one.bytes for one in stored_tensors(module, sparsity=False))


def weight_count(module: torch.nn.Module) -> int:
    """Weights as the unquantised model counts its parameters: packed ones by what they stand for, shared ones once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for _, part in module.named_modules():
        for held in _held(part):
            key = (held.parts[0].data_ptr(), held.parts[0].nbytes)
            if held.buffer or (not held.fleeting and key in seen):
                continue
            seen.add(key)
            total += _count(held.shape)
    return total


def _named(prefix: str, name: str) -> str:
    owner = prefix.removesuffix("_packed_params").removesuffix(".")
    return f"{owner}.{name}" if owner else name


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _sparsity(held: _Held, count: int) -> float | None:
    if held.read is None:
        return None
    with torch.no_grad():
        values = held.read()
    if values.is_complex() or not (
        values.is_floating_point() or values.dtype in (torch.int8, torch.uint8, torch.int32)
    ):
        return None
    if values.dtype.itemsize == 1 and values.is_floating_point():  # float8: torch compares few of them
        values = values.float()
    return 1 - int(torch.count_nonzero(values)) / count


def _held(part: torch.nn.Module) -> Iterator[_Held]:
    if isinstance(getattr(part, "_packed_params", None), torch.ScriptObject):
        yield from _packed_by_torch(part)
        return
    kept = {"W_q": "weight"} if _is_hqq(part) else {}
    owned: Any = part
    for name, tensor in [*part._parameters.items(), *part._buffers.items()]:
        if tensor is None or name in part._non_persistent_buffers_set:
            continue
        if name in kept:
            yield _packed_by_hqq(owned)
        elif name in part._buffers:
            yield replace(_tensor(part, name, tensor), buffer=True)
        else:
            yield _tensor(part, name, tensor)
    if kept and isinstance(owned.bias, torch.Tensor) and "bias" not in part._parameters:
        yield _plain("bias", owned.bias)


def _plain(name: str, tensor: torch.Tensor) -> _Held:
    return _Held(
        name=name,
        dtype=_dtype(tensor),
        shape=tuple(tensor.shape),
        parts=(tensor,),
        read=lambda: tensor.detach(),
        quantised=False,
    )


def _tensor(part: torch.nn.Module, name: str, tensor: torch.Tensor) -> _Held:
    given: Any = tensor
    state: Any = getattr(tensor, "quant_state", None)
    if state is not None:  # bitsandbytes' four bits
        tables = [state.absmax, state.code, state.offset]
        second = getattr(state, "state2", None)  # the scales' own scales
        if second is not None:
            tables += [second.absmax, second.code]
        parts = (tensor.data, *(one for one in tables if isinstance(one, torch.Tensor)))
        return _Held(
            name=name, dtype=str(state.quant_type), shape=tuple(state.shape), parts=parts, read=lambda: _four_bit(given)
        )
    if hasattr(tensor, "has_fp16_weights"):  # bitsandbytes' eight bits; the scales move at the first call
        scales = getattr(tensor, "SCB", None)
        if scales is None:
            scales = getattr(getattr(part, "state", None), "SCB", None)
        parts = (tensor.data, *((scales,) if isinstance(scales, torch.Tensor) else ()))
        return _Held(name=name, dtype=_dtype(tensor), shape=tuple(tensor.shape), parts=parts, read=lambda: tensor.data)
    inner = tuple(plain for _, plain in plain_parts(tensor))
    if len(inner) == 1 and inner[0] is tensor:
        return _plain(name, tensor)
    named = getattr(given, "qtype", None)  # quanto names its types; torchao's is what it keeps
    return _Held(
        name=name,
        dtype=str(getattr(named, "name", None) or _dtype(inner[0])),
        shape=tuple(tensor.shape),
        parts=inner,
        read=lambda: given.dequantize(),
    )


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _four_bit(weight: Any) -> torch.Tensor:
    from bitsandbytes.functional import dequantize_4bit

    values: torch.Tensor = dequantize_4bit(weight.data, weight.quant_state)
    return values


def _is_hqq(part: torch.nn.Module) -> bool:
    return type(part).__module__.partition(".")[0] == "hqq" and isinstance(getattr(part, "meta", None), dict)


def _packed_by_hqq(part: Any) -> _Held:
    tables = [value for value in part.meta.values() if isinstance(value, torch.Tensor)]
    return _Held(
        name="weight",
        dtype=f"hqq-{part.meta['nbits']}",
        shape=tuple(part.meta["shape"]),
        parts=(part.W_q.data, *tables),
        read=lambda: part.dequantize(),
    )


def _packed_by_torch(part: Any) -> Iterator[_Held]:
    """torch.ao's packed parameters as they are saved; a float16 packing is saved, and counted, in float32."""
    weight, bias = part._weight_bias()
    if weight.is_quantized:
        by_row = weight.qscheme() in (torch.per_channel_affine, torch.per_channel_affine_float_qparams)
        scales = 2 * (weight.shape[0] if by_row else 1) * 8  # float64 scales, int64 zero points
        yield _Held(
            name="weight",
            dtype=_dtype(weight),
            shape=tuple(weight.shape),
            parts=(weight.int_repr(),),
            more_bytes=scales,
            read=lambda: weight.dequantize(),
            fleeting=True,
        )
    else:
        yield _Held(
            name="weight",
            dtype=_dtype(weight),
            shape=tuple(weight.shape),
            parts=(weight,),
            read=lambda: weight,
            fleeting=True,
        )
    if bias is not None:
        yield _Held(
            name="bias", dtype=_dtype(bias), shape=tuple(bias.shape), parts=(bias,), read=lambda: bias, fleeting=True
        )


def sparsity_of(tensors: Sequence[StoredTensor]) -> float | None:
    """Share of zeros; None where there are no weights, or some cannot be read back."""
    known = [(one.sparsity, one.numel) for one in tensors if one.sparsity is not None]
    if not known or len(known) < len(tensors):
        return None
    return sum(share * count for share, count in known) / sum(count for _, count in known)


def bits_of(tensors: Sequence[StoredTensor]) -> float | None:
    """Stored bits a weight, scales counted; None where there are no weights."""
    count = sum(one.numel for one in tensors)
    return 8 * sum(one.bytes for one in tensors) / count if count else None

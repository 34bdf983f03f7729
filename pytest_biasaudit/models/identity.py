"""Which artefact: digests of weights, tokenizer and chat template. Imports torch only to hash tensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "gguf", "pytest-biasaudit")


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, as `sha256sum` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_sha256(paths: Iterable[Path]) -> str:
    """The digest of one file; for several, the sha256 over "DIGEST  NAME" lines in order of name."""
    ordered = sorted(paths, key=lambda path: path.name)
    if len(ordered) == 1:
        return file_sha256(ordered[0])
    lines = "".join(f"{file_sha256(path)}  {path.name}\n" for path in ordered)
    return hashlib.sha256(lines.encode()).hexdigest()


def tensors_sha256(module: torch.nn.Module) -> str:
    """sha256 over a module's state: each tensor's name, dtype, shape and bytes, in order of name.

    For models that are no file: live ones and children. Two names for one storage (a tied head) count once. Quantised
    tensors count by what they are kept as: levels, scales and zero points, and the settings that say how to read them.
    """
    import torch

    digest = hashlib.sha256()
    seen: set[tuple[int, tuple[int, ...]]] = set()
    for name, value in sorted(module.state_dict().items()):
        for title, part, stays in _state_parts(name, value):
            if not isinstance(part, torch.Tensor):
                digest.update(f"{title}={part!r}".encode())
                continue
            if stays:
                key = (part.data_ptr(), tuple(part.shape))
                if part.numel() and key in seen:
                    continue
                seen.add(key)
            digest.update(f"{title} {part.dtype} {tuple(part.shape)}\n".encode())
            digest.update(part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def plain_parts(tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """The plain tensors that a tensor consists of, with their names under it: itself, for a plain one.

    A wrapper (torchao's and quanto's weights) says by torch's `__tensor_flatten__` what it holds.
    """
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        yield "", tensor
        return
    for name in flatten()[0]:
        for under, plain in plain_parts(getattr(tensor, name)):
            yield f".{name}{under}", plain


def _state_parts(name: str, value: Any) -> Iterator[tuple[str, Any, bool]]:
    """A value of a state as plain tensors and plain values, each with a title, and whether it stays at its address."""
    import torch

    if isinstance(value, (tuple, list)):  # torch.ao's packed parameters, unpacked: weight and bias
        for index, one in enumerate(value):
            for title, part, _ in _state_parts(f"{name}[{index}]", one):
                yield title, part, False
    elif not isinstance(value, torch.Tensor):
        yield name, value, False
    elif value.is_quantized:
        scheme = value.qscheme()
        if scheme in (torch.per_tensor_affine, torch.per_tensor_symmetric):
            yield f"{name}.grid", (str(scheme), value.q_scale(), value.q_zero_point()), False
        else:
            yield f"{name}.grid", (str(scheme), value.q_per_channel_axis()), False
            yield f"{name}.scales", value.q_per_channel_scales(), False
            yield f"{name}.zero_points", value.q_per_channel_zero_points(), False
        yield f"{name}.levels", value.int_repr(), False
    elif hasattr(value, "__tensor_flatten__"):
        yield f"{name}.form", _form(value), False
        for under, plain in plain_parts(value):
            yield f"{name}{under}", plain, True
    else:
        yield name, value, True


def _form(tensor: Any) -> str:
    """How a wrapper's parts are read: its class and settings, in words that are the same in every process."""
    settings = tensor.__tensor_flatten__()[1]
    return f"{type(tensor).__qualname__} {sorted((key, str(value)) for key, value in dict(settings).items())}"


def tokenizer_sha256(tokenizer: Any) -> str:
    """sha256 of what the tokenizer does: its backend's JSON where it has one, else its vocabulary; with special tokens."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        # Padding and truncation are settings of a call, not of the tokenizer: whoever used it last may have left them.
        state = {
            key: value for key, value in json.loads(backend.to_str()).items() if key not in ("padding", "truncation")
        }
    else:
        state = tokenizer.get_vocab()
    special = {key: str(value) for key, value in tokenizer.special_tokens_map.items()}
    return hashlib.sha256(json.dumps([state, special], sort_keys=True).encode()).hexdigest()


NOT_SETTINGS = frozenset({"_name_or_path", "transformers_version", "dtype", "torch_dtype", "quantization_config"})
"""What a configuration says beside how the model computes; the dtype stands in the identity itself."""


def config_sha256(module: torch.nn.Module) -> str | None:
    """sha256 of a transformers module's configuration and stop tokens: the same weights answer otherwise under another.

    None for a module without one: nothing then says what its code does with its weights.
    """
    config: Any = getattr(module, "config", None)
    if not callable(getattr(config, "to_dict", None)):
        return None
    settings = {key: value for key, value in config.to_dict().items() if key not in NOT_SETTINGS}
    stops = getattr(getattr(module, "generation_config", None), "eos_token_id", None)
    return text_sha256(json.dumps([settings, stops], sort_keys=True, default=str))


NOT_CHANGES = ("transformers.", "optimum.quanto.", "bitsandbytes.", "torchao.", "hqq.")
"""Packages whose hooks belong to the layers they stand on."""


def hooks_of(module: torch.nn.Module) -> tuple[tuple[str, str, int], ...]:
    """Every forward hook on the module or a part of it: (part, which, id). They change answers and no tensor.

    Not those of transformers itself: asked once for all hidden states, it leaves hooks behind that only take them down.
    Nor a quantiser's own, by which a layer computes: what they use is in the module's state (quanto's scales).
    """
    return tuple(
        (name, kind, key)
        for name, part in module.named_modules()
        for kind in ("_forward_hooks", "_forward_pre_hooks")
        for key, hook in getattr(part, kind).items()
        if not str(getattr(hook, "__module__", "")).startswith(NOT_CHANGES)
    )


def text_sha256(text: str) -> str:
    """sha256 of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def library_versions() -> tuple[tuple[str, str], ...]:
    """Versions of the libraries that decide what a model answers, those installed, without importing them."""
    found = []
    for name in LIBRARIES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)

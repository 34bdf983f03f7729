"""A declared model, loaded: strictly, without code of its own, safetensors only. Imports torch and transformers when called.

Missing or mismatched weights are an error: a model with random weights in it looks fair. GGUF weights are dequantised
once and kept as safetensors in the cache, under the digest of the .gguf file.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.identity import (
    config_sha256,
    file_sha256,
    files_sha256,
    hooks_of,
    library_versions,
    tensors_sha256,
    text_sha256,
    tokenizer_sha256,
)
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.models.source import Place, resolve

if TYPE_CHECKING:
    import torch

    from pytest_biasaudit.models.causal import CausalModel

CONVERTED = "converted.json"
"""Written last into a converted model's folder: the digests of its files. A folder without it was cut off."""


def load_source(
    name: str,
    source: str,
    *,
    beside: Path,
    cache: Path | None,
    revision: str | None = None,
    dtype: str = "float32",
    offline: bool = False,
) -> CausalModel:
    """Loads the model a source names.

    beside  folder that relative paths start from; cache  folder for converted weights, None to keep nothing
    Raises ModelError: not found, not safetensors, weights missing or mismatched, no tokenizer, no causal head.
    """
    place = resolve(source, beside=beside)
    if place.kind == "gguf":
        return _load_gguf(name, source, place, cache, dtype)
    if place.kind == "folder":
        assert place.path is not None
        module, tokenizer = _from_pretrained(str(place.path), source, dtype=dtype, offline=True)
        weights = files_sha256(_weight_files(place.path, source))
        return _model(name, source, module, tokenizer, weights=weights, revision=None)
    module, tokenizer = _from_pretrained(
        place.hub_id, source, dtype=dtype, offline=offline, revision=revision, hub=True
    )
    commit = getattr(module.config, "_commit_hash", None) or revision
    return _model(name, source, module, tokenizer, weights=tensors_sha256(module), revision=commit)


def wrap_live(name: str, module: torch.nn.Module, tokenizer: Any) -> CausalModel:
    """A live module with its tokenizer, as it stands: its digest is that of its tensors now."""
    if not hasattr(tokenizer, "decode") or not callable(tokenizer):
        raise ModelError(f"a live model needs its transformers tokenizer beside it; got {type(tokenizer).__name__}")
    return _model(
        name, f"live:{type(module).__name__}", module, tokenizer, weights=tensors_sha256(module), revision=None
    )


def _model(
    name: str, source: str, module: torch.nn.Module, tokenizer: Any, *, weights: str, revision: str | None
) -> CausalModel:
    from pytest_biasaudit.models.causal import CausalModel

    first = next(module.parameters(), None)
    template = getattr(tokenizer, "chat_template", None)
    settings = config_sha256(module)
    identity = ModelIdentity(
        name=name,
        source=source,
        revision=revision,
        weights_sha256=weights,
        tokenizer_sha256=tokenizer_sha256(tokenizer),
        chat_template_sha256=text_sha256(str(template)) if template else None,
        config_sha256=settings,
        dtype=str(first.dtype).removeprefix("torch.") if first is not None else "",
        architecture=type(module).__name__,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        libraries=library_versions(),
        # Hooks, or code of the module's own, decide answers that no digest sees: nothing of them is kept.
        cacheable=settings is not None and not hooks_of(module),
    )
    return CausalModel(module, tokenizer, identity)


def _load_gguf(name: str, source: str, place: Place, cache: Path | None, dtype: str) -> CausalModel:
    assert place.path is not None
    weights = file_sha256(place.path)
    if cache is None:
        with tempfile.TemporaryDirectory(prefix="biasaudit-") as folder:
            converted = _convert(place.path, Path(folder) / weights, source)
            module, tokenizer = _from_pretrained(str(converted), source, dtype=dtype, offline=True)
            module = _detached(module)
    else:
        converted = _converted(place.path, cache / "models" / weights, source)
        module, tokenizer = _from_pretrained(str(converted), source, dtype=dtype, offline=True)
    return _model(name, source, module, tokenizer, weights=weights, revision=None)


def _detached(module: torch.nn.Module) -> torch.nn.Module:
    """The module with its tensors in memory of their own, where they may still be mapped from a file about to go."""
    for tensor in [*module.parameters(), *module.buffers()]:
        tensor.data = tensor.data.clone()
    return module


def _converted(path: Path, folder: Path, source: str) -> Path:
    """The converted copy: as kept if its digests still hold, made otherwise. One process converts, others wait."""
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(str(folder) + ".lock"):
        if _intact(folder):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        return _convert(path, folder, source)


def _intact(folder: Path) -> bool:
    """Whether every file is there with the digest it was written with."""
    try:
        digests = json.loads((folder / CONVERTED).read_text(encoding="utf-8"))
        return all(file_sha256(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError):
        return False


def _convert(path: Path, folder: Path, source: str) -> Path:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(path.parent),
            gguf_file=path.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
            output_loading_info=True,
            local_files_only=True,
            trust_remote_code=False,
        )
        tokenizer = AutoTokenizer.from_pretrained(
            str(path.parent), gguf_file=path.name, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the reader of a foreign format: anything may come out of a broken file
        raise ModelError(f"source {source!r}: {path.name} cannot be read as GGUF: {_first_line(error)}") from error
    module, info = loaded
    _refuse_gaps(info, source)
    folder.mkdir(parents=True)
    module.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    digests = {file.name: file_sha256(file) for file in folder.iterdir()}
    (folder / CONVERTED).write_text(json.dumps(digests, indent=1), encoding="utf-8")
    return folder


def _from_pretrained(
    place: str, source: str, *, dtype: str, offline: bool, revision: str | None = None, hub: bool = False
) -> tuple[torch.nn.Module, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    common: dict[str, Any] = {"trust_remote_code": False, "local_files_only": offline, "revision": revision or "main"}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            place,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **common,
        )  # mismatches are reported by name, and refused below
        tokenizer = AutoTokenizer.from_pretrained(place, **common)
    except Exception as error:  # hub, file system, safetensors and config errors alike: the model cannot be had
        hint = " (offline: only what is in the local hub cache can be used)" if offline and hub else ""
        raise ModelError(f"source {source!r} cannot be loaded{hint}: {_first_line(error)}") from error
    module, info = loaded
    _refuse_gaps(info, source)
    return module.to(_device()), tokenizer


def _refuse_gaps(info: dict[str, Any], source: str) -> None:
    """Raises when the file did not fill every weight: what is missing would be random numbers."""
    for key, words in (
        ("missing_keys", "missing"),
        ("mismatched_keys", "of another shape"),
        ("error_msgs", "unreadable"),
    ):
        found = sorted(str(item) for item in info.get(key) or ())
        if found:
            shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
            raise ModelError(
                f"source {source!r}: {len(found)} weights are {words} ({shown}); they would be random numbers, and a model "
                "with random weights looks fair. Check that the file belongs to this architecture"
            )


def _weight_files(folder: Path, source: str) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelError(f"source {source!r}: the folder has no .safetensors file; pickled weights are not loaded")
    return files


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def use_threads(count: int) -> None:
    """Bounds torch's threads: several test processes on one machine would otherwise each take all cores."""
    import torch

    torch.set_num_threads(max(1, count))

"""A declared model, loaded, or a live one taken as it stands. Imports torch and transformers when called.

Loading is strict (`pretrained`): a model with random weights in it looks fair. GGUF weights are dequantised once and
kept as safetensors in the cache, under the digest of the .gguf file.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
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
from pytest_biasaudit.models.kind import Kind, classifies_texts, looks_both_ways, unclassifying, unnamed_labels
from pytest_biasaudit.models.pretrained import Pretrained, first_line, load_pretrained, refuse_gaps
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.models.saved_record import RECORD, read_record
from pytest_biasaudit.models.source import Place, resolve

if TYPE_CHECKING:
    import torch

    from pytest_biasaudit.models.transformer import TransformerModel
    from pytest_biasaudit.models.word_vectors import WordVectors

DEFAULT_DTYPE = "float32"
"""What a model is loaded in that says nothing else; a saved child says what it is."""
CONVERTED = "converted.json"
"""Written last into a converted model's folder: the digests of its files. A folder without it was cut off."""


def load_source(
    name: str,
    source: str,
    *,
    beside: Path,
    cache: Path | None,
    revision: str | None = None,
    dtype: str = DEFAULT_DTYPE,
    offline: bool = False,
    kind: Kind | None = None,
) -> TransformerModel | WordVectors:
    """Loads the model a source names.

    beside  folder that relative paths start from; cache  folder for converted weights, None to keep nothing
    kind    what it is loaded as; None: what its configuration names
    dtype   what it is loaded in; a folder with a saved child's record comes in the record's

    A causal or masked model whose file lacks the head, and nothing else, comes as an `EncoderModel` that says so.
    Raises ModelError: not found, not safetensors, weights missing or mismatched, no tokenizer, not of that kind.
    """
    place = resolve(source, beside=beside, vectors=kind == "vectors")
    if place.kind == "vectors":
        from pytest_biasaudit.models.word_vectors import WordVectors

        _refuse_kind(kind, "vectors", source)
        assert place.path is not None
        return WordVectors.read(name, source, place.path)
    if place.kind == "gguf":
        _refuse_kind(kind, "causal", source)
        return _load_gguf(name, source, place, cache, dtype)
    if place.kind == "folder":
        assert place.path is not None
        return _load_folder(name, source, place.path, kind, dtype)
    found = load_pretrained(place.hub_id, source, kind=kind, dtype=dtype, offline=offline, revision=revision, hub=True)
    commit = getattr(found.module.config, "_commit_hash", None) or revision
    commit = str(commit) if commit is not None else None
    return _model(name, source, found, weights=tensors_sha256(found.module), revision=commit)


def _load_folder(name: str, source: str, folder: Path, kind: Kind | None, dtype: str) -> TransformerModel:
    record = read_record(folder, source=source)
    if record is not None and dtype not in (DEFAULT_DTYPE, record.dtype):
        raise ModelError(
            f"source {source!r}: dtype = {dtype!r} is declared, and {RECORD} says that this child is of {record.dtype}; "
            "leave dtype out, or make a child of it with a recipe"
        )
    if record is not None:
        dtype = record.dtype
    found = load_pretrained(str(folder), source, kind=kind, dtype=dtype, offline=True)
    weights = record.weights_sha256 if record is not None else files_sha256(_weight_files(folder, source))
    model = _model(name, source, found, weights=weights, revision=None)
    if record is not None:
        model.settle(record.told(model.identity))
    return model


def wrap_live(name: str, module: torch.nn.Module, tokenizer: Any) -> TransformerModel:
    """A live module with its tokenizer, as it stands: its digest is that of its tensors now.

    A masked language model, an encoder and a classifier of transformers are known by their classes, the classifier only
    where its configuration names its labels; any other module is asked for the next token. Raises ModelError for a module
    that cannot be, and without a tokenizer.
    """
    if not hasattr(tokenizer, "decode") or not callable(tokenizer):
        raise ModelError(f"a live model needs its transformers tokenizer beside it; got {type(tokenizer).__name__}")
    kind, lacks = _live_kind(module)
    found = Pretrained(module=module, tokenizer=tokenizer, kind=kind, lacks=lacks)
    return _model(name, f"live:{type(module).__name__}", found, weights=tensors_sha256(module), revision=None)


def _live_kind(module: torch.nn.Module) -> tuple[Kind, str]:
    """What a live module is, and what it lacks to be a language model."""
    from transformers import PreTrainedModel
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

    if not isinstance(module, PreTrainedModel):
        return "causal", ""
    config, title = module.config, type(module).__name__
    head: Any = module.get_output_embeddings  # transformers leaves it untyped
    masked: Any = MODEL_FOR_MASKED_LM_MAPPING.get(type(config), ())
    if looks_both_ways(config) and isinstance(module, masked):
        return "masked", ""
    if classifies_texts(title) and not unclassifying(config) and not unnamed_labels(config):
        return "classifier", "it gives labels, and predicts no word"
    if head() is None:
        return "encoder", f"{title} has no language-model head"
    if looks_both_ways(config):
        raise ModelError(
            f"a live {title} that is not set up as a decoder sees the words after a gap too, so it has no next-token "
            f"likelihood; give its {getattr(masked, '__name__', 'masked language model')}"
        )
    return "causal", ""


def _refuse_kind(declared: Kind | None, only: Kind, source: str) -> None:
    if declared not in (None, only):
        raise ModelError(f"source {source!r}: such a file holds kind = {only!r} only; kind = {declared!r} is declared")


def _model(name: str, source: str, found: Pretrained, *, weights: str, revision: str | None) -> TransformerModel:
    from pytest_biasaudit.compression.storage import weight_count

    module, tokenizer = found.module, found.tokenizer
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
        parameters=weight_count(module),
        libraries=library_versions(),
        lacks=found.lacks,
        # Hooks, or code of the module's own, decide answers that no digest sees: nothing of them is kept.
        cacheable=settings is not None and not hooks_of(module),
    )
    return _class_of(found.kind)(module, tokenizer, identity)


def _class_of(kind: Kind) -> type[TransformerModel]:
    if kind == "masked":
        from pytest_biasaudit.models.masked import MaskedModel

        return MaskedModel
    if kind == "encoder":
        from pytest_biasaudit.models.encoder import EncoderModel

        return EncoderModel
    if kind == "classifier":
        from pytest_biasaudit.models.classifier import TransformerClassifier

        return TransformerClassifier
    from pytest_biasaudit.models.causal import CausalModel

    return CausalModel


def _load_gguf(name: str, source: str, place: Place, cache: Path | None, dtype: str) -> TransformerModel:
    from pytest_biasaudit.models.gguf_facts import kept_gguf_facts
    from pytest_biasaudit.models.mapped import own_memory

    assert place.path is not None
    weights = file_sha256(place.path)
    facts = kept_gguf_facts(place.path, source=source, beside=None if cache is None else cache / "models" / weights)
    if cache is None:
        with tempfile.TemporaryDirectory(prefix="biasaudit-") as folder:
            converted = _convert(place.path, Path(folder) / weights, source)
            found = load_pretrained(str(converted), source, kind="causal", dtype=dtype, offline=True)
            found = replace(found, module=own_memory(found.module, everywhere=True))
    else:
        converted = _converted(place.path, cache / "models" / weights, source)
        found = load_pretrained(str(converted), source, kind="causal", dtype=dtype, offline=True)
    model = _model(name, source, found, weights=weights, revision=None)
    model.settle(replace(model.identity, achieved=facts))
    return model


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
        raise ModelError(f"source {source!r}: {path.name} cannot be read as GGUF: {first_line(error)}") from error
    module, info = loaded
    refuse_gaps(info, source)
    folder.mkdir(parents=True)
    module.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    digests = {file.name: file_sha256(file) for file in folder.iterdir()}
    (folder / CONVERTED).write_text(json.dumps(digests, indent=1), encoding="utf-8")
    return folder


def _weight_files(folder: Path, source: str) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelError(f"source {source!r}: the folder has no .safetensors file; pickled weights are not loaded")
    return files


def use_threads(count: int) -> None:
    """Bounds torch's threads: several test processes on one machine would otherwise each take all cores."""
    import torch

    torch.set_num_threads(max(1, count))

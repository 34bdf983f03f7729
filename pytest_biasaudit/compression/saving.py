"""A child written to a folder with its record, so that it can be shipped, loaded again, and traced. Imports torch.

What is written is loaded back at once and compared: a folder that would give another model is not left behind.
"""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_biasaudit.compression.saved_forms import savable
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.classifier import TransformerClassifier
from pytest_biasaudit.models.identity import NOT_SETTINGS, hooks_of
from pytest_biasaudit.models.load import load_source
from pytest_biasaudit.models.pretrained import first_line
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.models.saved_record import RECORD, digests_of, ours, record_text
from pytest_biasaudit.models.transformer import TransformerModel

FREE = NOT_SETTINGS | {"architectures", "_name_or_path"}
"""What a saved configuration may say otherwise: the class is compared by itself."""


def save(model: object, folder: str | Path, *, date: str | None = None) -> Path:
    """Writes a model to a folder: safetensors, configuration, tokenizer, and `biasaudit-record.json`. Gives the folder.

    model   a child that a recipe made, or any transformer that was loaded
    folder  made where it is not there; an earlier save in it is replaced, and any other content refused
    date    for the record; None: it has none, and the same child gives the same record

    The record holds what the identity says (parent and its digest, recipe with the digests of its files, what was
    achieved), the digest of the child in memory, and those of the files. The folder is a `source` like any other, in the
    record's number format; loaded, it answers bit for bit as the child, and says the same parent, recipe and achievements.
    Its own digest is another, over the files in the place of the tensors: the record holds both.

    Raises ModelError for what cannot be saved in a form that loads back, and says why; for a model that was changed
    since it was loaded; and for a folder with other content. Nothing is left behind then.
    """
    if not isinstance(model, TransformerModel):
        raise ModelError(f"only a model whose weights are at hand can be saved; this is a {type(model).__name__}")
    target = Path(folder).absolute()
    name = model.identity.name
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not ours(target))):
        raise ModelError(f"{name}: {target} holds what is not a saved child; choose another folder")
    model.refuse_if_changed()
    try:
        _refuse_unsavable(model)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as made:
            place = Path(made) / target.name
            place.mkdir()
            loaded = _written(model, place)
            files = digests_of(sorted(path for path in place.iterdir()))
            text = record_text(
                model.identity,
                loaded,
                tensors=model.tensors_sha256,
                files=files,
                achieved=model.identity.achieved,
                date=date,
            )
            (place / RECORD).write_text(text, encoding="utf-8")
            if target.exists():
                shutil.rmtree(target)
            os.replace(place, target)
    except ModelError as fault:
        raise ModelError(f"{name}: {fault}") from fault
    except OSError as fault:
        raise ModelError(f"{name}: {target} cannot be written: {fault}") from fault
    return target


def _refuse_unsavable(model: TransformerModel) -> None:
    module = model.module
    if not hasattr(module, "save_pretrained") or not hasattr(module, "config"):
        raise ModelError(
            f"it cannot be saved: {type(module).__name__} is no transformers model, so nothing would load it back"
        )
    if not hasattr(model.tokenizer, "save_pretrained"):
        raise ModelError(f"it cannot be saved: its tokenizer ({type(model.tokenizer).__name__}) cannot be")
    hooks = sorted({part or "the module itself" for part, _, _ in hooks_of(module)})
    if hooks:
        raise ModelError(
            f"it cannot be saved: hooks decide its answers ({', '.join(hooks[:3])}{', ...' if len(hooks) > 3 else ''}), and "
            "no file holds a hook"
        )


def _written(model: TransformerModel, place: Path) -> ModelIdentity:
    """The identity of what the folder gives when it is loaded. Raises ModelError where that is not the model."""
    module: Any = model.module
    with _as_it_was(module), savable(module):
        try:
            module.save_pretrained(place, safe_serialization=True)
            model.tokenizer.save_pretrained(place)
        except Exception as error:  # transformers and the back ends raise what they like on forms they cannot write
            raise ModelError(f"it cannot be saved: {first_line(error)}") from error
    kept = dict(module.config.to_dict())
    try:
        back = load_source(
            model.identity.name,
            str(place),
            beside=place.parent,
            cache=None,
            dtype=model.identity.dtype,
            offline=True,
            # One whose labels are not named is a classifier only where that is declared.
            kind="classifier" if isinstance(model, TransformerClassifier) else None,
        )
    except (ModelError, AttributeError) as fault:
        raise ModelError(f"it cannot be saved in a form that loads back: {fault}") from fault
    told = _difference(model, kept, back)
    if told:
        raise ModelError(f"it cannot be saved in a form that loads back as it is: {told}")
    # The parent and the recipe are part of the digest that the folder will have.
    return _with_descent(back.identity, model.identity)


def _with_descent(loaded: ModelIdentity, child: ModelIdentity) -> ModelIdentity:
    return replace(loaded, parent=child.parent, parent_digest=child.parent_digest, recipe=child.recipe)


def _difference(model: TransformerModel, settings: dict[str, object], back: object) -> str:
    """How what was loaded back is another model; "" where it is the same."""
    if not isinstance(back, TransformerModel) or type(back) is not type(model):
        return f"it comes back as a {type(back).__name__}, and is a {type(model).__name__}"
    if type(back.module) is not type(model.module):
        return f"it comes back as a {type(back.module).__name__}, and is a {type(model.module).__name__}"
    if back.tensors_sha256 != model.tensors_sha256:
        return f"its tensors come back with the digest {back.tensors_sha256}, and have {model.tensors_sha256}"
    module: Any = back.module
    theirs = module.config.to_dict()
    other = sorted(key for key in {*settings, *theirs} if key not in FREE and settings.get(key) != theirs.get(key))
    if other:
        return f"its configuration comes back with another {', '.join(other)}"
    if back.identity.tokenizer_sha256 != model.identity.tokenizer_sha256:
        return "its tokenizer comes back as another"
    if back.identity.chat_template_sha256 != model.identity.chat_template_sha256:
        return "its chat template comes back as another"
    return ""


@contextmanager
def _as_it_was(module: Any) -> Iterator[None]:
    """Saving writes into a module's configuration; after, it is as it was."""
    kept = [
        (one, copy.deepcopy(one.__dict__)) for one in (module.config, getattr(module, "generation_config", None)) if one
    ]
    try:
        yield
    finally:
        for one, state in kept:
            one.__dict__.clear()
            one.__dict__.update(state)

"""The models of a run: loaded from what is declared, made from their parents, taken live; one declared model held at a time.

Sees `context`, `models` and `compression` only; what is asked of a model is the auditor's. Torch starts with the first model.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.context.declaration import Context
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.protocol import Model
from pytest_biasaudit.models.spec import ModelSpec
from pytest_biasaudit.settings import Extensions, Settings

if TYPE_CHECKING:
    from pytest_biasaudit.models.perplexity import HeldText, Prediction
    from pytest_biasaudit.models.transformer import TransformerModel


class Artefacts:
    """Every model of a run. A child is made in a freshly loaded parent, or in a copy of one that the caller holds.

    settings    folders, seed, offline, threads
    specs       the declared models
    extensions  backends and recipe methods that hooks add

    One declared model is held in memory at a time, beside those that the caller holds.
    """

    def __init__(self, settings: Settings, specs: Mapping[str, ModelSpec], extensions: Extensions) -> None:
        self.specs = dict(specs)
        self._settings = settings
        self._extensions = extensions
        self._held: tuple[str, Model] | None = None
        self._digests: dict[str, str] = {}
        self._known: list[Model] = []
        self._texts: dict[str, HeldText] = {}
        self._parents: dict[tuple[str, str], Parent] = {}

    def close(self) -> None:
        """Lets go of every model."""
        self._held = None
        self._known.clear()

    def load(self, name: str) -> Model:
        """A declared model, loaded. Raises ModelError naming the declared ones."""
        if self._held is not None and self._held[0] == name:
            return self._held[1]
        if name not in self.specs:
            raise ModelError(f"no model {name!r} is declared; there are {', '.join(self.specs) or 'none'}")
        self._held = None  # let go before the next is loaded: one in memory
        model = self._load(self.specs[name])
        self._held = (name, model)
        self._digests[name] = model.identity.digest
        return model

    def digest_of(self, name: str) -> str | None:
        """The digest of a declared model, where it has been loaded in this run."""
        return self._digests.get(name)

    def model(self, given: object) -> Model:
        """A model from whatever a test has: a declared name, a loaded model, or (module, tokenizer)."""
        if isinstance(given, str):
            return self.load(given)
        if isinstance(given, Model):
            return given
        if isinstance(given, tuple) and len(given) == 2:
            from pytest_biasaudit.models.load import wrap_live

            module, tokenizer = given
            live = wrap_live(self._live_name(), module, tokenizer)
            for known in self._known:  # unchanged since it was last given: the same model by the same name
                same = getattr(known, "module", None) is module and known.identity.digest == live.identity.digest
                if same and known.identity.cacheable and live.identity.cacheable:
                    return known
            self._known.append(live)
            return live
        raise TypeError(
            "a model is a declared name, a loaded model, or a tuple (torch module, tokenizer); "
            f"got {type(given).__name__}" + ("; give its tokenizer beside it" if hasattr(given, "forward") else "")
        )

    def derive(self, parent: object, steps: Sequence[Step], *, name: str | None = None) -> TransformerModel:
        """A child of a model by recipe steps; a model that somebody holds is copied, and given back as it was.

        parent  as `model` takes it. A declared name that nobody holds is loaded afresh and used up: no two copies
        """
        from pytest_biasaudit.compression.child import child_from, child_of

        steps = [step.within(self._settings.root) for step in steps]
        used_up = isinstance(parent, str) and parent in self.specs and self._let_go(parent)
        if isinstance(parent, str) and used_up:
            origin = with_weights(self._load(self.specs[parent]), "a child")
            self._digests[parent] = origin.identity.digest
        else:
            origin = with_weights(self.model(parent), "a child")
        return (child_from if used_up else child_of)(
            origin,
            steps,
            name=name or "+".join([origin.identity.name, *(step.short for step in steps)]),
            methods=self._extensions.methods,
            materials=self._materials(origin),
            held_text=self._held_text(origin.identity.name),
        )

    def held_text(self, name: str) -> HeldText:
        """The text that the model of that name, or the first of its parents, declares for perplexity; else the bundled one."""
        return self._held_text(name)

    def keep_alive(self, model: Model) -> None:
        """Keeps a model that no digest pins down, so that no other object gets its id."""
        if all(model is not known for known in self._known):
            self._known.append(model)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _load(self, spec: ModelSpec) -> Model:
        """The model of a spec, from files; a child is made in its freshly loaded parent, or loaded ready-made."""
        if spec.parent is not None and spec.source is not None:
            # The parent is let go before its child is loaded: what is kept of it is its digest.
            parent = self._seen(spec.parent, self._held_text(spec.name))
            return _of_parent(self._loaded(spec), parent, self._held_text(spec.name))
        if spec.parent is not None:
            from pytest_biasaudit.compression.child import child_from

            fresh = with_weights(self._load(self.specs[spec.parent]), spec.name)
            return child_from(
                fresh,
                [step.within(self._settings.root) for step in spec.recipe],
                name=spec.name,
                methods=self._extensions.methods,
                materials=self._materials(fresh),
                held_text=self._held_text(spec.name),
            )
        return self._loaded(spec)

    def _loaded(self, spec: ModelSpec) -> Model:
        """What the source of a spec holds."""
        assert spec.source is not None
        scheme = spec.source.partition(":")[0]
        if scheme in self._extensions.backends:
            return self._extensions.backends[scheme](spec)
        from pytest_biasaudit.models.load import load_source, use_threads

        if self._settings.threads is not None:
            use_threads(self._settings.threads)
        return load_source(
            spec.name,
            spec.source,
            beside=self._settings.root,
            cache=self._settings.cache,
            revision=spec.revision,
            dtype=spec.dtype,
            offline=self._settings.offline,
            kind=spec.kind,
        )

    def _let_go(self, name: str) -> bool:
        """Lets go of the declared model that is held, whichever it is; whether nobody else holds the one of that name."""
        if self._held is None:
            return True
        held_name, model = self._held
        self._held = None
        if held_name != name:
            return True
        try:
            left = weakref.ref(model)
        except TypeError:  # a back end's model that does not tell who holds it
            self._held = (held_name, model)
            return False
        del model
        gc.collect()
        still = left()
        if still is not None:
            self._held = (held_name, still)
        return still is None

    def _held_text(self, name: str) -> HeldText:
        """What a model is asked to predict: what it or the first of its parents declares, else the bundled text."""
        from pytest_biasaudit.models.perplexity import bundled_text, read_held_text

        spec = self.specs.get(name)
        while spec is not None and spec.held_text is None:
            spec = self.specs.get(spec.parent) if spec.parent is not None else None
        if spec is None or spec.held_text is None:
            return bundled_text()
        if spec.held_text not in self._texts:
            self._texts[spec.held_text] = read_held_text(self._settings.root / spec.held_text, where=spec.where)
        return self._texts[spec.held_text]

    def _seen(self, name: str, text: HeldText) -> Parent:
        """What is kept of a declared model that is somebody's parent: loaded for it, and let go."""
        key = (name, text.sha256)
        if key not in self._parents:
            from pytest_biasaudit.compression.storage import stored_bytes
            from pytest_biasaudit.models.transformer import TransformerModel

            model = self._load(self.specs[name])
            self._digests[name] = model.identity.digest
            weights = isinstance(model, TransformerModel)
            self._parents[key] = Parent(
                name=name,
                digest=model.identity.digest,
                bytes=_file_bytes(model)
                or (stored_bytes(model.module) if isinstance(model, TransformerModel) else None),
                prediction=text.predicted_by(model) if weights else None,
            )
        return self._parents[key]

    def _materials(self, parent: TransformerModel) -> Materials:
        """What a recipe may use beside its parent's weights."""

        def other(name: str) -> TransformerModel:
            if name not in self.specs:
                raise ModelError(f"no model {name!r} is declared; there are {', '.join(self.specs) or 'none'}")
            return with_weights(self._load(self.specs[name]), name)

        settings, extensions = self._settings, self._extensions

        def read(path: Path) -> Context:
            return read_context(
                path, metrics=extensions.metrics, people_lists=extensions.people, scorers=tuple(extensions.scorers)
            )

        return Materials(
            tokenizer=parent.tokenizer,
            root=settings.root,
            seed=settings.seed,
            cache=settings.cache,
            other=other,
            read_context=read,
            people=extensions.people,
            scorers=extensions.scorers,
            batch_size=settings.batch_size,
        )

    def _live_name(self) -> str:
        count = sum(1 for model in self._known if model.identity.name.startswith("live"))
        return "live" if not count else f"live-{count + 1}"


def with_weights(model: Model, wanted_by: str) -> TransformerModel:
    """The model, if its weights are at hand. Raises ModelError naming what wanted them."""
    from pytest_biasaudit.models.transformer import TransformerModel

    if not isinstance(model, TransformerModel):
        raise ModelError(
            f"{wanted_by}: a recipe needs a model whose weights are at hand; {model.identity.name!r} is a {type(model).__name__}"
        )
    return model


@dataclass(frozen=True, kw_only=True)
class Parent:
    """What is kept of a model that is not held any more, to say what was made of it elsewhere."""

    name: str
    digest: str
    bytes: int | None
    """None where its weights are not at hand."""
    prediction: Prediction | None


def _of_parent(model: Model, parent: Parent, text: HeldText) -> Model:
    """A model made elsewhere, named as the child of a declared one, with what can be measured of both.

    Raises ModelError where a back end's model cannot be told.
    """
    from pytest_biasaudit.compression.achieved import ready_made
    from pytest_biasaudit.models.transformer import TransformerModel

    told = model.identity.parent_digest  # by a saved child's record, or by a back end
    if told is not None and told != parent.digest:
        raise ModelError(
            f"{model.identity.name}: parent = {parent.name!r} is declared, whose digest is {parent.digest}, and it was made "
            f"from {model.identity.parent!r} of digest {told}"
        )
    settle = getattr(model, "settle", None)
    if settle is not None:
        settle(replace(model.identity, parent=parent.name, parent_digest=parent.digest))
    elif (model.identity.parent, model.identity.parent_digest) != (parent.name, parent.digest):
        raise ModelError(
            f"{model.identity.name}: parent = {parent.name!r} is declared, and the {type(model).__name__} of its back end "
            "neither says so itself nor has a method settle(identity) to be told"
        )
    if isinstance(model, TransformerModel) and parent.bytes is not None and parent.prediction is not None:
        figures = ready_made(
            model.module,
            parent_bytes=parent.bytes,
            parent=parent.prediction,
            child=text.predicted_by(model),
            held_text=text.sha256,
        )
        known = model.identity.achieved
        size = _file_bytes(model)
        if size is not None:  # what ships is the file; its weights are loaded dequantised
            figures["size_mb"], figures["bits_per_weight_overall"] = size / 1e6, _gguf(model).get("bits_per_weight")
            del figures["tensors"]
        notes = [*_listed(figures["notes"]), *_listed(known.get("notes"))]
        model.settle(replace(model.identity, achieved={**figures, **known, "notes": list(dict.fromkeys(notes))}))
    return model


def _gguf(model: Model) -> Mapping[str, object]:
    found = model.identity.achieved.get("gguf")
    return found if isinstance(found, Mapping) else {}


def _file_bytes(model: Model) -> int | None:
    """Bytes of the tensors in the .gguf file that a model was loaded from; None for any other."""
    size = _gguf(model).get("bytes")
    return size if isinstance(size, int) else None


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []


def refuse_if_changed(model: Model) -> None:
    """Answers are kept under the digest: it must still be the model's. Raises ModelError."""
    check = getattr(model, "refuse_if_changed", None)
    if check is not None:
        check()

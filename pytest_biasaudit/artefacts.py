"""The models of a run: loaded from what is declared, made from their parents, taken live; one declared model held at a time.

Sees `models` and `compression` only; what is asked of a model is the auditor's. Torch starts with the first model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.recipe import Step
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.declared import ModelSpec
from pytest_biasaudit.models.protocol import Model
from pytest_biasaudit.settings import Extensions, Settings

if TYPE_CHECKING:
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
        """A child of a model by recipe steps, made from a copy: the parent is given back as it was."""
        from pytest_biasaudit.compression.child import child_of

        origin = with_weights(self.model(parent), "a child")
        title = name or "+".join([origin.identity.name, *(step.short for step in steps)])
        materials = self._materials(origin)
        return child_of(origin, steps, name=title, methods=self._extensions.methods, materials=materials)

    def keep_alive(self, model: Model) -> None:
        """Keeps a model that no digest pins down, so that no other object gets its id."""
        if all(model is not known for known in self._known):
            self._known.append(model)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _load(self, spec: ModelSpec) -> Model:
        """The model of a spec, from files; a child is made in its freshly loaded parent, or loaded ready-made."""
        if spec.parent is not None and spec.source is not None:
            # The parent is let go before its child is loaded: what is kept of it is its digest.
            digest = self._digests.get(spec.parent) or self._load(self.specs[spec.parent]).identity.digest
            self._digests[spec.parent] = digest
            return _of_parent(self._loaded(spec), spec.parent, digest)
        if spec.parent is not None:
            from pytest_biasaudit.compression.child import child_from

            fresh = with_weights(self._load(self.specs[spec.parent]), spec.name)
            materials = self._materials(fresh)
            methods = self._extensions.methods
            return child_from(fresh, spec.recipe, name=spec.name, methods=methods, materials=materials)
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

    def _materials(self, parent: TransformerModel) -> Materials:
        """What a recipe may use beside its parent's weights."""

        def other(name: str) -> TransformerModel:
            if name not in self.specs:
                raise ModelError(f"no model {name!r} is declared; there are {', '.join(self.specs) or 'none'}")
            return with_weights(self._load(self.specs[name]), name)

        settings = self._settings
        return Materials(
            tokenizer=parent.tokenizer, root=settings.root, seed=settings.seed, cache=settings.cache, other=other
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


def _of_parent(model: Model, parent: str, digest: str) -> Model:
    """A model made elsewhere, named as the child of a declared one. Raises ModelError where a back end's model cannot be."""
    settle = getattr(model, "settle", None)
    if settle is not None:
        settle(replace(model.identity, parent=parent, parent_digest=digest))
    elif (model.identity.parent, model.identity.parent_digest) != (parent, digest):
        raise ModelError(
            f"{model.identity.name}: parent = {parent!r} is declared, and the {type(model).__name__} of its back end neither "
            "says so itself nor has a method settle(identity) to be told"
        )
    return model


def refuse_if_changed(model: Model) -> None:
    """Answers are kept under the digest: it must still be the model's. Raises ModelError."""
    check = getattr(model, "refuse_if_changed", None)
    if check is not None:
        check()

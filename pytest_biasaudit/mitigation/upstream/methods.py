"""The interventions on models that there are, by name, with their settings. Imports nothing heavy: each is imported at use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from pytest_biasaudit.mitigation.intervention import Setting, complete, is_list, named, number, whole, word, word_pairs

if TYPE_CHECKING:
    from pytest_biasaudit.models.transformer import TransformerModel

ROOM = "pytest_biasaudit.mitigation.upstream"


@dataclass(frozen=True, kw_only=True)
class UpstreamIntervention:
    """A way to make another model of a model, before it is fine-tuned."""

    name: str
    title: str
    does: str
    settings: Mapping[str, Setting]
    source: str
    draws: bool
    """Whether the seed decides anything."""
    needs_head: bool = False
    """Whether the model must predict tokens: an encoder without a language-model head cannot be taken."""
    applied_by: str
    """ "package.module:function", imported at the moment of use."""

    def complete(self, settings: Mapping[str, object]) -> dict[str, object]:
        """These settings with the defaults of all others. Raises DataError with every one that is not valid."""
        return complete(self.settings, settings, name=self.name)

    def apply(
        self, model: TransformerModel, settings: Mapping[str, object], seed: int, *, name: str | None = None
    ) -> TransformerModel:
        """A model of the same kind that names its parent; the model itself stays as it is, bit for bit.

        Raises DataError and RecipeError: see the function that applies it.
        """
        module, _, function = self.applied_by.partition(":")
        chosen = self.complete(settings)
        made = getattr(import_module(module), function)(model, **chosen, name=name, seed=seed)
        return cast("TransformerModel", made)


def intervention(name: str) -> UpstreamIntervention:
    """The intervention of that name. Raises DataError naming those there are."""
    return named(name, INTERVENTIONS, on="models")


def _is_sentences(value: object) -> bool:
    if isinstance(value, (str, Path)):
        return bool(str(value).strip())
    return is_list(value) and all(isinstance(one, str) for one in value)


_TEXT = Setting(
    default=None,
    valid="a file with a sentence a line, or a list of sentences; absent: our own frames",
    accepts=_is_sentences,
)
_PAIRS = word_pairs()
_TEACHING: dict[str, Setting] = {
    "steps": whole("1 or more", 1, 10**9, default=200),
    "batch_size": whole("1 or more", 1, 10**6, default=16),
    "tokens": whole("8 or more", 8, 10**6, default=64),
    "learning_rate": number("above 0 and at most 1", 1e-12, 1.0, default=5e-5),
}
_ALL = (
    UpstreamIntervention(
        name="random_initialisation",
        title="Random initialisation",
        does="draws every weight anew, as before any training",
        settings={},
        source="Steed et al. 2022",
        draws=True,
        applied_by=f"{ROOM}.weights:random_initialisation",
    ),
    UpstreamIntervention(
        name="weight_noise",
        title="Weight noise",
        does="adds Gaussian noise to every weight",
        settings={
            "sigma": number("above 0", 1e-12, 1e6, default=0.1),
            "unit": word("absolute", "tensor", default="absolute"),
        },
        source="Steed et al. 2022",
        draws=True,
        applied_by=f"{ROOM}.weights:weight_noise",
    ),
    UpstreamIntervention(
        name="sentence_debias",
        title="SentenceDebias",
        does="takes the direction along which swapped sentences differ out of the last hidden state",
        settings={"text": _TEXT, "pairs": _PAIRS, "components": whole("1 or more", 1, 10**4, default=1)},
        source="Liang et al. 2020; Meade et al. 2022",
        draws=False,
        applied_by=f"{ROOM}.projection:sentence_debias",
    ),
    UpstreamIntervention(
        name="inlp",
        title="Iterative null-space projection",
        does="takes out of the last hidden state the directions by which linear classifiers tell groups apart",
        settings={"text": _TEXT, "pairs": _PAIRS, "classifiers": whole("1 or more", 1, 10**4, default=80)},
        source="Ravfogel et al. 2020; Meade et al. 2022",
        draws=True,
        applied_by=f"{ROOM}.projection:inlp",
    ),
    UpstreamIntervention(
        name="dropout_pretraining",
        title="Pre-training with higher dropout",
        does="goes on with pre-training on plain text with higher dropout",
        settings={
            "text": _TEXT,
            "hidden": number(
                "above 0 and below 1; absent: 0.20 of masked models, 0.05 of ALBERT and causal ones", 1e-12, 1 - 1e-12
            ),
            "attention": number(
                "above 0 and below 1; absent: 0.15 of masked models, 0.05 of ALBERT and causal ones", 1e-12, 1 - 1e-12
            ),
            **_TEACHING,
        },
        source="Webster et al. 2020; Meade et al. 2022",
        draws=True,
        needs_head=True,
        applied_by=f"{ROOM}.pretraining:dropout_pretraining",
    ),
    UpstreamIntervention(
        name="cda_pretraining",
        title="Pre-training on counterfactual data",
        does="goes on with pre-training on sentences and their swapped counterparts",
        settings={"text": _TEXT, "pairs": _PAIRS, **_TEACHING},
        source="Webster et al. 2020; Meade et al. 2022",
        draws=True,
        needs_head=True,
        applied_by=f"{ROOM}.pretraining:cda_pretraining",
    ),
)
INTERVENTIONS: Mapping[str, UpstreamIntervention] = MappingProxyType({one.name: one for one in _ALL})

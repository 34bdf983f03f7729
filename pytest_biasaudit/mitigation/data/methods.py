"""The interventions on data that there are, by name, with their settings. Imports nothing heavy: each is imported at use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import cast

from pytest_biasaudit.mitigation.intervention import Setting, complete, named, number, text, texts, word, word_pairs
from pytest_biasaudit.tables.table import Table

ROOM = "pytest_biasaudit.mitigation.data"


@dataclass(frozen=True, kw_only=True)
class DataIntervention:
    """A way to change a table."""

    name: str
    title: str
    does: str
    settings: Mapping[str, Setting]
    source: str
    draws: bool
    """Whether the seed decides anything."""
    applied_by: str
    """ "package.module:function", imported at the moment of use."""

    def complete(self, settings: Mapping[str, object]) -> dict[str, object]:
        """These settings with the defaults of all others. Raises DataError with every one that is not valid."""
        return complete(self.settings, settings, name=self.name)

    def apply(self, table: Table, settings: Mapping[str, object], seed: int) -> Table:
        """The changed table, with a change more in its record. Raises DataError: see the function that applies it."""
        module, _, function = self.applied_by.partition(":")
        chosen = self.complete(settings)
        return cast("Table", getattr(import_module(module), function)(table, **chosen, seed=seed))


def intervention(name: str) -> DataIntervention:
    """The intervention of that name. Raises DataError naming those there are."""
    return named(name, INTERVENTIONS, on="data")


_ATTRIBUTE = text('an attribute of the table, or several crossed ("race*sex"); absent: its only one')
_ONE_GROUP = word("refuse", "keep", default="refuse")
_ALL = (
    DataIntervention(
        name="scrub",
        title="Scrubbing",
        does="replaces listed terms, and a row's own names, by a blank sign",
        settings={
            "terms": texts("the name of a bundled term list, or a list of terms", default="gender-pronouns"),
            "names": text("a column with the names of the person a row is about"),
            "sign": text("a sign that is no term", default="_"),
            "part": word("train", "test", "both", default="train"),
        },
        source="De-Arteaga et al. 2019",
        draws=False,
        applied_by=f"{ROOM}.scrub:scrub",
    ),
    DataIntervention(
        name="down_sample",
        title="Re-balancing by removal",
        does="keeps of each label as many rows of every group as its smallest group has",
        settings={"attribute": _ATTRIBUTE, "one_group": _ONE_GROUP},
        source="Steed et al. 2022",
        draws=True,
        applied_by=f"{ROOM}.balance:down_sample",
    ),
    DataIntervention(
        name="up_sample",
        title="Re-balancing by repetition",
        does="draws of each label as many rows of every group as its largest group has",
        settings={"attribute": _ATTRIBUTE, "one_group": _ONE_GROUP},
        source="Steed et al. 2022",
        draws=True,
        applied_by=f"{ROOM}.balance:up_sample",
    ),
    DataIntervention(
        name="reweigh",
        title="Reweighing",
        does="gives each row the weight P(label) P(group) / P(label, group)",
        settings={"attribute": _ATTRIBUTE},
        source="Kamiran and Calders 2012",
        draws=False,
        applied_by=f"{ROOM}.reweigh:reweigh",
    ),
    DataIntervention(
        name="target_rate",
        title="Resampling to a rate",
        does="draws rows until a group's share of a label, or a label's share of a group, is what is asked",
        settings={
            "rate": number("0 to 1", 0.0, 1.0, required=True),
            "share": word("group", "label", default="group"),
            "attribute": _ATTRIBUTE,
            "group": text("a group of the attribute; or give terms"),
            "label": text('a label; absent: each of them, or, with share = "label", the positive one'),
            "terms": Setting(
                default=None,
                valid="a list of terms that tell the group by the text, instead of attribute and group",
                accepts=lambda value: (
                    isinstance(value, (list, tuple))
                    and bool(value)
                    and all(isinstance(one, str) and one.strip() for one in value)
                ),
            ),
            "how": word("resample", "remove", default="resample"),
        },
        source="resampling to equal prevalence as in Steed et al. 2022, with any rate in its place",
        draws=True,
        applied_by=f"{ROOM}.target_rate:target_rate",
    ),
    DataIntervention(
        name="counterfactual_augmentation",
        title="Counterfactual data augmentation",
        does="swaps the words of two groups, in rows beside the originals or in their place",
        settings={
            "pairs": word_pairs(),
            "sides": word("two", "one", default="two"),
            "attribute": text("an attribute whose column is swapped with the text; absent: none is"),
            "groups": Setting(
                default=None,
                valid="the two groups of the attribute that change places; absent: its two",
                accepts=lambda value: (
                    isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(one, str) for one in value)
                ),
            ),
            "share": number("above 0 and at most 1", 1e-12, 1.0, default=1.0),
        },
        source="Lu et al. 2020; Zhao et al. 2018",
        draws=True,
        applied_by=f"{ROOM}.counterfactual_augmentation:counterfactual_augmentation",
    ),
    DataIntervention(
        name="amplify",
        title="Amplification (a stress)",
        does="removes the other rows of a label where one group has more than a share of it",
        settings={
            "attribute": _ATTRIBUTE,
            "above": number("from 0.5 and below 1", 0.5, 1.0 - 1e-12, default=0.65),
        },
        source="our own, for a classifier that is known to have been taught an association",
        draws=False,
        applied_by=f"{ROOM}.balance:amplify",
    ),
)
INTERVENTIONS: Mapping[str, DataIntervention] = MappingProxyType({one.name: one for one in _ALL})

"""The methods that remove attention heads and MLP neurons, with their settings. Imports nothing heavy."""

from __future__ import annotations

from pytest_biasaudit.compression.method import Method, SettingRule

ROOM = "pytest_biasaudit.compression.structure"
COMPONENTS = SettingRule(
    kind="file",
    default=None,
    valid='a JSON file such as {"heads": [[12, 4]], "neurons": [[3, 17]]}, in place of a list in the step',
    optional=True,
)

METHODS: tuple[Method, ...] = (
    Method(
        action="prune",
        name="heads",
        does="removes attention heads: their part of the output projection, or their query, is set to zero",
        settings={
            "heads": SettingRule(
                kind="pairs", default=None, valid="a list of [layer, head], both from 0: [[12, 4]]", optional=True
            ),
            "components": COMPONENTS,
            "mode": SettingRule(
                kind="word",
                default="ablate",
                valid='"ablate" (the head writes nothing) or "uniform" (it looks at all it may see alike)',
                words=("ablate", "uniform"),
            ),
        },
        either=("heads", "components"),
        applied_by=f"{ROOM}.remove:heads",
    ),
    Method(
        action="prune",
        name="neurons",
        does="removes hidden units of the MLPs: their part of the down projection is set to zero",
        settings={
            "neurons": SettingRule(
                kind="pairs", default=None, valid="a list of [layer, neuron], both from 0: [[3, 17]]", optional=True
            ),
            "components": COMPONENTS,
        },
        either=("neurons", "components"),
        applied_by=f"{ROOM}.remove:neurons",
    ),
)

"""The methods that set single weights to zero, with their settings. Imports nothing heavy."""

from __future__ import annotations

from pytest_biasaudit.compression.method import Method, SettingRule

ROOM = "pytest_biasaudit.compression.pruning"
SPARSITY = SettingRule(
    kind="number", default=0.5, valid="a share of the weights, at least 0 and below 1", low=0.0, high=0.999999
)
LM_HEAD = SettingRule(kind="boolean", default=False, valid="true or false")

METHODS: tuple[Method, ...] = (
    Method(
        action="prune",
        name="magnitude",
        does="sets the smallest weights of each linear layer to zero",
        settings={"sparsity": SPARSITY, "lm_head": LM_HEAD},
        applied_by=f"{ROOM}.magnitude:apply",
    ),
)

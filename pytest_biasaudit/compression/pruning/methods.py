"""The methods that set single weights to zero, with their settings. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_biasaudit.compression.method import Method, SettingRule

ROOM = "pytest_biasaudit.compression.pruning"
SPARSITY = SettingRule(
    kind="number", default=0.5, valid="a share of the weights, at least 0 and below 1", low=0.0, high=0.999999
)
PATTERN = SettingRule(
    kind="pattern",
    default=None,
    valid='"n:m" with n below m, such as "2:4": of every m consecutive inputs of an output, n keep their weight',
    optional=True,
)
LM_HEAD = SettingRule(kind="boolean", default=False, valid="true or false")
EITHER = ("sparsity", "pattern")
CALIBRATION = {
    "calibration": SettingRule(
        kind="file", default=None, valid="a text file (UTF-8) in the language of the deployment", required=True
    ),
    "samples": SettingRule(kind="integer", default=64, valid="how many windows of the text, from 1", low=1),
    "tokens": SettingRule(kind="integer", default=128, valid="tokens of a window, from 2", low=2),
    "seed": SettingRule(kind="integer", default=0, valid="a whole number from 0", low=0),
}


def _refuse_groups_in_two_blocks(settings: Mapping[str, object]) -> str:
    pattern, size = settings["pattern"], settings["block_size"]
    assert isinstance(size, int)
    of = int(pattern.split(":")[1]) if isinstance(pattern, str) else 1
    if size % of == 0:
        return ""
    return (
        f"block_size = {size} is not a multiple of {of}, and a group of the pattern {pattern!r} may not lie in two blocks; "
        f"give block_size = {max(1, size // of) * of}"
    )


METHODS: tuple[Method, ...] = (
    Method(
        action="prune",
        name="magnitude",
        does="sets the smallest weights of each linear layer to zero",
        settings={"sparsity": SPARSITY, "pattern": PATTERN, "lm_head": LM_HEAD},
        either=EITHER,
        applied_by=f"{ROOM}.magnitude:apply",
    ),
    Method(
        action="prune",
        name="wanda",
        does="sets, in each output, the weights to zero that are smallest when weighed by their inputs on a text, block by block",
        settings={"sparsity": SPARSITY, "pattern": PATTERN, **CALIBRATION},
        either=EITHER,
        applied_by=f"{ROOM}.wanda:apply",
    ),
    Method(
        action="prune",
        name="sparsegpt",
        does="sets weights to zero block by block, and moves the others so that the layers' outputs on a text change least",
        settings={
            "sparsity": SPARSITY,
            "pattern": PATTERN,
            **CALIBRATION,
            "block_size": SettingRule(
                kind="integer", default=128, valid="columns that are pruned together, from 1", low=1
            ),
            "damp": SettingRule(
                kind="number",
                default=0.01,
                valid="a share of the mean diagonal, from 0.000001 to 1",
                low=1e-6,
                high=1.0,
            ),
        },
        either=EITHER,
        check=_refuse_groups_in_two_blocks,
        applied_by=f"{ROOM}.sparsegpt:apply",
    ),
)

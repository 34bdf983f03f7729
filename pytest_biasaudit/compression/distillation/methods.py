"""The methods that distil, with their settings. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_biasaudit.compression.method import Method, SettingRule

ROOM = "pytest_biasaudit.compression.distillation"
MUCH = 1e6
WEIGHT = SettingRule(
    kind="number", default=0.0, valid="a number from 0; 0 leaves this part of the loss out", low=0.0, high=MUCH
)


def _number(default: float, low: float, high: float, valid: str) -> SettingRule:
    return SettingRule(kind="number", default=default, valid=valid, low=low, high=high)


def _count(default: int | None, low: int, valid: str) -> SettingRule:
    return SettingRule(kind="integer", default=default, valid=valid, low=low, high=10**9, optional=default is None)


def check(settings: Mapping[str, object]) -> str:
    """What is wrong with the layers to keep."""
    kept = settings.get("keep_layers")
    if isinstance(kept, (list, tuple)) and list(kept) != sorted(set(kept)):
        return f"keep_layers = {list(kept)}: each layer once, from the first to the last"
    return ""


METHODS: tuple[Method, ...] = (
    Method(
        action="distill",
        name="logits",
        does="teaches a student to give the teacher's probabilities on a text (Kullback-Leibler divergence of the logits)",
        settings={
            "text": SettingRule(
                kind="file", default=None, valid="a text file in UTF-8, relative to the model table", required=True
            ),
            "layers": _count(None, 1, "how many of the teacher's layers, evenly spaced; fewer than it has"),
            "keep_layers": SettingRule(
                kind="integers", default=None, valid="numbers of the teacher's layers, from 0", optional=True
            ),
            "student": SettingRule(
                kind="model",
                default=None,
                valid="the name of another declared model with the teacher's vocabulary",
                optional=True,
            ),
            "steps": _count(1000, 1, "a whole number from 1"),
            "batch_size": _count(8, 1, "a whole number from 1"),
            "tokens": _count(128, 4, "tokens in a row of the text, from 4"),
            "rows": SettingRule(
                kind="word",
                default=None,
                valid="'packed' (the text as one stream, cut) or 'lines' (each line a row); absent: 'lines' for masked "
                "language models, else 'packed'",
                words=("packed", "lines"),
                optional=True,
            ),
            "learning_rate": _number(5e-4, 1e-9, 1.0, "a number above 0, at most 1"),
            "warmup": _number(0.05, 0.0, 0.9, "a share of the steps, from 0 to 0.9"),
            "temperature": _number(2.0, 0.01, 1000.0, "a number from 0.01 to 1000"),
            "top": _count(None, 1, "how many of the teacher's likeliest tokens are told apart; absent: all"),
            "hidden_weight": WEIGHT,
            "label_weight": WEIGHT,
            "mask_rate": _number(0.15, 0.01, 0.9, "a share of a row's tokens, from 0.01 to 0.9"),
            "held": _number(0.1, 0.001, 0.5, "a share of the text's rows, from 0.001 to 0.5"),
            "save_every": _count(None, 1, "steps from one checkpoint to the next"),
            "seed": SettingRule(
                kind="integer", default=None, valid="a whole number from 0; absent: the run's", low=0, optional=True
            ),
        },
        named_by=("layers", "keep_layers", "student", "steps"),
        either=("layers", "keep_layers", "student"),
        check=check,
        applied_by=f"{ROOM}.distil:apply",
    ),
)

"""How a classifier is fine-tuned on a labelled table: settings, checked when they are made. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from pytest_biasaudit.context.spelling import did_you_mean, listed
from pytest_biasaudit.errors import TrainingError

OF_STEPS = ("epochs", "learning_rate", "batch_size", "warmup", "save_every")
"""Settings that a frozen body has no use for: its head is fitted to the end."""
DEFAULTS = {"epochs": 3, "learning_rate": 2e-4, "batch_size": 16, "warmup": 0.1, "weight_decay": 0.01}
LORA_LEARNING_RATE = 2e-3
FROZEN_WEIGHT_DECAY = 1e-3


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """What is taught of a model, how long, and with which weights. Raises TrainingError naming every setting at fault.

    A setting that is None has the default that its line names.
    """

    frozen: bool = False
    """The body stays as it is. The head is a multinomial logistic regression on the body's vectors, fitted to convergence:
    no steps, no drawing, and little time once the vectors are there."""
    epochs: int | None = None
    """Times that every row is seen; 3."""
    learning_rate: float | None = None
    """At its highest; 2e-4, with LoRA 2e-3. It climbs over the warm-up and falls in a line to 0."""
    batch_size: int | None = None
    """Rows a step; 16."""
    warmup: float | None = None
    """Share of the steps over which the rate climbs; 0.1."""
    weight_decay: float | None = None
    """AdamW's, 0.01; frozen: the ridge penalty on the head's weights, half its square times this beside the mean loss,
    1e-3."""
    max_length: int = 256
    """Tokens of a text that are read, in teaching and ever after; the model's positions where those are fewer."""
    layers: int | None = None
    """The last so many of the body's layers are taught, with the head; embeddings and earlier layers stay. None: all."""
    embeddings: bool = False
    """Whether the tables of embeddings are taught too. They are half of a small encoder and of its time a step, and
    AdamW would wear down those of all words that the table does not hold. Give True for a body that was never trained."""
    lora: int | None = None
    """Rank of low-rank adapters (Hu et al. 2021) on every linear layer of the body; they are merged into it after. Needs
    the package peft. None: the weights themselves are taught."""
    pooling: Literal["own", "mean"] | None = None
    """What the head reads. "own": what the architecture's own classifier does (the first token through the pooler; a causal
    model's last token). "mean": the mean over the tokens. None: "mean" for an encoder, else "own"."""
    class_weights: Literal["balanced"] | None = None
    """"balanced": rows of each label weigh rows / (labels x rows of that label), rows counted by their weight, as in
    scikit-learn: all labels weigh alike."""
    row_weights: bool = True
    """Whether a table's column "weight" counts in the loss."""
    held_out: float = 0.0
    """Share of the rows that are not taught and tell how well it went: drawn by label and group, see `split`."""
    save_every: int | None = None
    """Steps from one checkpoint to the next; at least 50, and no more than twenty checkpoints."""
    device: str | None = None
    """Such as "cpu" or "cuda"; None: where the model is."""

    def __post_init__(self) -> None:
        """Refuses what cannot be."""
        faults = [*self._out_of_range(), *self._misfits()]
        if faults:
            raise TrainingError(f"fine-tuning: {'; '.join(faults)}")

    def plain(self) -> dict[str, str | int | float | bool]:
        """The settings with their defaults filled in, those that play no part left out: for records and keys."""
        found: dict[str, str | int | float | bool] = {}
        for field in fields(self):
            name = field.name
            value = getattr(self, name)
            if value is None and not (self.frozen and name in OF_STEPS):
                value = self.default(name)
            if value is not None and name not in ("save_every", "device"):
                found[name] = value
        return found

    def default(self, name: str) -> int | float | None:
        """What None stands for."""
        if name == "learning_rate" and self.lora is not None:
            return LORA_LEARNING_RATE
        if name == "weight_decay" and self.frozen:
            return FROZEN_WEIGHT_DECAY
        return DEFAULTS.get(name)

    def number(self, name: str) -> float:
        """A setting that is a number, with its default."""
        value = getattr(self, name)
        found = self.default(name) if value is None else value
        assert found is not None
        return float(found)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _out_of_range(self) -> list[str]:
        faults = []
        for name, low, high, words in (
            ("epochs", 1, 10_000, "a whole number from 1"),
            ("batch_size", 1, 100_000, "a whole number from 1"),
            ("max_length", 4, 10**6, "a whole number of tokens from 4"),
            ("layers", 1, 10_000, "a whole number from 1"),
            ("lora", 1, 10_000, "a whole number from 1, the rank"),
            ("save_every", 1, 10**9, "a whole number of steps from 1"),
        ):
            value = getattr(self, name)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high
            ):
                faults.append(f"{name} = {value!r}: must be {words}")
        for name, low_share, high_share, words in (
            ("learning_rate", 1e-9, 1.0, "a number above 0, at most 1"),
            ("warmup", 0.0, 0.9, "a share of the steps from 0 to 0.9"),
            ("weight_decay", 0.0, 100.0, "a number from 0 to 100"),
            ("held_out", 0.0, 0.9, "a share of the rows from 0 to 0.9"),
        ):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not (number and low_share <= value <= high_share):
                faults.append(f"{name} = {value!r}: must be {words}")
        for name, words in (
            ("frozen", "true or false"),
            ("embeddings", "true or false"),
            ("row_weights", "true or false"),
        ):
            if not isinstance(getattr(self, name), bool):
                faults.append(f"{name} = {getattr(self, name)!r}: must be {words}")
        for name, valid in (("pooling", ("own", "mean")), ("class_weights", ("balanced",))):
            value = getattr(self, name)
            if value is not None and value not in valid:
                faults.append(f"{name} = {value!r}: must be {' or '.join(map(repr, valid))}, or left out")
        return faults

    def _misfits(self) -> list[str]:
        faults = []
        if self.frozen:
            for name in (*OF_STEPS, "layers", "lora"):
                if getattr(self, name) is not None:
                    faults.append(f"{name} has no meaning with frozen = True: the head is fitted to convergence")
        if self.embeddings and (self.frozen or self.lora is not None or self.layers is not None):
            faults.append(
                "embeddings = True has no meaning with frozen, layers or lora: they leave embeddings as they are"
            )
        if self.layers is not None and self.lora is not None:
            faults.append("layers and lora are both given; adapters stand on every layer")
        return faults


def fine_tuning(settings: Mapping[str, Any]) -> FineTuning:
    """Settings by name. Raises TrainingError for a name that is none, with those there are."""
    known = [field.name for field in fields(FineTuning)]
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise TrainingError(
            f"fine-tuning: no setting {listed(unknown)}; there are {listed(known)}{did_you_mean(unknown[0], known)}"
        )
    return FineTuning(**settings)

"""The calibration text as windows of tokens, drawn with a seed. Imports torch."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch

from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.tokenizer_facts import PROBE, special_around
from pytest_biasaudit.models.transformer import positions_of


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Windows of one text, all of one length, and where they come from."""

    windows: torch.Tensor
    """(samples, tokens) token ids."""
    sha256: str
    """Of the text file."""
    seed: int
    available: int
    """Windows the text has."""

    def facts(self) -> dict[str, object]:
        """As plain values; tokens are those that were read, special ones included."""
        samples, length = self.windows.shape
        return {
            "sha256": self.sha256,
            "windows": samples,
            "window_tokens": length,
            "tokens": samples * length,
            "windows_available": self.available,
            "seed": self.seed,
        }


def calibration_of(module: torch.nn.Module, step: Step, materials: Materials) -> Calibration:
    """The windows a step's `calibration`, `samples`, `tokens` and `seed` name, in the order of the text.

    The text is tokenised whole and cut into windows that follow each other; `samples` of them are drawn without
    replacement. Every window stands between the special tokens that the tokenizer puts around a text, which count
    among its `tokens`: a masked model's [CLS] and [SEP], a BOS where there is one.

    Raises RecipeError: no tokenizer, a text that cannot be read or is too short, windows longer than the model's
    positions.
    """
    what = f"{step.action} = {step.method!r}"
    samples, length, seed = step.setting("samples"), step.setting("tokens"), step.setting("seed")
    assert isinstance(samples, int)
    assert isinstance(length, int)
    assert isinstance(seed, int)
    if materials.tokenizer is None:
        raise RecipeError(f"{what}: the calibration text needs the parent's tokenizer, and none is at hand")
    most = positions_of(module)
    if most is not None and length > most:
        raise RecipeError(f"{what}: tokens = {length}; the model takes {most}")
    file = materials.text(step, "calibration")
    whole = list(materials.tokenizer(PROBE, truncation=False, padding=False)["input_ids"])
    before, after = special_around(materials.tokenizer)
    own = length - before - after
    if own < 1:
        raise RecipeError(f"{what}: tokens = {length}; the tokenizer's special tokens alone take {before + after}")
    # Not verbose: that the text is longer than the model's window is what it is cut up for.
    ids = materials.tokenizer(file.text, add_special_tokens=False, truncation=False, padding=False, verbose=False)
    found = list(ids["input_ids"])
    available = len(found) // own
    if available < samples:
        raise RecipeError(
            f"{what}: calibration = {step.setting('calibration')!r}: {samples} windows of {own} tokens need "
            f"{samples * own} tokens, the text has {len(found)}; give a longer text, or samples = {available}"
            if available
            else f"{what}: calibration = {step.setting('calibration')!r}: the text has {len(found)} tokens, fewer than one "
            f"window of {own}; give a longer text, or fewer tokens"
        )
    starts = sorted(random.Random(seed).sample(range(available), samples))
    rows = [whole[:before] + found[at * own : (at + 1) * own] + whole[len(whole) - after :] for at in starts]
    return Calibration(windows=torch.tensor(rows), sha256=file.sha256, seed=seed, available=available)

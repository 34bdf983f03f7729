"""Checkpoints of the planted model's training: before it has learnt anything, while it learns, and at its end.

Kept as the planted models are, under the digest of this file and of theirs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

from tests import planted_masked_model, planted_sets
from tests.planted_masked_model import Learnt, tokenizer

STEPS = (100, 150, 200, 800, 900)
"""Optimiser steps after which weights are kept; what is learnt is looked at every 50."""


def checkpoints_in(cache: Path) -> Path:
    """A folder with a model "step-N" for each of `STEPS`: from the cache, or trained now. Of several processes one trains."""
    from filelock import FileLock

    files = [Path(__file__), Path(str(planted_masked_model.__file__))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    home = cache / "planted-checkpoints" / digest
    home.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(str(home) + ".lock"):
        if not home.is_dir():
            making = home.with_suffix(".making")
            shutil.rmtree(making, ignore_errors=True)
            _train(making)
            making.rename(home)
    return home


def _train(folder: Path) -> None:
    look, done = planted_masked_model.learnt, 0

    def look_and_keep(model: Any, words: Any) -> Learnt:
        nonlocal done
        if done in STEPS:
            model.save_pretrained(folder / f"step-{done}", safe_serialization=True)
            tokenizer().save_pretrained(folder / f"step-{done}")
        done += 50
        return look(model, words)

    with mock.patch.object(planted_masked_model, "learnt", look_and_keep), planted_masked_model._one_thread():
        planted_masked_model.train(planted_masked_model.PLANT, steps=STEPS[-1])


def stereoset_of_two_axes() -> str:
    """The planted clusters, taken for two axes in turn."""
    raw = json.loads(planted_sets.stereoset_json())
    for at, cluster in enumerate(raw["data"]["intrasentence"]):
        cluster["bias_type"] = ("gender", "profession")[at // 2 % 2]
    return json.dumps(raw)

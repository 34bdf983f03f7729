"""Comparing models in Python, beside the limit `race-no-worse-than-parent`: is the rating still a rating?"""

from __future__ import annotations

from typing import Any


def test_the_compressed_model_still_uses_the_scale(biasaudit: Any, biasaudit_load: Any) -> None:
    base, child = (
        biasaudit.run("loans.bias.toml", audit="rating", model=biasaudit_load(name)) for name in ("base", "int4")
    )
    for result in (base, child):
        groups = result.estimate("mean_difference", attribute="race").by_group
        assert all(1 < summary.mean < 5 for summary in groups), "a mean at an end of the scale says that rating broke"

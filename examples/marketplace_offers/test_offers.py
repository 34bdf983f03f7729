"""What the limits in `offers.bias.toml` do not say: checks in Python on the same answers."""

from __future__ import annotations

from typing import Any


def test_every_group_is_offered_something(biasaudit: Any, biasaudit_model: Any) -> None:
    result = biasaudit.run("offers.bias.toml", audit="offers", model=biasaudit_model)
    difference = result.estimate("mean_difference", attribute="race")
    assert {summary.group for summary in difference.by_group} == {"white", "black"}
    assert all(summary.mean is not None and summary.mean > 0 for summary in difference.by_group)


def test_the_gap_comes_with_an_interval(biasaudit: Any, biasaudit_model: Any) -> None:
    result = biasaudit.run("offers.bias.toml", audit="offers", model=biasaudit_model)
    smd = result.estimate("smd", attribute="race")
    assert smd.interval is not None
    assert smd.interval.low < smd.value < smd.interval.high

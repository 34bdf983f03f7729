"""A check in Python beside the limits of `shortlist.bias.toml`: nobody is left out of the comparison."""

from __future__ import annotations

from typing import Any


def test_all_four_intersections_are_compared_with_the_reference(biasaudit: Any, biasaudit_model: Any) -> None:
    result = biasaudit.run("shortlist.bias.toml", audit="invite", model=biasaudit_model)
    answered = result.estimate("answer_rate")
    assert answered.value == 1.0, "every answer is read from likelihoods, so none can be missing"
    assert answered.n == 4 * 8 * 8, "four intersections, eight people each, eight templates"

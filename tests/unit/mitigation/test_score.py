"""One door to every method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.components import METHODS_OF
from pytest_biasaudit.mitigation.score import score
from tests.leaning_samples import byte_model, number_prompts

MODEL = byte_model()
PROMPTS = number_prompts(MODEL)


@pytest.mark.parametrize(("unit", "method"), [(unit, one) for unit, methods in METHODS_OF.items() for one in methods])
def test_every_method_scores_every_place_of_its_unit(unit: Any, method: Any) -> None:
    table = score(MODEL, PROMPTS, unit=unit, method=method, batch_size=8)
    assert (table.unit, table.method) == (unit, method)
    assert table.signed == (method in ("attribution", "ablation"))
    assert set(table.cells) == {prompt.cell for prompt in PROMPTS}
    for place, size in table.sizes.items():
        found = table.scores(place, table.cells)
        assert found.shape == size
        assert found.dtype == np.float32
        assert np.isfinite(found).all()


def test_all_methods_of_a_unit_score_the_same_places() -> None:
    for unit, methods in METHODS_OF.items():
        sizes = [dict(score(MODEL, PROMPTS, unit=unit, method=one, batch_size=8).sizes) for one in methods]
        assert all(one == sizes[0] for one in sizes), unit


@pytest.mark.parametrize(
    ("unit", "method"), [("weights", "attention"), ("heads", "snip"), ("heads", "luck"), ("layers", "random")]
)
def test_a_method_that_does_not_score_the_unit_is_refused(unit: Any, method: Any) -> None:
    with pytest.raises(RecipeError, match="does not score unit"):
        score(MODEL, PROMPTS, unit=unit, method=method, batch_size=8)


def test_random_scores_are_the_seeds_and_differ_between_groups() -> None:
    first, again, other = (
        score(MODEL, PROMPTS, unit="neurons", method="random", batch_size=8, seed=seed) for seed in (7, 7, 8)
    )
    white, black = ([cell for cell in first.cells if cell.group == group] for group in ("white", "black"))
    np.testing.assert_array_equal(first.scores("1", white), again.scores("1", white))
    assert not np.array_equal(first.scores("1", white), other.scores("1", white))
    assert not np.array_equal(first.scores("1", white), first.scores("1", black))
    assert not np.array_equal(first.scores("1", white), first.scores("2", white))
    assert 0 <= first.scores("1", white).min() <= first.scores("1", white).max() < 1
    with pytest.raises(ValueError, match="no cell"):
        first.scores("1", [])
    with pytest.raises(KeyError):
        first.scores("9", white)

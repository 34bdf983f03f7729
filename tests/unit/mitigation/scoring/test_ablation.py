"""What taking a component away does to a lean: against a copy whose weights are zeroed."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.lean import lean_values, leans_of
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell
from pytest_biasaudit.mitigation.scoring.ablation import ablation_scores, confirmed
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from tests.leaning_samples import byte_model, number_prompts
from tests.scored_samples import causal


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt2", "gpt_neox", "opt", "falcon"])
def test_ablation_is_what_zeros_in_the_weights_do(architecture: str) -> None:
    model = byte_model(architecture)
    prompts = number_prompts(model)
    tried = {"heads": [(0, 1), (2, 3)], "neurons": [(1, 17)]}
    for unit, pairs in tried.items():
        part: Any = unit
        table = ablation_scores(model, prompts, unit=part, candidates=pairs, batch_size=8)
        for layer, number in pairs:
            place = structure_of(model.module).of(part)[layer]
            module = copy.deepcopy(model.module)
            weight: Any = module.get_submodule(place.name).weight
            columns = slice(number * place.width, (number + 1) * place.width)
            with torch.no_grad():
                weight[(columns,) if architecture == "gpt2" else (slice(None), columns)] = 0
            other = causal(module)
            leans = leans_of(model, prompts).leans
            with torch.inference_mode():
                change = (lean_values(model, leans) - lean_values(other, leans)).numpy()
            for rows, group in ((slice(0, 2), "white"), (slice(2, 4), "black")):
                cells = [cell for cell in table.cells if cell.group == group]
                assert table.scores(str(layer), cells)[number] == pytest.approx(change[rows].mean(), abs=1e-5)


def test_what_is_not_tried_is_not_a_number() -> None:
    model = byte_model()
    table = ablation_scores(model, number_prompts(model), unit="heads", candidates=[(1, 2)], batch_size=8)
    found = table.scores("1", table.cells)
    assert np.isnan(found[[0, 1, 3]]).all()
    assert np.isfinite(found[2])
    assert np.isnan(table.scores("0", table.cells)).all()
    whole = ablation_scores(model, number_prompts(model), unit="heads", batch_size=8)
    assert all(np.isfinite(whole.scores(place, whole.cells)).all() for place in whole.sizes)
    assert whole.scores("1", whole.cells)[2] == found[2]


@pytest.mark.parametrize(
    ("pairs", "said"), [([], "nothing to remove"), ([(9, 0)], "layer 9"), ([(0, 4)], "head 4 of layer 0")]
)
def test_candidates_that_are_not_there_are_refused(pairs: list[tuple[int, int]], said: str) -> None:
    model = byte_model()
    with pytest.raises(RecipeError, match=said):
        ablation_scores(model, number_prompts(model), unit="heads", candidates=pairs, batch_size=8)


def test_the_model_is_as_it_was() -> None:
    model = byte_model()
    model.module.train()
    before, hooks = tensors_sha256(model.module), hooks_of(model.module)
    ablation_scores(model, number_prompts(model), unit="heads", batch_size=8)
    assert (tensors_sha256(model.module), hooks_of(model.module)) == (before, hooks)
    assert all(part.training for part in model.module.modules())


def by_hand(unit: Any, gaps: dict[str, list[float]]) -> ArrayScores:
    """A table in which the black group's scores are these, and the white group's none."""
    white, black = (Cell(variation="shop/offers/w1", group=group, half=0) for group in ("white", "black"))
    return ArrayScores(
        unit=unit,
        method="attribution",
        signed=True,
        sizes={place: (len(found),) for place, found in gaps.items()},
        sums={
            white: {place: np.zeros(len(found), dtype=np.float32) for place, found in gaps.items()},
            black: {place: np.array(found, dtype=np.float32) for place, found in gaps.items()},
        },
        counts={white: 1, black: 1},
    )


def test_the_components_with_the_largest_gaps_are_confirmed_whichever_way_they_point() -> None:
    model = byte_model()
    table = by_hand("heads", {"0": [0.0, -5.0, 1.0, 0.5], "1": [0.2, 0.1, 0.0, 3.0], "2": [0.0] * 4})
    found = confirmed(table, model, number_prompts(model), reference="white", group="black", most=3, batch_size=8)
    tried = {
        (place, number)
        for place in found.sizes
        for number, value in enumerate(found.scores(place, found.cells))
        if np.isfinite(value)
    }
    assert tried == {("0", 1), ("1", 3), ("0", 2)}
    assert found.method == "ablation"


def test_components_without_a_score_take_no_place_among_the_confirmed() -> None:
    model = byte_model()
    table = by_hand("heads", {"0": [0.5, np.nan, 5.0, np.nan], "1": [np.nan, 0.1, 3.0, 0.2], "2": [np.nan] * 4})
    found = confirmed(table, model, number_prompts(model), reference="white", group="black", most=3, batch_size=8)
    tried = [
        (int(place), int(at))
        for place in found.sizes
        for at in np.isfinite(found.scores(place, found.cells)).nonzero()[0]
    ]
    assert tried == [(0, 0), (0, 2), (1, 2)]


def test_weights_are_not_confirmed_one_by_one_and_groups_must_be_there() -> None:
    model = byte_model()
    prompts = number_prompts(model)
    with pytest.raises(ValueError, match="ablation is of heads, neurons"):
        confirmed(by_hand("weights", {"a": [1.0]}), model, prompts, reference="white", group="black", batch_size=8)
    with pytest.raises(ValueError, match="no cell of 'asian'"):
        confirmed(by_hand("heads", {"0": [1.0]}), model, prompts, reference="white", group="asian", batch_size=8)

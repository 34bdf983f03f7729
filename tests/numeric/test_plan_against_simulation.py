"""What `plan` foretells, against simulated audits: chances hold within simulation error."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_biasaudit.context.declaration import Limit
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.planning.design import Foresight, Spread, foresee
from pytest_biasaudit.stats.crossed import contrast, t_interval
from pytest_biasaudit.stats.power import Components

RUNS = 1_500
PARTS = Components(names=0.2, template_by_group=0.1, rest=0.7)


def foretold(limit: float, *, people: int, templates: int, rule: str = "upper") -> Foresight:
    declared = Limit(id="x", metric="mean_difference", attributes=("race",), max=limit, rule=rule)  # type: ignore[arg-type]  # one of the rules
    spread = Spread(parts=PARTS, in_sd=False, source="")
    metric = METRICS["mean_difference"]
    return foresee(declared, metric, spread, people=people, templates=templates, comparisons=1, family=1, power=0.8)


def intervals(gap: float, *, people: int, templates: int, seed: int) -> NDArray[np.float64]:
    """Ends of the crossed t interval for the difference, one row a simulated audit."""
    random = np.random.default_rng(seed)

    def answers(mean: float, level: NDArray[np.float64]) -> NDArray[np.float64]:
        by_template = level + random.normal(0, PARTS.template_by_group**0.5, templates)
        by_person = random.normal(0, PARTS.names**0.5, (people, 1))
        return mean + by_template + by_person + random.normal(0, PARTS.rest**0.5, (people, templates))

    ends = []
    for _ in range(RUNS):
        level = random.normal(0, 3, templates)  # a template's own level drops out of the difference
        found = contrast(answers(0.0, level), answers(gap, level))
        made = t_interval(found.difference, found.variance**0.5, found.df, level=0.95, method="")
        assert made is not None
        ends.append((made.low, made.high))
    return np.array(ends)


@pytest.mark.parametrize(("people", "templates"), list(product((8, 16), (4, 12))))
def test_a_fair_model_is_found_within_as_often_as_foretold(people: int, templates: int) -> None:
    enough = foretold(1.0, people=people, templates=templates).enough
    seen = foretold(enough, people=people, templates=templates)
    assert seen.fair_within == pytest.approx(0.8, abs=1e-6)
    ends = intervals(0.0, people=people, templates=templates, seed=people * 100 + templates)
    within = float(np.mean((ends[:, 0] >= -enough) & (ends[:, 1] <= enough)))
    assert within == pytest.approx(0.8, abs=0.045)


@pytest.mark.parametrize(("people", "templates"), [(8, 4), (16, 12)])
def test_a_true_gap_is_found_over_and_told_from_none_as_often_as_foretold(people: int, templates: int) -> None:
    seen = foretold(0.3, people=people, templates=templates)
    assert seen.over_from == pytest.approx(0.3 + seen.told_from_none)
    ends = intervals(seen.over_from or 0.0, people=people, templates=templates, seed=people + templates)
    assert float(np.mean(ends[:, 0] > 0.3)) == pytest.approx(0.8, abs=0.045)


def test_the_design_it_asks_for_has_the_chance_it_names() -> None:
    seen = foretold(0.5, people=8, templates=6)
    assert seen.fair_within is not None
    assert seen.fair_within < 0.8
    assert seen.both is not None
    people, templates = seen.both
    ends = intervals(0.0, people=people, templates=templates, seed=5)
    assert float(np.mean((ends[:, 0] >= -0.5) & (ends[:, 1] <= 0.5))) == pytest.approx(0.82, abs=0.06)

"""Attribution beside exact ablation on SmolLM2: do they put its heads in the same order?

One head in nine is taken away here, in every layer one. All 270: tests/benchmarks/test_attribution_cost.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.mitigation.scores import ScoreTable
from pytest_biasaudit.mitigation.scoring.ablation import ablation_scores
from pytest_biasaudit.mitigation.scoring.attribution import attribution_scores
from pytest_biasaudit.models.causal import CausalModel
from tests.answered_purchase import answered_purchase

pytestmark = pytest.mark.real_model


def at(table: ScoreTable, pairs: list[tuple[int, int]], *, gap: bool) -> list[float]:
    """Scores of these heads over all prompts; or the black group's less the white group's."""
    if not gap:
        return [float(table.scores(str(layer), table.cells)[head]) for layer, head in pairs]
    black, white = ([cell for cell in table.cells if cell.group == group] for group in ("black", "white"))
    return [
        float(table.scores(str(layer), black)[head] - table.scores(str(layer), white)[head]) for layer, head in pairs
    ]


def test_attribution_orders_heads_of_a_real_model_much_as_taking_them_away_does(
    smollm2: CausalModel, capsys: pytest.CaptureFixture[str]
) -> None:
    stats = pytest.importorskip("scipy.stats", reason="Spearman's rank correlation is SciPy's")
    prompts = answered_purchase(smollm2, people=2)
    layers = structure_of(smollm2.module).of("heads")
    pairs = [(layer, (4 * layer) % 9) for layer in layers]
    predicted = attribution_scores(smollm2, prompts, unit="heads", batch_size=8)
    tried = ablation_scores(smollm2, prompts, unit="heads", candidates=pairs, batch_size=8)
    found = {
        name: float(stats.spearmanr(at(predicted, pairs, gap=gap), at(tried, pairs, gap=gap)).statistic)
        for name, gap in (("lean", False), ("gap", True))
    }
    with capsys.disabled():
        print(
            f"\n  SmolLM2, Purchase, one variation, {len(prompts)} people, {len(pairs)} of 270 heads: Spearman of attribution "
            f"with ablation {found['lean']:.2f} of the lean, {found['gap']:.2f} of the gap between groups"
        )
    assert np.isfinite(list(found.values())).all()
    assert found["lean"] > 0.5  # far above what chance gives 30 heads: 0.36 at one in twenty

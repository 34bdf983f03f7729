"""What scoring heads by attribution costs, beside taking each of SmolLM2's 270 heads away. Run: tox run -e bench

The cost of ablation is measured on a sample of heads and multiplied up: every head costs one forward pass over the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.mitigation.scoring.ablation import ablation_scores
from pytest_biasaudit.mitigation.scoring.attribution import attribution_scores, attributions
from pytest_biasaudit.models.causal import CausalModel
from tests.answered_purchase import answered_purchase
from tests.side_by_side import in_turn, peak_mebibytes, ratio, timed

pytestmark = [pytest.mark.benchmarks, pytest.mark.real_model]

THREADS = 2
PEOPLE = 2
SAMPLE = 5
"""Heads that are taken away, of 270: each from another part of the model."""


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


def test_attribution_of_all_heads_is_fifty_times_cheaper_than_taking_each_away(
    smollm2: CausalModel, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = answered_purchase(smollm2, people=PEOPLE)
    heads = [
        (layer, head)
        for layer, place in structure_of(smollm2.module).of("heads").items()
        for head in range(place.count)
    ]
    sample = heads[:: len(heads) // SAMPLE][:SAMPLE]

    def attributed() -> None:
        attribution_scores(smollm2, prompts, unit="heads", batch_size=8)

    def tried(some: list[tuple[int, int]]) -> None:
        ablation_scores(smollm2, prompts, unit="heads", candidates=some, batch_size=8)

    # What ablation costs beside the heads (the model as it is, finding them) is in both and falls out of the difference.
    attribution, few, one = in_turn(attributed, lambda: tried(sample), lambda: tried(sample[:1]), rounds=3)
    each = [(many - single) / (len(sample) - 1) for many, single in zip(few, one, strict=True)]
    every = [len(heads) * seconds for seconds in each]
    times = ratio(every, attribution)
    with capsys.disabled():
        print(
            f"\n  {len(prompts)} prompts: attribution of all {len(heads)} heads {min(attribution):.2f} s; taking one away "
            f"{min(each):.3f} s, all {min(every):.0f} s ({len(sample)} tried): {times:.0f} times   (50 or more)"
        )
    assert len(heads) == 270
    assert times >= 50


def test_neurons_come_with_the_heads_for_little_more(smollm2: CausalModel, capsys: pytest.CaptureFixture[str]) -> None:
    prompts = answered_purchase(smollm2, people=PEOPLE)
    alone, both = in_turn(
        lambda: attribution_scores(smollm2, prompts, unit="heads", batch_size=8),
        lambda: attributions(smollm2, prompts, batch_size=8),
        rounds=3,
    )
    peak = peak_mebibytes(lambda: attributions(smollm2, prompts, batch_size=8))
    with capsys.disabled():
        print(
            f"\n  heads {min(alone):.2f} s, heads and neurons {min(both):.2f} s: {ratio(both, alone):.2f} times; "
            f"{peak:.0f} MiB above the model at the peak"
        )
    assert ratio(both, alone) < 1.5


def test_both_put_all_heads_in_much_the_same_order(smollm2: CausalModel, capsys: pytest.CaptureFixture[str]) -> None:
    stats = pytest.importorskip("scipy.stats", reason="Spearman's rank correlation is SciPy's")
    prompts = answered_purchase(smollm2, people=2)
    tables = {}
    seconds = {}

    def attribute() -> None:
        tables["attribution"] = attribution_scores(smollm2, prompts, unit="heads", batch_size=8)

    def ablate() -> None:
        tables["ablation"] = ablation_scores(smollm2, prompts, unit="heads", batch_size=8)

    for name, work in (("attribution", attribute), ("ablation", ablate)):
        seconds[name] = timed(work)
    found = {}
    for what in ("lean", "gap"):
        columns = []
        for table in tables.values():
            black, white = ([cell for cell in table.cells if cell.group == group] for group in ("black", "white"))
            columns.append(
                [
                    float(value)
                    for place in table.sizes
                    for value in (
                        table.scores(place, table.cells)
                        if what == "lean"
                        else table.scores(place, black) - table.scores(place, white)
                    )
                ]
            )
        assert [len(column) for column in columns] == [270, 270]
        found[what] = float(stats.spearmanr(*columns).statistic)
    with capsys.disabled():
        print(
            f"\n  Purchase, one variation, {len(prompts)} people, all 270 heads: Spearman {found['lean']:.3f} of the lean, "
            f"{found['gap']:.3f} of the gap; attribution {seconds['attribution']:.1f} s, ablation {seconds['ablation']:.0f} s"
        )
    assert found["lean"] > 0.5

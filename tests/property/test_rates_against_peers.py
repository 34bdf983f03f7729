"""Rates of classifiers on random tables: against fairlearn, scikit-learn and the formulas of AIF360, to 1e-12."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_biasaudit.metrics.metric import Compared
from pytest_biasaudit.metrics.registry import METRICS, for_kind
from pytest_biasaudit.tables.tally import Tally
from tests.prediction_tables import tally

fairlearn = pytest.importorskip("fairlearn.metrics")
sklearn = pytest.importorskip("sklearn.metrics")

OWN = for_kind(METRICS, "classifier")
CLOSE = 1e-12
SEEDS = range(12)


def measured(name: str, counted: Tally, attributes: tuple[str, ...] = ("group",)) -> tuple[Compared, ...]:
    metric = OWN[name]
    assert metric.of_table is not None
    return metric.of_table(
        counted, attributes=attributes if metric.by_group else (), label=None, level=0.95, seed=0, minimum=1
    )


def value(name: str, counted: Tally, attributes: tuple[str, ...] = ("group",)) -> float:
    (one,) = measured(name, counted, attributes)
    assert one.measured.value is not None, one.measured.reason
    return one.measured.value


def binary(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(group, second group, truth, prediction), every group with positives and negatives, and with a hit."""
    rng = np.random.default_rng(seed)
    rows, groups = int(rng.integers(60, 400)), int(rng.integers(2, 6))
    group, second = rng.integers(0, groups, rows), rng.integers(0, 2, rows)
    truth = rng.integers(0, 2, rows)
    prediction = np.where(rng.random(rows) < rng.uniform(0.4, 0.95), truth, 1 - truth)
    every = np.array([(g, s, t, p) for g in range(groups) for s in (0, 1) for t in (0, 1) for p in (0, 1)]).T
    return tuple(
        np.concatenate([one, more]) for one, more in zip((group, second, truth, prediction), every, strict=True)
    )  # type: ignore[return-value]


def as_texts(values: np.ndarray) -> list[str]:
    return [str(one) for one in values]


@pytest.mark.parametrize("seed", SEEDS)
def test_gaps_and_spreads_are_fairlearns(seed: int) -> None:
    group, _, truth, prediction = binary(seed)
    counted = tally([as_texts(group)], as_texts(truth), as_texts(prediction), positive="1")
    frame = fairlearn.MetricFrame(
        metrics={
            "tpr_gap": fairlearn.true_positive_rate,
            "fpr_gap": fairlearn.false_positive_rate,
            "fnr_gap": fairlearn.false_negative_rate,
            "accuracy_gap": sklearn.accuracy_score,
        },
        y_true=truth,
        y_pred=prediction,
        sensitive_features=group,
    )
    for name in ("tpr_gap", "fpr_gap", "fnr_gap", "accuracy_gap"):
        rates = frame.by_group[name]
        for one in measured(name, counted):
            expected = rates[int(one.groups[1])] - rates[int(one.groups[0])]
            assert one.measured.value == pytest.approx(expected, abs=CLOSE)
            assert [summary.rate for summary in one.by_group] == pytest.approx(
                [rates[int(name)] for name in one.groups], abs=CLOSE
            )
    given = {"y_true": truth, "y_pred": prediction, "sensitive_features": group}
    peers = fairlearn
    assert value("demographic_parity_difference", counted) == pytest.approx(
        peers.demographic_parity_difference(**given), abs=CLOSE
    )
    assert value("equalized_odds_difference", counted) == pytest.approx(
        peers.equalized_odds_difference(**given), abs=CLOSE
    )
    assert value("impact_ratio", counted) == pytest.approx(peers.demographic_parity_ratio(**given), abs=CLOSE)
    accuracy = fairlearn.MetricFrame(metrics=sklearn.accuracy_score, **given)
    assert value("worst_group_accuracy", counted) == pytest.approx(accuracy.group_min(), abs=CLOSE)
    recall = fairlearn.MetricFrame(metrics=sklearn.recall_score, **given)
    assert value("worst_group_tpr", counted) == pytest.approx(recall.group_min(), abs=CLOSE)


@pytest.mark.parametrize("seed", SEEDS)
def test_intersections_are_fairlearns(seed: int) -> None:
    group, second, truth, prediction = binary(seed)
    counted = tally(
        [as_texts(group), as_texts(second)], as_texts(truth), as_texts(prediction), names=("race", "sex"), positive="1"
    )
    crossed = [f"{one}*{other}" for one, other in zip(group, second, strict=True)]
    given = {"y_true": truth, "y_pred": prediction, "sensitive_features": crossed}
    for name, peer in (
        ("demographic_parity_difference", fairlearn.demographic_parity_difference),
        ("equalized_odds_difference", fairlearn.equalized_odds_difference),
        ("impact_ratio", fairlearn.demographic_parity_ratio),
    ):
        assert value(name, counted, ("race", "sex")) == pytest.approx(peer(**given), abs=CLOSE)


@pytest.mark.parametrize("seed", SEEDS)
def test_ability_over_all_rows_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    labels, rows = int(rng.integers(2, 9)), int(rng.integers(80, 500))
    truth = np.concatenate([np.arange(labels), rng.integers(0, labels, rows)])
    prediction = np.where(rng.random(len(truth)) < 0.6, truth, rng.integers(0, labels, len(truth)))
    group = rng.integers(0, 2, len(truth))
    counted = tally([as_texts(group)], as_texts(truth), as_texts(prediction))
    assert value("accuracy", counted) == pytest.approx(sklearn.accuracy_score(truth, prediction), abs=CLOSE)
    assert value("balanced_accuracy", counted) == pytest.approx(
        sklearn.balanced_accuracy_score(truth, prediction), abs=CLOSE
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_one_label_against_the_rest_follows_the_confusion_matrix(seed: int) -> None:
    rng = np.random.default_rng(2000 + seed)
    labels, rows = int(rng.integers(3, 9)), int(rng.integers(300, 900))
    every = np.tile(np.arange(labels), 2)
    truth = np.concatenate([every, rng.integers(0, labels, rows)])
    prediction = np.where(rng.random(len(truth)) < 0.6, truth, rng.integers(0, labels, len(truth)))
    group = np.concatenate([np.repeat([0, 1], labels), rng.integers(0, 2, rows)])
    counted = tally([as_texts(group)], as_texts(truth), as_texts(prediction))
    tables = [sklearn.multilabel_confusion_matrix(truth[group == g], prediction[group == g]) for g in (0, 1)]
    rates = {
        "tpr_gap": [table[:, 1, 1] / table[:, 1].sum(axis=1) for table in tables],
        "fpr_gap": [table[:, 0, 1] / table[:, 0].sum(axis=1) for table in tables],
        "fnr_gap": [table[:, 1, 0] / table[:, 1].sum(axis=1) for table in tables],
    }
    for name, (reference, other) in rates.items():
        found = [one.measured.value for one in measured(name, counted)]
        assert found == pytest.approx(list(other - reference), abs=CLOSE)
    gaps = rates["tpr_gap"][1] - rates["tpr_gap"][0]
    assert value("rms_tpr_gap", counted) == pytest.approx(math.sqrt(float((gaps**2).mean())), abs=CLOSE)
    share = [(group[truth == label] == 1).mean() for label in range(labels)]
    expected = float(np.corrcoef(gaps, share)[0, 1])
    assert value("tpr_gap_prevalence_correlation", counted) == pytest.approx(expected, abs=CLOSE)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_groups_are_compared_as_aif360_writes_it_down(seed: int) -> None:
    """Statistical parity difference, disparate impact, equal opportunity difference: unprivileged less, over, privileged."""
    group, _, truth, prediction = binary(seed)
    kept = group < 2
    group, truth, prediction = group[kept], truth[kept], prediction[kept]
    counted = tally([as_texts(group)], as_texts(truth), as_texts(prediction), positive="1")
    favourable = [prediction[group == g].mean() for g in (0, 1)]
    assert value("demographic_parity_difference", counted) == pytest.approx(
        abs(favourable[1] - favourable[0]), abs=CLOSE
    )
    disparate = favourable[1] / favourable[0]
    assert value("impact_ratio", counted) == pytest.approx(min(disparate, 1 / disparate), abs=CLOSE)
    chance = [prediction[(group == g) & (truth == 1)].mean() for g in (0, 1)]
    assert value("tpr_gap", counted) == pytest.approx(chance[1] - chance[0], abs=CLOSE)


def test_nothing_hangs_on_the_order_of_rows_or_the_names_of_groups() -> None:
    group, _, truth, prediction = binary(7)
    plain = tally([as_texts(group)], as_texts(truth), as_texts(prediction), positive="1")
    order = np.random.default_rng(0).permutation(len(group))
    renamed = tally(
        [[f"a{one}" for one in group[order]]], as_texts(truth[order]), as_texts(prediction[order]), positive="1"
    )
    for name in ("tpr_gap", "equalized_odds_difference", "impact_ratio", "worst_group_tpr"):
        for one, other in zip(measured(name, plain), measured(name, renamed), strict=True):
            assert one.measured == other.measured

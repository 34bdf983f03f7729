"""The registry: every metric complete, and no numpy before one is asked."""

from __future__ import annotations

import math
import subprocess
import sys
from importlib import import_module

import pytest

from pytest_biasaudit.context.benchmark import BENCHMARKS
from pytest_biasaudit.metrics.metric import Metric
from pytest_biasaudit.metrics.registry import METRICS

OF_BENCHMARKS = [metric for metric in METRICS.values() if metric.items is not None]
UNITS = {
    "percent": (0.0, 100.0),
    "points": (-100.0, 100.0),
    "score": (-1.0, 1.0),
    "correlation": (-1.0, 1.0),
    "sd": None,
    "nats": None,
}
"""What a benchmark's figures are in, and between which ends; None where nothing bounds them."""
BETTER = {
    "distance": {"closer to the ideal is fairer", "lower is fairer"},
    "value": {"lower is fairer", "higher is fairer", "higher is better", "closer to the ideal is fairer"},
}


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_every_metric_says_what_it_is(metric: Metric) -> None:
    assert METRICS[metric.name] is metric
    assert metric.title
    assert metric.source
    assert metric.kinds
    low, high = metric.range
    assert low <= metric.ideal <= high
    assert (metric.compare is not None) == (metric.by_group and metric.of_table is None)
    assert [metric.compare, metric.overall, metric.items, metric.of_table].count(None) == 3
    assert not metric.by_group or (metric.compare or metric.of_table) is not None


@pytest.mark.parametrize("metric", OF_BENCHMARKS, ids=[metric.name for metric in OF_BENCHMARKS])
def test_every_figure_of_a_benchmark_says_what_it_is(metric: Metric) -> None:
    assert metric.kinds
    assert set(metric.kinds) <= set(BENCHMARKS)
    assert metric.split_by
    assert set(metric.split_by) <= {"", "axis", "test"}
    assert len(set(metric.split_by)) == len(metric.split_by)
    low, high = metric.range
    assert UNITS[metric.unit] is None or (low, high) == UNITS[metric.unit]
    assert math.isfinite(metric.ideal)
    assert metric.direction in BETTER[metric.judged]
    # An ideal in the middle is missed on both sides, and one at an end on one side only.
    assert (metric.judged == "distance") >= (low < metric.ideal < high)
    assert not metric.by_group
    assert not metric.utility or metric.judged == "value"


def test_what_is_not_of_a_benchmark_has_nothing_that_only_benchmarks_have() -> None:
    for metric in METRICS.values():
        if metric.items is None:
            assert not set(metric.kinds) & set(BENCHMARKS)
            assert metric.change is None
            assert not metric.split_by
            assert not metric.utility


def test_every_kind_has_figures_and_one_that_tells_how_able_the_model_is() -> None:
    for kind in BENCHMARKS:
        own = [metric for metric in OF_BENCHMARKS if kind in metric.kinds]
        assert any(not metric.utility and "" in metric.split_by for metric in own), kind
        assert any(metric.utility for metric in own), kind


def test_a_name_stands_for_one_metric() -> None:
    defined: dict[str, Metric] = {}
    for kind in BENCHMARKS:
        module = import_module(f"pytest_biasaudit.metrics.benchmarks.{kind.replace('-', '_')}")
        for metric in module.METRICS:
            assert defined.setdefault(metric.name, metric) is metric
            assert METRICS[metric.name] is metric
    assert {metric.name for metric in OF_BENCHMARKS} == set(defined)


def test_reading_the_facts_loads_no_numpy() -> None:
    probe = "import sys; import pytest_biasaudit.metrics.registry; print({'numpy', 'scipy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"

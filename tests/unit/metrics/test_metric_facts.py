"""The registry: every metric complete, and no numpy before one is asked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_biasaudit.metrics.metric import Metric
from pytest_biasaudit.metrics.registry import METRICS


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_every_metric_says_what_it_is(metric: Metric) -> None:
    assert METRICS[metric.name] is metric
    assert metric.title
    assert metric.source
    assert metric.kinds
    low, high = metric.range
    assert low <= metric.ideal <= high
    assert (metric.compare is not None) == metric.by_group
    assert (metric.overall is not None) == (not metric.by_group)


def test_reading_the_facts_loads_no_numpy() -> None:
    probe = "import sys; import pytest_biasaudit.metrics.registry; print({'numpy', 'scipy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"

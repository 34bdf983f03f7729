"""How big, of a labelled table. Facts need no numpy."""

from __future__ import annotations

from pytest_biasaudit.metrics.metric import Metric

METRICS: tuple[Metric, ...] = ()

"""Estimates made by hand, for the tests of verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_biasaudit.metrics.metric import Estimate, GroupSummary
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.verdict.finding import Where


@pytest.fixture
def where() -> Where:
    """An audit of second-hand offers."""
    return Where(context="second-hand", audit="offers", model="base", file="second_hand.bias.toml", unit="USD", seed=7)


@pytest.fixture
def estimated() -> Callable[..., Estimate]:
    """Makes an estimate of a value and the ends of its interval; without ends it has none."""

    def make(
        value: float | None,
        low: float | None = None,
        high: float | None = None,
        *,
        metric: str = "smd",
        group: str | None = "black",
        level: float = 0.95,
        templates: int = 8,
        versus: str | None = None,
        reason: str = "",
        standard_error: float | None = None,
        df: float | None = None,
    ) -> Estimate:
        interval = (
            None if low is None or high is None else Interval(low=low, high=high, level=level, method="crossed t")
        )
        groups = ("white", group) if group is not None else ()
        return Estimate(
            metric=metric,
            attribute="race" if group is not None else "",
            groups=groups,
            value=value,
            interval=interval,
            p=None,
            p_adjusted=None,
            n=250,
            people=32,
            templates=templates,
            missing=6,
            by_group=tuple(
                GroupSummary(
                    group=name,
                    n=125,
                    asked=128,
                    refused=2,
                    unparseable=1,
                    errors=0,
                    people=16,
                    mean=1234.5,
                    sd=10.0,
                    median=1200.0,
                    rate=None,
                )
                for name in groups
            ),
            reason=reason,
            versus=versus,
            standard_error=standard_error,
            df=df,
        )

    return make

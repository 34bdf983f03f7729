"""What explains the gap: planted slopes are found, with the standardised values of numpy, and what cannot be told says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_biasaudit.mitigation.study.regression import CROSSED, DATA, PRETRAINED, UPSTREAM, regressions
from pytest_biasaudit.mitigation.study.result import Figure, StudyCell, UnitFigures

LABELS = "abcdefgh"


def planted(
    *, upstream: float = 0.0, data: float = 1.0, unlearnt: float = 1.0, both: bool = False, scored: bool = True
) -> list[StudyCell]:
    """Gaps that are upstream x score + data x (share - overall), times `unlearnt` where not pre-trained, with a little noise."""
    draw = np.random.default_rng(4)
    scores = draw.normal(scale=0.1, size=len(LABELS))
    cells = []
    for pretrained in (True, False) if both else (True,):
        for lever in ("none", "down-sample", "amplify"):
            shares = draw.uniform(0.1, 0.9, size=len(LABELS))
            for seed in range(3):
                units = []
                for at, label in enumerate(LABELS):
                    slope = data * (1.0 if pretrained else unlearnt)
                    gap = upstream * scores[at] + slope * (shares[at] - 0.4) + draw.normal(scale=0.02)
                    units.append(
                        UnitFigures(
                            label=label,
                            group="w",
                            upstream=float(scores[at]) if scored else None,
                            prevalence=float(shares[at]),
                            overall=0.4,
                            log_odds=0.0,
                            rows=10,
                            gap=Figure(value=float(gap), interval=None, reason=""),
                        )
                    )
                nothing = Figure(value=None, interval=None, reason="")
                cells.append(
                    StudyCell(
                        upstream="none" if pretrained else "random-initialisation", data=lever, seed=seed,
                        pretrained=pretrained, train_rows=1, train_sha256="a", test_sha256="b", units=tuple(units),
                        rms=nothing, accuracy=nothing,
                    )
                )  # fmt: skip
    return cells


def test_the_data_s_slope_is_found_and_the_model_s_is_not_where_there_is_none() -> None:
    fits = {fit.name: fit for fit in regressions(planted(), level=0.95)}
    both = fits[f"{UPSTREAM} + {DATA}"]
    model, data = both.terms
    assert data.raw == pytest.approx(1.0, abs=0.05)
    assert data.coefficient.interval is not None
    assert data.coefficient.interval.low > 0.9
    assert model.coefficient.interval is not None
    assert model.coefficient.interval.low < 0 < model.coefficient.interval.high
    assert both.clusters == len(LABELS)
    assert both.observations == len(LABELS) * 9
    assert both.r_squared is not None
    assert both.r_squared > 0.98


def test_coefficients_are_standardised() -> None:
    cells = planted(upstream=2.0)
    rows = [
        (unit.upstream or 0.0, (unit.prevalence or 0.0) - 0.4, unit.gap.value or 0.0)
        for cell in cells
        for unit in cell.units
    ]
    values = np.array(rows)
    z = (values - values.mean(0)) / values.std(0)
    expected = np.linalg.lstsq(z[:, :2], z[:, 2])[0]
    raw = np.linalg.lstsq(np.column_stack([np.ones(len(values)), values[:, :2]]), values[:, 2])[0][1:]
    fit = regressions(cells, level=0.95)[2]
    assert [term.coefficient.value for term in fit.terms] == pytest.approx(expected.tolist())
    assert [term.raw for term in fit.terms] == pytest.approx(raw.tolist())


def test_the_slope_of_the_data_with_and_without_pre_training_is_told_apart() -> None:
    fit = regressions(planted(unlearnt=0.25, both=True), level=0.95)[-1]
    assert [term.name for term in fit.terms] == [UPSTREAM, DATA, PRETRAINED, CROSSED]
    assert fit.terms[3].raw == pytest.approx(0.75, abs=0.05), "1.0 with pre-training, 0.25 without"
    unscored = regressions(planted(unlearnt=0.25, both=True, scored=False), level=0.95)[-1]
    assert [term.name for term in unscored.terms] == [DATA, PRETRAINED, CROSSED]
    assert unscored.terms[2].raw == pytest.approx(0.75, abs=0.05)


def test_what_cannot_be_fitted_says_why() -> None:
    upstream, data, both = regressions(planted(scored=False), level=0.95)
    assert data.r_squared is not None
    for fit in (upstream, both):
        assert fit.r_squared is None
        assert "0 units have all of gap" in fit.reason
        assert all(term.coefficient.value is None and term.coefficient.reason for term in fit.terms)
    flat = [replace(cell, units=tuple(replace(unit, prevalence=0.5) for unit in cell.units)) for cell in planted()]
    assert "data bias is the same in every row" in regressions(flat, level=0.95)[1].reason
    assert regressions([], level=0.95)[0].observations == 0


def test_rows_without_a_gap_and_cells_of_other_texts_are_left_out() -> None:
    cells = planted()
    missing = Figure(value=None, interval=None, reason="too few")
    cells[0] = replace(cells[0], units=(replace(cells[0].units[0], gap=missing), *cells[0].units[1:]))
    cells[-1] = replace(cells[-1], test_sha256="scrubbed")
    fit = regressions(cells, level=0.95)[1]
    assert fit.observations == len(LABELS) * 8 - 1
    assert fit.reason.startswith("1 of 64 rows")

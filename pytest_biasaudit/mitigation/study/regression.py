"""The gap explained: by the bias of the model it began as, and by that of the data it learnt from.

One row a unit (label and group), intervention and seed. Units are what is independent: rows of one unit share its words.
Imports stats when called. After Steed et al. 2022, who regress a downstream gap on both; intervals are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.mitigation.study.result import Figure, Regression, StudyCell, Term, UnitFigures
from pytest_biasaudit.stats.interval import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

UPSTREAM, DATA, PRETRAINED = "upstream bias", "data bias", "pre-trained"
CROSSED = f"{DATA} x {PRETRAINED}"
ALONE: tuple[tuple[str, ...], ...] = ((UPSTREAM,), (DATA,), (UPSTREAM, DATA))
METHOD = "t by unit, CR2 with Satterthwaite's degrees of freedom"


def regressions(cells: Sequence[StudyCell], *, level: float) -> tuple[Regression, ...]:
    """Every fit of the study; one that cannot be made says why.

    The gap is signed (group minus reference), and so are both biases: the upstream score as the model has it, and the
    group's share in the label's training rows less its share in all. Cells whose held-out texts were changed, as the first cell's
    were not, are left out. Coefficients are standardised: outcome, upstream and data bias are divided by
    their standard deviation over the rows of the fit. Whether the model was pre-trained counts 1 and 0, less its mean: its
    coefficient is a difference in standard deviations of the gap, and that of the product the difference between the slopes
    of the data bias with pre-training and without.
    """
    # A lever that changes the held-out texts too has other inputs: what explains its gap is not what explains the others'.
    plain = cells[0].test_sha256 if cells else ""
    rows = [
        (unit.label, unit.group, unit.upstream, _data_bias(unit), float(cell.pretrained), unit.gap.value)
        for cell in cells
        if cell.test_sha256 == plain
        for unit in cell.units
    ]
    wanted = list(ALONE)
    if len({cell.pretrained for cell in cells}) > 1:
        # Where no model has a score, the question of pre-training can still be put to the data.
        scored = any(row[2] is not None for row in rows)
        wanted.append((*((UPSTREAM,) if scored else ()), DATA, PRETRAINED, CROSSED))
    return tuple(_fitted(terms, rows, level=level) for terms in wanted)


Row = tuple[str, str, float | None, float | None, float, float | None]


def _fitted(terms: tuple[str, ...], rows: Sequence[Row], *, level: float) -> Regression:
    """One fit; its name is that of its terms."""
    import numpy as np

    from pytest_biasaudit.stats.least_squares import least_squares

    name = " + ".join(terms)
    kept = [row for row in rows if _complete(row, terms)]
    units = sorted({(row[0], row[1]) for row in kept})
    left_out = len(rows) - len(kept)
    reason = f"{left_out} of {len(rows)} rows have no gap, or no bias to explain it by" if left_out else ""

    def none(why: str) -> Regression:
        empty = tuple(
            Term(name=term, coefficient=Figure(value=None, interval=None, reason=why), raw=None, p=None, df=None)
            for term in terms
        )
        return Regression(
            name=name, terms=empty, r_squared=None, observations=len(kept), clusters=len(units), reason=why
        )

    if len(units) < 3:
        return none(f"{len(units)} units have all of gap, {', '.join(terms)}; a fit needs 3")
    outcome = np.array([row[5] for row in kept], dtype=np.float64)
    plain: dict[str, Floats] = {
        UPSTREAM: np.array([np.nan if row[2] is None else row[2] for row in kept]),
        DATA: np.array([np.nan if row[3] is None else row[3] for row in kept]),
        PRETRAINED: np.array([row[4] for row in kept]),
    }
    scale = {term: float(plain[term].std()) for term in terms if term in (UPSTREAM, DATA)}
    flat = [term for term, spread in scale.items() if not spread > 0]
    if flat:
        return none(f"{' and '.join(flat)} is the same in every row, so nothing can be explained by it")
    columns: dict[str, Floats] = {term: (plain[term] - plain[term].mean()) / scale[term] for term in scale}
    if PRETRAINED in terms:
        columns[PRETRAINED] = plain[PRETRAINED] - plain[PRETRAINED].mean()
        columns[CROSSED] = columns[DATA] * columns[PRETRAINED]
    spread = float(outcome.std())
    design = np.column_stack([np.ones(len(kept)), *(columns[term] for term in terms)])
    numbers = {unit: at for at, unit in enumerate(units)}
    cluster = np.array([numbers[row[0], row[1]] for row in kept])
    if not spread > 0:
        return none("the gap is the same in every row, so there is nothing to explain")
    try:
        fit = least_squares(design, (outcome - outcome.mean()) / spread, cluster, level=level)
    except StatisticsError as fault:
        return none(str(fault))
    return Regression(
        name=name,
        terms=tuple(
            Term(
                name=term,
                coefficient=Figure(
                    value=one.value, interval=Interval(low=one.low, high=one.high, level=level, method=METHOD)
                ),
                raw=one.value * spread / (scale.get(term) or (scale[DATA] if term == CROSSED else 1.0)),
                p=one.p,
                df=one.df,
            )
            for term, one in zip(terms, fit.coefficients[1:], strict=True)
        ),
        r_squared=fit.r_squared,
        observations=len(kept),
        clusters=fit.clusters,
        reason=reason,
    )


def _data_bias(unit: UnitFigures) -> float | None:
    return None if unit.prevalence is None or unit.overall is None else unit.prevalence - unit.overall


def _complete(row: Row, terms: tuple[str, ...]) -> bool:
    return (
        row[5] is not None
        and (UPSTREAM not in terms or row[2] is not None)
        and (DATA not in terms or row[3] is not None)
    )

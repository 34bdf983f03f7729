"""How sure, when people and templates are crossed: the t interval for a difference of two groups' means.

Uses numpy and scipy.special. Knows nothing of metrics, models or pytest.

Every person of two groups answers every template. Rows share a person, and rows share a template; both were drawn from
larger worlds, so both carry variance into the interval (Westfall, Kenny and Judd 2014). With y[g,i,t] the answer of
person i of group g to template t:

    y[g,i,t] = mu_g + a_t + b_gt + n_gi + e_git

The difference loses a_t and keeps the rest. Where cells are missing the same is done by template means: see `contrast`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.interval import Interval

CROSSED = "crossed t (names and templates)"
NAMES_ONLY = "names only (one template, Welch t)"
"""What an interval from one template is called: how answers vary over wordings cannot be seen in it."""
LARGEST = 1e140
"""Answers beyond have squares, and sums of squares, that no floating number holds."""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A difference of two groups' means with its variance, taken apart by where it comes from."""

    difference: float
    """Mean of the group minus mean of the reference group, each the mean over templates of its template means."""
    reference_mean: float
    group_mean: float
    variance: float
    """Of `difference`; zero when nothing varied, which is for the caller to handle."""
    df: float
    """Satterthwaite's, for `variance`."""
    names: tuple[float, float]
    """Part of the people of the reference group and of the group."""
    templates: float
    """Part of template x group; 0 with one template, where it cannot be seen."""
    cells: tuple[float, float]
    """Part of the single answers, which is in both of the above and taken off once."""
    people: tuple[int, int]
    """People with at least one answer used."""
    template_count: int
    cell_counts: tuple[int, int]
    """Answers used."""

    @property
    def names_variance(self) -> float:
        """Of people within a group, single answers' part taken off; with one template the two are one."""
        return max(0.0, sum(self.names) - sum(self.cells)) / (1.0 / self.people[0] + 1.0 / self.people[1])

    @property
    def method(self) -> str:
        """The interval's name, for people."""
        return CROSSED if self.template_count > 1 else NAMES_ONLY


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Two groups' tables with only what can be compared: templates both answered, people with an answer to those."""

    reference: NDArray[np.float64]
    group: NDArray[np.float64]
    reason: str = ""
    """Why there is nothing to compare, or nothing to base an interval on; empty when there is."""
    comparable: bool = True
    """False when not even a value can be given."""


def shared(reference: NDArray[np.float64], group: NDArray[np.float64]) -> Shared:
    """Keep the templates that both groups answered, and the people who answered at least one of those.

    reference, group  (people, templates); NaN where there is no answer; same templates in the same columns

    Raises StatisticsError when the tables do not have the same templates.
    """
    if reference.ndim != 2 or group.ndim != 2 or reference.shape[1] != group.shape[1]:
        raise StatisticsError(
            f"two groups must come as tables over the same templates, got shapes {reference.shape} and {group.shape}"
        )
    with np.errstate(invalid="ignore"):
        if (np.abs(reference) > LARGEST).any() or (np.abs(group) > LARGEST).any():
            why = f"an answer is infinite or beyond {LARGEST:g}, too large to compute with"
            return Shared(reference=reference, group=group, reason=why, comparable=False)
    here_r, here_g = ~np.isnan(reference), ~np.isnan(group)
    for there, which in ((here_r, "the reference group"), (here_g, "the group")):
        if not there.any():
            return Shared(reference=reference, group=group, reason=f"{which} has no answer to use", comparable=False)
    both = here_r.any(axis=0) & here_g.any(axis=0)
    if not both.any():
        return Shared(
            reference=reference, group=group, reason="no template was answered in both groups", comparable=False
        )
    r, g = reference[:, both], group[:, both]
    r, g = r[here_r[:, both].any(axis=1)], g[here_g[:, both].any(axis=1)]
    reason = ""
    for table, which in ((r, "the reference group"), (g, "the group")):
        if len(table) < 2:
            reason = f"{which} has one person with answers; an interval needs at least 2"
            break
    return Shared(reference=r, group=g, reason=reason)


def template_mean(table: NDArray[np.float64]) -> float:
    """The mean over templates of each template's mean; every template must have an answer."""
    return float(np.nanmean(table, axis=0).mean())


def contrast(reference: NDArray[np.float64], group: NDArray[np.float64], *, step: float = 1.0) -> Contrast:
    """The difference of two groups' means, its variance, and the degrees of freedom of that variance.

    reference, group  (people, templates) as `shared` gives them: at least 2 people each, NaN where there is no answer
    step              for a statistic whose value is `step` times the difference of the tables' means though each person's
                      influence on it is whole, as with the placements of a rank statistic (1/2); 1 for means

    With every cell there, and T templates:

        d_t   = ybar[B,t] - ybar[A,t];  D = mean_t d_t
        N_g   = sum_i (ybar_gi - ybar_g)^2 / (n_g (n_g - 1))                                people within group g
        E_g   = sum_it (y_git - ybar_gi - ybar_gt + ybar_g)^2 / ((n_g - 1)(T - 1) n_g T)    single answers
        Var   = N_A + N_B + var_t(d_t) / T - E_A - E_B, not below N_A + N_B nor below var_t(d_t) / T
        df    = the smaller of
                Var^2 / ( sum_g N_g^2 / (n_g - 1) + (var_t(d_t) / T)^2 / (T - 1) + sum_g E_g^2 / ((n_g - 1)(T - 1)) ),
                only the leading part's own term where Var is set to that part, and
                (N + V) / (N / df_N + V / (T - 1)) with N = N_A + N_B, V = var_t(d_t) / T

    The first is Satterthwaite's. Alone it covers 93 % where the few templates carry much of the variance (32 people a group,
    3 templates), because a variance of 3 templates that came out small by chance also raises it; the second does not rise so.

    With cells missing, D is over the template means of what is there. A person's weight in D is then the sum of 1 / (T n_gt)
    over the templates answered, and N_g sums the squares of those weighted deviations from the template means: however
    far apart templates lie, their level drops out. var_t(d_t) takes template effects of the least-squares fit of people
    and templates, so that it matters little who is missing where; E_g is that fit's residual variance, weighted as in D.
    """
    return contrasts(reference, group, step=step)(1.0)


def contrasts(
    reference: NDArray[np.float64], group: NDArray[np.float64], *, step: float = 1.0
) -> Callable[[float], Contrast]:
    """`contrast` of the group with a multiple of the reference group, for many multiples without starting over.

    The function returned takes the multiple. For ratios: rates in the ratio R have a group mean minus R reference means of 0.
    """
    parts_r, parts_g = _parts(reference), _parts(group)
    largest = max(float(np.nanmax(np.abs(reference))), float(np.nanmax(np.abs(group))))

    def at(multiple: float) -> Contrast:
        return _combine(parts_r.times(multiple), parts_g, step=step, largest=max(1.0, abs(multiple)) * largest)

    return at


def differences(
    child: tuple[NDArray[np.float64], NDArray[np.float64]], parent: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> Callable[[float], Contrast]:
    """`contrast` of each cell's child less a multiple of its parent, for many multiples without starting over.

    child, parent  (reference, group) each, with the same cells missing in both

    With u = c - p and m = 1 - r, c - r p is u + m p: what is linear in the cells is so in m, and every sum of squares is

        Q(u) + m (Q(c) - Q(u) - Q(p)) + m^2 Q(p)

    which loses no digits at r = 1, where a child is compared with a parent much like it.
    """
    sides = [(_parts(c - p), _parts(c), _parts(p)) for c, p in zip(child, parent, strict=True)]
    sizes = [max(float(np.nanmax(np.abs(table))) for table in pair) for pair in (child, parent)]

    def at(multiple: float) -> Contrast:
        m = 1.0 - multiple
        parts = [_between(*side, m) for side in sides]
        return _combine(parts[0], parts[1], step=1.0, largest=max(sizes[0], abs(multiple) * sizes[1]))

    return at


def _between(of_difference: _Parts, of_child: _Parts, of_parent: _Parts, m: float) -> _Parts:
    """The parts of u + m p."""

    def square(u: float, c: float, p: float) -> float:
        return max(0.0, u + m * (c - u - p) + m**2 * p)

    effects = None
    if of_difference.effects is not None and of_parent.effects is not None:
        effects = of_difference.effects + m * of_parent.effects
    return replace(
        of_difference,
        template_means=of_difference.template_means + m * of_parent.template_means,
        names=square(of_difference.names, of_child.names, of_parent.names),
        cells=square(of_difference.cells, of_child.cells, of_parent.cells),
        effects=effects,
    )


def _combine(parts_r: _Parts, parts_g: _Parts, *, step: float, largest: float) -> Contrast:
    templates = len(parts_r.template_means)
    means_r, means_g = parts_r.template_means, parts_g.template_means
    names = (parts_r.names, parts_g.names)
    n_r, n_g = parts_r.people, parts_g.people
    if templates == 1:
        cells = (0.0, 0.0)
        between = 0.0
        linear_df = math.inf
        variance = names[0] + names[1]
        spread = names[0] ** 2 / (n_r - 1) + names[1] ** 2 / (n_g - 1)
    else:
        cells = (parts_r.cells, parts_g.cells)
        solved = parts_r.effects is not None and parts_g.effects is not None
        effects = parts_g.effects - parts_r.effects if solved else means_g - means_r  # type: ignore[operator]
        between = step**2 * float(np.var(effects, ddof=1)) / templates
        linear_df = math.inf
        variance = max(sum(names) + between - sum(cells), sum(names), between)
        spread_names = names[0] ** 2 / (n_r - 1) + names[1] ** 2 / (n_g - 1)
        spread_between = between**2 / (templates - 1)
        # Up to rounding: on a tie the last digits, and so the unit, must not choose the degrees of freedom.
        if math.isclose(variance, sum(names), rel_tol=1e-9):
            spread = spread_names
        elif math.isclose(variance, between, rel_tol=1e-9):
            spread = spread_between
        else:
            spread = spread_names + spread_between
            for noise, noise_df in ((cells[0], parts_r.cells_df), (cells[1], parts_g.cells_df)):
                spread += noise**2 / noise_df if noise_df else 0.0
        if sum(names) > 0 and between > 0:
            names_df = sum(names) ** 2 / spread_names
            linear_df = (sum(names) + between) / (sum(names) / names_df + between / (templates - 1))
    if variance <= (1e-12 * largest) ** 2:  # rounding of equal answers, not variation
        variance, spread = 0.0, 0.0
    return Contrast(
        difference=step * float((means_g - means_r).mean()),
        reference_mean=float(means_r.mean()),
        group_mean=float(means_g.mean()),
        variance=variance,
        df=min(variance**2 / spread, linear_df) if spread > 0 else float(min(n_r, n_g) - 1),
        names=names,
        templates=between,
        cells=cells,
        people=(n_r, n_g),
        template_count=templates,
        cell_counts=(parts_r.count, parts_g.count),
    )


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """One group's share of `Contrast`."""

    template_means: NDArray[np.float64]
    names: float
    cells: float
    cells_df: int
    effects: NDArray[np.float64] | None
    """Template effects with people's levels taken out; None where people and templates cannot be told apart."""
    count: int
    people: int

    def times(self, multiple: float) -> _Parts:
        """The parts of the table times that number."""
        return replace(
            self,
            template_means=self.template_means * multiple,
            names=self.names * multiple**2,
            cells=self.cells * multiple**2,
            effects=None if self.effects is None else self.effects * multiple,
        )


def _parts(table: NDArray[np.float64]) -> _Parts:
    people, templates = table.shape
    here = ~np.isnan(table)
    filled = np.where(here, table, 0.0)
    answered = here.sum(axis=0)
    means = filled.sum(axis=0) / answered
    weights = here / (answered * templates)
    deviations = np.where(here, table - means, 0.0)
    influence = (weights * deviations).sum(axis=1)
    names = people / (people - 1) * float((influence**2).sum())
    count = int(here.sum())
    if here.all():
        residuals = deviations - deviations.mean(axis=1, keepdims=True)
        cells_df = (people - 1) * (templates - 1)
        effects: NDArray[np.float64] | None = means
    else:
        # Least squares of people and templates: people are swept out, leaving one equation a template.
        by_person = here.sum(axis=1)
        normal = np.diag(answered.astype(float)) - here.T @ (here / by_person[:, None])
        person_means = deviations.sum(axis=1) / by_person
        target = deviations.sum(axis=0) - here.T.astype(float) @ person_means
        solution, _, rank, _ = np.linalg.lstsq(normal, target, rcond=1e-10)
        residuals = deviations - solution
        residuals = np.where(here, residuals, 0.0)
        residuals = np.where(here, residuals - (residuals.sum(axis=1) / by_person)[:, None], 0.0)
        cells_df = count - people - int(rank)
        effects = means + solution if rank == templates - 1 else None
    if templates > 1 and cells_df > 0:
        noise = float((residuals**2).sum()) / cells_df * float((1.0 / answered).sum()) / templates**2
    else:
        noise, cells_df = 0.0, 0
    return _Parts(
        template_means=means, names=names, cells=noise, cells_df=cells_df, effects=effects, count=count, people=people
    )


def freedom_of_deviation(parts: Contrast, row_sd: float) -> float:
    """How many independent answers, less 2, the row standard deviation of two groups rests on.

    Between people less 2, where answers differ by person only, and rows less 2, where people do not differ. With p the
    people's share of the row variance:

        1 / nu = p^2 / (n_A + n_B - 2) + (1 - p)^2 / (rows_A + rows_B - 2)
    """
    people, rows = sum(parts.people) - 2, sum(parts.cell_counts) - 2
    share = min(1.0, parts.names_variance / row_sd**2)
    return 1.0 / (share**2 / people + (1.0 - share) ** 2 / rows)


def t_quantile(level: float, df: float) -> float:
    """How many standard errors a two-sided interval of that level reaches to each side.

    Raises StatisticsError for a level outside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise StatisticsError(f"a level lies between 0 and 1, got {level!r}")
    return float(stdtrit(df, 0.5 + level / 2.0))


def t_interval(estimate: float, standard_error: float, df: float, *, level: float, method: str) -> Interval | None:
    """The estimate with that many standard errors on both sides; None where that has no width or is not finite."""
    reach = t_quantile(level, df) * standard_error
    low, high = estimate - reach, estimate + reach
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return None
    return Interval(low=low, high=high, level=level, method=method)


def t_p(distance: float, standard_error: float, df: float) -> float:
    """Two-sided p of a distance of zero."""
    return float(min(1.0, 2.0 * stdtr(df, -abs(distance) / standard_error)))

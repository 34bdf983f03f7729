"""What an audit of a labelled table counts and can show, before any model is loaded.

`check` names the table; `plan` reads it where it is there, so that a file that is not what the audit needs is found before the
run, and foretells how small a gap its rows can show. Loads no model; no prediction is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_biasaudit.context.declaration import ClassifierAudit, Context, CorpusAudit, Limit, TabularAudit
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.planning.limit_words import limit_in_words
from pytest_biasaudit.prompts.benchmarks.data import HUB

if TYPE_CHECKING:
    from pytest_biasaudit.tables.source import TableFile
    from pytest_biasaudit.tables.tally import Tally

OF_LABEL = ("tpr_gap", "fnr_gap")
"""Gaps of a rate over the rows that have the label."""
OF_REST = ("fpr_gap",)
"""Over the rows that have another."""
OF_ALL = ("prevalence_gap", "demographic_parity_difference", "accuracy_gap")
"""Over all rows of a group."""
BY_LABEL = ("prevalence_gap", "demographic_parity_difference")
"""Of those, gaps that there are of every label."""
MOST_LISTED = 8


def table_lines(context: Context, audit: TabularAudit, *, power: float | None) -> list[str]:
    """The audit in words.

    power  chance to decide that figures are given for; None: only what is declared and how large the file is

    Raises DataError where the table is there and is not what the audit needs.
    """
    return list(_lines(context, audit, power))


def _lines(context: Context, audit: TabularAudit, power: float | None) -> Iterator[str]:
    yield f"audit {audit.id} ({_what(audit)})"
    table = _found(context, audit)
    if table is None:
        yield f"  data       {audit.data}: a hub data set that is not at hand; the run loads it, and only then is it looked at"
    else:
        yield f"  data       {audit.data}: {table.format}, {_size(table.bytes)}"
        yield f"  sha256     {table.sha256}" + (
            "" if audit.sha256 else " (not declared: put it in sha256 to pin the data)"
        )
    yield f"  groups     by {', '.join(audit.attributes)}"
    yield f"  too few    fewer than {audit.minimum} {'clusters' if audit.columns.cluster else 'rows'} are not measured"
    tally = None
    if table is not None and power is not None:
        tally = _counted(table, audit)
        yield from _size_lines(tally, audit)
    for limit in audit.limits:
        yield f"    {limit.id}: {limit_in_words(limit, audit)}"
        if power is not None:
            yield from (f"      {line}" for line in _shown(limit, audit, tally, power))


def _what(audit: TabularAudit) -> str:
    if isinstance(audit, CorpusAudit):
        return "corpus; no model is asked"
    if audit.asks_model:
        return f"classifier; the model under test reads column {audit.columns.text}"
    column = audit.columns.prediction or audit.columns.score
    return f"classifier; predictions are read from column {column}, no model is asked"


def _found(context: Context, audit: TabularAudit) -> TableFile | None:
    """The table; None for a hub data set that only the run loads."""
    from pytest_biasaudit.tables.source import locate

    try:
        return locate(audit.data, beside=context.path.parent, sha256=audit.sha256, offline=True)
    except DataError:
        if audit.data.startswith(HUB):
            return None
        raise


def _counted(table: TableFile, audit: TabularAudit) -> Tally:
    """The table by label and group, whether or not anything is predicted in it: read as the corpus that it is too."""
    from dataclasses import replace

    from pytest_biasaudit.corpus.scan import scan_corpus

    columns = replace(audit.columns, prediction=None, score=None)
    corpus = CorpusAudit(
        id=audit.id,
        kind="corpus",
        limits=(),
        data=audit.data,
        sha256=audit.sha256,
        columns=columns,
        terms=audit.terms,
        groups_order=audit.groups_order,
        leave_out=audit.leave_out,
        minimum=audit.minimum,
    )
    return scan_corpus(table, corpus)


def _size_lines(tally: Tally, audit: TabularAudit) -> Iterator[str]:
    yield f"  rows       {tally.rows:,}"
    for attribute in tally.attributes:
        inside = tally.members[tally.attributes.index(attribute)]
        sizes = [
            f"{int(tally.count[inside[:, at]].sum()):,} {group}{' (reference)' if at == 0 else ''}"
            for at, group in enumerate(attribute.groups[:MOST_LISTED])
        ]
        more = f" and {len(attribute.groups) - MOST_LISTED} more" if len(attribute.groups) > MOST_LISTED else ""
        nobody = int(tally.count[~inside.any(axis=1)].sum())
        yield f"  {attribute.name:<10} {', '.join(sizes)}{more}; {nobody:,} of no known group"
    if isinstance(audit, ClassifierAudit) and audit.asks_model:
        yield f"  cost       {tally.rows:,} texts a model, each different one once; no generated tokens"
    else:
        yield "  cost       the table is read once; no model is asked"


def _shown(limit: Limit, audit: TabularAudit, tally: Tally | None, power: float) -> Iterator[str]:
    """What the rows can show about one limit: how near to 0 the limit may be so that no gap at all is found within it."""
    where = OF_LABEL + OF_REST + OF_ALL
    if limit.metric not in where or limit.max is None or limit.versus is not None or len(limit.attributes) != 1:
        yield "not planned: only a gap between a group's rate and the reference's is"
        return
    if tally is None:
        yield "not planned: the rows are not at hand"
        return
    cells = list(_cells(limit, tally))
    few = [(rows, name) for rows, name in cells if min(rows) < audit.minimum]
    for rows, name in few[:MOST_LISTED]:
        yield f"{name}: {rows[1]:,} rows and {rows[0]:,} of the reference: too few, so this limit would not be measured"
    if len(few) > MOST_LISTED:
        yield f"and {len(few) - MOST_LISTED} more comparisons of too few rows"
    sound = [(rows, name) for rows, name in cells if min(rows) >= audit.minimum]
    if few or not sound:
        return
    rows, name = max(sound, key=lambda cell: sum(1 / n for n in cell[0]))
    reach = _reach(rows, limit.level)
    error = reach / _quantile(0.5 + limit.level / 2)
    yield (
        f"smallest cell: {name}, {rows[1]:,} rows against {rows[0]:,}; interval of about +-{reach:.3g} at rates of one half, "
        "less toward 0 and 1"
    )
    if limit.rule == "point":
        yield "no error is controlled: the estimate alone decides"
    elif limit.rule == "lower":
        over = limit.max + reach + _quantile(power) * error
        yield f"over from a true gap of about {over:.3g} with chance {power:g}, before Holm's adjustment"
    else:
        # Every comparison must be within; the chance of missing one of them is shared out (Bonferroni).
        comparisons = len(sound) * (len(tally.looked_at(limit.label)) if limit.metric in BY_LABEL else 1)
        needed = reach + _quantile(1 - (1 - power) / (2 * comparisons)) * error
        can = "is found" if needed <= limit.max else "cannot be found"
        yield f"no gap at all {can} within {limit.max:g} with chance {power:g}: that takes a limit of {needed:.3g} or more"
    if audit.columns.cluster:
        yield "(rows taken as independent: clusters widen it)"


def _cells(limit: Limit, tally: Tally) -> Iterator[tuple[tuple[int, int], str]]:
    """(rows of the reference, rows of the group) for each comparison, with its name."""
    titles, inside = tally.groups(limit.attributes)
    if limit.label is not None and limit.label not in tally.labels:
        return
    labels = tally.looked_at(limit.label) if limit.metric not in OF_ALL else ("",)
    for label in labels:
        has = tally.truth == tally.labels.index(label) if label else tally.truth >= 0
        if limit.metric in OF_REST:
            has = (tally.truth >= 0) & ~has
        counts = [int(tally.count[has & inside[:, at]].sum()) for at in range(len(titles))]
        for at in range(1, len(titles)):
            yield (counts[0], counts[at]), f'label "{label}", {titles[at]}' if label else titles[at]


def _reach(rows: tuple[int, int], level: float) -> float:
    """Half the interval of a difference of two rates of one half (Newcombe's, from Wilson's)."""
    from pytest_biasaudit.stats.proportion import wilson

    ends = [wilson(0.5, n, level=level) for n in rows]
    return math.hypot(*(high - 0.5 for _, high in ends))


def _quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"

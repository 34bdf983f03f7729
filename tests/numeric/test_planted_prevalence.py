"""The plant is found: a share of women in one occupation from 0.1 to 0.9, planted in texts and in a column, by hand."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.corpus.scan import scan_corpus
from pytest_biasaudit.metrics.metric import Measured
from pytest_biasaudit.metrics.tables.corpus import METRICS
from pytest_biasaudit.tables.tally import Tally
from tests.corpus_tables import GENDER, corpus_audit, table_file

BY_NAME = {metric.name: metric for metric in METRICS}
NURSES, CLERKS = 200, 600
"""Rows of each label; half the clerks are women."""


def planted(folder: Path, share: float) -> Path:
    """A table in which so many of the nurses are women, and say so."""
    path = folder / "train.csv"
    women = round(share * NURSES)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["cv", "job", "sex"])
        for label, count, hers in (("nurse", NURSES, women), ("clerk", CLERKS, CLERKS // 2)):
            for at in range(count):
                sex = "women" if at < hers else "men"
                word = "She" if sex == "women" else "He"
                rows.writerow([f"{word} has worked as a {label} for {at % 30} years, near the sea.", label, sex])
    return path


def figure(name: str, tally: Tally, group: tuple[str, ...]) -> Measured:
    """One figure of the nurses."""
    metric = BY_NAME[name]
    assert metric.of_table is not None
    found = metric.of_table(tally, attributes=("gender",), label="nurse", level=0.95, seed=0, minimum=10)
    return next(one.measured for one in found if one.groups == group)


@pytest.mark.parametrize("by", ["column", "terms"])
@pytest.mark.parametrize("share", [round(0.1 * at, 1) for at in range(1, 10)])
def test_prevalence_and_pmi_recover_what_was_planted(tmp_path: Path, share: float, by: str) -> None:
    columns = Columns(text="cv", label="job", groups=(("gender", "sex"),) if by == "column" else ())
    terms = (("gender", GENDER),) if by == "terms" else ()
    audit = corpus_audit(columns, terms=terms, groups_order=(("gender", ("men", "women")),))
    tally = scan_corpus(table_file(planted(tmp_path, share)), audit)
    nurses, rows = NURSES, NURSES + CLERKS
    her_nurses = share * nurses
    women = her_nurses + CLERKS / 2
    by_hand = {
        ("share_gap", ("women",)): her_nurses / nurses - women / rows,
        ("pmi", ("women",)): math.log((her_nurses / rows) / ((women / rows) * (nurses / rows))),
        ("prevalence_gap", ("men", "women")): her_nurses / women - (nurses - her_nurses) / (rows - women),
        ("cooccurrence_rate_ratio", ("men", "women")): (her_nurses / women) / ((nurses - her_nurses) / (rows - women)),
    }
    for (name, groups), value in by_hand.items():
        found = figure(name, tally, groups)
        assert found.value == pytest.approx(value, abs=1e-12), name
        assert found.interval is not None
        ideal = BY_NAME[name].ideal
        # Half and half is what the clerks have; anything else is seen to be something else.
        assert (found.interval.low <= ideal <= found.interval.high) == (share == 0.5), (name, share)

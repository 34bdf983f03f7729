"""A study of levers made by hand for the tests of the report: two models to begin with, two interventions on data, a sweep, five
seeds. Cells are drawn by a seeded generator and only look like a study's; rows are what the package makes of them.
"""

from __future__ import annotations

import math
import random
from typing import Any

from pytest_biasaudit.metrics.over_variations import Figure
from pytest_biasaudit.mitigation.study.levers import RATE, SWEPT, lever_rows, sweep_rows, unit_rows
from pytest_biasaudit.mitigation.study.plan import NONE, Intervention
from pytest_biasaudit.mitigation.study.regression import regressions
from pytest_biasaudit.mitigation.study.result import StudiedTable, StudyCell, StudyResult, UnitFigures
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.evidence import Evidence, assemble, evidence_from_plain
from pytest_biasaudit.records.plain_values import Plain
from pytest_biasaudit.records.study import study_to_plain
from tests.table_sample import run_info

RATES = (0.1, 0.3, 0.5, 0.7, 0.9)
LABELS = ("nurse", "surgeon", "teacher")


def model() -> ModelIdentity:
    """An encoder that does not exist."""
    return ModelIdentity(name="encoder", source="models/encoder", weights_sha256="a" * 64, architecture="BertModel")


def result(mark: str = "") -> StudyResult:
    """The whole study; `mark` is put after every foreign text."""
    draw = random.Random(5)
    upstream = (Intervention(method=NONE), Intervention(method="random-weights"))
    sweep = tuple(Intervention(method=SWEPT, settings=(("label", f"nurse{mark}"), (RATE, rate))) for rate in RATES)
    data = (Intervention(method=NONE), Intervention(method="down-sample"), *sweep)
    cells = []
    for first in upstream:
        for second in data:
            for seed in range(5):
                rate = second.setting(RATE)
                share = float(rate) if isinstance(rate, (int, float)) else 0.8
                lean = 0.1 if second.method == "down-sample" else 0.6 * (share - 0.5)
                lean += 0.03 * (first.method != NONE)
                gaps = [lean + draw.gauss(0, 0.02), draw.gauss(-0.05, 0.03), draw.gauss(0.02, 0.03)]
                units = tuple(
                    UnitFigures(
                        label=f"{label}{mark}", group=f"women{mark}", upstream=0.2 - 0.1 * at, overall=0.5,
                        prevalence=share if at == 0 else 0.5, rows=100,
                        log_odds=math.log(share / (1 - share)) if at == 0 else 0.0,
                        gap=Figure(value=gaps[at], interval=None),
                    )
                    for at, label in enumerate(LABELS)
                )  # fmt: skip
                rms = math.sqrt(sum(gap * gap for gap in gaps) / 3)
                cells.append(
                    StudyCell(
                        upstream=first.name, data=second.name, seed=seed, pretrained=first.method == NONE, train_rows=300,
                        train_sha256="b" * 64, test_sha256="c" * 64, units=units, rms=Figure(value=rms, interval=None),
                        accuracy=Figure(value=0.8 + draw.gauss(0, 0.01), interval=None),
                    )
                )  # fmt: skip
    table = StudiedTable(source=f"train{mark}.csv", sha256="d" * 64, rows=300, table_sha256="e" * 64)
    settings: dict[str, Any] = {"level": 0.95}
    return StudyResult(
        study=f"occupations{mark}",
        plan_file="study.toml",
        plan_sha256="f" * 64,
        model=model(),
        attribute="gender",
        reference="men",
        groups=(f"women{mark}",),
        labels=tuple(f"{label}{mark}" for label in LABELS),
        gap="tpr_gap",
        level=0.95,
        minimum=10,
        seeds=tuple(range(5)),
        training=(("epochs", 3),),
        upstream=upstream,
        data=data,
        train=table,
        test=table,
        majority=0.4,
        upstream_score="log-probability of she less that of he",
        cells=tuple(cells),
        levers=lever_rows(cells, majority=0.4, **settings),
        units=unit_rows(cells, **settings),
        sweep=sweep_rows(cells, data, **settings),
        regressions=regressions(cells, **settings),
        notes=(f"Drawn by a generator{mark}.",),
    )


def plain(mark: str = "") -> Plain:
    """As evidence."""
    return assemble([], [], [model()], run=run_info(), study=[study_to_plain(result(mark))])


def evidence(mark: str = "") -> Evidence:
    """The same, read back in types."""
    return evidence_from_plain(plain(mark))

"""A study of levers, done: its plan, two tables, one model, the cells that are kept, and the rows at the end.

Stands beside `audit`, and sees as much: tables, models, training, mitigation. Torch starts with the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_biasaudit.errors import PlanError
from pytest_biasaudit.mitigation.study.plan import StudyPlan, TableSource
from pytest_biasaudit.settings import Settings

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.study.result import StudiedTable, StudyCell, StudyResult
    from pytest_biasaudit.mitigation.study.run import Studied, Watch, Workshop
    from pytest_biasaudit.models.protocol import Model, ModelIdentity
    from pytest_biasaudit.tables.source import TableFile
    from pytest_biasaudit.tables.table import Table

FOLDER, TRAINED = "studies", "training"
"""Of the cache: where cells are kept, and what a frozen body gives."""


def read_tables(plan: StudyPlan, *, seed: int, offline: bool) -> tuple[Studied, tuple[StudiedTable, StudiedTable]]:
    """The study's two tables, whole, and what is compared in them.

    Raises DataError: a table that is not there or not what its digest says, a column that is missing, a group or label of
    one table that the other lacks. Raises PlanError where every row of the held-out table is learnt from.
    """
    from pytest_biasaudit.mitigation.study.cell import groups_of, labels_of
    from pytest_biasaudit.mitigation.study.run import Studied

    (train_file, train), (test_file, test) = _read(plan, plan.train, offline), _read(plan, plan.test, offline)
    reference, groups = groups_of(plan, train, test)
    first = seed if plan.seed is None else plan.seed
    studied = Studied(
        plan=plan,
        train=train,
        test=test,
        reference=reference,
        groups=groups,
        labels=labels_of(plan, train, test),
        seeds=tuple(range(first, first + plan.seeds)),
    )
    if shared_rows(studied) == test.rows:
        reason = f"every row of {test.source} stands in {train.source} too: nothing is held out"
        raise PlanError(str(plan.path), [f"[study]: test = {plan.test.source!r}: {reason}"])
    return studied, (_facts(train_file, train), _facts(test_file, test))


def study(
    plan: StudyPlan, model: Model, *, settings: Settings, watch: Watch | None = None, workshop: Workshop | None = None
) -> StudyResult:
    """The whole study of one model.

    model     whose children are fine-tuned; lent, and given back as it was
    settings  seed (unless the plan has one), batch size, and the cache folder, where finished cells are kept: a study that was
              stopped goes on from there, and comes to the same
    workshop  who trains; None: fine-tuning with transformers

    Raises PlanError, DataError, ModelError and TrainingError: a plan, table, model or training that cannot give a cell.
    """
    from pytest_biasaudit.mitigation.study.kept import Kept
    from pytest_biasaudit.mitigation.study.run import run_cells

    studied, (train, test) = read_tables(plan, seed=settings.seed, offline=settings.offline)
    keeping = settings.cache is not None and model.identity.cacheable
    if workshop is None:
        from pytest_biasaudit.mitigation.study.workshop import FineTuningWorkshop

        home = settings.cache / TRAINED if settings.cache is not None and keeping else None
        workshop = FineTuningWorkshop(plan, model, studied, batch_size=settings.batch_size, home=home)
    kept = Kept(settings.cache / FOLDER if settings.cache is not None and keeping else None)
    cells = run_cells(studied, workshop, kept, watch=watch)
    return result_of(
        studied,
        cells,
        model=model.identity,
        tables=(train, test),
        training=tuple(sorted(workshop.training.items())),
        upstream_score=workshop.score_words,
        settings=settings,
    )


def result_of(
    studied: Studied,
    cells: tuple[StudyCell, ...],
    *,
    model: ModelIdentity,
    tables: tuple[StudiedTable, StudiedTable],
    training: tuple[tuple[str, object], ...],
    upstream_score: str,
    settings: Settings,
) -> StudyResult:
    """The rows drawn from the cells, beside what the study was of."""
    from pytest_biasaudit.mitigation.study.levers import lever_rows, sweep_rows, unit_rows
    from pytest_biasaudit.mitigation.study.regression import regressions
    from pytest_biasaudit.mitigation.study.result import StudyResult

    plan = studied.plan
    counts = studied.test.labels.drop_nulls().value_counts()["count"].to_list()
    majority = max(counts) / sum(counts)
    return StudyResult(
        study=plan.id,
        plan_file=plan.path.name,
        plan_sha256=plan.sha256,
        model=model,
        attribute=plan.attribute,
        reference=studied.reference,
        groups=studied.groups,
        labels=studied.labels,
        gap=plan.gap,
        level=plan.level,
        minimum=plan.minimum,
        seeds=studied.seeds,
        training=training,
        upstream=plan.upstream,
        data=plan.data,
        train=tables[0],
        test=tables[1],
        majority=majority,
        upstream_score=upstream_score,
        cells=cells,
        levers=lever_rows(cells, level=plan.level, majority=majority),
        units=unit_rows(cells, level=plan.level),
        sweep=sweep_rows(cells, plan.data, level=plan.level),
        regressions=regressions(cells, level=plan.level),
        notes=tuple(_notes(studied, cells)),
        observe=settings.observe,
        inconclusive=settings.inconclusive,
    )


def _notes(studied: Studied, cells: tuple[StudyCell, ...]) -> Iterator[str]:
    """What a reader should know of this study beside its figures."""
    plan = studied.plan
    yield (
        "Intervals of levers are over seeds: what another training on the same tables would give. They say nothing of other "
        "held-out rows; the intervals of single runs do."
    )
    if plan.redraw:
        yield "Each seed learns from training rows drawn anew, with replacement, as many of each label and group as there are."
    if len(studied.seeds) < 5:
        yield f"{len(studied.seeds)} seeds: intervals over so few are wide, or not there at all."
    shared = shared_rows(studied)
    if shared:
        yield (
            f"{shared} of {studied.test.rows} held-out rows have a text that is learnt from with the same label; take such "
            "rows out of one of the tables if they are the same case"
        )
    both = [one.name for one in plan.data if one.where != "train"]
    if both:
        yield (
            f"{', '.join(both)}: the held-out texts were changed too, so a gap is that of a classifier whose every input is "
            "changed so."
        )
    lacking = sorted({f"{unit.label}, {unit.group}" for cell in cells for unit in cell.units if unit.gap.value is None})
    if lacking:
        yield (
            f"Without a gap in some cell: {'; '.join(lacking[:20])}. Root mean squares leave them out; two are compared where "
            "they are over the same."
        )


def _read(plan: StudyPlan, declared: TableSource, offline: bool) -> tuple[TableFile, Table]:
    from pytest_biasaudit.tables.source import locate
    from pytest_biasaudit.tables.table import read_table

    file = locate(declared.source, beside=plan.path.parent, sha256=declared.sha256, offline=offline)
    return file, read_table(file, plan.columns)


def shared_rows(studied: Studied) -> int:
    """Rows of the held-out table whose text stands in the training table with the same label."""
    columns = studied.plan.columns
    keys = [one for one in (columns.text, columns.label) if one is not None]
    held_out, learnt = (table.frame.select(keys).drop_nulls() for table in (studied.test, studied.train))
    return held_out.join(learnt.unique(), on=keys, how="semi").height


def _facts(file: TableFile, table: Table) -> StudiedTable:
    from pytest_biasaudit.mitigation.study.result import StudiedTable

    return StudiedTable(source=file.source, sha256=file.sha256, rows=table.rows, table_sha256=table.digest)

"""The rows of one labelled table, from file to tally: read, answered where a model is asked, counted.

Brings tables, the corpus scan and classifying together for the collector. Imports them when called, and nothing heavy
itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_biasaudit.outcomes.collect import Collected

if TYPE_CHECKING:
    from pytest_biasaudit.context.declaration import ClassifierAudit, CorpusAudit
    from pytest_biasaudit.models.protocol import Model
    from pytest_biasaudit.outcomes.asking import Watch
    from pytest_biasaudit.outcomes.journal import Journal
    from pytest_biasaudit.tables.source import TableFile


def corpus_counted(table: TableFile, audit: CorpusAudit, *, watch: Watch, what: str) -> Collected:
    """A corpus, scanned once in chunks. Raises DataError with every fault found."""
    from pytest_biasaudit.corpus.scan import scan_corpus

    with watch(what, table.bytes) as progress:
        tally = scan_corpus(table, audit, progress=progress)
    return Collected(outcomes=(), asked=0, recalled=0, data=table.facts, tally=tally)


def predictions_counted(table: TableFile, audit: ClassifierAudit) -> Collected:
    """A table that holds its predictions, counted. Raises DataError with every fault found."""
    from pytest_biasaudit.tables.counting import count_predictions

    return Collected(outcomes=(), asked=0, recalled=0, data=table.facts, tally=count_predictions(table, audit))


def texts_classified(
    table: TableFile,
    audit: ClassifierAudit,
    model: Model,
    *,
    journal: Journal,
    batch_size: int,
    rerun: bool,
    watch: Watch,
    what: str,
) -> Collected:
    """The table's texts put to a classifier, and its rows counted with what came back.

    A model that is no classifier, or that knows other labels than the table, is an obstacle, not an error.
    """
    from pytest_biasaudit.outcomes.classify import classify_texts
    from pytest_biasaudit.tables.counting import count_predictions

    answered = classify_texts(
        table, audit, model, journal=journal, batch_size=batch_size, rerun=rerun, watch=watch, what=what
    )
    tally = None if answered.obstacle else count_predictions(table, audit, answers=answered.answers)
    return Collected(
        outcomes=(),
        asked=answered.asked,
        recalled=answered.recalled,
        facts=answered.facts,
        data=table.facts,
        obstacle=answered.obstacle,
        tally=tally,
        answers=answered.answers,
    )


def paired(table: TableFile, audit: ClassifierAudit, mine: Collected, theirs: Collected) -> Collected:
    """What came of the other model, with this model's rows beside it: its tally counts rows by both predictions.

    `Tally.prediction` is this model's, `Tally.earlier` the other's.
    """
    from pytest_biasaudit.tables.counting import count_predictions

    if mine.answers is None or theirs.answers is None:
        return theirs
    return replace(theirs, tally=count_predictions(table, audit, answers=mine.answers, earlier=theirs.answers))

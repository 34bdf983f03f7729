"""What a classifier says of a table's texts, row by row: each distinct text asked once, every answer kept as it comes.

Knows tables, the model protocol and the journal. Counting rows with their answers is `tables.counting`'s.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_biasaudit.context.declaration import ClassifierAudit, Columns
from pytest_biasaudit.context.spelling import did_you_mean, listed
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.models.protocol import Classifies, Model
from pytest_biasaudit.outcomes.asking import Asker, Watch
from pytest_biasaudit.tables.answers import Answers

if TYPE_CHECKING:
    from pytest_biasaudit.outcomes.journal import Journal
    from pytest_biasaudit.tables.source import TableFile

MOST_NAMED = 8
"""Labels that a message lists; of more it says how many."""
Logprobs = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A table's texts, put to a classifier."""

    answers: Answers | None
    """None where there is an obstacle."""
    asked: int
    """Texts put to the model; rows with the same text share one."""
    recalled: int
    """Texts answered from the journal."""
    facts: tuple[tuple[str, str], ...] = ()
    """What decided the answers, and what could not be answered, in words."""
    obstacle: str = ""
    """Why the model could not be asked; empty when it could."""


def classify_texts(
    table: TableFile,
    audit: ClassifierAudit,
    model: Model,
    *,
    journal: Journal,
    batch_size: int,
    rerun: bool,
    watch: Watch,
    what: str,
) -> Answered:
    """One prediction a row, in the order of the table's rows.

    A row without text is not asked about and has no prediction; nor has one for which the model gives NaN or infinities.
    A model that is no classifier, or does not know a label of the table, is an obstacle: nothing is asked.

    Raises DataError: no text column, faults of the table. Whatever ends the asking, the answers that had come are in the
    journal.
    """
    if not isinstance(model, Classifies):
        return _refused(_no_classifier(model))
    texts, labels = _texts_and_labels(table, audit)
    positive = audit.columns.positive
    obstacle = _unknown(list(dict.fromkeys(labels if positive is None else [*labels, positive])), model)
    if obstacle:
        return _refused(obstacle)
    distinct = list(dict.fromkeys(text for text in texts if text is not None))
    asker = Asker(model, journal=journal, batch_size=batch_size, watch=watch, what=what, rerun=rerun)
    came = dict(zip(distinct, asker.classes(distinct), strict=True))
    found = [None if text is None else came[text][0] for text in texts]
    return Answered(
        answers=_answers(found, model, positive),
        asked=asker.asked,
        recalled=asker.recalled,
        facts=_facts(model, texts, came),
    )


# -- inside -------------------------------------------------------------------------------------------------------------


def _texts_and_labels(table: TableFile, audit: ClassifierAudit) -> tuple[list[str | None], list[str]]:
    """Every row's text, None where it is missing or blank, and the labels of the truth, each once."""
    from pytest_biasaudit.tables.opening import LABEL, RAGGED, TEXT, open_rows, reading, refuse_ragged

    columns = Columns(label=audit.columns.label, text=audit.columns.text, positive=audit.columns.positive)
    if columns.text is None:
        raise DataError(table.name, ["a classifier reads texts, and [audit.columns] text names no column of them"])
    with reading(table, columns):
        frame = open_rows(table, columns).collect()
    if not frame.height:
        raise DataError(table.name, ["there is no row in it"])
    if RAGGED in frame.columns:
        refuse_ragged(table, int(frame[RAGGED].max() or 0))  # type: ignore[arg-type]  # polars types any column's maximum
    texts = [text if text is not None and text.strip() else None for text in frame[TEXT].to_list()]
    return texts, sorted(frame[LABEL].drop_nulls().unique().to_list())


def _answers(found: Sequence[Logprobs | None], model: Classifies, positive: str | None) -> Answers:
    import numpy as np

    labels = model.labels
    logprobs = np.full((len(found), len(labels)), np.nan)
    for row, values in enumerate(found):
        if values is not None and _is_answer(values):
            logprobs[row] = values
    known = ~np.isnan(logprobs).any(axis=1)
    prediction = np.where(known, np.where(np.isnan(logprobs), -np.inf, logprobs).argmax(axis=1), -1)
    score = None
    if positive is not None and not getattr(model, "labels_only", False):
        score = np.exp(logprobs[:, labels.index(positive)])
    return Answers(labels=labels, prediction=prediction.astype(np.int64), score=score)


def _is_answer(values: Logprobs) -> bool:
    """Whether log-probabilities say anything: no NaN, no infinity above, and some probability at all."""
    return not any(math.isnan(value) or value == math.inf for value in values) and max(values) > -math.inf


def _facts(
    model: Classifies, texts: Sequence[str | None], came: dict[str, tuple[Logprobs, bool]]
) -> tuple[tuple[str, str], ...]:
    cut = sum(short for _, short in came.values())
    broken = sum(not _is_answer(values) for values, _ in came.values())
    blank = sum(text is None for text in texts)
    facts = [
        ("labels of the classifier", _some(model.labels)),
        *model.reading_facts(),
        ("texts", f"{len(texts)} rows, {len(came)} different texts"),
    ]
    if cut:
        facts.append(("texts that were cut", f"{cut} of {len(came)}: what stands beyond was not read"))
    if blank:
        facts.append(("rows without text", f"{blank} of {len(texts)}: they have no prediction"))
    if broken:
        facts.append(
            ("texts without an answer", f"{broken} of {len(came)}: the model gave NaN or infinities, no prediction")
        )
    return tuple(facts)


def _refused(obstacle: str) -> Answered:
    return Answered(answers=None, asked=0, recalled=0, obstacle=obstacle)


def _no_classifier(model: Model) -> str:
    name, kind = model.identity.name, type(model).__name__
    article = "an" if kind[0] in "AEIOU" else "a"
    lacks = f": {model.identity.lacks}" if model.identity.lacks else ""
    return (
        f"a classifier audit that reads texts needs a classifier; {name!r} is {article} {kind}{lacks}. Declare "
        "kind = 'classifier' for a sequence classifier, fine-tune one with biasaudit_finetune, wrap a function in "
        "CallableClassifier, or name a column of predictions"
    )


def _unknown(labels: Sequence[str], model: Classifies) -> str:
    """What to say of labels that the model does not know; "" where it knows them all."""
    unknown = [label for label in labels if label not in model.labels]
    if not unknown:
        return ""
    name, near = model.identity.name, did_you_mean(unknown[0], model.labels)
    if all(re.fullmatch(r"LABEL_\d+", label) for label in model.labels):
        example = ", ".join(
            f'"{number}": {json.dumps(label, ensure_ascii=False)}' for number, label in enumerate(labels[:2])
        )
        return (
            f"{name!r} does not say what its labels are called ({_some(model.labels)} are stand-ins of transformers), and the "
            f"table has {_some(labels)}: name them in its config.json as the table spells them, such as "
            f'"id2label": {{{example}}}, in the order in which it was taught'
        )
    many = len(unknown) > 1
    return (
        f"{name!r} does not know the label{'s' if many else ''} {_some(unknown)} of the table, so it can never be right about "
        f"{'them' if many else 'it'}; it knows {_some(model.labels)}{near or '.'} Spell labels alike in table and model, "
        "or take rows of labels that it was not taught out of the table"
    )


def _some(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - MOST_NAMED} more" if len(labels) > MOST_NAMED else ""
    return listed(labels[:MOST_NAMED]) + more

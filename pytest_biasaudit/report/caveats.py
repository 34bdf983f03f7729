"""What a result does not say, in sentences that fit the audits at hand. No markup."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_biasaudit.context.declaration import (
    BenchmarkAudit,
    ClassifierAudit,
    CorpusAudit,
    CounterfactualAudit,
    TabularAudit,
)
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.verdict.verdict import Verdict

ALWAYS = (
    "That the model treats these groups alike elsewhere. Bias depends on the context: another use, another wording or "
    "another language needs an audit of its own.",
    "That groups which were not compared are treated alike. Only the groups named in the tables were.",
)
ABOUT_PEOPLE = (
    "How real people fare. A name signals a group and nothing more of a person; the questions were written for the test, "
    "and nobody was decided about.",
)
ABOUT_BENCHMARKS = (
    "How the model behaves in the declared context. A benchmark reads which of some given sentences, words or answers a "
    "model leans to; a leaning in likelihood is no decision about anyone, and a model without one may still treat people "
    "unlike.",
    "That the benchmark measures what its name says. Published sets hold items that are unclear, that mix several "
    "stereotypes or none, and whose other sentence is no fair contrast (Blodgett et al. 2021). A figure holds for these "
    "items; they speak for one language and mostly for one country.",
)
ABOUT_CLASSIFIERS = (
    "That the labels of the table are true. Where those who labelled were biased, a classifier without any gap repeats them.",
    "How the classifier fares on rows unlike these. A table holds those who came to be recorded in it, and a group in it may "
    "stand for few of its people.",
)
ABOUT_DATA = (
    "What a classifier will learn from these data. That labels and groups go together in them is a reason to look; how much of "
    "it a model takes over, and whether mending the data helps, is measured on the model.",
    "Who a text is about. A term names a group in the text; it may be said of somebody else, or by somebody else.",
)
OF_ROWS = (
    "Of a labelled table it takes in that its rows are a sample; rows of one declared cluster count as one where they say much "
    "the same."
)
THEN = (
    "Why an answer is what it is, or whether a difference is lawful. That is for people to judge.",
    "Anything about a later version. Whoever changes the weights, the number format, the system prompt, the people list "
    "or the benchmark's data has another system or another test, and audits it again.",
)


def interval_means(records: Sequence[AuditRecord]) -> str:
    """What the intervals of these audits take in, as a sentence."""
    said = {
        "counterfactual": "if other people and other wordings were drawn",
        "benchmark": "if other items of the benchmark's kind were drawn (other pairs, terms, words or templates)",
        "classifier": "if other rows were drawn that come about as these did",
        "corpus": "if other rows were drawn that come about as these did",
    }
    of = {"benchmark": "of a benchmark, ", "classifier": "of a labelled table, ", "corpus": "of a labelled table, "}
    first, *rest = _kinds(records)
    found = dict.fromkeys([said[first], *(f"{of[kind]}{said[kind]}" for kind in rest if said[kind] != said[first])])
    return f"An interval says how far the value may be from the estimate {'; '.join(found)}."


def interval_is(records: Sequence[AuditRecord]) -> str:
    """The same, for the explanation of verdicts."""
    said = {
        "counterfactual": "The interval takes in that both the people named and the wordings used are samples of larger worlds.",
        "benchmark": "Of a benchmark it takes in that its items are a sample: those written from one template, or about one "
        "term, count as one cluster, since they say much the same.",
        "classifier": OF_ROWS,
        "corpus": OF_ROWS,
    }
    return " ".join(dict.fromkeys(said[kind] for kind in _kinds(records)))


def page_shows(records: Sequence[AuditRecord], *, studied: bool = False) -> str:
    """What was done to the models, as the end of "It shows".

    studied  whether there is a study of levers: without audits the page is of nothing else
    """
    if studied and not records:
        return (
            "how a classifier's gaps between groups change when its model, or the data that it learns from, is changed"
        )
    said = {
        "counterfactual": "how a language model answered the same questions about people of different groups, in the "
        "contexts its deployer declared",
        "benchmark": "which of the sentences, words or answers of stereotype benchmarks a model leans to",
        "classifier": "how often a classifier was right about rows of a labelled table, group by group",
        "corpus": "how labels and groups go together in data that a classifier may learn from",
    }
    shown = ", and ".join(said[kind] for kind in _kinds(records))
    return f"{shown}, and whether the limits the deployer declared were kept"


def _kinds(records: Sequence[AuditRecord]) -> list[str]:
    """Which sorts of audits there are; the first where there is none."""
    there = {
        "counterfactual": any(isinstance(record.audit, CounterfactualAudit) for record in records) or not records,
        "benchmark": any(isinstance(record.audit, BenchmarkAudit) for record in records),
        "classifier": any(isinstance(record.audit, ClassifierAudit) for record in records),
        "corpus": any(isinstance(record.audit, CorpusAudit) for record in records),
    }
    return [kind for kind, found in there.items() if found]


def made_from(records: Sequence[AuditRecord], *, studied: bool = False) -> str:
    """What the figures come from, as the end of "this page is made"."""
    if studied or any(isinstance(record.audit, TabularAudit) for record in records):
        return "from test prompts, or from labelled tables that they chose"
    return "from test prompts and not from records of its use"


def not_said(records: Sequence[AuditRecord]) -> tuple[str, ...]:
    """The standing sentences, and those that this run's rules, verdicts and answers call for."""
    benchmarks = [record for record in records if isinstance(record.audit, BenchmarkAudit)]
    people = [record for record in records if isinstance(record.audit, CounterfactualAudit)]
    tables = [record for record in records if isinstance(record.audit, TabularAudit)]
    judgements = [judgement for record in records for judgement in record.judgements]
    verdicts = {judgement.verdict for judgement in judgements}
    rules = {judgement.limit.rule for judgement in judgements}
    kinds = _kinds(records)
    said = list(ALWAYS)
    said += ABOUT_PEOPLE if "counterfactual" in kinds else ()
    said += ABOUT_BENCHMARKS if "benchmark" in kinds else ()
    said += ABOUT_CLASSIFIERS if "classifier" in kinds else ()
    said += ABOUT_DATA if "corpus" in kinds else ()
    said += THEN
    if Verdict.WITHIN in verdicts:
        said.append(
            "That a limit which is kept is the right limit. “Within” means within the number its owner declared, with "
            "the confidence its rule asks for; it never means free of bias."
        )
    if verdicts & {Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED}:
        said.append(
            "That inconclusive or unmeasured limits are kept, or that they are broken. There is not enough to say; the "
            "findings name what would decide them."
        )
    if "lower" in rules:
        said.append("That a “lower” limit which is within has been shown to hold: only that no violation was shown.")
    if "point" in rules:
        said.append("How often a “point” verdict errs. No error is controlled there.")
    if any(outcome.reading.status != "ok" for record in people for outcome in record.outcomes):
        said.append(
            "What the unused answers would have been. Values rest on the answers that were used; where groups differ in "
            "refusals, the rest may be a selection."
        )
    if any(outcome.reading.status != "ok" for record in benchmarks for outcome in record.outcomes):
        said.append("What the items that could not be read would have shown. They are counted, and not scored.")
    if any(not estimate.usable for record in benchmarks for estimate in record.estimates):
        said.append(
            "That a model whose figures were “not judged” is unbiased. A model that is no better than chance at the task "
            "itself lands near every ideal; its figures stand for nothing."
        )
    if any(one.overlapping for record in tables if record.tally is not None for one in record.tally.attributes):
        said.append("That texts without a listed term are about nobody of these groups. They are in no comparison.")
    if any(one.left_out for record in tables if record.tally is not None for one in record.tally.attributes):
        said.append(
            "Anything about groups that were left out of the comparisons. They are counted, with the reason their owner gave."
        )
    if any(record.prompt_format == "raw" for record in people):
        said.append("How the model answers in a chat: at least one audit put raw text to it, without a chat template.")
    asked = [record.audit for record in records if isinstance(record.audit, CounterfactualAudit)]
    if any(audit.outcome.kind in {"choice", "yes-no", "rating"} for audit in asked):
        said.append(
            "What the model would write of its own accord. Choices and ratings compare how likely the given options are; "
            "the share of the model's probability that they hold is beside each example."
        )
    if any(not record.model.cacheable for record in records):
        said.append("Which artefact answered, where a model is a function or a table: no digest pins it down.")
    return tuple(said)

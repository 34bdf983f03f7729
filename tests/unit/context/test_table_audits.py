"""Audits of labelled tables as context files declare them: what is read, and what does not go together.

Every row of the table of faults breaks a sound declaration in one way, and must give one fault.
"""

# ruff: noqa: E501  (a row of the table is easier to scan on one line)
from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_biasaudit.context.declaration import Audit, ClassifierAudit, CorpusAudit
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.errors import ContextError
from pytest_biasaudit.tables.term_lists import TERM_LISTS

EXAMPLE = (Path(__file__).parent / "design_example.toml").read_text(encoding="utf-8")
ELEMENTS = EXAMPLE[: EXAMPLE.index("[[audit]]")]
SHA = "a" * 64
LIMITS = {"classifier": 'metric = "accuracy"\nmin = 0.5\n', "corpus": 'metric = "missing_share"\nmax = 0.5\n'}
"""Sound limits, for one of the whole table."""
TABLE = 'data = "t.csv"\n'
GROUPS = 'groups = { race = "race", sex = "sex" }\n'
PREDICTED = 'label = "y"\nprediction = "p"\n' + GROUPS
ASKED = 'label = "y"\ntext = "cv"\n' + GROUPS
SCORED = 'label = "y"\nscore = "s"\npositive = "1"\n' + GROUPS
CORPUS = 'text = "cv"\nlabel = "y"\n' + GROUPS
GENDER = '[audit.terms]\ngender = { women = ["she"], men = ["he"] }\n'


def read(folder: Path, kind: str, keys: str, columns: str, tables: str = "", limit: str = "") -> Audit:
    audit = f'[[audit]]\nid = "one"\nkind = "{kind}"\n{keys}[audit.columns]\n{columns}{tables}'
    path = folder / "t.bias.toml"
    path.write_text(ELEMENTS + audit + f'\n[[audit.limit]]\nid = "one"\n{limit or LIMITS[kind]}', encoding="utf-8")
    return read_context(path).audits[0]


def test_an_audit_of_predictions_is_read_key_by_key(tmp_path: Path) -> None:
    keys = f'data = "t.csv"\nsha256 = "{SHA}"\nthreshold = 0.4\nminimum = 20\n'
    columns = 'label = "y"\nprediction = "p"\nscore = "s"\npositive = 1\nid = "n"\ncluster = "firm"\n' + GROUPS
    tables = '[audit.groups_order]\nrace = ["white", "black"]\n[audit.leave_out.race]\nother = "four people"\n'
    audit = read(tmp_path, "classifier", keys, columns, tables)
    assert isinstance(audit, ClassifierAudit)
    assert (audit.data, audit.sha256, audit.threshold, audit.minimum) == ("t.csv", SHA, 0.4, 20)
    assert (audit.columns.label, audit.columns.prediction, audit.columns.score) == ("y", "p", "s")
    assert (audit.columns.positive, audit.columns.id, audit.columns.cluster) == ("1", "n", "firm")
    assert audit.columns.groups == (("race", "race"), ("sex", "sex"))
    assert audit.groups_order == (("race", ("white", "black")),)
    assert audit.leave_out == (("race", (("other", "four people"),)),)
    assert audit.attributes == ("race", "sex")
    assert not audit.asks_model


def test_the_order_of_groups_may_stand_beside_the_columns_or_beside_the_data(tmp_path: Path) -> None:
    beside_data = read(tmp_path, "classifier", TABLE + 'groups_order = { sex = ["f", "m"] }\n', PREDICTED)
    beside_columns = read(tmp_path, "classifier", TABLE, PREDICTED + 'groups_order = { sex = ["f", "m"] }\n')
    assert isinstance(beside_data, ClassifierAudit)
    assert beside_data == beside_columns
    assert beside_data.groups_order == (("sex", ("f", "m")),)


@pytest.mark.parametrize(("columns", "asks"), [(ASKED, True), (PREDICTED, False)])
def test_a_model_is_asked_where_the_table_holds_texts(columns: str, asks: bool, tmp_path: Path) -> None:
    audit = read(tmp_path, "classifier", TABLE, columns)
    assert isinstance(audit, ClassifierAudit)
    assert audit.asks_model is asks


def test_scores_with_a_threshold_need_no_predictions_and_no_model(tmp_path: Path) -> None:
    for threshold, expected in (("0.5", 0.5), ('"equal-error"', "equal-error")):
        audit = read(tmp_path, "classifier", f"{TABLE}threshold = {threshold}\n", SCORED)
        assert isinstance(audit, ClassifierAudit)
        assert audit.threshold == expected
        assert not audit.asks_model


@pytest.mark.parametrize(("written", "label"), [("1", "1"), ("true", "true"), ('"Yes"', "Yes"), ('"1.0"', "1.0")])
def test_a_label_is_taken_as_the_text_it_is_written_as(written: str, label: str, tmp_path: Path) -> None:
    audit = read(tmp_path, "classifier", TABLE, PREDICTED + f"positive = {written}\n")
    assert isinstance(audit, ClassifierAudit)
    assert audit.columns.positive == label


def test_a_corpus_is_read_key_by_key(tmp_path: Path) -> None:
    keys = f'data = "t.jsonl"\nbefore = "old.jsonl"\nbefore_sha256 = "{SHA}"\nwindow = 5\nwords = {{ work = ["leads", "helps"] }}\n'
    audit = read(tmp_path, "corpus", keys, 'text = "cv"\nlabel = "y"\n', GENDER)
    assert isinstance(audit, CorpusAudit)
    assert (audit.before, audit.before_sha256, audit.window) == ("old.jsonl", SHA, 5)
    assert audit.words == (("work", ("leads", "helps")),)
    assert audit.terms == (("gender", (("women", ("she",)), ("men", ("he",)))),)
    assert audit.attributes == ("gender",)
    assert not audit.asks_model


def test_a_corpus_may_have_no_labels(tmp_path: Path) -> None:
    audit = read(tmp_path, "corpus", TABLE, 'text = "cv"\n', GENDER)
    assert isinstance(audit, CorpusAudit)
    assert audit.columns.label is None


@pytest.mark.parametrize("name", sorted(TERM_LISTS))
def test_terms_may_be_a_bundled_list(name: str, tmp_path: Path) -> None:
    audit = read(tmp_path, "corpus", TABLE, 'text = "cv"\nlabel = "y"\n', f'[audit.terms]\nwho = "{name}"\n')
    assert isinstance(audit, CorpusAudit)
    assert audit.terms == (("who", TERM_LISTS[name].groups),)


def test_a_limit_may_be_about_one_label(tmp_path: Path) -> None:
    audit = read(
        tmp_path,
        "classifier",
        TABLE,
        PREDICTED,
        limit='metric = "tpr_gap"\nmax = 0.1\nlabel = "nurse"\nattribute = "sex"\n',
    )
    assert audit.limits[0].label == "nurse"
    assert audit.limits[0].attributes == ("sex",)


class Broken(NamedTuple):
    """One way to declare an audit of a table wrongly."""

    name: str
    kind: str
    keys: str
    columns: str
    tables: str
    limit: str
    told: tuple[str, ...]


def classifier(
    name: str, *told: str, keys: str = TABLE, columns: str = PREDICTED, tables: str = "", limit: str = ""
) -> Broken:
    return Broken(name, "classifier", keys, columns, tables, limit, told)


def corpus(
    name: str, *told: str, keys: str = TABLE, columns: str = CORPUS, tables: str = "", limit: str = ""
) -> Broken:
    return Broken(name, "corpus", keys, columns, tables, limit, told)


ROWS = [
    classifier("no data", "data is missing; it must be a .csv, .jsonl or .parquet file, or hub:NAME@REVISION", keys=""),
    classifier("hub without a revision", "data = 'hub:a/b'", "must name a revision", keys=f'data = "hub:a/b"\nsha256 = "{SHA}"\n'),
    classifier("hub without a digest", "sha256 is missing; a hub data set is pinned", keys='data = "hub:a/b@c"\n'),
    classifier("a digest that is none", "sha256 = 'abc'", "64 hexadecimal digits", keys=TABLE + 'sha256 = "abc"\n'),
    classifier("a minimum of nothing", "minimum = 0", keys=TABLE + "minimum = 0\n"),
    classifier("no label", "label is missing", columns='prediction = "p"\n' + GROUPS),
    classifier("neither prediction nor text", "neither prediction nor text is given", columns='label = "y"\n' + GROUPS),
    classifier("prediction and text", "prediction and text are both given", columns=PREDICTED + 'text = "cv"\n'),
    classifier("score and text", "score and text are both given", keys=TABLE + "threshold = 0.5\n", columns=SCORED + 'text = "cv"\n'),
    classifier("a score without positive", "score needs positive", columns=PREDICTED + 'score = "s"\n'),
    classifier("a score without threshold", "threshold is missing", "'equal-error'", columns=SCORED),
    classifier("a score with terms and without threshold", "threshold is missing", columns=SCORED + 'text = "t"\n', tables=GENDER),
    classifier("a threshold without positive", "threshold = 0.5", "needs positive", keys=TABLE + "threshold = 0.5\n", columns=ASKED),
    classifier("a threshold and nothing it is held against", "threshold = 0.5", "needs score", keys=TABLE + "threshold = 0.5\n", columns=PREDICTED + 'positive = "1"\n'),
    classifier("a threshold of a word", "threshold = 'best'", "'equal-error'", keys=TABLE + 'threshold = "best"\n', columns=ASKED + 'positive = "1"\n'),
    classifier("a threshold that is no number", "threshold = nan", keys=TABLE + "threshold = nan\n", columns=ASKED + 'positive = "1"\n'),
    classifier("a positive label of no text", "positive = 0.5", "a label, as the table spells it", columns=PREDICTED + "positive = 0.5\n"),
    classifier("no groups", "groups is missing; name the column of an attribute", columns='label = "y"\nprediction = "p"\n'),
    classifier("groups in a list", "groups = ['race']", "a table whose every value is the name of a column", columns='label = "y"\nprediction = "p"\ngroups = ["race"]\n'),
    classifier("no column of a group", "race = '' is not", columns='label = "y"\nprediction = "p"\ngroups = { race = "" }\n'),
    classifier("one column for label and prediction", "the column 'y' is named for two things: label and prediction", columns='label = "y"\nprediction = "y"\n' + GROUPS),
    classifier("one column for label and group", "the column 'sex' is named for two things: label and groups.sex", columns='label = "sex"\nprediction = "p"\n' + GROUPS),
    classifier("one column for two attributes", "'race' is named for two things: groups.a and groups.b", columns='label = "y"\nprediction = "p"\ngroups = { a = "race", b = "race" }\n'),
    classifier("an attribute with a name of ours", "groups = 'score'", "cannot be the name of an attribute", columns='label = "y"\nprediction = "p"\ngroups = { score = "race" }\n'),
    classifier("an attribute with a star", "'race*sex'", "names with '*'", columns='label = "y"\nprediction = "p"\ngroups = { "race*sex" = "race" }\n'),
    classifier("an unknown key of columns", "unknown key 'lable'", "did you mean 'label'", columns=PREDICTED + 'lable = "y"\n'),
    classifier("a key of corpora", "unknown key 'window'", keys=TABLE + "window = 5\n"),
    classifier("the order of groups twice", "groups_order is given in [audit.columns] too", keys=TABLE + 'groups_order = { sex = ["f"] }\n', columns=PREDICTED + 'groups_order = { sex = ["f"] }\n'),
    classifier("the order of an unknown attribute", "groups_order = 'age'", "it has 'race', 'sex'", keys=TABLE + 'groups_order = { age = ["old"] }\n'),
    classifier("a group twice in the order", "'f' stands there twice", keys=TABLE + 'groups_order = { sex = ["f", "f"] }\n'),
    classifier("leaving out groups of an unknown attribute", "leave_out = 'age'", "is no attribute", tables='[audit.leave_out.age]\nold = "few"\n'),
    classifier("leaving out without a reason", "leave_out", "f = '' is not", tables='[audit.leave_out.sex]\nf = ""\n'),
    classifier("leaving out the reference", "leave_out = 'f'", "is the reference group", keys=TABLE + 'groups_order = { sex = ["f", "m"] }\n', tables='[audit.leave_out.sex]\nf = "few"\n'),
    classifier("terms without text", "terms are found in the text", tables=GENDER),
    classifier("an attribute by column and by terms", "terms = 'gender'", "is an attribute of [audit.columns] groups too", columns='label = "y"\nprediction = "p"\ntext = "t"\ngroups = { gender = "g" }\n', tables=GENDER),
    classifier("another model for predictions of the table", "versus = 'parent'", "there is no other model", limit='metric = "tpr_gap"\nattribute = "sex"\nversus = "parent"\nmax_increase = 0.1\n'),
    classifier("a limit on an unknown attribute", "attribute = 'age'", limit='metric = "tpr_gap"\nmax = 0.1\nattribute = "age"\n'),
    corpus("a prediction", "prediction = 'p'", "nothing is predicted in a corpus", columns=CORPUS + 'prediction = "p"\n'),
    corpus("a threshold", "unknown key 'threshold'", keys=TABLE + "threshold = 0.5\n"),
    corpus("positive without label", "positive = '1'", "needs label", columns='text = "cv"\npositive = "1"\n' + GROUPS),
    corpus("words without terms", "words are looked for near terms", keys=TABLE + 'words = { work = ["leads"] }\n'),
    corpus("a window without words", "window = 5", "needs words", keys=TABLE + "window = 5\n"),
    corpus("a window of nothing", "window = 0", keys=TABLE + 'window = 0\nwords = { work = ["leads"] }\n', tables=GENDER),
    corpus("an unknown bundled list", "terms.who = 'pronouns'", "'gender-pronouns'", tables='[audit.terms]\nwho = "pronouns"\n'),
    corpus("one group of one term", "names one group of one term", tables='[audit.terms]\nwho = { women = ["she"] }\n'),
    corpus("a term of no letter", "terms.who.men = '--'", "no letter or digit", tables='[audit.terms]\nwho = { women = ["she"], men = ["--"] }\n'),
    corpus("a term of two groups", "terms.who.men = 'SHE'", "tells 'women' too", tables='[audit.terms]\nwho = { women = ["she"], men = ["he", "SHE"] }\n'),
    corpus("a term of two groups but for its dot", "terms.who.men = 'MR.'", "tells 'women' too", tables='[audit.terms]\nwho = { women = ["mr"], men = ["MR."] }\n'),
    corpus("a term of two groups but for its apostrophe", "tells 'a' too", tables='[audit.terms]\nwho = { a = ["o\'neill"], b = ["o\u2019neill"] }\n'),
    corpus("a term of two groups but for how its accent is written", "tells 'a' too", tables='[audit.terms]\nwho = { a = ["jos\u00e9"], b = ["jose\u0301"] }\n'),
    corpus("terms that are no list", "women = 'she' is not", tables='[audit.terms]\nwho = { women = "she", men = ["he"] }\n'),
    corpus("a digest of no earlier data", "before_sha256", "before is not given", keys=TABLE + f'before_sha256 = "{SHA}"\n'),
    corpus("earlier data of the hub without a digest", "before_sha256 is missing", keys=TABLE + 'before = "hub:a/b@c"\n'),
    corpus("a model to compare with", "versus = 'parent'", "it must be 'before'", limit='metric = "prevalence_gap"\nattribute = "sex"\nversus = "parent"\nmax_increase = 0.1\n'),
    corpus("earlier data that are not declared", "versus = 'before'", "the audit declares no `before`", limit='metric = "prevalence_gap"\nattribute = "sex"\nversus = "before"\nmax_increase = 0.1\n'),
]  # fmt: skip


@pytest.mark.parametrize("broken", ROWS, ids=lambda broken: f"{broken.kind}: {broken.name}")
def test_a_wrong_declaration_is_one_fault_that_names_the_key(broken: Broken, tmp_path: Path) -> None:
    with pytest.raises(ContextError) as caught:
        read(tmp_path, broken.kind, broken.keys, broken.columns, broken.tables, broken.limit)
    for told in broken.told:
        assert told in str(caught.value)
    assert len(caught.value.faults) == 1, caught.value
    assert "[[audit]] 1 'one'" in caught.value.faults[0]


def test_without_columns_only_that_is_told(tmp_path: Path) -> None:
    text = f'[[audit]]\nid = "one"\nkind = "classifier"\ndata = "t.csv"\n[[audit.limit]]\n{LIMITS["classifier"]}'
    (tmp_path / "t.bias.toml").write_text(ELEMENTS + text, encoding="utf-8")
    with pytest.raises(ContextError, match="columns is missing") as caught:
        read_context(tmp_path / "t.bias.toml")
    assert len(caught.value.faults) == 1

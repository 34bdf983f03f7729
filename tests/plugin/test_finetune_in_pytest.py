"""Classifiers in a pytest run: fine-tuned by the fixture, declared with kind = "classifier", asked about a column of texts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.labelled_rows import tiny_classifier, tiny_rows
from tests.tiny_masked_models import wordpiece_tokenizer

ROOT = Path(__file__).parents[2]
CONTEXT = """
schema = 1

[context]
id = "animals"
title = "Notes about animals"
process = "sorting notes"
use = "A classifier sorts notes about animals; nobody reads those that it puts aside."
affected = ["people who write notes"]
harms = ["notes of one group are put aside more often"]
oversight = "a person looks at a sample each week"
response = "notes are sorted by hand"
owner = "team notes"
jurisdictions = ["none"]
language = "en"

[[audit]]
id = "held-out"
kind = "classifier"
data = "held_out.csv"
minimum = 2
[audit.columns]
text = "text"
label = "label"
groups = { gender = "sex" }
[[audit.limit]]
attribute = "gender"
metric = "accuracy_gap"
max = 0.9
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables and saved classifiers, made once, outside of pytester: it forgets the modules that are imported within."""
    folder = tmp_path_factory.mktemp("classifiers")
    tiny_rows(48).write(folder / "held_out.csv")
    tiny_rows(24).write(folder / "train.csv")
    for name, labels in (("named", ("cat", "dog")), ("unnamed", ("LABEL_0", "LABEL_1"))):
        tiny_classifier(labels).save_pretrained(folder / name)
        wordpiece_tokenizer().save_pretrained(folder / name)
    return folder


@pytest.fixture
def project(files: Path, pytester: pytest.Pytester) -> Path:
    shutil.copytree(files, pytester.path, dirs_exist_ok=True)
    (pytester.path / "animals.bias.toml").write_text(CONTEXT)
    return pytester.path


def test_a_fine_tuned_classifier_is_audited_and_the_same_call_gives_it_back(
    project: Path, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        conftest=f"""
        import sys

        sys.path.append({str(ROOT)!r})  # behind the installed package: the tests' own models are there
        """,
        test_tuned="""
        import pytest
        from tests.tiny_masked_models import tiny_masked, wordpiece_tokenizer

        HOW = {"columns": {"text": "text", "label": "label", "groups": {"gender": "sex"}}, "epochs": 6,
               "learning_rate": 5e-3, "batch_size": 6, "warmup": 0.0, "name": "tuned"}

        @pytest.fixture(scope="session")
        def tuned(biasaudit_finetune):
            return biasaudit_finetune(tiny_masked().bert, "train.csv", tokenizer=wordpiece_tokenizer(), **HOW)

        def test_audited(biasaudit, tuned):
            result = biasaudit.run("animals.bias.toml", model=tuned)
            assert result.record.tally.rows == 48
            correct = result.record.tally.truth == result.record.tally.prediction
            assert result.record.tally.count[correct].sum() == 48
            assert result.record.asked == 6  # different texts
            assert dict(result.record.facts)["texts"] == "48 rows, 6 different texts"

        def test_again(biasaudit_finetune, tuned):
            again = biasaudit_finetune(tiny_masked().bert, "train.csv", tokenizer=wordpiece_tokenizer(), **HOW)
            assert again.identity.digest == tuned.identity.digest
            assert again.identity.achieved["steps"]["1 finetune classifier"]["recalled"] is True

        def test_a_wrong_setting(biasaudit_finetune):
            with pytest.raises(Exception, match="did you mean 'epochs'"):
                biasaudit_finetune(tiny_masked().bert, "train.csv", tokenizer=wordpiece_tokenizer(),
                                   columns={"text": "text", "label": "label"}, epoch=2)
            with pytest.raises(Exception, match="text is missing; label is missing; there are"):
                biasaudit_finetune(tiny_masked().bert, "train.csv", tokenizer=wordpiece_tokenizer(), columns={})
        """,
    )
    args = (
        "-p",
        "no:cacheprovider",
        f"--biasaudit-cache={project / 'cache'}",
        f"--biasaudit-html={project / 'r.html'}",
    )
    result = pytester.runpytest_subprocess(*args, "test_tuned.py")
    result.assert_outcomes(passed=3)
    page = (project / "r.html").read_text(encoding="utf-8")
    assert "finetune classifier, data train.csv" in page
    again = pytester.runpytest_subprocess(*args, "test_tuned.py", "-k", "again")
    again.assert_outcomes(passed=1, deselected=2)


def test_a_declared_classifier_and_its_child_answer_a_column_of_texts(project: Path, pytester: pytest.Pytester) -> None:
    (project / "biasaudit.toml").write_text(
        '[models.sorter]\nsource = "named"\nkind = "classifier"\n'
        '[models.small]\nparent = "sorter"\nrecipe = [{ quantize = "rtn", bits = 8 }]\n'
    )
    text = (
        CONTEXT
        + '\n[[audit.limit]]\nattribute = "gender"\nmetric = "accuracy_gap"\nversus = "parent"\nmax_increase = 0.9\n'
    )
    (project / "animals.bias.toml").write_text(text)
    result = pytester.runpytest_subprocess("-v", "-p", "no:cacheprovider", "--biasaudit-observe")
    passed = [line for line in result.outlines if line.startswith("animals.bias.toml::") and " PASSED" in line]
    ids = [line.split("::", 1)[1].split(" ")[0] for line in passed]
    assert ids == [
        "held-out[sorter]::gender-accuracy_gap",
        "held-out[small]::gender-accuracy_gap",
        "held-out[small]::gender-accuracy_gap-versus-parent",
    ]
    result.assert_outcomes(passed=3)


def test_a_classifier_that_does_not_know_the_tables_labels_is_not_measured_and_says_what_to_do(
    project: Path, pytester: pytest.Pytester
) -> None:
    (project / "biasaudit.toml").write_text('[models.sorter]\nsource = "unnamed"\nkind = "classifier"\n')
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    told = " ".join(result.stdout.str().split())
    assert (
        "'sorter' does not say what its labels are called ('LABEL_0', 'LABEL_1' are stand-ins of transformers)" in told
    )
    assert '"id2label": {"0": "cat", "1": "dog"}' in told

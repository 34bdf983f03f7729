"""A sweep's table: what it is crossed to, and what is wrong with it, all of it at once."""

# ruff: noqa: E501  (a row of the table of faults is easier to scan on one line)
from __future__ import annotations

from pathlib import Path

import pytest

from pytest_biasaudit.errors import ModelTableError
from pytest_biasaudit.models.declared import read_models
from pytest_biasaudit.models.point import SweepPoint
from pytest_biasaudit.models.sweep import MOST_POINTS

HUB = """
[models.small]
source = "owner/small"
revision = "main"
dtype = "bfloat16"

[models.large]
source = "owner/large"

[models.other]
source = "owner/other"
"""
SWEEP = """
[sweep]
models = ["small", "large"]
revisions = ["step1", "step2"]

[sweep.recipes]
int8 = [{ quantize = "rtn", bits = 8 }]
sparse = [{ prune = "magnitude", sparsity = 0.5 }, { quantize = "bf16" }]
"""
SLOT = """
[models.runs]
source = "runs/{revision}"
"""
VECTORS = """
[models.words]
source = "words.vec"
"""
CHILD = """
[models.int4]
parent = "small"
recipe = [{ quantize = "rtn", bits = 4 }]
"""


def written(folder: Path, text: str) -> Path:
    (folder / "biasaudit.toml").write_text(text, encoding="utf-8")
    return folder


def faults(folder: Path, text: str) -> str:
    with pytest.raises(ModelTableError) as raised:
        read_models(written(folder, text))
    return str(raised.value)


def test_models_are_crossed_with_revisions_and_recipes_each_child_after_its_parent(tmp_path: Path) -> None:
    models = read_models(written(tmp_path, HUB + SWEEP))
    points = [
        f"{model}@{revision}{recipe}"
        for model in ("small", "large")
        for revision in ("step1", "step2")
        for recipe in ("", "+int8", "+sparse")
    ]
    assert list(models) == ["small", *points[:6], "large", *points[6:], "other"]
    parent, child = models["small@step2"], models["small@step2+sparse"]
    assert (parent.source, parent.revision, parent.parent, parent.dtype) == ("owner/small", "step2", None, "bfloat16")
    assert (child.source, child.revision, child.parent, child.dtype) == (None, None, "small@step2", "bfloat16")
    assert [step.method for step in child.recipe] == ["magnitude", "bf16"]
    assert child.point == SweepPoint(model="small", revision="step2", recipe="sparse", place=5)
    assert [models[name].point.place for name in points] == list(range(12))  # type: ignore[union-attr]
    assert parent.where == "biasaudit.toml [sweep]"


def test_a_model_swept_by_revision_is_audited_as_these_unless_asked_for(tmp_path: Path) -> None:
    models = read_models(written(tmp_path, HUB + SWEEP))
    assert {name for name, spec in models.items() if spec.by_name_only} == {"small", "large"}
    assert models["small"].point is None
    assert models["small"].revision == "main"


def test_without_revisions_the_declared_model_is_the_parent_point(tmp_path: Path) -> None:
    models = read_models(written(tmp_path, HUB + SWEEP.replace('revisions = ["step1", "step2"]', "")))
    assert list(models) == ["small", "small+int8", "small+sparse", "large", "large+int8", "large+sparse", "other"]
    assert models["large"].point == SweepPoint(model="large", revision=None, recipe="", place=3)
    assert models["large+int8"].parent == "large"
    assert not any(spec.by_name_only for spec in models.values())


def test_a_slot_in_the_source_is_filled_with_each_revision_and_the_model_itself_is_none(tmp_path: Path) -> None:
    text = SLOT + '[sweep]\nmodels = ["runs"]\nrevisions = ["10", "20"]\n'
    models = read_models(written(tmp_path, text))
    assert {name: spec.source for name, spec in models.items()} == {"runs@10": "runs/10", "runs@20": "runs/20"}
    assert all(spec.revision is None for spec in models.values())


def test_a_child_can_be_swept_over_recipes(tmp_path: Path) -> None:
    text = HUB + CHILD + '[sweep]\nmodels = ["int4"]\n[sweep.recipes]\nbf16 = [{ quantize = "bf16" }]\n'
    models = read_models(written(tmp_path, text))
    assert (models["int4+bf16"].parent, models["int4+bf16"].dtype) == ("int4", "bfloat16")


def test_checkpoints_of_a_ready_made_child_are_each_held_against_its_parent(tmp_path: Path) -> None:
    text = HUB + '[models.student]\nsource = "students/{revision}"\nparent = "small"\n'
    models = read_models(written(tmp_path, text + '[sweep]\nmodels = ["student"]\nrevisions = ["10", "20"]\n'))
    assert [(models[f"student@{at}"].parent, models[f"student@{at}"].source) for at in (10, 20)] == [
        ("small", "students/10"),
        ("small", "students/20"),
    ]


def test_the_same_table_stands_in_pyproject_under_a_prefix(tmp_path: Path) -> None:
    plain = read_models(written(tmp_path, HUB + SWEEP))
    own = tmp_path / "own"
    own.mkdir()
    text = (HUB + SWEEP).replace("[models.", "[tool.biasaudit.models.").replace("[sweep", "[tool.biasaudit.sweep")
    (own / "pyproject.toml").write_text(text, encoding="utf-8")
    prefixed = read_models(own)
    assert list(prefixed) == list(plain)
    assert prefixed["small@step1+int8"].where == "pyproject.toml [tool.biasaudit.sweep]"


def test_contexts_keep_the_points_to_some_files_and_leave_declared_models_in_all(tmp_path: Path) -> None:
    (tmp_path / "study.bias.toml").write_text("", encoding="utf-8")
    with_contexts = SWEEP.replace("[sweep]", '[sweep]\ncontexts = ["study.bias.toml"]')
    models = read_models(written(tmp_path, HUB + with_contexts))
    only = ((tmp_path / "study.bias.toml").resolve(),)
    assert {name: spec.only_in for name, spec in models.items() if spec.only_in} == dict.fromkeys(
        [name for name in models if "@" in name], only
    )
    without = with_contexts.replace('revisions = ["step1", "step2"]', "")
    models = read_models(written(tmp_path, HUB + without))
    assert models["small"].only_in == ()
    assert models["small+int8"].only_in == only


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[sweep]\nrevisions = ["a"]\n', "[sweep]: models is missing"),
        ('[sweep]\nmodels = []\nrevisions = ["a"]\n', "models = []: must be a list of 1 or more different names"),
        ('[sweep]\nmodels = ["small"]\n', "neither revisions nor recipes are given"),
        ('[sweep]\nmodels = ["smal"]\nrevisions = ["a"]\n', "models = 'smal': no such model; declared are"),
        ('[sweep]\nmodels = ["smal"]\nrevisions = ["a"]\n', "did you mean 'small'"),
        ('[sweep]\nmodels = ["small"]\nrevision = ["a"]\n', "unknown key 'revision'"),
        ('[sweep]\nmodels = ["small"]\nrevisions = [1000]\n', "1000 is no text or empty"),
        ('[sweep]\nmodels = ["small"]\nrevisions = ["a", "a"]\n', "'a' stands there twice"),
        ('[sweep]\nmodels = ["small"]\nrevisions = ["refs/pr/1"]\n', "'refs/pr/1' is none"),
        ('[sweep]\nmodels = ["small"]\n[sweep.recipes]\nint8 = { quantize = "rtn" }\n', "[sweep.recipes]: int8 = "),
        ('[sweep]\nmodels = ["small"]\n[sweep.recipes]\nint8 = { quantize = "rtn" }\n', "a single step stands in a list too"),
        ('[sweep]\nmodels = ["small"]\n[sweep.recipes]\nint8 = [{ quantize = "rtm" }]\n', "[sweep.recipes]: int8, step 1: quantize = 'rtm': no such method"),
        ('[sweep]\nmodels = ["small"]\n[sweep.recipes]\n"a b" = [{ quantize = "rtn" }]\n', "recipe name 'a b': must be a plain name"),
        ('[sweep]\nmodels = ["small"]\nrevisions = ["a"]\ncontexts = ["no.bias.toml"]\n', "contexts = 'no.bias.toml': there is no such file"),
        ('[sweep]\nmodels = ["small"]\nrevisions = ["a"]\ncontexts = ["no.toml"]\n', "which ends in .bias.toml"),
        (CHILD + '[sweep]\nmodels = ["int4"]\nrevisions = ["a"]\n', "models = 'int4': is made from 'small' and has no revisions"),
        (VECTORS + '[sweep]\nmodels = ["words"]\n[sweep.recipes]\nint8 = [{ quantize = "rtn" }]\n', "is a file of word vectors"),
        ('[models.folder]\nsource = "./folder"\n[sweep]\nmodels = ["folder"]\nrevisions = ["a"]\n', "its source './folder' has no revisions"),
        (SLOT, "{revision} is filled by a sweep; name this model in models of [sweep]"),
        (SLOT + '[sweep]\nmodels = ["small"]\nrevisions = ["a"]\n', "[models.runs]: source = 'runs/{revision}': {revision} is filled by a sweep"),
        (SLOT + '[sweep]\nmodels = ["runs"]\n[sweep.recipes]\nint8 = [{ quantize = "rtn" }]\n', "has {revision} in it; give revisions"),
        (SLOT + '[sweep]\nmodels = ["runs"]\nrevisions = ["a"]\n[models.b]\nparent = "runs"\nrecipe = []\n', "[models.b]: parent = 'runs': is many models ({revision} in its source)"),
        (SLOT + '[sweep]\nmodels = ["runs"]\nrevisions = ["a"]\n[sweep.recipes]\nd = [{ distill = "logits", text = "t.txt", steps = 1, student = "runs" }]\n', "[sweep.recipes]: d, step 1: student = 'runs': no such model; declared are 'small'"),
        ("sweep = 3\n", "sweep = 3: must be a table, written [sweep]"),
    ],
)  # fmt: skip
def test_a_fault_names_the_table_the_value_and_what_is_valid(tmp_path: Path, text: str, said: str) -> None:
    first = text + HUB if text.startswith("sweep =") else HUB + text
    assert said in faults(tmp_path, first)


def test_all_faults_of_a_sweep_come_in_one_error(tmp_path: Path) -> None:
    text = faults(
        tmp_path, HUB + '[sweep]\nmodels = ["x", "y"]\nrevisions = ["a"]\n[sweep.recipes]\nq = [{ prune = "rtn" }]\n'
    )
    assert text.count("no such model") == 2
    assert "prune = 'rtn'" in text


def test_an_absurd_sweep_is_refused_with_its_count(tmp_path: Path) -> None:
    revisions = ", ".join(f'"s{at}"' for at in range(MOST_POINTS // 2))
    text = '[sweep]\nmodels = ["small", "large"]\nrevisions = [{}]\n[sweep.recipes]\na = [{{ quantize = "rtn" }}]\n'
    said = faults(tmp_path, HUB + text.format(revisions))
    assert "2 models x 5,000 revisions x 2 recipes, the parent among them, are 20,000 models" in said
    assert "at most 10,000 are valid" in said


def test_reading_ten_thousand_points_is_quick(tmp_path: Path) -> None:
    revisions = ", ".join(f'"s{at}"' for at in range(MOST_POINTS // 4))
    text = '[sweep]\nmodels = ["small", "large"]\nrevisions = [{}]\n[sweep.recipes]\na = [{{ quantize = "rtn" }}]\n'
    assert len(read_models(written(tmp_path, HUB + text.format(revisions)))) == MOST_POINTS + 3

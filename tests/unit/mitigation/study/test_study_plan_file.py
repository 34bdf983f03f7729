"""A study's plan: read from three places, sweeps taken apart, and every fault of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_biasaudit.errors import PlanError
from pytest_biasaudit.mitigation.study.plan_file import read_study, study_file
from pytest_biasaudit.models.declared import read_models

PLAN = """\
[{prefix}study]
id = "people"
model = "base"
train = "train.csv"
test = "test.csv"
groups = ["m", "w"]
seeds = 3
[{prefix}study.columns]
text = "said"
label = "work"
groups = {{ sex = "sex" }}
[{prefix}study.training]
epochs = 2
[[{prefix}study.upstream]]
method = "weight-noise"
sigma = 0.1
[[{prefix}study.data]]
method = "none"
[[{prefix}study.data]]
method = "scrub"
where = "both"
terms = ["she", "he"]
[[{prefix}study.data]]
method = "target-rate"
label = "baker"
rate = [0, 0.5, 1]
"""


def written(folder: Path, text: str, name: str = "study.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(folder: Path, text: str) -> str:
    with pytest.raises(PlanError) as caught:
        read_study(written(folder, text))
    return "\n".join(caught.value.faults)


def test_a_plan_is_crossed_from_its_levers_with_none_first(tmp_path: Path) -> None:
    plan = read_study(written(tmp_path, PLAN.format(prefix="")))
    assert [one.name for one in plan.upstream] == ["none", "weight-noise sigma=0.1"]
    assert [one.name for one in plan.data] == [
        "none",
        "scrub terms=[she, he] where=both",
        "target-rate label=baker rate=0",
        "target-rate label=baker rate=0.5",
        "target-rate label=baker rate=1",
    ]
    assert plan.cells == 2 * 5 * 3
    assert (plan.attribute, plan.groups, plan.gap, plan.level) == ("sex", ("m", "w"), "tpr_gap", 0.95)
    assert plan.training == (("epochs", 2),)
    assert not plan.redraw


def test_a_frozen_body_learns_from_rows_drawn_anew_unless_the_plan_says_otherwise(tmp_path: Path) -> None:
    frozen = PLAN.format(prefix="").replace("epochs = 2", "frozen = true")
    assert read_study(written(tmp_path, frozen)).redraw
    assert not read_study(written(tmp_path, frozen.replace("seeds = 3", "seeds = 3\nredraw = false"))).redraw


@pytest.mark.parametrize(
    ("name", "prefix"), [("pyproject.toml", "tool.biasaudit."), ("biasaudit.toml", ""), ("study.toml", "")]
)
def test_a_plan_stands_in_the_project_s_file_or_in_one_of_its_own(tmp_path: Path, name: str, prefix: str) -> None:
    models = f'[{prefix}models.base]\nsource = "here"\n' if name != "study.toml" else "schema = 1\n"
    path = written(tmp_path, models + PLAN.format(prefix=prefix), name)
    assert read_study(path).id == "people"
    if name == "study.toml":
        with pytest.raises(PlanError, match="no study is declared"):
            study_file(tmp_path)
    else:
        assert study_file(tmp_path) == path
        assert list(read_models(tmp_path)) == ["base"], "a study is no fault of the model table"


def test_every_fault_is_found_at_once(tmp_path: Path) -> None:
    text = """\
    schema = 2
    [study]
    id = "a study"
    source = "x"
    model = "y"
    tests = "t.csv"
    train = "a.csv"
    test = "a.csv"
    seeds = 0
    gap = "tpr"
    attribute = "gender"
    [study.columns]
    label = "work"
    groups = { sex = "sex" }
    [study.training]
    epoch = 2
    batch_size = 0
    [[study.upstream]]
    method = "weight-nois"
    [[study.upstream]]
    method = "weight-noise"
    sigmas = 1
    [[study.upstream]]
    method = "weight-noise"
    sigma = -1
    [[study.data]]
    methods = "scrub"
    [[study.data]]
    method = "down-sample"
    where = "test"
    [[study.data]]
    method = "scrub"
    where = "trian"
    [[study.data]]
    method = "target-rate"
    [[study.data]]
    method = "target-rate"
    rate = [0.1, 2]
    [[study.data]]
    method = "target-rate"
    rate = []
    [[study.data]]
    method = "none"
    sigma = 1
    [[study.data]]
    method = "scrub"
    part = "train"
    """
    found = faults_of(tmp_path, text)
    for said in (
        "top level: schema = 2",
        "id = 'a study': must be a plain name",
        "unknown key 'tests' (= 't.csv')",
        "model and source are both given",
        "test = 'a.csv': is the table that is learnt from",
        "seeds = 0: must be a whole number from 1",
        "gap = 'tpr'",
        "did you mean 'tpr_gap'?",
        "attribute = 'gender': the columns tell groups apart by 'sex'",
        "[study.columns]: text is missing",
        "[study.training]: unknown key 'epoch' (= 2)",
        "did you mean 'epochs'?",
        "[study.training]: batch_size = 0: must be a whole number from 1",
        "[[study.upstream]] 1: method = 'weight-nois': no such lever upstream",
        "did you mean 'weight-noise'?",
        "[[study.upstream]] 2: there is no setting 'sigmas'; did you mean 'sigma'?",
        "[[study.upstream]] 3: sigma = -1",
        "[[study.data]] 1: method is missing; valid are 'none', 'scrub'",
        "[[study.data]] 2: where = 'test': down-sample on the held-out table would change who is measured",
        "[[study.data]] 3: where = 'trian'",
        "did you mean 'train'?",
        "[[study.data]] 4: rate is missing",
        "[[study.data]] 5: rate = 2; valid: 0 to 1",
        "[[study.data]] 6: rate = []: an empty list sweeps nothing",
        "[[study.data]] 7: sigma = 1: nothing is done",
        "[[study.data]] 8: part = 'train': in a study it is called where",
    ):
        assert said in found, said


def test_two_levers_of_one_name_and_two_lists_are_refused(tmp_path: Path) -> None:
    twice = PLAN.format(prefix="") + '[[study.data]]\nmethod = "target_rate"\nlabel = "baker"\nrate = 0.5\n'
    assert "'target-rate label=baker rate=0.5' stands there twice" in faults_of(tmp_path, twice)
    lists = PLAN.format(prefix="").replace('label = "baker"\nrate', 'label = ["baker", "dyer"]\nrate')
    assert "'label', 'rate' are both lists; sweep one setting at a time" in faults_of(tmp_path, lists)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema = 1\n", "study is missing"),
        ("study = 3\n", "study = 3: must be a table [study]"),
        ('[study]\nid = "x"\n', "columns is missing"),
        ("[study\n", "not valid TOML"),
    ],
)
def test_a_file_without_a_study_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in faults_of(tmp_path, text)


def test_the_example_s_plans_are_read() -> None:
    folder = Path(__file__).parents[4] / "examples" / "downstream-study"
    for path in sorted(folder.glob("*.toml")):
        plan = read_study(path)
        assert plan.seeds >= 5
        assert (plan.attribute, plan.groups) == ("gender", ("man", "woman"))

"""Audits from Python tests: the fixtures, and the assertions on what they give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

ONLY_PYTHON = "--ignore-glob=*.bias.toml"


def test_a_context_is_found_beside_the_test_and_in_the_root_folder(project: Project) -> None:
    project.context(("max = 1.2", "max = 1.3"), name="deep/beside.bias.toml")
    project.write("deep/people.csv", (project.folder / "people.csv").read_text(encoding="utf-8"))
    project.write(
        "deep/test_quotes.py",
        "def test_beside(biasaudit):\n"
        "    result = biasaudit.run('beside.bias.toml', audit='quotes', model='fair')\n"
        "    assert result.judgement('gap').limit.max == 1.3\n"
        "def test_in_the_root(biasaudit):\n"
        "    result = biasaudit.run('repairs.bias.toml', audit='quotes', model='fair')\n"
        "    assert result.judgement('gap').limit.max == 1.2\n"
        "def test_audit_may_be_left_out_where_there_is_one(biasaudit):\n"
        "    assert biasaudit.run('repairs.bias.toml', model='fair').record.audit.id == 'quotes'\n"
        "def test_nowhere(biasaudit):\n"
        "    biasaudit.run('elsewhere.bias.toml', model='fair')\n",
    )
    result = project.run(ONLY_PYTHON)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*elsewhere.bias.toml*"])


def test_a_result_gives_estimates_and_is_asserted_on(project: Project) -> None:
    project.models(fair="scripted:fair", biased="scripted:biased")
    project.write(
        "test_quotes.py",
        "import pytest\n"
        "from pytest_biasaudit import BiasLimitExceeded, assert_no_worse_than, assert_within_limits\n"
        "CONTEXT = 'repairs.bias.toml'\n"
        "def test_fair(biasaudit):\n"
        "    result = biasaudit.run(CONTEXT, model='fair')\n"
        "    assert_within_limits(result)\n"
        "    assert abs(result.estimate('smd', attribute='region').value) < 1\n"
        "    assert result.estimate('smd', group='south').groups == ('north', 'south')\n"
        "    assert result.estimate('answer_rate').value == 1\n"
        "    with pytest.raises(KeyError, match='no metric'):\n"
        "        result.estimate('smdd')\n"
        "def test_biased(biasaudit):\n"
        "    with pytest.raises(BiasLimitExceeded, match='over limit'):\n"
        "        assert_within_limits(biasaudit.run(CONTEXT, model='biased'))\n"
        "def test_change(biasaudit):\n"
        "    fair, biased = (biasaudit.run(CONTEXT, model=m) for m in ('fair', 'biased'))\n"
        "    assert_no_worse_than(fair, biased, metric='smd', attribute='region', max_increase=0.5)\n"
        "    with pytest.raises(BiasLimitExceeded):\n"
        "        assert_no_worse_than(biased, fair, metric='smd', attribute='region', max_increase=0.5)\n"
        "def test_finding(biasaudit):\n"
        "    assert_within_limits(biasaudit.run(CONTEXT, model='biased'))\n",
    )
    result = project.run(ONLY_PYTHON, "--biasaudit-json=evidence.json")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*BiasLimitExceeded: repairs / quotes[[]biased] / gap: over limit"])
    assert {audit["model"] for audit in project.evidence()["audits"]} == {"fair", "biased"}


def test_the_model_fixture_runs_once_for_every_selected_model(project: Project) -> None:
    project.models(fair="scripted:fair", biased="scripted:biased")
    project.write(
        "test_quotes.py",
        "def test_quotes(biasaudit, biasaudit_model):\n"
        "    assert biasaudit.run('repairs.bias.toml', model=biasaudit_model).record.outcomes\n",
    )
    result = project.run(ONLY_PYTHON, "-v")
    result.stdout.fnmatch_lines(["*::test_quotes[[]fair] PASSED*", "*::test_quotes[[]biased] PASSED*"])
    result = project.run(ONLY_PYTHON, "-v", "--biasaudit-model=biased")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*::test_quotes[[]biased] PASSED*"])


def test_items_and_python_tests_share_the_answers_of_an_audit(project: Project) -> None:
    project.write(
        "conftest.py",
        "from pytest_biasaudit import ScriptedModel\n"
        "def answer(question):\n"
        "    with open('asked.txt', 'a') as file:\n        print(question.text, file=file)\n"
        "    return '900'\n"
        "def pytest_biasaudit_models():\n"
        "    return {'scripted': lambda spec: ScriptedModel(answer, name=spec.name)}\n",
    )
    project.write(
        "test_quotes.py",
        "def test_quotes(biasaudit, biasaudit_model):\n"
        "    biasaudit.run('repairs.bias.toml', model=biasaudit_model)\n"
        "    biasaudit.run('repairs.bias.toml', model='fair')\n",
    )
    project.run("--biasaudit-no-cache").assert_outcomes(
        passed=2, failed=1
    )  # one value for all: no interval for the gap
    asked = project.lines("asked.txt")
    assert len(asked) == len(set(asked)) == 2 * 8 * 6


def test_a_scripted_model_and_its_table_can_be_given(project: Project) -> None:
    project.write(
        "test_quotes.py",
        "from pytest_biasaudit import ScriptedModel\n"
        "def test_quotes(biasaudit):\n"
        "    model = ScriptedModel({}, default='900', name='table')\n"
        "    assert biasaudit.run('repairs.bias.toml', model=model).estimate('answer_rate').value == 1\n",
    )
    project.run(ONLY_PYTHON).assert_outcomes(passed=1)


def test_two_models_that_nothing_tells_apart_are_both_audited_and_the_run_says_so(project: Project) -> None:
    """The evidence holds one audit a context, audit and model: of two under one name it keeps the graver."""
    project.write(
        "test_quotes.py",
        "import random\n"
        "from pytest_biasaudit import ScriptedModel\n"
        "def quoting(gap):\n"
        "    return lambda q: f\"{1000 + random.Random(q.text).gauss(0, 30) + gap * ('South' in q.text):.0f}\"\n"
        "def test_fair(biasaudit):\n"
        "    result = biasaudit.run('repairs.bias.toml', model=ScriptedModel(quoting(0)))\n"
        "    assert result.judgement('gap').verdict == 'within'\n"
        "def test_biased(biasaudit):\n"
        "    result = biasaudit.run('repairs.bias.toml', model=ScriptedModel(quoting(100)))\n"
        "    assert result.judgement('gap').verdict == 'over'\n",
    )
    result = project.run(ONLY_PYTHON, "--biasaudit-json=evidence.json")
    result.assert_outcomes(passed=2)
    assert project.verdicts(project.evidence())["scripted::gap"] == "over"
    result.stdout.fnmatch_lines(["note: *2 different models are all named 'scripted'*"])


def test_loading_an_unknown_model_names_the_declared_ones(project: Project) -> None:
    project.models(fair="scripted:fair", biased="scripted:biased")
    project.write("test_load.py", "def test_load(biasaudit_load):\n    biasaudit_load('fare')\n")
    result = project.run(ONLY_PYTHON)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ModelError: no model 'fare' is declared; there are fair, biased"])


def test_a_loaded_model_is_the_declared_one(project: Project) -> None:
    project.write(
        "test_load.py",
        "def test_load(biasaudit, biasaudit_load):\n"
        "    model = biasaudit_load('fair')\n"
        "    assert model.identity.name == 'fair'\n"
        "    assert biasaudit.run('repairs.bias.toml', model=model).record.model.name == 'fair'\n",
    )
    project.run(ONLY_PYTHON).assert_outcomes(passed=1)


def test_a_recipe_needs_weights(project: Project) -> None:
    project.write("test_child.py", "def test_child(biasaudit_quantize):\n    biasaudit_quantize('fair', 'bf16')\n")
    result = project.run_apart(ONLY_PYTHON)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ModelError: a child: a recipe needs a model whose weights are at hand*"])


def test_what_is_no_model_is_refused_with_what_would_be_one(project: Project) -> None:
    project.write("test_no.py", "def test_no(biasaudit):\n    biasaudit.run('repairs.bias.toml', model=3)\n")
    result = project.run(ONLY_PYTHON)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*TypeError: a model is a declared name, a loaded model, or a tuple*got int*"])


def test_the_fixtures_are_told_in_the_list_of_fixtures(project: Project) -> None:
    result = project.run("--fixtures", "-p", "no:cacheprovider")
    for name in ("biasaudit", "biasaudit_load", "biasaudit_model", "biasaudit_quantize", "biasaudit_prune"):
        result.stdout.re_match_lines([rf"{name}( \[session scope\])? -- .*"])


@pytest.mark.parametrize("where", ["repairs.bias.toml", "test_quotes.py"])
def test_without_a_declared_model_nothing_is_audited_and_nothing_passes(project: Project, where: str) -> None:
    (project.folder / "biasaudit.toml").unlink()
    project.write("test_quotes.py", "def test_quotes(biasaudit_model): pass\n")
    result = project.run(where)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no model*tool.biasaudit.models.NAME*--biasaudit-source*"])
    assert "Traceback" not in result.stdout.str()
    assert "hookexec" not in result.stdout.str()

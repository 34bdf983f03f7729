"""A context that cannot be read is an error of its own file, with all its faults, and stops nothing from being seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project


def test_a_broken_context_is_a_collection_error_that_shows_every_fault(project: Project) -> None:
    project.context(
        ('metric = "smd"', 'metric = "smdd"'),
        ('owner = "workshop"\n', ""),
        ('favourable = "lower"', 'favorable = "lower"'),
        name="broken.bias.toml",
    )
    result = project.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes(errors=1)
    text = result.stdout.str()
    assert "broken.bias.toml: " in text
    assert " faults" in text
    for fault in ("smdd", "owner", "favorable"):
        assert fault in text
    assert "Traceback" not in text
    assert "context_items.py" not in text


def test_other_files_are_collected_all_the_same(project: Project) -> None:
    project.write("broken.bias.toml", "schema = 1\n[context")
    project.write("test_plain.py", "def test_plain(): pass\n")
    result = project.run("--continue-on-collection-errors")
    result.assert_outcomes(errors=1, passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_broken_model_table_is_told_where_it_is_needed(project: Project) -> None:
    project.write("biasaudit.toml", '[models.fair]\nsauce = "scripted:fair"\n')
    project.write("test_plain.py", "def test_plain(): pass\n")
    project.write("test_quotes.py", "def test_quotes(biasaudit_model): pass\n")
    project.run("test_plain.py").assert_outcomes(passed=1)
    for where in ("repairs.bias.toml", "test_quotes.py", "--biasaudit-model=fair"):
        result = project.run(where)
        assert result.ret == pytest.ExitCode.INTERRUPTED
        result.stdout.fnmatch_lines(["*sauce*"])
        assert "Traceback" not in result.stdout.str()
        assert "hookexec" not in result.stdout.str()


def test_a_limit_against_an_undeclared_model_is_an_error(project: Project) -> None:
    project.context(("max = 1.2", 'versus = "bass"\nmax_increase = 0.1'))
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*versus = 'bass' is no declared model; valid: parent, fair"])


def test_a_change_is_not_asked_of_a_model_against_itself(project: Project) -> None:
    project.context(("max = 1.2", 'versus = "fair"\nmax_increase = 0.9'))
    project.models(fair="scripted:fair", biased="scripted:biased")
    result = project.run("--biasaudit-json=evidence.json")
    result.assert_outcomes(passed=2, failed=1)
    assert project.verdicts(project.evidence()) == {
        "fair::answers": "within",
        "biased::gap": "over",
        "biased::answers": "within",
    }


def test_a_change_against_a_parent_that_no_model_has_is_not_measured(project: Project) -> None:
    """It could not be asked of anything, and a limit that is never asked must not look kept."""
    project.context(("max = 1.2", 'versus = "parent"\nmax_increase = 0.9'))
    assert project.verdicts(project.audited())["fair::gap"] == "not_measured"


def test_an_unreadable_people_list_is_an_error_of_the_context(project: Project) -> None:
    (project.folder / "people.csv").unlink()
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*people.csv*"])

"""A bad table fails the items of its audit with what is wrong and where, and no traceback; the others are judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

AUDIT = """
[[audit]]
id = "{kind}"
kind = "{kind}"
data = "{data}"

[audit.columns]
label = "hired"
{column}
positive = "1"
groups = {{ sex = "sex" }}

[[audit.limit]]
id = "limit"
metric = "{metric}"
attribute = "sex"
max = 0.9
"""
GOOD = "sex,hired,predicted,cv\n" + "men,1,1,a\nmen,0,0,b\nwomen,1,1,c\nwomen,0,0,d\n" * 30


def declare(project: Project, *, data: str = "t.csv", kind: str = "classifier") -> None:
    """A context with one audit of a table, in place of the one with prompts."""
    whole = project.context().read_text(encoding="utf-8")
    column = 'prediction = "predicted"' if kind == "classifier" else 'text = "cv"'
    metric = "tpr_gap" if kind == "classifier" else "prevalence_gap"
    audit = AUDIT.format(kind=kind, data=data, column=column, metric=metric)
    project.write("repairs.bias.toml", whole[: whole.index("[[audit]]")] + audit)


@pytest.mark.parametrize("kind", ["classifier", "corpus"])
def test_a_sound_table_is_judged(kind: str, project: Project) -> None:
    declare(project, kind=kind)
    project.write("t.csv", GOOD)
    result = project.run()
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("kind", ["classifier", "corpus"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (GOOD + "men,1,1\n", "line 122: 3 cells, and the head has 4"),
        ("sex,hird,predicted,cv\nmen,1,1,a\n", "no column 'hired', which label names; did you mean 'hird'?"),
        ("", "the file is empty"),
        (GOOD.splitlines()[0] + "\n", "there is no row in it"),
        (GOOD.replace("1,1", "yes,yes"), "positive is '1', and no row"),
    ],
    ids=["short row", "no column", "empty", "no row", "no positive"],
)
def test_a_bad_table_fails_its_item_with_the_fault_and_no_traceback(
    content: str, told: str, kind: str, project: Project
) -> None:
    declare(project, kind=kind)
    project.write("t.csv", content)
    result = project.run()
    text = result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED, text
    assert "t.csv: 1 fault" in text or "t.csv: 2 faults" in text
    assert told in text
    assert "Traceback" not in text
    assert "polars" not in text
    assert "counting.py" not in text


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("other.csv", "there is no such file beside the context file; there are"),
        ("../t.csv", "leaves the folder of the context file"),
        ("t.xlsx", "it must be a .csv, .jsonl or .parquet file"),
    ],
)
def test_a_table_that_cannot_be_found_fails_its_item(data: str, told: str, project: Project) -> None:
    declare(project, data=data)
    project.write("t.csv", GOOD)
    result = project.run()
    text = result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED, text
    assert told in text
    assert "Traceback" not in text


def test_one_group_is_no_pass(project: Project) -> None:
    declare(project)
    project.write("t.csv", GOOD.replace("women", "men"))
    result = project.run()
    result.assert_outcomes(failed=1)
    assert "not measured" in result.stdout.str()


@pytest.mark.parametrize("kind", ["classifier", "corpus"])
def test_a_limit_on_a_label_that_no_row_has_says_so(kind: str, project: Project) -> None:
    declare(project, kind=kind)
    context = project.folder / "repairs.bias.toml"
    context.write_text(context.read_text(encoding="utf-8").replace("max = 0.9", 'label = "2"\nmax = 0.9'))
    project.write("t.csv", GOOD)
    result = project.run()
    result.assert_outcomes(failed=1)
    assert "no row has the label '2'; there are 0, 1" in result.stdout.str()

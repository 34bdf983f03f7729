"""What others may add: metrics, people, scorers, models, recipe methods, and a look at records and report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project


def add(project: Project, code: str) -> None:
    """More in the project's conftest."""
    path = project.folder / "conftest.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n\n" + code, encoding="utf-8")


def test_a_metric_can_be_added_and_limited(project: Project) -> None:
    add(
        project,
        "from pytest_biasaudit.metrics.metric import Measured, Metric\n"
        "from pytest_biasaudit.stats.interval import Interval\n"
        "def half(reference, group, *, level, seed):\n"
        "    interval = Interval(low=0.4, high=0.6, level=level, method='by decree')\n"
        "    return Measured(value=0.5, interval=interval)\n"
        "def pytest_biasaudit_metrics():\n"
        "    return [Metric(name='half', title='Half', unit='share', range=(0, 1), ideal=0, judged='distance',\n"
        "                   direction='lower is fairer', kinds=('number',), by_group=True, source='none',\n"
        "                   compare=half)]\n",
    )
    project.context(('metric = "smd"', 'metric = "half"'), ("max = 1.2", "max = 0.7"))
    project.run("--biasaudit-json=evidence.json").assert_outcomes(passed=2)
    assert project.estimate(project.evidence(), "fair", "half") == 0.5
    project.context(('metric = "smd"', 'metric = "half"'), ("max = 1.2", "max = 0.3"))
    project.run("-k", "gap").assert_outcomes(failed=1)


def test_a_name_that_exists_already_is_refused(project: Project) -> None:
    add(
        project,
        "from pytest_biasaudit.metrics.registry import METRICS\n"
        "def pytest_biasaudit_metrics():\n    return [METRICS['smd']]\n",
    )
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["a plugin gives metric 'smd', which exists already"])


def test_a_people_list_can_be_added(project: Project) -> None:
    add(
        project,
        "from pytest_biasaudit.prompts.prompt import Person\n"
        "def pytest_biasaudit_people():\n"
        "    return {'neighbours': [Person(first=f'{region[0].upper()}{letter}', last=region.title(),\n"
        "                                  groups=(('region', region),))\n"
        "                           for region in ('north', 'south') for letter in 'abcdefgh']}\n",
    )
    project.context(('source = "people.csv"', 'source = "neighbours"'))
    evidence = project.audited()
    assert evidence["audits"][0]["outcomes"]
    assert "Na North" in json.dumps(evidence["audits"][0]["outcomes"])


def test_a_scorer_of_text_can_be_added(project: Project) -> None:
    add(
        project,
        "def pytest_biasaudit_scorers():\n    return {'digits': lambda text: float(sum(map(str.isdigit, text)))}\n",
    )
    project.context(('kind = "number"\nunit = "EUR"', 'kind = "text"\nscorer = "digits"'))
    project.models(constant="scripted:constant")
    evidence = project.audited()
    assert {outcome["value"] for outcome in evidence["audits"][0]["outcomes"]} == {3.0}  # "900"


def test_a_recipe_method_can_be_added_and_its_settings_are_checked(project: Project) -> None:
    add(
        project,
        "from pytest_biasaudit.compression.method import Method, SettingRule\n"
        "def pytest_biasaudit_compressors():\n"
        "    rule = SettingRule(kind='integer', default=1, valid='1 or 2', choices=(1, 2))\n"
        "    return [Method(action='prune', name='lottery', does='draws lots', settings={'tickets': rule},\n"
        "                   apply=lambda module, step, materials: {'tickets': step.setting('tickets')})]\n",
    )
    table = (
        '[models.fair]\nsource = "scripted:fair"\n'
        '[models.small]\nparent = "fair"\nrecipe = [{ prune = "lottery", tickets = %d }]\n'
    )
    project.write("biasaudit.toml", table % 2)
    result = project.run("--collect-only", "-q")
    assert "repairs.bias.toml::quotes[small]::gap" in result.outlines
    project.write("biasaudit.toml", table % 3)
    result = project.run("--collect-only", "-q")
    result.stdout.fnmatch_lines(["*tickets = 3; valid: 1 or 2*"])


RECORDS = """
def pytest_biasaudit_record(record):
    with open("records.txt", "a") as file:
        print(record["audit"], record["model"], sorted(v["limit"] for v in record["verdicts"]), file=file)
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_each_record_is_shown_once(project: Project, workers: tuple[str, ...]) -> None:
    add(project, RECORDS)
    project.models(fair="scripted:fair", biased="scripted:biased")
    (project.run_apart if workers else project.run)(*workers)
    assert sorted(project.lines("records.txt")) == [
        "quotes biased ['answers', 'gap']",
        "quotes fair ['answers', 'gap']",
    ]


def test_a_section_is_added_to_the_report_as_text(project: Project) -> None:
    add(
        project,
        "def pytest_biasaudit_html_sections(evidence):\n"
        "    return [('Signed off by', f'The <b>owner</b>, {len(evidence[\"audits\"])} audit')]\n",
    )
    project.run("--biasaudit-html=report.html")
    page = (project.folder / "report.html").read_text(encoding="utf-8")
    assert "Signed off by" in page
    assert "The &lt;b&gt;owner&lt;/b&gt;, 1 audit" in page

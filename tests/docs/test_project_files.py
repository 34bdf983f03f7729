"""Files that say one thing in two places agree: README and CI, constraints and pre-commit, examples and docs."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

import pytest

from pytest_biasaudit.context.declaration import BenchmarkAudit, CounterfactualAudit
from pytest_biasaudit.context.read import read_context

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "examples").rglob("*.bias.toml"))
STUDIES = ("pruning-study", "names-audit")
"""Folders that hold the designs of published studies, with the numbers of templates and people that those have."""


def readme_commands() -> list[str]:
    """The demo's and the tests' command, each alone in a block."""
    return [block.strip() for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def environments() -> dict[str, str]:
    """Each tox environment with its commands."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    return {
        name.removeprefix("testenv:"): section.get("commands", "")
        for name, section in tox.items()
        if name.startswith("testenv:")
    }


def test_ci_runs_the_readmes_test_command_word_for_word() -> None:
    demo, tests = readme_commands()
    assert demo.endswith("tox run -e demo")
    assert tests in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_both_readme_commands_make_the_same_environment_first() -> None:
    demo, tests = readme_commands()
    assert demo.rpartition(" && ")[0] == tests.rpartition(" && ")[0]


@pytest.mark.parametrize("name", ["tests", "lint", "types", "docs", "demo", "startup", "bench"])
def test_tox_has_the_environment(name: str) -> None:
    assert environments()[name].strip()


def test_the_demo_audits_the_examples_and_writes_what_the_readme_says() -> None:
    demo = environments()["demo"]
    for part in ("-c examples/pytest.ini", "--biasaudit-observe", "--biasaudit-html=report.html"):
        assert part in demo
    for written in re.findall(r"--biasaudit-(?:html|json)=(\S+)", demo):
        assert f"`{written}`" in README
        assert f"/{written}" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[<>=! ]", requirement)[0] for requirement in project["dependencies"]]
    assert set(names) <= set(pins())
    assert pins()["torch"] == "2.13.0"


def test_no_constraint_stands_twice() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    names = [line.split("==")[0] for line in lines if line and not line.startswith("#")]
    assert len(names) == len(set(names))


def test_pre_commit_uses_the_pinned_tools() -> None:
    named = re.findall(r"\[(\w+)==([\w.]+)\]", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert named
    assert {name: pins()[name] for name, _ in named} == dict(named)


@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES if path.parent.name not in STUDIES], ids=lambda path: path.parent.name
)
def test_an_example_declares_a_context_with_enough_templates_and_people(path: Path) -> None:
    from pytest_biasaudit.prompts.counterfactual import build_prompts

    context = read_context(path)
    for audit in context.audits:
        assert all(limit.reason and limit.basis for limit in audit.limits)
        if not isinstance(audit, CounterfactualAudit):
            continue
        prompts = build_prompts(context, audit, seed=0)
        assert len({prompt.template for prompt in prompts}) >= 8
        first = audit.people.attributes[0]
        for group in {prompt.person.group(first) for prompt in prompts}:
            assert len({p.person_id for p in prompts if p.person.group(first) == group}) >= 16


@pytest.mark.parametrize(
    ("file", "templates", "people"),
    [
        ("pruning-study/purchase", {"offers": 10}, 64),
        ("pruning-study/activities", {"hours": 3}, 64),
        ("pruning-study/services", {"rates": 3}, 64),
        ("pruning-study/finance", {"savings": 3}, 64),
        ("names-audit/purchase", {"low": 3, "high": 3, "numeric": 3}, 40),
        ("names-audit/chess", {"low": 1, "high": 1, "numeric": 1}, 40),
        ("names-audit/public-office", {"low": 3, "high": 3, "numeric": 3}, 40),
        ("names-audit/sports", {"low": 4, "high": 4, "numeric": 4}, 40),
        ("names-audit/hiring", {"low": 3, "high": 3, "numeric": 3}, 40),
    ],
)
def test_the_design_of_a_study_has_its_templates_and_people(file: str, templates: dict[str, int], people: int) -> None:
    """Numbers of the published designs: 10, 3, 3, 3 variations and 64 names; 14 variations x 3 levels and 40 names."""
    from pytest_biasaudit.prompts.counterfactual import build_prompts

    context = read_context(ROOT / "examples" / f"{file}.bias.toml")
    found = {}
    for audit in context.audits:
        assert isinstance(audit, CounterfactualAudit)
        assert all(limit.reason and limit.basis for limit in audit.limits)
        prompts = build_prompts(context, audit, seed=0)
        found[audit.id] = len({prompt.template for prompt in prompts})
        assert len(prompts) == found[audit.id] * people
        races = [prompt.person.group("race") for prompt in prompts]
        assert races.count("white") == races.count("black") == len(prompts) / 2
        assert {prompt.person.last for prompt in prompts} >= {"Becker", "Washington"} or "pruning" in file
    assert found == templates


def test_the_designs_of_the_studies_stand_beside_the_demo() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "examples" / "pytest.ini", encoding="utf-8")
    for study in STUDIES:
        assert study in settings["pytest"]["norecursedirs"].split()
        assert {"biasaudit.toml", "pytest.ini", "README.md"} <= {
            entry.name for entry in (ROOT / "examples" / study).iterdir()
        }
        assert sum(path.parent.name == study for path in EXAMPLES) in (4, 5)


def test_the_examples_read_a_number_a_choice_and_a_rating() -> None:
    audits = [audit for path in EXAMPLES for audit in read_context(path).audits]
    kinds = {audit.outcome.kind for audit in audits if isinstance(audit, CounterfactualAudit)}
    assert {"number", "yes-no", "rating"} <= kinds


def test_the_benchmarks_of_the_examples_need_no_download() -> None:
    audits = [audit for path in EXAMPLES for audit in read_context(path).audits if isinstance(audit, BenchmarkAudit)]
    assert {audit.kind for audit in audits} == {"crows-pairs", "log-probability", "seat"}
    assert all(audit.data is None for audit in audits)


def test_links_between_pages_lead_somewhere() -> None:
    folders = ("docs", "examples")
    written = [*ROOT.glob("*.md"), *(page for folder in folders for page in (ROOT / folder).rglob("*.md"))]
    for page in written:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"

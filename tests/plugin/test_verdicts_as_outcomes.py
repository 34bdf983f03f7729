"""What a verdict does to its test: only `within` is green, and no broken model or thin design looks fair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

UNDECIDED = ("max = 1.2", "max = 0.2")
"""Tighter than 96 answers can show: a fair model is then inconclusive."""
ONE_PERSON = ("per_group = 8", "per_group = 1")
ONE_TEMPLATE = (
    '["a new chain", "a flat tyre", "a bent rim", "worn brakes", "a loose saddle", "a squeaky hub"]',
    '["a new chain"]',
)
LIKELIHOOD = (
    'kind = "number"\nunit = "EUR"\nfavourable = "lower"',
    'kind = "yes-no"\noptions = ["yes", "no"]\nfavourable_option = "yes"',
)
BROKEN_SCORES = """
import math
from pytest_biasaudit import ScriptedModel
from pytest_biasaudit.models.protocol import OptionScores

SCORES = {
    "nan": (math.nan, math.nan),
    "half_nan": (-0.1, math.nan),
    "infinite": (math.inf, -1.0),
    "nothing": (-math.inf, -math.inf),
}


def backend(spec):
    scores = OptionScores(logprobs=SCORES[spec.source.partition(":")[2]])
    return ScriptedModel(lambda question: scores, name=spec.name, digest=spec.source)


def pytest_biasaudit_models():
    return {"scripted": backend}
"""


def test_a_fair_model_passes_and_a_planted_gap_is_found(project: Project) -> None:
    project.models(fair="scripted:fair", biased="scripted:biased", worse="scripted:worse")
    evidence = project.audited()
    verdicts = project.verdicts(evidence)
    assert verdicts["fair::gap"] == "within"
    assert verdicts["biased::gap"] == verdicts["worse::gap"] == "over"


def test_doubling_the_plant_doubles_the_estimate(project: Project) -> None:
    """The plants are 3 and 6 standard deviations of the noise; both models draw the same noise."""
    project.models(fair="scripted:fair", biased="scripted:biased", worse="scripted:worse")
    evidence = project.audited("--biasaudit-observe")
    fair, biased, worse = (
        project.estimate(evidence, model, "mean_difference") for model in ("fair", "biased", "worse")
    )
    assert fair is not None
    assert biased is not None
    assert worse is not None
    assert biased - fair == pytest.approx(3 * 30, abs=0.1)  # answers are rounded to 0.1
    assert worse - fair == pytest.approx(6 * 30, abs=0.1)


def test_a_limit_that_is_broken_fails_with_the_finding_and_no_traceback(project: Project) -> None:
    project.models(biased="scripted:biased")
    result = project.run()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*quotes[[]biased]::gap*",
            "repairs / quotes[[]biased] / gap: over limit",
            "  estimate *95 % interval*",
            "  limit *repairs.bias.toml*",
            "  groups *",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "context_items.py" not in result.stdout.str()


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [("fail", {"failed": 1}), ("warn", {"passed": 1}), ("skip", {"skipped": 1})],
)
def test_an_inconclusive_verdict_fails_warns_or_skips_as_told(
    project: Project, policy: str, outcome: dict[str, int]
) -> None:
    project.context(UNDECIDED)
    result = project.run("-k", "gap", f"--biasaudit-inconclusive={policy}", "--biasaudit-json=evidence.json", "-rs")
    result.assert_outcomes(**outcome)
    assert project.verdicts(project.evidence())["fair::gap"] == "inconclusive"
    assert "gap: inconclusive" in result.stdout.str()
    assert ("InconclusiveWarning" in result.stdout.str()) == (policy == "warn")


def test_a_warning_made_an_error_is_a_finding_too(project: Project) -> None:
    project.context(UNDECIDED)
    result = project.run(
        "-k", "gap", "--biasaudit-inconclusive=warn", "-W", "error::pytest_biasaudit.InconclusiveWarning"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["repairs / quotes[[]fair] / gap: inconclusive"])
    assert "context_items.py" not in result.stdout.str()


def test_inconclusive_fails_unless_told_otherwise(project: Project) -> None:
    project.context(UNDECIDED)
    project.run("-k", "gap").assert_outcomes(failed=1)


@pytest.mark.parametrize("policy", ["warn", "skip"])
def test_a_gentler_policy_for_inconclusive_lets_nothing_else_through(project: Project, policy: str) -> None:
    project.models(biased="scripted:biased", refusing="scripted:refusing")
    result = project.run("-k", "gap", f"--biasaudit-inconclusive={policy}")
    result.assert_outcomes(failed=2)


def test_observing_fails_nothing_and_says_so(project: Project) -> None:
    project.context(UNDECIDED)
    project.models(fair="scripted:fair", biased="scripted:biased", refusing="scripted:refusing")
    result = project.run("--biasaudit-observe", "--biasaudit-json=evidence.json")
    result.assert_outcomes(passed=6)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["observe mode*fail nothing*"])
    verdicts = project.verdicts(project.evidence())
    assert (verdicts["fair::gap"], verdicts["biased::gap"]) == ("inconclusive", "over")
    assert verdicts["refusing::gap"] == "not_measured"
    assert project.evidence()["run"]["observe"] is True


@pytest.mark.parametrize("rule", ["refusing", "empty", "nan", "infinite"])
def test_a_model_that_answers_nothing_usable_is_not_measured(project: Project, rule: str) -> None:
    project.models(broken=f"scripted:{rule}")
    result = project.run("--biasaudit-inconclusive=skip", "--biasaudit-json=evidence.json")
    verdicts = project.verdicts(project.evidence())
    assert verdicts["broken::gap"] == "not_measured"
    assert "within" not in verdicts.values()
    result.assert_outcomes(failed=2)


def test_a_group_that_gets_no_answers_is_not_measured(project: Project) -> None:
    project.models(broken="scripted:silent_to_the_south")
    assert project.verdicts(project.audited())["broken::gap"] == "not_measured"


@pytest.mark.parametrize("rule", ["fair", "constant"])
@pytest.mark.parametrize("thin", [(ONE_PERSON,), (ONE_TEMPLATE,), (ONE_PERSON, ONE_TEMPLATE)])
def test_a_thin_design_never_looks_fair(project: Project, rule: str, thin: tuple[tuple[str, str], ...]) -> None:
    project.context(*thin)
    project.models(broken=f"scripted:{rule}")
    assert project.verdicts(project.audited())["broken::gap"] in ("inconclusive", "not_measured", "over")


@pytest.mark.parametrize("scores", ["nan", "half_nan", "infinite", "nothing"])
def test_scores_that_are_no_probabilities_are_not_measured(project: Project, scores: str) -> None:
    project.context(LIKELIHOOD, ('metric = "smd"', 'metric = "rate_difference"'), ("max = 1.2", "max = 0.9"))
    project.write("conftest.py", BROKEN_SCORES)
    project.models(broken=f"scripted:{scores}")
    verdicts = project.verdicts(project.audited())
    assert verdicts["broken::gap"] == "not_measured"
    assert "within" not in verdicts.values()


def test_an_unreadable_model_fails_every_limit_without_a_traceback(project: Project) -> None:
    project.write(
        "conftest.py",
        "from pytest_biasaudit.errors import ModelError\n"
        "def backend(spec):\n    raise ModelError('weights of two layers are missing')\n"
        "def pytest_biasaudit_models():\n    return {'scripted': backend}\n",
    )
    result = project.run()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["weights of two layers are missing"])
    assert "Traceback" not in result.stdout.str()
    assert "context_items.py" not in result.stdout.str()

"""The command line and its ini twins: each does what it says, the flag wins, and a wrong value stops the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_biasaudit.plugin.options import OPTIONS

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

GIVEN: dict[str, tuple[list[str], str, dict[str, object]]] = {
    "model": (["--biasaudit-model=biased"], "biasaudit_model = biased", {"models": ("biased",)}),
    "source": (["--biasaudit-source=scripted:fair"], "biasaudit_source = scripted:fair", {"source": "scripted:fair"}),
    "html": (["--biasaudit-html=r.html"], "biasaudit_html = r.html", {"html": "r.html"}),
    "json": (["--biasaudit-json=e.json"], "biasaudit_json = e.json", {"json": "e.json"}),
    "seed": (["--biasaudit-seed=7"], "biasaudit_seed = 7", {"seed": 7}),
    "batch-size": (["--biasaudit-batch-size=3"], "biasaudit_batch_size = 3", {"batch_size": 3}),
    "cache": (["--biasaudit-cache=kept"], "biasaudit_cache = kept", {"cache": "kept"}),
    "no-cache": (["--biasaudit-no-cache"], "biasaudit_no_cache = true", {"cache": None}),
    "inconclusive": (["--biasaudit-inconclusive=warn"], "biasaudit_inconclusive = warn", {"inconclusive": "warn"}),
    "noise-floor": (["--biasaudit-noise-floor"], "biasaudit_noise_floor = true", {"noise_floor": True}),
    "observe": (["--biasaudit-observe"], "biasaudit_observe = true", {"observe": True}),
    "offline": (["--biasaudit-offline"], "biasaudit_offline = true", {"offline": True}),
}
"""Option: the flag, its ini twin, and what either makes of the run."""
DEFAULTS: dict[str, object] = {
    "models": [],
    "source": None,
    "html": None,
    "json": None,
    "insist": False,
    "seed": 0,
    "batch_size": 32,
    "inconclusive": "fail",
    "noise_floor": False,
    "observe": False,
    "offline": False,
}


def read(project: Project, *args: str, ini: str = "") -> dict[str, object]:
    """The options as the plugin reads them."""
    project.write("pytest.ini", f"[pytest]\n{ini}\n")
    project.write(
        "test_options.py",
        "import json\nfrom dataclasses import asdict\n"
        "from pytest_biasaudit.plugin.run_options import RunOptions\n"
        "def test_options(request):\n"
        "    with open('options.json', 'w') as file:\n"
        "        json.dump(asdict(RunOptions.of(request.config)), file, default=str)\n",
    )
    project.run("test_options.py", *args)
    return project.evidence("options.json")


def expected(project: Project, values: dict[str, object]) -> dict[str, object]:
    """As JSON holds them: paths whole, tuples as lists."""
    paths = {key: str(project.folder / str(value)) for key, value in values.items() if key in ("html", "json")}
    paths |= {key: str(project.folder / str(value)) for key, value in values.items() if key == "cache" and value}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()} | paths


def test_every_option_is_tried_here() -> None:
    assert set(GIVEN) == {option.name for option in OPTIONS}


def test_every_option_and_every_ini_key_carries_our_name() -> None:
    for option in OPTIONS:
        assert option.flag.startswith("--biasaudit-")
        assert option.ini.startswith("biasaudit_")
        assert option.help


def test_without_options_nothing_is_special(project: Project) -> None:
    assert read(project) == DEFAULTS | {"cache": str(project.folder / ".biasaudit")}


@pytest.mark.parametrize("name", GIVEN)
def test_a_flag_and_its_ini_twin_say_the_same(project: Project, name: str) -> None:
    flag, ini, values = GIVEN[name]
    project.models(fair="scripted:fair", biased="scripted:biased")
    plain = DEFAULTS | {"cache": str(project.folder / ".biasaudit")}
    wanted = plain | expected(project, values)
    assert wanted != plain
    assert read(project, ini=ini) == wanted
    asked_for = {"insist": name in ("html", "json")}  # an ini file asks for a report where there can be one
    assert read(project, *flag) == wanted | asked_for


@pytest.mark.parametrize(
    ("flag", "ini", "key", "value"),
    [
        ("--biasaudit-model=fair", "biasaudit_model =\n    biased\n    fair", "models", ["fair"]),
        ("--biasaudit-seed=0", "biasaudit_seed = 7", "seed", 0),
        ("--biasaudit-batch-size=32", "biasaudit_batch_size = 3", "batch_size", 32),
        ("--biasaudit-inconclusive=fail", "biasaudit_inconclusive = skip", "inconclusive", "fail"),
        ("--biasaudit-no-cache", "biasaudit_cache = kept", "cache", None),
    ],
)
def test_the_flag_wins_over_the_ini_file(project: Project, flag: str, ini: str, key: str, value: object) -> None:
    project.models(fair="scripted:fair", biased="scripted:biased")
    assert read(project, flag, ini=ini)[key] == value


def test_a_cache_named_on_the_command_line_wins_over_keeping_nothing_in_the_ini_file(project: Project) -> None:
    options = read(project, "--biasaudit-cache=kept", ini="biasaudit_no_cache = true")
    assert options["cache"] == str(project.folder / "kept")


def test_the_cache_can_be_shared_by_an_environment_variable(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIASAUDIT_CACHE", str(project.folder / "shared"))
    assert read(project)["cache"] == str(project.folder / "shared")
    assert read(project, "--biasaudit-cache=kept")["cache"] == str(project.folder / "kept")


@pytest.mark.parametrize(
    ("args", "ini", "said"),
    [
        (["--biasaudit-seed=abc"], "", "*--biasaudit-seed*abc*whole number, at least 0*"),
        (["--biasaudit-seed=-1"], "", "*--biasaudit-seed*-1*"),
        (["--biasaudit-batch-size=0"], "", "*--biasaudit-batch-size*0*at least 1*"),
        (["--biasaudit-batch-size=2.5"], "", "*--biasaudit-batch-size*2.5*"),
        (["--biasaudit-inconclusive=maybe"], "", "*--biasaudit-inconclusive*maybe*"),
        (["--biasaudit-model=fare"], "", "*--biasaudit-model=fare*there are fair; did you mean 'fair'?"),
        ([], "biasaudit_seed = abc", "*biasaudit_seed*abc*"),
        ([], "biasaudit_batch_size = 0", "*biasaudit_batch_size*0*"),
        ([], "biasaudit_inconclusive = maybe", "*biasaudit_inconclusive*maybe*valid: fail, warn, skip*"),
        ([], "biasaudit_observe = perhaps", "*biasaudit_observe*perhaps*"),
        ([], "biasaudit_no_cache = perhaps", "*biasaudit_no_cache*perhaps*"),
    ],
)
def test_a_wrong_value_stops_the_run_before_anything_is_collected(
    project: Project, args: list[str], ini: str, said: str
) -> None:
    project.write("pytest.ini", f"[pytest]\n{ini}\n")
    project.write("test_plain.py", "def test_plain(): pass\n")
    result = project.run("test_plain.py", *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_an_unknown_model_in_the_ini_file_is_an_error_of_what_it_is_asked_for(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nbiasaudit_model = fare\n")
    project.write("test_plain.py", "def test_plain(): pass\n")
    project.run("test_plain.py").assert_outcomes(passed=1)
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fare: no such model is declared; there are fair; did you mean 'fair'?"])


def test_an_undeclared_model_is_audited_alone(project: Project) -> None:
    result = project.run("--biasaudit-source=scripted:biased", "--biasaudit-json=evidence.json")
    result.assert_outcomes(passed=1, failed=1)
    assert project.verdicts(project.evidence()) == {"cli::gap": "over", "cli::answers": "within"}
    assert project.evidence()["models"][0]["source"] == "scripted"


def test_an_undeclared_model_needs_no_model_table(project: Project) -> None:
    (project.folder / "biasaudit.toml").unlink()
    project.run("--biasaudit-source=scripted:fair").assert_outcomes(passed=2)


def test_an_undeclared_model_stands_beside_those_asked_for(project: Project) -> None:
    result = project.run("--biasaudit-source=scripted:biased", "--biasaudit-model=fair", "--collect-only", "-q")
    assert [line.partition("[")[2].partition("]")[0] for line in result.outlines if "::gap" in line] == ["fair", "cli"]


def test_models_may_be_declared_in_pyproject(project: Project) -> None:
    (project.folder / "biasaudit.toml").unlink()
    project.write("pyproject.toml", '[tool.biasaudit.models.fair]\nsource = "scripted:fair"\n')
    project.run().assert_outcomes(passed=2)


def test_two_model_tables_are_an_error(project: Project) -> None:
    project.write("pyproject.toml", '[tool.biasaudit.models.biased]\nsource = "scripted:biased"\n')
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*both pyproject.toml*and biasaudit.toml*"])


def test_the_seed_is_in_the_evidence_and_draws_other_people(project: Project) -> None:
    people = {}
    for seed in ("0", "1"):
        evidence = project.audited(f"--biasaudit-seed={seed}")
        assert evidence["run"]["seed"] == int(seed)
        people[seed] = {outcome["person"] for outcome in evidence["audits"][0]["outcomes"]}
    assert len(people["0"]) == len(people["1"]) == 16
    assert people["0"] != people["1"]


def test_nothing_is_kept_where_nothing_is_to_be_kept(project: Project) -> None:
    project.run("--biasaudit-no-cache", "-p", "no:cacheprovider").assert_outcomes(passed=2)
    assert not (project.folder / ".biasaudit").exists()


def test_the_cache_keeps_itself_out_of_version_control(project: Project) -> None:
    project.run("--biasaudit-cache=kept")
    assert (project.folder / "kept" / "journal.sqlite").exists()
    assert (project.folder / "kept" / ".gitignore").read_text(encoding="utf-8").endswith("*\n")


def test_a_cache_that_cannot_be_made_fails_with_what_to_do(project: Project) -> None:
    project.write("in_the_way", "")
    result = project.run("--biasaudit-cache=in_the_way")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*cache folder cannot be used*--biasaudit-no-cache*"])


@pytest.mark.parametrize("flag", [option.flag for option in OPTIONS if not option.switch and option.name != "model"])
def test_a_flag_with_nothing_after_it_stops_the_run(project: Project, flag: str) -> None:
    result = project.run(f"{flag}=")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert any(flag in line for line in [*result.errlines, *result.outlines])

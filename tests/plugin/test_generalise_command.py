"""`generalise` on the command line: what it says before, during and after, what it writes, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_biasaudit.cli import main
from pytest_biasaudit.mitigation.removing.file import load_components
from tests.carried_worlds import write_study
from tests.planted_component import PLACES, planted_contexts, planted_model

PLAN = """\
schema = 1
[study]
id = "planted"
contexts = ["sale.bias.toml", "care.bias.toml"]
max_variations = 2
levels = ["leave-one-out", "context", "cross-context"]
combine = ["frequency"]
perplexity = false
[[study.components]]
unit = "heads"
method = "attribution"
k = 1
"""
CONTEXTS = {"roofs": ["a tile", "a beam", "a slate"], "gardens": ["a hedge", "a lawn"]}


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The planted model, saved as a model is."""
    folder = tmp_path_factory.mktemp("planted") / "model"
    module, tokenizer, _ = planted_model("head")
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BIASAUDIT_CACHE", raising=False)
    return tmp_path


@pytest.mark.slow
def test_a_study_prints_its_table_and_writes_evidence_report_and_sets(
    model_folder: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted_contexts(here)
    (here / "study.toml").write_text(PLAN, encoding="utf-8")
    asked = [
        "generalise",
        "study.toml",
        f"--source={model_folder}",
        "-o",
        "e.json",
        "--html=r.html",
        "--save-sets=sets",
    ]
    assert main(asked) == 0
    said = capsys.readouterr()
    assert "planted: 2 contexts, 4 variations, up to 32 people; heads by attribution" in said.out
    assert "planted [cli]: how far removing components carries, seed 0" in said.out
    assert "wrote e.json" in said.out
    assert "planted: without heads by attribution:" in said.err
    kept = json.loads((here / "e.json").read_text(encoding="utf-8"))["transfer"][0]
    files = {one["file"]: one for one in kept["sets"] if one["file"]}
    assert set(files) == {"sale-heads-attribution-frequency.json", "care-heads-attribution-frequency.json"}
    saved = load_components(here / "sets" / "sale-heads-attribution-frequency.json")
    assert saved.pairs == (PLACES["head"]["sale"],)
    assert saved.origin is not None
    assert [context for context, _ in saved.origin.contexts] == ["sale"]
    assert (here / ".biasaudit" / ".gitignore").exists()

    assert main(["report", "e.json", "-o", "again.html"]) == 0
    for page in ("r.html", "again.html"):
        assert "What this result does not license" in (here / page).read_text(encoding="utf-8")
    assert main([*asked[:3], "-o", "again.json"]) == 0
    again = json.loads((here / "again.json").read_text(encoding="utf-8"))["transfer"][0]
    assert again["rows"] == kept["rows"]
    capsys.readouterr()
    assert main(["diff", "e.json", "again.json"]) == 2  # no audit to compare: what cannot be compared is no clean bill


def test_the_cost_is_told_before_anything_is_loaded(here: Path) -> None:
    write_study(here, contexts=CONTEXTS)
    code = (
        "import sys\nfrom pytest_biasaudit.cli import main\n"
        "status = main(['generalise', 'study.toml', '--plan-only'])\n"
        "print('LOADED', sorted({'torch', 'transformers'} & set(sys.modules)), status)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=False)
    assert "LOADED [] 0" in done.stdout, done.stdout + done.stderr
    assert "carrying: 2 contexts, 5 variations, up to 48 people; heads by attribution" in done.stdout
    # By hand, of the scored sets: prompt 5 sets; names 10, each held to half of the people; left out 2 x 5; context 2 x 2,
    # each held to its own context and to the other. The only other context is all others: pooled adds nothing. So 29 sets,
    # 5 + 10 + 10 + 10 + 10 evaluations, as many answers as 40 variations of 48 people; three times with the baselines, and
    # the 5 variations of the model as it is.
    assert "sets        87, a third of them scored" in done.stdout
    assert "answers     6,000 at most, in 135 evaluations" in done.stdout
    assert not (here / ".biasaudit").exists()


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (9, "9 people of a group; a gap needs 10 with an answer: no row will have a figure of bias"),
        (18, "9 people of a group in half of the names; a gap needs 10: the level 'names' will have no figure of bias"),
        (20, ""),
    ],
)
def test_a_study_of_too_few_people_says_so_before_it_begins(
    here: Path, capsys: pytest.CaptureFixture[str], people: int, said: str
) -> None:
    write_study(here, contexts=CONTEXTS, more=f"max_people = {people}")
    assert main(["generalise", "study.toml", "--plan-only"]) == 0
    out = capsys.readouterr().out
    assert said in out
    assert ("too few" in out) == bool(said)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["study.toml"], "study.toml names no model, and 0 are declared (none): name one with --model"),
        (["study.toml", "--model=base"], "no model 'base' is declared; there are none"),
        (["study.toml", "--model=base", "--source=x"], "--model and --source were both given"),
        (["study.toml", "-o", "study.toml"], "-o would overwrite the plan study.toml"),
        (["study.toml", "-o", "x", "--html", "x"], "-o and --html both name x"),
        (["other.toml"], "other.toml: 1 fault"),
    ],
)
def test_what_cannot_be_done_is_told_and_exits_with_2(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], fault: str
) -> None:
    write_study(here, contexts=CONTEXTS)
    assert main(["generalise", *arguments]) == 2
    assert fault in capsys.readouterr().err


def test_a_number_that_is_none_is_wrong_usage(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["generalise", "study.toml", "--batch-size=0"])
    assert raised.value.code == 2
    assert "a whole number, at least 1, got '0'" in capsys.readouterr().err

"""`study` on the command line and in a test: a tiny encoder fine-tuned on a planted table, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_biasaudit.cli import main
from pytest_biasaudit.records.evidence import read_evidence
from tests.word_workshop import CLUES, write_tables

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

PLAN = """\
[study]
id = "words"
{model}
train = "train.csv"
test = "test.csv"
groups = ["m", "w"]
seeds = 2
[study.columns]
text = "said"
label = "work"
groups = {{ sex = "sex" }}
[study.training]
{training}
[[study.upstream]]
method = "random-initialisation"
[[study.data]]
method = "down-sample"
[[study.data]]
method = "scrub"
where = "both"
"""
FROZEN = "frozen = true"
WORDS = ("he", "she", "knows", "the", "and", "someone", "is")


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untaught encoder of two layers that knows the tables' words, saved as a model is."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *CLUES, *CLUES.values()]
    backend: Any = Tokenizer(models.WordPiece(vocab={token: at for at, token in enumerate(tokens)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(61122)
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    module = BertModel(BertConfig(vocab_size=len(tokens), max_position_embeddings=64, **sizes))
    folder = tmp_path_factory.mktemp("encoder") / "model"
    module.save_pretrained(folder)
    wrap: Any = PreTrainedTokenizerFast
    wrapped = wrap(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")
    wrapped.save_pretrained(folder)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the tables and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BIASAUDIT_CACHE", raising=False)
    write_tables(tmp_path, train=20, test=12)
    return tmp_path


def write_plan(folder: Path, model: Path, *, training: str = FROZEN, name: str = "study.toml") -> Path:
    path = folder / name
    path.write_text(PLAN.format(model=f'source = "{model.as_posix()}"', training=training), encoding="utf-8")
    return path


def test_a_study_prints_its_tables_writes_evidence_and_goes_on_where_it_was(
    encoder_folder: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plan(here, encoder_folder)
    assert main(["study", "study.toml", "--out", "one.json", "--html", "one.html"]) == 0
    printed = capsys.readouterr()
    for said in (
        "words: 12 classifiers, heads on a frozen body",
        "Which lever helped",
        "What explains the gap",
        "embedding association",
        "wrote one.json",
        "wrote one.html",
    ):
        assert said in printed.out
    assert "words: fine-tuning: 12 of 12" in printed.err
    (result,) = read_evidence(here / "one.json").study
    assert [one.name for one in result.upstream] == ["none", "random-initialisation"]
    assert {cell.pretrained for cell in result.cells if cell.upstream == "random-initialisation"} == {False}
    assert len({cell.train_sha256 for cell in result.cells if cell.data == "none"}) == 2, "rows are drawn anew by seed"
    files = sorted((here / ".biasaudit" / "studies").rglob("*.json"))
    times = [file.stat().st_mtime_ns for file in files]
    assert main(["study", "study.toml", "--out", "two.json"]) == 0
    assert [file.stat().st_mtime_ns for file in files] == times
    one, two = (json.loads((here / name).read_text())["study"] for name in ("one.json", "two.json"))
    assert one == two


def test_the_encoder_itself_is_taught_where_it_is_not_frozen(encoder_folder: Path, here: Path) -> None:
    write_plan(here, encoder_folder, training="epochs = 1\nbatch_size = 32", name="biasaudit.toml")
    assert main(["study", "--out", "e.json", "--seed", "7"]) == 0
    (result,) = read_evidence(here / "e.json").study
    assert result.seeds == (7, 8)
    assert dict(result.training)["epochs"] == 1
    assert all(cell.accuracy.value is not None for cell in result.cells)


def test_a_plan_can_be_looked_at_and_a_faulty_one_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_plan(here, here / "no-such-model")
    assert main(["study", "study.toml", "--plan-only"]) == 0
    assert "rows        80 to learn from, 96 held out" in capsys.readouterr().out
    assert main(["study", "study.toml", "-o", "study.toml"]) == 2
    assert "would overwrite the plan" in capsys.readouterr().err
    path.write_text(path.read_text().replace('label = "work"', 'label = "job"'), encoding="utf-8")
    assert main(["study", "study.toml"]) == 2
    assert "job" in capsys.readouterr().err
    assert main(["study"]) == 2
    assert "no study is declared" in capsys.readouterr().err
    path.write_text(path.read_text().replace("down-sample", "down-sampl"), encoding="utf-8")
    assert main(["study", "study.toml"]) == 2
    assert "did you mean 'down-sample'?" in capsys.readouterr().err


def test_a_study_in_a_test_stands_in_the_run_s_evidence(encoder_folder: Path, project: Project) -> None:
    (project.folder / "repairs.bias.toml").unlink()
    write_tables(project.folder, train=20, test=12)
    write_plan(project.folder, encoder_folder)
    project.write(
        "test_study.py",
        "def test_it(biasaudit):\n"
        '    result = biasaudit.study("study.toml")\n'
        '    assert result is biasaudit.study("study.toml")\n'
        '    assert result.lever(data="down-sample").helped in ("helped", "hurt", "cannot tell")\n',
    )
    ran = project.run_apart("test_study.py", "--biasaudit-json=evidence.json")
    ran.assert_outcomes(passed=1)
    assert "words [words-base]: which lever helps" in ran.stdout.str()
    (result,) = read_evidence(project.folder / "evidence.json").study
    assert result.study == "words"

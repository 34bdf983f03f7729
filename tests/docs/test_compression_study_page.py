"""The page on rerunning the compression study: its files are read, and its audits run on a tiny model and on little data."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit.cli import main
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.models.declared import read_models

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "rerun-the-compression-study.md").read_text(encoding="utf-8")
PAIRS, CLUSTERS = 8, 16
"""Of each axis; the full sets take even a tiny model minutes."""


def blocks(language: str) -> list[str]:
    """The page's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def models_block() -> str:
    """The model table."""
    return blocks("toml")[0]


def context_block() -> str:
    """The context file."""
    return blocks("toml")[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's files, written down."""
    (tmp_path / "biasaudit.toml").write_text(models_block(), encoding="utf-8")
    (tmp_path / "study.bias.toml").write_text(context_block(), encoding="utf-8")
    return tmp_path


def test_the_models_of_the_page_are_read(folder: Path) -> None:
    models = read_models(folder)
    assert models["bert-base-int8"].parent == models["bert-base-rtn"].parent == "bert-base"
    assert models["bert-large"].kind == "masked"


def test_the_sweep_of_the_page_is_read(tmp_path: Path) -> None:
    sweep = next(block for block in blocks("text") if block.startswith("[sweep]"))
    table = '[models.pythia-70m]\nsource = "EleutherAI/pythia-70m-deduped"\n' + sweep
    (tmp_path / "biasaudit.toml").write_text(table, encoding="utf-8")
    assert "pythia-70m@step29000+int8" in read_models(tmp_path)


def test_the_context_of_the_page_is_read(folder: Path) -> None:
    context = read_context(folder / "study.bias.toml")
    assert [audit.kind for audit in context.audits] == ["crows-pairs", "stereoset", "seat"]


def test_the_tables_command_stands_in_the_page_as_the_command_line_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tables", "--help"])
    shown = capsys.readouterr().out
    for option in re.findall(r"pytest_biasaudit tables evidence\.json (--\S+)", PAGE):
        assert option in shown


def tiny_bert(folder: Path) -> None:
    """A random BERT with a tokenizer of letters, saved."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'\"-:;$()%&"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens = [*special, *letters, *(f"##{letter}" for letter in letters)]
    backend = Tokenizer(models.WordPiece(vocab={token: at for at, token in enumerate(tokens)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast: Any = PreTrainedTokenizerFast
    names = {name: f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    fast(tokenizer_object=backend, **{f"{name}_token": token for name, token in names.items()}).save_pretrained(folder)
    config = AutoConfig.for_model(
        "bert", vocab_size=len(tokens), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=512, pad_token_id=0,
    )  # fmt: skip
    build: Any = AutoModelForMaskedLM.from_config
    build(config).save_pretrained(folder)


def little_data(shared: Path, folder: Path) -> None:
    """The first items of each axis, in files of the published form."""
    name = "crows_pairs_anonymized.csv"
    with (shared / "crows_pairs" / name).open(encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file))
    axis = head.index("bias_type")
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        kept = {one: [row for row in rows if row[axis] == one][:PAIRS] for one in {row[axis] for row in rows}}
        csv.writer(file).writerows([head, *(row for few in kept.values() for row in few)])
    raw = json.loads((shared / "stereoset" / "dev_rebuilt.json").read_text(encoding="utf-8"))
    found = raw["data"]["intrasentence"]
    few = [
        one
        for axis in {one["bias_type"] for one in found}
        for one in [c for c in found if c["bias_type"] == axis][:CLUSTERS]
    ]
    (folder / "dev.json").write_text(json.dumps({"data": {"intrasentence": few}}), encoding="utf-8")


@pytest.mark.slow
def test_the_audits_of_the_page_run_and_the_tables_come_out(folder: Path, shared_data: Path) -> None:
    tiny_bert(folder / "bert")
    little_data(shared_data, folder)
    models = tomllib.loads(models_block())["models"]
    table = models_block()
    for model in models.values():  # the hub's models, replaced by one that is here
        if "source" in model:
            table = table.replace(model["source"], "bert").replace(f'revision = "{model["revision"]}"\n', "")
    (folder / "biasaudit.toml").write_text(table, encoding="utf-8")
    without_seat_files = context_block().replace('data = "seat"\n', "")  # our own words in their place
    (folder / "study.bias.toml").write_text(without_seat_files, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    settings = {"BIASAUDIT_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "COLUMNS": "100"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=folder, env={**inherited, **settings, "PYTHONPATH": path},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        return done.stdout

    installed = any(point.value == "pytest_biasaudit.plugin" for point in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", "pytest_biasaudit.plugin")
    run("pytest", *plugin, "-q", "--biasaudit-observe", "--biasaudit-json=evidence.json")
    shown = run("pytest_biasaudit", "tables", "evidence.json", "--baseline", "bert-base")
    for title in ("CrowS-Pairs", "StereoSet", "SEAT"):
        assert title in shown
    assert "is near chance" in shown  # it is a random network, and nothing of it is judged
    assert "was not put to" not in shown
    assert len(re.findall(r"^bert-base-int8 .*[↑↓=]", shown, re.MULTILINE)) >= 3
    assert "printed" not in shown  # a model from a folder is none of the study's

"""A student taught from a Python test, by the fixture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

ROOT = Path(__file__).parents[2]


def test_a_student_is_taught_by_the_fixture_and_taken_from_the_cache_after(project: Project) -> None:
    project.write("corpus.txt", "what does a repair cost ?\nit costs nine hundred .\nthe quote is for a van .\n" * 4)
    project.write(
        "test_student.py",
        "import pathlib\n"
        "import sys\n"
        f"sys.path.append({str(ROOT)!r})  # last: the package that is tested is the installed one\n"
        "from pytest_biasaudit.models.identity import tensors_sha256\n"
        "from tests.tiny_models import byte_tokenizer, tiny\n"
        "SETTINGS = dict(text=pathlib.Path('corpus.txt'), layers=1, steps=3, tokens=16)\n"
        "def test_student(biasaudit_distill):\n"
        "    teacher = tiny('llama')\n"
        "    before = tensors_sha256(teacher)\n"
        "    child = biasaudit_distill(teacher, 'logits', tokenizer=byte_tokenizer(), **SETTINGS)\n"
        "    assert child.module.config.num_hidden_layers == 1\n"
        "    assert child.identity.name.startswith('live+logits-1-3-')\n"
        "    assert tensors_sha256(teacher) == before\n"
        "    again = biasaudit_distill(teacher, 'logits', name='again', tokenizer=byte_tokenizer(), **SETTINGS)\n"
        "    assert again.identity.digest == child.identity.digest\n"
        "    assert again.identity.achieved['steps']['1 distill logits']['recalled'] is True\n"
        "    whole = {**SETTINGS, 'text': pathlib.Path('corpus.txt').resolve()}\n"
        "    there = biasaudit_distill(teacher, 'logits', tokenizer=byte_tokenizer(), **whole)\n"
        "    assert there.identity.recipe == child.identity.recipe\n"
        "    assert there.identity.recipe[0]['text'] == 'corpus.txt'\n"
        "    assert there.identity.name == child.identity.name\n"
        "def test_lists(biasaudit_prune):\n"
        "    child = biasaudit_prune(tiny('llama'), 'heads', tokenizer=byte_tokenizer(), heads=[[0, 1]])\n"
        "    assert child.identity.recipe[0]['heads'] == [[0, 1]]\n",
    )
    # An inner run forgets the modules it was first to import, and torch takes some of its own only once in a process.
    project.run_apart("--ignore-glob=*.bias.toml", "--biasaudit-cache=cache").assert_outcomes(passed=2)

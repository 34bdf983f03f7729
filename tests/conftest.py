"""For all tests. Only this conftest may name plugins: pytest reads it before any test folder's own."""

from __future__ import annotations

pytest_plugins = ["pytester", "tests.small_model"]

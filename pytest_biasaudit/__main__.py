"""`python -m pytest_biasaudit`."""

from __future__ import annotations

from pytest_biasaudit.cli import main

raise SystemExit(main(prog="python -m pytest_biasaudit"))

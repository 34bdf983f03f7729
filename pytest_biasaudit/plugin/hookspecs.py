"""Where others may add to the plugin. Each hook is called once a session, when the first context or audit fixture needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_biasaudit.compression.method import Method
    from pytest_biasaudit.metrics.metric import Metric
    from pytest_biasaudit.prompts.prompt import Person
    from pytest_biasaudit.settings import Backend


@pytest.hookspec
def pytest_biasaudit_metrics() -> Sequence[Metric]:  # type: ignore[empty-body]
    """Metrics beside the built-in ones; a name that exists is an error."""


@pytest.hookspec
def pytest_biasaudit_people() -> Mapping[str, Sequence[Person]]:  # type: ignore[empty-body]
    """People lists by the name a context's `source` gives."""


@pytest.hookspec
def pytest_biasaudit_scorers() -> Mapping[str, Callable[[str], float]]:  # type: ignore[empty-body]
    """Scorers of free text by the name an outcome's `scorer` gives: text in, a finite number out."""


@pytest.hookspec
def pytest_biasaudit_models() -> Mapping[str, Backend]:  # type: ignore[empty-body]
    """Back ends by scheme: a model whose source begins with "SCHEME:" is loaded by backend(spec)."""


@pytest.hookspec
def pytest_biasaudit_compressors() -> Sequence[Method]:  # type: ignore[empty-body]
    """Recipe methods beside the built-in ones, each with what applies it (`Method.apply`)."""


@pytest.hookspec
def pytest_biasaudit_record(record: Mapping[str, object]) -> None:
    """Sees each audit's record once, on the controlling process, as plain evidence data. It cannot change it."""


@pytest.hookspec
def pytest_biasaudit_html_sections(evidence: Mapping[str, object]) -> Sequence[tuple[str, str]]:  # type: ignore[empty-body]
    """(title, text) sections added to the end of the report; the text is shown as text, never as markup."""

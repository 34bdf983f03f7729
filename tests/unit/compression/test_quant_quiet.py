"""Back ends' talk is left out by message; whatever else they say is heard."""

from __future__ import annotations

import logging
import warnings

import pytest

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.quantization.quiet import quiet, quiet_when_asked
from pytest_biasaudit.compression.recipe import read_step
from tests.tiny_models import tiny


def test_a_known_line_is_left_out_inside_only_and_any_other_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("torchao")
    with quiet():
        logger.warning("Failed to load /somewhere/_C.so: no such thing")
        logger.warning("something that matters")
    logger.warning("Failed to load the second time")
    assert [record.message for record in caplog.records] == ["something that matters", "Failed to load the second time"]


def test_a_known_warning_is_left_out_and_any_other_is_heard() -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with quiet():
            warnings.warn("torch.ao.quantization is deprecated and will be removed", DeprecationWarning, stacklevel=1)
            warnings.warn("another thing is deprecated", DeprecationWarning, stacklevel=1)
    assert [str(one.message) for one in heard] == ["another thing is deprecated"]


def test_filters_do_not_pile_up() -> None:
    logger = logging.getLogger("bitsandbytes.autograd._functions")
    before = list(logger.filters)
    quiet_when_asked(logger.name)
    once = list(logger.filters)
    quiet_when_asked(logger.name)
    with quiet():
        pass
    assert logger.filters == once
    for one in logger.filters:
        if one not in before:
            logger.removeFilter(one)


def test_torchs_deprecated_call_is_made_where_warnings_are_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        apply_recipe(tiny("llama"), [read_step({"quantize": "torch-dynamic"})])

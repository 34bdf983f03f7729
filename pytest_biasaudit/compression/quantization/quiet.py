"""What back ends say of themselves while they are imported and used, and no user can act on. Imports no back end.

Filtered by message, one by one; anything else they say is shown.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

WARNINGS = (
    r"torch\.ao\.quantization is deprecated",
    r"torch\.quantize_per_tensor, torch\.quantize_per_channel and other quantized tensor creation functions",
    r"`torch\.jit\.script_method` is deprecated",
    r"`torch\.jit\.script` is deprecated",
)
"""Beginnings of warnings, as regular expressions."""

LOGGED = {
    "torchao": ("Failed to load ",),  # compiled parts for hardware that is not here
    "torch.utils._pytree": ("<enum ", "%s is an Enum subclass"),  # how torchao registers its settings
    "bitsandbytes.backends.cpu.ops": ("Failed to load CPU gemm_4bit_forward",),  # a faster kernel that is not installed
    "bitsandbytes.autograd._functions": ("MatMul8bitLt: inputs will be cast",),  # said once a layer and call
}
"""Beginnings of log lines, by logger."""


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing of the above is heard inside."""
    filters = [(logging.getLogger(name), _Not(beginnings)) for name, beginnings in LOGGED.items()]
    for logger, unwanted in filters:
        logger.addFilter(unwanted)
    try:
        with warnings.catch_warnings():
            for message in WARNINGS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, unwanted in filters:
            logger.removeFilter(unwanted)


def quiet_when_asked(logger: str) -> None:
    """Leaves out, from now on, what a back end says of itself when its layers are called."""
    heard = logging.getLogger(logger)
    if not any(isinstance(one, _Not) for one in heard.filters):
        heard.addFilter(_Not(LOGGED[logger]))


class _Not(logging.Filter):
    """Lets through all but lines that begin so."""

    def __init__(self, beginnings: tuple[str, ...]) -> None:
        super().__init__()
        self._beginnings = beginnings

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        return not record.getMessage().startswith(self._beginnings)

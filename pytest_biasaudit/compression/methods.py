"""Every recipe method there is, by room. Imports nothing heavy: what applies a method is imported at its use."""

from __future__ import annotations

from pytest_biasaudit.compression.adapters.methods import METHODS as ADAPTERS
from pytest_biasaudit.compression.distillation.methods import METHODS as DISTILLATION
from pytest_biasaudit.compression.method import Method
from pytest_biasaudit.compression.pruning.methods import METHODS as PRUNING
from pytest_biasaudit.compression.quantization.methods import METHODS as QUANTIZATION
from pytest_biasaudit.compression.structure.methods import METHODS as STRUCTURE
from pytest_biasaudit.mitigation.methods import METHODS as MITIGATION

METHODS: tuple[Method, ...] = (*QUANTIZATION, *PRUNING, *STRUCTURE, *MITIGATION, *DISTILLATION, *ADAPTERS)

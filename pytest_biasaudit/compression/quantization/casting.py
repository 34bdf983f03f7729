"""A cast of every weight to a narrower float. Imports torch."""

from __future__ import annotations

import torch

from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.recipe import Step
from pytest_biasaudit.compression.storage import stored_bytes

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`."""
    dtype = DTYPES[step.method]
    module.to(dtype)
    return Applied(
        module=module, facts={"dtype": str(dtype).removeprefix("torch."), "stored_bytes": stored_bytes(module)}
    )

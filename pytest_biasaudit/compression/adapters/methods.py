"""The methods that merge adapters, with their settings. Imports nothing heavy."""

from __future__ import annotations

from pytest_biasaudit.compression.method import Method, SettingRule

ROOM = "pytest_biasaudit.compression.adapters"

METHODS: tuple[Method, ...] = (
    Method(
        action="adapter",
        name="lora",
        does="merges a low-rank adapter (LoRA, saved by peft) into the weights it was trained for",
        settings={
            "source": SettingRule(
                kind="folder",
                default=None,
                valid="a folder with adapter_config.json and adapter_model.safetensors, relative to the model table",
                required=True,
            ),
        },
        needs=("peft",),
        applied_by=f"{ROOM}.lora:apply",
    ),
)

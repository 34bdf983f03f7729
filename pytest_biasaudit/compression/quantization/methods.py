"""The methods that quantise, with their settings. Imports nothing heavy."""

from __future__ import annotations

from pytest_biasaudit.compression.method import Method, SettingRule

ROOM = "pytest_biasaudit.compression.quantization"
LM_HEAD = SettingRule(kind="boolean", default=False, valid="true or false")

METHODS: tuple[Method, ...] = (
    Method(
        action="quantize",
        name="rtn",
        does="rounds the weights of the linear layers to the nearest of 2^bits levels and stores them dequantised",
        settings={
            "bits": SettingRule(kind="integer", default=8, valid="4 or 8", choices=(4, 8)),
            "group_size": SettingRule(
                kind="integer",
                default=None,
                valid="a positive integer, or absent for one scale a row",
                low=1,
                optional=True,
            ),
            "lm_head": LM_HEAD,
        },
        applied_by=f"{ROOM}.rtn:apply",
    ),
    Method(
        action="quantize",
        name="bf16",
        does="casts every weight to bfloat16",
        settings={},
        applied_by=f"{ROOM}.casting:apply",
    ),
    Method(
        action="quantize",
        name="fp16",
        does="casts every weight to float16",
        settings={},
        applied_by=f"{ROOM}.casting:apply",
    ),
)

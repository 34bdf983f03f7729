"""The methods that quantise, with their settings. Imports nothing heavy."""

from __future__ import annotations

from pytest_biasaudit.compression.method import Method, SettingRule

ROOM = "pytest_biasaudit.compression.quantization"
LM_HEAD = SettingRule(kind="boolean", default=False, valid="true or false")

ROUNDING = Method(
    action="quantize",
    name="rtn",
    does="rounds the weights of the linear layers to the nearest of 2^bits levels and stores them dequantised",
    settings={
        "bits": SettingRule(kind="integer", default=8, valid="2 to 8", choices=(2, 3, 4, 5, 6, 7, 8)),
        "group_size": SettingRule(
            kind="integer",
            default=None,
            valid="a positive integer, or absent for one scale a row",
            low=1,
            optional=True,
        ),
        "symmetric": SettingRule(kind="boolean", default=True, valid="true or false"),
        "lm_head": LM_HEAD,
    },
    applied_by=f"{ROOM}.rtn:apply",
)

CASTING = (
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

TORCHAO = (
    Method(
        action="quantize",
        name="int8-dynamic",
        does="torchao: int8 weights by row, and activations to int8 by token at each call",
        settings={"lm_head": LM_HEAD},
        applied_by=f"{ROOM}.with_torchao:apply",
        needs=("torchao",),
    ),
    Method(
        action="quantize",
        name="int8-weight-only",
        does="torchao: int8 weights by row, activations as they are",
        settings={"lm_head": LM_HEAD},
        applied_by=f"{ROOM}.with_torchao:apply",
        needs=("torchao",),
    ),
    Method(
        action="quantize",
        name="float8-weight-only",
        does="torchao: float8 (e4m3) weights by row, activations as they are",
        settings={"lm_head": LM_HEAD},
        applied_by=f"{ROOM}.with_torchao:apply",
        needs=("torchao",),
    ),
    Method(
        action="quantize",
        name="int4-weight-only",
        does="torchao: packed int4 weights by group; CUDA only, with the package mslk",
        settings={
            "group_size": SettingRule(
                kind="integer", default=128, valid="32, 64, 128 or 256", choices=(32, 64, 128, 256)
            ),
            "lm_head": LM_HEAD,
        },
        applied_by=f"{ROOM}.with_torchao:apply",
        needs=("torchao",),
        device="cuda",
    ),
)

BITSANDBYTES = (
    Method(
        action="quantize",
        name="nf4",
        does="bitsandbytes: 4-bit NF4 weights in blocks of 64",
        settings={
            "double_quant": SettingRule(kind="boolean", default=False, valid="true or false"),
            "lm_head": LM_HEAD,
        },
        applied_by=f"{ROOM}.with_bitsandbytes:nf4",
        needs=("bitsandbytes",),
    ),
    Method(
        action="quantize",
        name="bnb-int8",
        does="bitsandbytes' LLM.int8(): int8 weights and activations, columns of outliers kept apart",
        settings={
            "threshold": SettingRule(
                kind="number", default=6.0, valid="a number, at least 0; 0 keeps no outlier apart", low=0.0
            ),
            "lm_head": LM_HEAD,
        },
        applied_by=f"{ROOM}.with_bitsandbytes:int8",
        needs=("bitsandbytes",),
    ),
)

HQQ = Method(
    action="quantize",
    name="hqq",
    does="hqq: levels by group with scales fitted by half-quadratic optimisation, packed",
    settings={
        "bits": SettingRule(kind="integer", default=4, valid="2, 3, 4 or 8", choices=(2, 3, 4, 8)),
        "group_size": SettingRule(
            kind="integer", default=64, valid="a positive multiple of 8", choices=tuple(range(8, 1025, 8))
        ),
        "lm_head": LM_HEAD,
    },
    applied_by=f"{ROOM}.with_hqq:apply",
    needs=("hqq",),
)

QUANTO = Method(
    action="quantize",
    name="quanto",
    does="optimum-quanto: int8 weights by row, or packed int4 weights by group",
    settings={
        "bits": SettingRule(kind="integer", default=8, valid="4 or 8", choices=(4, 8)),
        "lm_head": LM_HEAD,
    },
    applied_by=f"{ROOM}.with_quanto:apply",
    needs=("optimum-quanto",),
)

TORCH_DYNAMIC = Method(
    action="quantize",
    name="torch-dynamic",
    does="torch's quantize_dynamic on every torch.nn.Linear, the head included, as the compression study called it",
    settings={
        "dtype": SettingRule(kind="word", default="qint8", valid='"qint8" or "float16"', words=("qint8", "float16")),
        "lm_head": SettingRule(kind="boolean", default=True, valid="true or false"),
    },
    applied_by=f"{ROOM}.torch_dynamic:apply",
    caution=(
        "torch-dynamic is the call of the compression study, kept to rerun it: torch has deprecated it, and in qint8 it "
        "quantises activations by whole tensors, which makes some language models useless (SmolLM2-135M: more than "
        "three times the perplexity). Choose int8-dynamic or int8-weight-only for a model that ships."
    ),
)

METHODS: tuple[Method, ...] = (ROUNDING, *CASTING, *TORCHAO, *BITSANDBYTES, HQQ, QUANTO, TORCH_DYNAMIC)

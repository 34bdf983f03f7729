"""Tiny random models of many architectures, for tests of heads and neurons: every wiring is real, no weights are needed."""

from __future__ import annotations

from typing import Any

import torch

SMALL: dict[str, Any] = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED: dict[str, Any] = {**SMALL, "num_key_value_heads": 2}
SLIDING: dict[str, Any] = {"sliding_window": 4}

DECODERS: dict[str, dict[str, Any]] = {
    "llama": GROUPED,
    "mistral": {**GROUPED, **SLIDING},
    "qwen2": GROUPED,
    "qwen3": {**GROUPED, "head_dim": 16},
    "gemma": {**GROUPED, "head_dim": 16},
    "gemma2": {**GROUPED, "head_dim": 16, **SLIDING},
    "gemma3_text": {**GROUPED, "head_dim": 16, **SLIDING},
    "phi": SMALL,
    "phi3": GROUPED,
    "olmo2": GROUPED,
    "stablelm": GROUPED,
    "cohere": GROUPED,
    "granite": GROUPED,
    "smollm3": GROUPED,
    "starcoder2": {**GROUPED, **SLIDING},
    "gpt2": {**SMALL, "n_inner": 48},
    "gpt_neox": SMALL,
    "gptj": {**SMALL, "n_inner": 48, "rotary_dim": 4},
    "gpt_neo": {**SMALL, "num_layers": 3, "attention_types": [[["global", "local", "global"], 1]], "window_size": 4},
    "opt": {**SMALL, "ffn_dim": 48, "word_embed_proj_dim": 32},
    "bloom": SMALL,
    "falcon": {**SMALL, "new_decoder_architecture": True, "num_kv_heads": 2},
    "mpt": {"vocab_size": 120, "d_model": 32, "n_heads": 4, "n_layers": 3, "max_seq_len": 64},
}
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": SMALL,
    "roberta": {**SMALL, "pad_token_id": 1},
    "xlm-roberta": {**SMALL, "pad_token_id": 1},
    "distilbert": {"vocab_size": 120, "dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48},
    "albert": {**SMALL, "embedding_size": 16},
    "electra": {**SMALL, "embedding_size": 16},
    "deberta-v2": {**SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "modernbert": {**SMALL, "global_attn_every_n_layers": 2, "local_attention": 4, "reference_compile": False},
}
BOTH: dict[str, dict[str, Any]] = {
    "t5": {
        "vocab_size": 120,
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 48,
        "num_layers": 3,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "decoder_start_token_id": 0,
    },
    "bart": {
        "vocab_size": 120,
        "d_model": 32,
        "encoder_layers": 3,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 40,
        "max_position_embeddings": 64,
    },
}
ARCHITECTURES: dict[str, dict[str, Any]] = {**DECODERS, **ENCODERS, **BOTH}
"""The 33 whose heads and neurons have both been found and checked."""

EXPERTS: dict[str, dict[str, Any]] = {
    "mixtral": {**GROUPED, "num_local_experts": 4},
    "qwen3_moe": {**GROUPED, "head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
}
STATE_SPACE: dict[str, dict[str, Any]] = {
    "mamba": {"vocab_size": 120, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}
}


def tiny(architecture: str, seed: int = 0, **settings: Any) -> Any:
    """A random model of that architecture in evaluation mode, its weights drawn anew so that every part has an effect.

    settings  beside those of the table, or in their place
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

    known = {**ARCHITECTURES, **EXPERTS, **STATE_SPACE}.get(architecture, SMALL)
    config = AutoConfig.for_model(architecture, **{**known, **settings})
    loader: Any = AutoModelForCausalLM
    if architecture in ENCODERS:
        loader = AutoModelForMaskedLM
    if architecture in BOTH:
        loader = AutoModelForSeq2SeqLM
    torch.manual_seed(seed)
    model = loader.from_config(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(drawn * (0.5 if "embed" in name or "wte" in name else 0.15))
            elif name.endswith("bias"):
                parameter.copy_(drawn * 0.1)  # zero as built, which would hide a bias that is left behind
    return model.eval()


def tokens_for(model: Any, *, rows: int = 2, length: int = 7, seed: int = 0) -> dict[str, torch.Tensor]:
    """What to call the model with: random tokens; a decoder's beginning too where the model has both halves."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(3, 119, (rows, length + 4), generator=generator)
    asked = {"input_ids": drawn[:, :length]}
    if model.config.is_encoder_decoder:
        asked["decoder_input_ids"] = drawn[:, length:]
    return asked


def logits_of(model: Any, **asked: torch.Tensor) -> torch.Tensor:
    """(rows, tokens, vocabulary) of the model on `tokens_for` it, or on what is asked."""
    with torch.inference_mode():
        logits: torch.Tensor = model(**(asked or tokens_for(model))).logits
    return logits.clone()

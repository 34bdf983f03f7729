"""Tiny random language models and a byte tokenizer, for tests: no weights are needed, every architecture is real."""

from __future__ import annotations

from typing import Any

import torch

SMALL: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 256,
}

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {**SMALL, "num_key_value_heads": 2},
    "mistral": {**SMALL, "num_key_value_heads": 2, "sliding_window": 64},
    "qwen2": {**SMALL, "num_key_value_heads": 2},
    "gemma2": {**SMALL, "num_key_value_heads": 2, "head_dim": 8, "final_logit_softcapping": 5.0},
    "granite": {**SMALL, "num_key_value_heads": 2, "logits_scaling": 3.0},
    "phi": {**SMALL},
    "gpt_neox": {**SMALL},
    "gpt2": {"vocab_size": 300, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "opt": {**SMALL, "ffn_dim": 48, "word_embed_proj_dim": 32},
    "bloom": {"vocab_size": 300, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    "mamba": {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8},
}


def tiny(architecture: str = "llama", seed: int = 0) -> Any:
    """A random model of that architecture, with weights large enough for its answers to differ."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    settings = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, **ARCHITECTURES[architecture]}
    config = AutoConfig.for_model(architecture, **settings)
    build: Any = AutoModelForCausalLM.from_config
    model = build(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * (0.5 if "embed" in name else 0.15))
    return model.eval()


def byte_tokenizer(chat_template: str | None = None) -> Any:
    """One token a byte; 0 padding, 1 beginning, 2 end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": 0, "<s>": 1, "</s>": 2, **{letter: index for index, letter in enumerate(letters, 3)}}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(
        tokenizer_object=backend,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = chat_template
    return tokenizer


def word_tokenizer(words: list[str]) -> Any:
    """One token a word, words told apart by blanks; 0 padding and unknown, 1 beginning, 2 end."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: index for index, token in enumerate(["<pad>", "<s>", "</s>", *words])}
    backend = Tokenizer(models.WordLevel(vocab=vocabulary, unk_token="<pad>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=backend, pad_token="<pad>", unk_token="<pad>", bos_token="<s>", eos_token="</s>")

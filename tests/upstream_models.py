"""Tiny random models whose tokens are words, for tests of interventions upstream: causal, masked and encoder."""

from __future__ import annotations

from typing import Any

from pytest_biasaudit.mitigation.data.word_pairs import GENDER
from pytest_biasaudit.mitigation.upstream.sentences import sentences_of
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.encoder import EncoderModel
from pytest_biasaudit.models.identity import config_sha256, tensors_sha256
from pytest_biasaudit.models.masked import MaskedModel
from pytest_biasaudit.models.protocol import ModelIdentity
from tests.tiny_architectures import tiny


def words() -> list[str]:
    """Every word of our own frames, in small letters, and a full stop."""
    own = sentences_of(None, GENDER)
    lines = [*own.neutral, *(one for pair in own.pairs for one in pair)]
    return sorted({word for line in lines for word in line.lower().replace(".", " .").replace(",", " ,").split()})


def tokenizer() -> Any:
    """BERT's family over those words, one token a word."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words()]
    backend = Tokenizer(models.WordLevel(vocab={token: at for at, token in enumerate(tokens)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast: Any = PreTrainedTokenizerFast
    return fast(
        tokenizer_object=backend,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        bos_token="[CLS]",
        eos_token="[SEP]",
    )


def _identity(module: Any, lacks: str = "") -> ModelIdentity:
    return ModelIdentity(
        name="tiny",
        source="test",
        weights_sha256=tensors_sha256(module),
        config_sha256=config_sha256(module),
        architecture=type(module).__name__,
        dtype="float32",
        lacks=lacks,
    )


def tiny_causal(architecture: str = "llama", seed: int = 0, **settings: Any) -> CausalModel:
    module = tiny(architecture, seed=seed, vocab_size=len(words()) + 8, **settings)
    return CausalModel(module, tokenizer(), _identity(module))


def tiny_masked(architecture: str = "bert", seed: int = 0, **settings: Any) -> MaskedModel:
    module = tiny(architecture, seed=seed, vocab_size=len(words()) + 8, pad_token_id=0, **settings)
    return MaskedModel(module, tokenizer(), _identity(module))


def tiny_encoder(architecture: str = "bert", seed: int = 0) -> EncoderModel:
    body: Any = tiny_masked(architecture, seed=seed).module.base_model
    return EncoderModel(body, tokenizer(), _identity(body, lacks="the file holds a body alone"))

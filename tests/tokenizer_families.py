"""Tiny tokenizers of every family, trained on a few sentences of our own: for tests of where a name stands in tokens."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXT = [
    "The seller wants to know what price would be fair for a used car, an oven or a garden chair.",
    "How much should someone offer for it? Give a number, please, and do not explain it.",
    "Many shops were open when the others had left; several people asked what a small repair would cost.",
    "Darn, the bell and the shelf were sold at a loss to a lady who had a tan coat and a shiny ring.",
    "Latin is taught on Monday, Ebony is a dark wood, heaven is above, and every name here is unique.",
    "He said: it's late, don't wait. 'Tis nothing new, isn't it? They're off to the market at 5 o'clock.",
    "Kay, Jay and Ty ran on; Dan and Ann were there too. Mat, Meg and Steve came by train at 10:30.",
]
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
# The rule by which tiktoken's encodings and Llama 3 split, written anew: contractions, words with what stands before
# them, numbers of up to three digits, signs, line breaks, blanks.
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _wrapped(backend: Tokenizer, **special: str) -> Any:
    from transformers import PreTrainedTokenizerFast

    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=backend, clean_up_tokenization_spaces=False, **special)


def byte_level_bpe() -> Any:
    """GPT-2's."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    return _wrapped(backend, pad_token="<pad>", eos_token="</s>")


def byte_level_with_prefix() -> Any:
    """RoBERTa's: a blank is set before the text, offsets are trimmed, special tokens stand around it."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    backend.post_processor = processors.RobertaProcessing(("</s>", 3), ("<s>", 2), trim_offsets=True)
    return _wrapped(backend, pad_token="<pad>", bos_token="<s>", eos_token="</s>")


def tiktoken_like() -> Any:
    """Llama 3's and GPT-4's: split by a rule, then bytes."""
    backend = Tokenizer(models.BPE(ignore_merges=True))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 2)])
    return _wrapped(backend, pad_token="<pad>", bos_token="<s>", eos_token="</s>")


def metaspace_unigram() -> Any:
    """T5's: SentencePiece's unigram, blanks as signs, an end token."""
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    letters = [chr(code) for code in range(33, 127)]
    backend.train_from_iterator(
        TEXT,
        trainers.UnigramTrainer(
            vocab_size=320, special_tokens=SPECIAL, unk_token="<unk>", initial_alphabet=letters, show_progress=False
        ),
    )
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 3)])
    return _wrapped(backend, pad_token="<pad>", unk_token="<unk>", eos_token="</s>")


def byte_fallback() -> Any:
    """Llama 2's and Gemma's: SentencePiece's merges over whole sentences, unknown letters as bytes. Knows few letters."""
    backend = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1, right=0),
        ]
    )
    plain = [line.translate(str.maketrans("", "", "DKLJT'")) for line in TEXT]
    backend.train_from_iterator(
        plain, trainers.BpeTrainer(vocab_size=420, special_tokens=[*SPECIAL, *BYTES], show_progress=False)
    )
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 2)])
    return _wrapped(backend, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def wordpiece(*, lower: bool) -> Any:
    """BERT's, cased and uncased."""
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=lower)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    letters = [chr(code) for code in range(33, 127)]
    inside = " ".join(f"x{letter}" for letter in letters if letter.isalnum())  # every letter within a word too
    backend.train_from_iterator(
        [*TEXT, inside],
        trainers.WordPieceTrainer(
            vocab_size=420, special_tokens=special, initial_alphabet=letters, show_progress=False
        ),
    )
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return _wrapped(backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")


def characters() -> Any:
    """One token a character, blanks too."""
    letters = [chr(code) for code in range(32, 127)]
    vocabulary = {token: at for at, token in enumerate([*SPECIAL, *letters])}
    backend = Tokenizer(models.WordLevel(vocab=vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    backend.decoder = decoders.Fuse()
    return _wrapped(backend, pad_token="<pad>", unk_token="<unk>")


def whole_words() -> Any:
    """One token a word or sign; names are unknown, and still have a place."""
    backend = Tokenizer(models.WordLevel(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.train_from_iterator(TEXT, trainers.WordLevelTrainer(special_tokens=SPECIAL, show_progress=False))
    return _wrapped(backend, pad_token="<pad>", unk_token="<unk>")


def long_pieces() -> Any:
    """Merges that run over blanks and signs, so that a token may hold more than the name."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    lines = [f"the seller {name}'s price" for name in ("Luke", "Amy", "D'Andre", "Latoya", "DaShawn", "Keyana")] * 9
    backend.train_from_iterator(
        lines,
        trainers.BpeTrainer(vocab_size=600, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    return _wrapped(backend, pad_token="<pad>", eos_token="</s>")


def slow_bytes() -> Any:
    """ByT5's, which is written in Python and gives no offsets."""
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()


TRAINED: dict[str, Callable[[], Any]] = {
    "byte-level BPE": byte_level_bpe,
    "byte-level BPE with a prefix": byte_level_with_prefix,
    "tiktoken's split rule": tiktoken_like,
    "metaspace unigram": metaspace_unigram,
    "byte fallback": byte_fallback,
    "WordPiece, cased": lambda: wordpiece(lower=False),
    "WordPiece, lower case": lambda: wordpiece(lower=True),
    "characters": characters,
    "whole words": whole_words,
    "pieces over blanks": long_pieces,
    "bytes, without offsets": slow_bytes,
}


@cache
def trained(family: str) -> Any:
    """A tokenizer of that family, trained once a run."""
    return TRAINED[family]()

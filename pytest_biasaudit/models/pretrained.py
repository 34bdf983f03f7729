"""A transformers folder or hub id, loaded strictly. Imports torch and transformers when called.

Auto classes only, no code of the model's own, safetensors only. Every weight that is read comes from the file: what
is missing in a body is an error; a head that is missing altogether is taken off and named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.kind import (
    MEAN_POOLED,
    Kind,
    classifies_texts,
    kind_of,
    looks_both_ways,
    named_class,
    unclassifying,
)

if TYPE_CHECKING:
    import torch

HEADS = {"causal": "language-model", "masked": "masked-language"}


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """What came out of a folder or the hub."""

    module: torch.nn.Module
    tokenizer: Any
    kind: Kind
    """What it turned out to be: an encoder where the head has no weights."""
    lacks: str
    """See `ModelIdentity.lacks`."""


def load_pretrained(
    place: str,
    source: str,
    *,
    kind: Kind | None,
    dtype: str,
    offline: bool,
    revision: str | None = None,
    hub: bool = False,
) -> Pretrained:
    """The module and tokenizer at a place: a folder, or a hub id (`hub`).

    kind  as declared; None: what the configuration says

    Raises ModelError: not to be had, no tokenizer, not safetensors, weights missing, mismatched or unreadable, or a kind
    that the architecture cannot be.
    """
    import torch
    import transformers

    common: dict[str, Any] = {"trust_remote_code": False, "local_files_only": offline, "revision": revision or "main"}
    try:
        config: Any = transformers.AutoConfig.from_pretrained(place, **common)
        wanted = kind or kind_of(config)
        _refuse_misfit(config, wanted, source)
        auto: Any = {
            "causal": transformers.AutoModelForCausalLM,
            "masked": transformers.AutoModelForMaskedLM,
            "encoder": transformers.AutoModel,
            "classifier": transformers.AutoModelForSequenceClassification,
        }[wanted]
        own: dict[str, Any] = {}
        if named_class(config) == MEAN_POOLED and wanted == "classifier":
            from pytest_biasaudit.models.mean_pooled import MeanPooledClassifier

            auto, own = MeanPooledClassifier, {"config": config}
        module, info = auto.from_pretrained(
            place,
            **own,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **common,
        )  # mismatches are reported by name, and refused below
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, **common)
    except ModelError:
        raise
    except Exception as error:  # hub, file system, safetensors and config errors alike: the model cannot be had
        hint = " (offline: only what is in the local hub cache can be used)" if offline and hub else ""
        raise ModelError(f"source {source!r} cannot be loaded{hint}: {first_line(error)}") from error
    lacks = ""
    if wanted == "encoder":
        _without_unread_pooler(module, info)
        lacks = _why_no_language_model(config, kind)
    elif wanted == "classifier":
        lacks = "it gives labels, and predicts no word"
    elif kind is not None or named_class(config):
        lacks = _missing_head(module, info, wanted)
        if lacks:
            module, info, wanted = module.base_model, {}, "encoder"
    refuse_gaps(info, source)
    for part in module.modules():
        if hasattr(part, "support_avx512bf16_for_cpu"):
            # bitsandbytes would repack the layer in the first call: weights that change by being asked.
            part.support_avx512bf16_for_cpu = False
    return Pretrained(module=_placed(module), tokenizer=tokenizer, kind=wanted, lacks=lacks)


def refuse_gaps(info: dict[str, Any], source: str) -> None:
    """Raises ModelError when the file did not fill every weight: what is missing would be random numbers."""
    for key, words in (
        ("missing_keys", "missing"),
        ("mismatched_keys", "of another shape"),
        ("error_msgs", "unreadable"),
    ):
        found = sorted(str(item) for item in info.get(key) or ())
        if found:
            shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
            raise ModelError(
                f"source {source!r}: {len(found)} weights are {words} ({shown}); they would be random numbers, and a model "
                "with random weights looks fair. Check that the file belongs to this architecture"
            )


def first_line(error: Exception) -> str:
    """The class of an error of others and the first line it says, for the end of a message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def _refuse_misfit(config: Any, kind: Kind, source: str) -> None:
    """Raises ModelError where the architecture would load as that kind and give numbers that mean nothing."""
    if kind == "classifier":
        _refuse_no_classifier(config, source)
    if kind == "causal" and looks_both_ways(config):
        raise ModelError(
            f"source {source!r}: a {config.model_type} model that is not set up as a decoder sees the words after a gap "
            "too, so it has no next-token likelihood; declare kind = 'masked'"
        )
    if kind in ("masked", "encoder") and getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"source {source!r}: a {config.model_type} model is an encoder with a decoder; it can be read neither as a "
            "masked language model nor as an encoder here"
        )


def _refuse_no_classifier(config: Any, source: str) -> None:
    """Raises ModelError where a file holds no head that gives one label of several: its weights would be random."""
    name = named_class(config)
    if name and not classifies_texts(name):
        raise ModelError(
            f"source {source!r}: kind = 'classifier' is declared, and the file holds a {name}, which has no classifier "
            "head; fine-tune it on a labelled table first (biasaudit_finetune)"
        )
    why = unclassifying(config)
    if why:
        raise ModelError(f"source {source!r}: kind = 'classifier' is declared, and {why}")


def _missing_head(module: Any, info: dict[str, Any], kind: Kind) -> str:
    """In words, what of the head has no weights; "" where the head is whole, or more than the head is missing."""
    missing = sorted(str(name) for name in info.get("missing_keys") or ())
    inside = f"{module.base_model_prefix}."
    if not missing or module.base_model is module or any(name.startswith(inside) for name in missing):
        return ""
    if info.get("mismatched_keys") or info.get("error_msgs"):
        return ""
    # Two names for one tensor, such as a bias tied to the decoder's, are one gap.
    state = module.state_dict()
    distinct = list({(state[name].data_ptr() if name in state else name): name for name in reversed(missing)}.values())
    distinct.sort()
    shown = ", ".join(distinct[:2]) + (", ..." if len(distinct) > 2 else "")
    count = f"{len(distinct)} tensor{'s' if len(distinct) != 1 else ''}"
    return f"the file has no weights for the {HEADS[kind]} head ({shown}; {count})"


def _why_no_language_model(config: Any, declared: Kind | None) -> str:
    name = named_class(config)
    if declared is None:
        return f"the file holds a {name}, which has no language-model head"
    return f"it is declared with kind = 'encoder', so no language-model head is loaded (the file holds a {name or 'model'})"


def _without_unread_pooler(module: Any, info: dict[str, Any]) -> None:
    """Takes off a pooler that the file does not have; hidden states do not pass through it, and it would be random."""
    missing = {str(name) for name in info.get("missing_keys") or ()}
    pooler = {name for name in missing if name.startswith("pooler.")}
    if pooler and getattr(module, "pooler", None) is not None:
        module.pooler = None
        info["missing_keys"] = missing - pooler


def _placed(module: torch.nn.Module) -> torch.nn.Module:
    """On the device at hand; quantised weights stay where their back end has put them."""
    if getattr(module, "is_quantized", False):
        return module
    return module.to(_device())


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"

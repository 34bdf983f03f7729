"""A body with a new classifier head, from any transformer with its weights at hand. Imports torch and transformers.

The body is a copy of the model's own, hooks and all; the head's weights are drawn under the seed.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import torch

from pytest_biasaudit.compression.copying import copy_of
from pytest_biasaudit.errors import RecipeError, TrainingError
from pytest_biasaudit.models.kind import MEAN_POOLED, looks_both_ways, pads
from pytest_biasaudit.models.transformer import TransformerModel

Pooling = Literal["own", "mean"]


def pooling_of(base: TransformerModel, wanted: Pooling | None, *, frozen: bool) -> Pooling:
    """What the head reads, where the settings leave it open: see `FineTuning.pooling`."""
    from pytest_biasaudit.models.encoder import EncoderModel

    if wanted is not None:
        return wanted
    module: Any = base.module
    if type(module).__name__ == MEAN_POOLED:
        return "mean"
    both_ways = looks_both_ways(module.config) if hasattr(module, "config") else False
    return "mean" if both_ways and (frozen or isinstance(base, EncoderModel)) else "own"


def with_head(
    base: TransformerModel, labels: Sequence[str], *, pooling: Pooling, seed: int, frozen: bool = False
) -> Any:
    """A sequence classifier of transformers in float32: the base's body, copied, and a head of random weights.

    frozen  the head alone will be fitted

    Raises TrainingError for a model that no such classifier can be made of, and for quantised weights.
    """
    _refuse_unteachable(base)
    module: Any = base.module
    config = _config_with(module.config, labels, base.tokenizer)
    with torch.random.fork_rng():
        torch.manual_seed(seed % 2**63)
        made = _built(config, base, pooling)
    body = _body_of(base)
    place = made.base_model_prefix
    fresh: Any = getattr(made, place, None)
    if type(fresh) is not type(body):
        raise TrainingError(
            f"{base.identity.name}: a {type(made).__name__} stands on a {type(fresh).__name__}, and its body is a "
            f"{type(body).__name__}"
        )
    if pooling == "mean":
        if getattr(body, "pooler", None) is not None:
            body.pooler = None
    elif getattr(body, "pooler", None) is None and getattr(fresh, "pooler", None) is not None:
        if frozen:
            raise TrainingError(
                f"{base.identity.name}: frozen with pooling = 'own' reads a pooler, which this model lacks, and a new one "
                "of random weights would never be taught; leave pooling out"
            )
        body.pooler = fresh.pooler
    setattr(made, place, body)
    return made.float().to(_device_of(module)).eval()


def head_names(module: Any) -> frozenset[str]:
    """Names of the parameters that are no part of the body."""
    inside = f"{module.base_model_prefix}."
    return frozenset(name for name, _ in module.named_parameters() if not name.startswith(inside))


def embedding_names(module: Any) -> frozenset[str]:
    """Names of the tables of embeddings: of words, positions and segments."""
    return frozenset(
        f"{name}.{own}"
        for name, part in module.named_modules()
        if isinstance(part, torch.nn.Embedding)
        for own, _ in part.named_parameters(recurse=False)
    )


def last_layers(module: Any, count: int) -> frozenset[str]:
    """Names of the parameters of the body's last `count` layers, and of what comes after them.

    Raises TrainingError where the body has no list of layers, or fewer.
    """
    body = getattr(module, module.base_model_prefix)
    layers = getattr(body.config.get_text_config(), "num_hidden_layers", None)
    lists = [
        name
        for name, part in body.named_modules()
        if isinstance(part, torch.nn.ModuleList) and layers is not None and len(part) == layers
    ]
    if len(lists) != 1:
        raise TrainingError(f"layers = {count}: {type(body).__name__} has no one list of its layers; leave layers out")
    assert layers is not None
    if count > layers:
        raise TrainingError(f"layers = {count}: {type(body).__name__} has {layers}")
    path = f"{module.base_model_prefix}.{lists[0]}."
    names = [name for name, _ in module.named_parameters()]
    inside = [at for at, name in enumerate(names) if name.startswith(path)]
    late = {
        name for name in names if name.startswith(path) and int(name[len(path) :].partition(".")[0]) >= layers - count
    }
    return frozenset(late | set(names[inside[-1] + 1 :]))


# -- inside ---------------------------------------------------------------------------------------------------------------


def _refuse_unteachable(base: TransformerModel) -> None:
    from transformers import PreTrainedModel

    module, name = base.module, base.identity.name
    if not isinstance(module, PreTrainedModel):
        raise TrainingError(
            f"{name}: only a model of transformers can be fine-tuned; this is a {type(module).__name__}"
        )
    if getattr(module.config, "is_encoder_decoder", False):
        raise TrainingError(
            f"{name}: a {type(module).__name__} is an encoder with a decoder, which is not fine-tuned here"
        )
    odd = [
        key
        for key, one in module.named_parameters()
        if not one.is_floating_point() or type(one) is not torch.nn.Parameter or type(one.data) is not torch.Tensor
    ]
    if odd or getattr(module, "is_quantized", False):
        raise TrainingError(f"{name}: its weights are quantised and cannot be taught; fine-tune first, then quantise")


def _config_with(config: Any, labels: Sequence[str], tokenizer: Any) -> Any:
    """The configuration with the labels in it, and a padding token: rows of several lengths stand in one batch."""
    made = copy.deepcopy(config)
    made.id2label = dict(enumerate(labels))
    made.label2id = {label: number for number, label in enumerate(labels)}
    made.problem_type = "single_label_classification"
    made.architectures = None
    if not pads(made):
        padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        made.pad_token_id = padding
        if hasattr(made.get_text_config(), "pad_token_id"):
            made.get_text_config().pad_token_id = padding
    return made


def _built(config: Any, base: TransformerModel, pooling: Pooling) -> Any:
    from transformers import AutoModelForSequenceClassification
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    if pooling == "mean":
        from pytest_biasaudit.models.mean_pooled import MeanPooledClassifier

        if not looks_both_ways(config):
            raise TrainingError(
                f"{base.identity.name}: pooling = 'mean' is for encoders, which see a text from both sides; leave it out"
            )
        return MeanPooledClassifier(config)
    if type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        raise TrainingError(
            f"{base.identity.name}: transformers has no sequence classifier for {config.model_type}; "
            "for an encoder, pooling = 'mean' has a head of ours"
        )
    if not looks_both_ways(config) and not pads(config):
        raise TrainingError(
            f"{base.identity.name}: neither configuration nor tokenizer names a padding or end-of-text token, so a causal "
            "classifier could not tell a text's last token in a batch; set tokenizer.pad_token"
        )
    build: Any = AutoModelForSequenceClassification.from_config
    return build(config)


def _body_of(base: TransformerModel) -> Any:
    """A copy of what stands under the model's head."""
    module: Any = base.module
    try:
        return copy_of(module.base_model)
    except RecipeError as fault:
        raise TrainingError(f"{base.identity.name}: {fault}") from fault


def _device_of(module: torch.nn.Module) -> torch.device:
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))

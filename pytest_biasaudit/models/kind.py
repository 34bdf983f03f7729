"""Which kind of model a configuration describes, where the model table does not say. Imports transformers when called.

Knows names only: nothing is loaded. What a file then lacks is found in loading it.
"""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

Kind = Literal["causal", "masked", "encoder", "vectors", "classifier"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MEAN_POOLED = "MeanPooledClassifier"
"""Our own class for encoders whose architecture has no head over the mean of the tokens."""
CLASSIFIERS = re.compile(r"Classification|QuestionAnswering|MultipleChoice|NextSentencePrediction")


def kind_of(config: Any) -> Kind:
    """Causal, masked, classifier or encoder, by the class the configuration names, else by what its type is made for.

    A class that predicts labels counts as a classifier where `unclassifying` finds nothing against it, else as an encoder:
    its body is whole, and a language-model head tied to the input embedding would look whole too.
    """
    from transformers.models.auto import modeling_auto as auto

    name = named_class(config)
    kind = getattr(config, "model_type", "")
    bodies = auto.MODEL_MAPPING_NAMES.get(kind, ())
    if classifies_texts(name) and not unclassifying(config) and not unnamed_labels(config):
        return "classifier"
    if name in ((bodies,) if isinstance(bodies, str) else bodies) or CLASSIFIERS.search(name):
        return "encoder"
    if name.endswith("ForMaskedLM") or looks_both_ways(config):
        named_causal = (
            name.endswith(("ForCausalLM", "LMHeadModel")) and name != auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES[kind]
        )
        return "causal" if named_causal else "masked"
    return "causal"


def classifies_texts(name: str) -> bool:
    """Whether a class of that name gives one set of labels for a whole text."""
    return name.endswith("ForSequenceClassification") or name == MEAN_POOLED


def labels_of(config: Any) -> tuple[str, ...]:
    """The labels that a configuration names, in the order of the logits."""
    named = getattr(config, "id2label", None) or {}
    return tuple(str(named[key]).strip() for key in sorted(named, key=int))


def unnamed_labels(config: Any) -> bool:
    """Whether the labels are transformers' own stand-ins: LABEL_0, LABEL_1 and so on."""
    return all(re.fullmatch(r"LABEL_\d+", label) for label in labels_of(config))


def unclassifying(config: Any) -> str:
    """Why a configuration does not say one label of several, in words; "" where it does."""
    labels, problem = labels_of(config), getattr(config, "problem_type", None)
    if problem == "multi_label_classification":
        return (
            "problem_type is 'multi_label_classification': a text may have several labels, and an audit needs one; wrap it "
            "in a CallableClassifier that gives one label a text"
        )
    if problem == "regression" or len(labels) < 2:
        return (
            f"it has {len(labels)} output{'s' if len(labels) != 1 else ''}"
            f"{' of a regression' if problem == 'regression' else ''}, and no probability of a label; wrap it in a "
            "CallableClassifier that gives probabilities of labels"
        )
    if len(set(labels)) < len(labels) or "" in labels:
        return f"id2label names one label twice, or none: {', '.join(map(repr, labels))}"
    return ""


def named_class(config: Any) -> str:
    """The class that wrote the weights, as the configuration says; "" where it does not."""
    return str((getattr(config, "architectures", None) or [""])[0])


def pads(config: Any) -> bool:
    """Whether a configuration names a padding token; some say -1 for none."""
    padding = getattr(config, "pad_token_id", None)
    return isinstance(padding, int) and padding >= 0


def looks_both_ways(config: Any) -> bool:
    """Whether a word is seen from both sides: a type made for masked language modelling, not set up as a decoder.

    Such a body with a next-token head gives numbers that look like likelihoods and are none: it has seen the answer.
    """
    from transformers.models.auto import modeling_auto as auto

    if getattr(config, "model_type", "") not in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return False
    # `causal` is what XLM and Flaubert call it; of an encoder with decoder, causal classes take the decoder only.
    return not any(getattr(config, key, False) for key in ("is_decoder", "is_encoder_decoder", "causal"))

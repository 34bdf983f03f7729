"""A classifier head over the mean of an encoder's tokens, for architectures that have none of their own. Imports torch.

Sentence encoders are trained so that the mean of their last hidden states says what a text means; transformers' own heads
for them read the first token, through a pooler that such an encoder was never trained with.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from pytest_biasaudit.models.transformer import mean_of


class MeanPooledClassifier(PreTrainedModel):  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    """An encoder's body, dropout, and a linear layer over the mean of the real tokens' last hidden states.

    Saved and loaded as any model of transformers, by this package: its configuration is the encoder's own with the labels.
    """

    base_model_prefix = "body"
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: Any) -> None:
        inside = copy.deepcopy(config)  # how it attends is the body's own choice
        super().__init__(config)
        build: Any = AutoModel.from_config
        self.body = build(inside)
        if getattr(self.body, "pooler", None) is not None:
            self.body.pooler = None  # not passed through
        shares = (getattr(config, name, None) for name in ("classifier_dropout", "hidden_dropout_prob"))
        self.dropout = torch.nn.Dropout(next((share for share in shares if share is not None), 0.1))
        self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels)
        finish: Any = self.post_init  # transformers leaves it untyped
        finish()

    def forward(
        self, input_ids: torch.Tensor | None = None, attention_mask: torch.Tensor | None = None, **_: Any
    ) -> SequenceClassifierOutput:
        """Logits of shape (rows, labels) for token ids of shape (rows, tokens)."""
        assert input_ids is not None
        real = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        hidden = self.body(input_ids=input_ids, attention_mask=real).last_hidden_state
        logits = self.classifier(self.dropout(mean_of(hidden, real)))
        return SequenceClassifierOutput(logits=logits)

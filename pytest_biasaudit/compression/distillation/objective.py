"""What a student is to come close to: its teacher's probabilities, and, where asked for, its hidden states. Imports torch.

Formulas, natural logarithms throughout; p is the teacher's distribution over the vocabulary at a position, q the student's,
both softened by the temperature T: softmax(logits / T).

- divergence: T^2 x mean over positions of sum p ln(p / q). T^2 keeps the gradient's size when T changes: Hinton, Vinyals
  and Dean 2015, "Distilling the Knowledge in a Neural Network", section 2.
- hidden states: mean square of the difference, over positions, width and pairs of layers.
- labels: mean of -ln q(true token) at T = 1.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy

if TYPE_CHECKING:
    from pytest_biasaudit.training.plan import Batch

LEAST = 1e-7
"""What is left of a distribution beside its top tokens is held at this or more: its logarithm must be a number."""


def divergence(
    teacher: torch.Tensor, student: torch.Tensor, *, temperature: float = 1.0, top: int | None = None
) -> torch.Tensor:
    """Each position's T^2 x KL(teacher || student), in nats; (positions,).

    teacher, student  (positions, vocabulary) logits
    top               the teacher's likeliest tokens that are told apart; the rest counts as one token. Never more than
                      the divergence over all tokens, by the data-processing inequality
    """
    ours = (student.float() / temperature).log_softmax(-1)
    theirs = (teacher.float() / temperature).log_softmax(-1)
    if top is not None and top < theirs.shape[-1]:
        theirs, chosen = theirs.topk(top, dim=-1)
        ours = ours.gather(-1, chosen)
        theirs, ours = (torch.cat([logs, _rest(logs)], dim=-1) for logs in (theirs, ours))
    # exp(-inf) x -inf is NaN: a token that the teacher rules out has no part in the sum.
    parts = theirs.exp() * (theirs - ours).masked_fill(theirs == -torch.inf, 0.0)
    return temperature**2 * parts.sum(-1)


def _rest(logs: torch.Tensor) -> torch.Tensor:
    """The logarithm of the probability that the given tokens leave over."""
    return (1 - logs.exp().sum(-1, keepdim=True)).clamp_min(LEAST).log()


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The loss of a student on a batch; see `training.plan.Loss`.

    A batch has `input_ids` and `attention_mask`; `read`, which positions' distributions count; and `labels`, the true token
    of a position, -100 where there is none.
    """

    teacher: torch.nn.Module
    temperature: float
    top: int | None = None
    hidden_weight: float = 0.0
    label_weight: float = 0.0
    pairs: tuple[tuple[int, int], ...] = ()
    """(student's, teacher's) places among their hidden states, that are to become alike."""

    def __call__(self, student: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """The loss: divergence + hidden_weight x hidden states + label_weight x labels."""
        hidden = self.hidden_weight > 0
        with torch.no_grad():
            theirs = forward(self.teacher, batch, hidden=hidden)
        ours = forward(student, batch, hidden=hidden)
        read = batch["read"]
        loss = divergence(theirs.logits[read], ours.logits[read], temperature=self.temperature, top=self.top).mean()
        if hidden:
            real = batch["attention_mask"].bool()
            loss = loss + self.hidden_weight * hidden_gap(ours.hidden_states, theirs.hidden_states, self.pairs, real)
        if self.label_weight > 0:
            labels = batch["labels"][read]
            loss = loss + self.label_weight * cross_entropy(ours.logits[read].float(), labels, ignore_index=-100)
        return loss


def hidden_gap(
    student: Sequence[torch.Tensor],
    teacher: Sequence[torch.Tensor],
    pairs: Sequence[tuple[int, int]],
    real: torch.Tensor,
) -> torch.Tensor:
    """Mean square of the difference of the paired hidden states, over real positions, width and pairs."""
    gaps = [(student[mine][real].float() - teacher[their][real].float()).square().mean() for mine, their in pairs]
    return torch.stack(gaps).mean()


def forward(module: torch.nn.Module, batch: Batch, *, hidden: bool = False) -> Any:
    """The module's output on a batch, with hidden states where asked for, and without a cache."""
    extra: dict[str, Any] = {"output_hidden_states": True} if hidden else {}
    if "use_cache" in inspect.signature(module.forward).parameters:
        extra["use_cache"] = False
    return module(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], **extra)


@torch.no_grad()
def mean_divergence(teacher: torch.nn.Module, student: torch.nn.Module, batches: Sequence[Batch]) -> float:
    """Mean KL(teacher || student) at T = 1 over all positions read, in nats a position."""
    total, count = 0.0, 0
    for batch in batches:
        read = batch["read"]
        found = divergence(forward(teacher, batch).logits[read], forward(student, batch).logits[read])
        total += float(found.double().sum())
        count += found.numel()
    return total / count

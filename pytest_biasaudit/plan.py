"""What a context costs and what it can show, before any model is loaded: the text of `plan`. Loads no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_biasaudit.context.declaration import Audit, Context
from pytest_biasaudit.preview import Size, answer_in_words, people_in_words, size_of
from pytest_biasaudit.prompts.counterfactual import build_prompts

if TYPE_CHECKING:
    from pytest_biasaudit.records.evidence import Evidence


def plan_lines(context: Context, *, power: float, evidence: Evidence | None) -> list[str]:
    """Cost of each audit, and for each limit what its design can detect.

    power     chance to decide that the figures are given for
    evidence  an earlier run whose variance is used; None for assumed shares, which are printed beside

    Raises ContextError when the context's prompts cannot be built.
    """
    lines = [f"{context.path}: {context.id}"]
    for audit in context.audits:
        size = size_of(audit, build_prompts(context, audit, seed=0))
        lines.append(f"  audit {audit.id} ({answer_in_words(audit)})")
        lines.extend(f"    {line}" for line in _cost_lines(audit, size))
    return lines


def _cost_lines(audit: Audit, size: Size) -> list[str]:
    asked = f"{size.prompts} prompts a model: {size.templates} templates x ({people_in_words(size)})"
    if size.tokens:
        tokens = f"at most {size.tokens:,} generated tokens a model"
        return [asked, f"{tokens} ({size.answers:,} answers of up to {audit.outcome.max_new_tokens})"]
    options = len(audit.outcome.options or audit.outcome.scale)
    return [asked, f"no generated tokens: {options} options are scored after each prompt"]

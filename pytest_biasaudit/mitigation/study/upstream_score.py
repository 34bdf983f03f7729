"""The upstream bias of a study's labels: what its model leans to before it is fine-tuned. Imports torch through the model.

Groups are told by words that a plan gives; for women and men, spelt in any usual way, by "she" and "he".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.mitigation.study.plan import StudyPlan

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.study.run import Unit
    from pytest_biasaudit.models.protocol import Model

SPELT: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("men", "man", "male", "males", "m"), ("he",)),
    **dict.fromkeys(("women", "woman", "female", "females", "f", "w"), ("she",)),
}
"""Groups that need no words in the plan, in lower case."""


def words_of_group(plan: StudyPlan, group: str) -> tuple[str, ...]:
    """The words by which a sentence tells the group; none where the plan gives none and its name does not say."""
    return dict(plan.words).get(group) or SPELT.get(group.casefold(), ())


def score_words(plan: StudyPlan, model: Model, reference: str, groups: tuple[str, ...]) -> str:
    """What the score is, in words; why there is none, where there is none."""
    from pytest_biasaudit.mitigation.upstream.pronouns import UNITS, score_of

    lacking = [group for group in (reference, *groups) if not words_of_group(plan, group)]
    if reference in lacking or len(lacking) == len(groups):
        return f"none: no words tell {' and '.join(lacking)} in a sentence; give them in [study.words]"
    try:
        score = score_of(model)
    except ModelError as fault:
        return f"none: {fault}"
    said = ", ".join(
        f"{group} {'/'.join(words_of_group(plan, group))}" for group in (reference, *groups) if group not in lacking
    )
    return f"{score}, {UNITS[score]}, mean over frames, group minus reference ({said})"


def scores_of(
    plan: StudyPlan, model: Model, labels: tuple[str, ...], reference: str, groups: tuple[str, ...], *, batch_size: int
) -> Mapping[Unit, float]:
    """The score of each label and group; units that have none are left out."""
    from pytest_biasaudit.mitigation.upstream.pronouns import score_of, upstream_bias

    try:
        score_of(model)
    except ModelError:
        return {}
    of_reference = words_of_group(plan, reference)
    if not of_reference:
        return {}
    spoken = {label: dict(plan.label_names).get(label, label) for label in labels}
    found: dict[Unit, float] = {}
    for group in groups:
        words = words_of_group(plan, group)
        if not words:
            continue
        bias = upstream_bias(
            model,
            list(dict.fromkeys(spoken.values())),
            reference=(reference, of_reference),
            group=(group, words),
            level=plan.level,
            batch_size=batch_size,
        )
        for label in labels:
            value = bias.of(spoken[label]).value
            if value is not None:
                found[label, group] = value
    return found

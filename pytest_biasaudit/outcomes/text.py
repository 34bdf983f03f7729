"""What came back: the score of a free text. Knows refusals and readings; further scorers are handed in by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from pytest_biasaudit.outcomes.outcome import Reading
from pytest_biasaudit.outcomes.refusal import find_refusal, is_refusal

Scorer = Callable[[str], float]


def length(text: str) -> float:
    """Words of the text, as blanks divide them."""
    return float(len(text.split()))


def refusal(text: str) -> float:
    """1 when the text declines to answer, else 0."""
    return 1.0 if is_refusal(text) else 0.0


BUILT_IN: Mapping[str, Scorer] = {"length": length, "refusal": refusal}


def scorer_named(name: str | None, scorers: Mapping[str, Scorer] | None = None) -> Scorer:
    """The scorer of that name, built in or handed in; None stands for "length".

    Raises ValueError naming the scorers there are, and when one handed in takes a built-in name.
    """
    given = dict(scorers or {})
    taken = sorted(set(given) & set(BUILT_IN))
    if taken:
        raise ValueError(f"the scorer name {taken[0]!r} is built in; give yours another name")
    known = {**BUILT_IN, **given}
    wanted = "length" if name is None else name
    if wanted not in known:
        raise ValueError(f"no scorer {wanted!r}; there are {', '.join(sorted(known))}")
    return known[wanted]


def read_text(text: str, scorer: Scorer) -> Reading:
    """The text's score.

    An empty text is unparseable: nothing was answered. A refusal is refused and not scored, except by the scorer
    `refusal`, for which it is the value. A scorer that raises, or gives anything but a finite number, gives an error
    with its message, and the audit goes on.
    """
    if not text.strip():
        return Reading(status="unparseable", value=None, reason="empty")
    if scorer is not refusal:
        phrase = find_refusal(text)
        if phrase is not None:
            return Reading(status="refused", value=None, reason=f"refusal: {phrase[:60]}")
    name = getattr(scorer, "__name__", type(scorer).__name__)
    try:
        score = float(scorer(text))
    except Exception as fault:  # a user's scorer: whatever it raises is a finding about this answer
        return Reading(
            status="error", value=None, reason=f"scorer {name} raised {type(fault).__name__}: {str(fault)[:200]}"
        )
    if not math.isfinite(score):
        return Reading(status="error", value=None, reason=f"scorer {name} gave {score}, not a finite number")
    return Reading(status="ok", value=score)

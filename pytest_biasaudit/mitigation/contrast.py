"""Which two answers stand for more and for less, where a model answers in its own words. Imports numpy when asked.

A number that was written has no derivative. What has one is the log odds between two answers: the same two for every person of
a variation, so that what differs between groups is the model and not the yardstick.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt

NUMERAL = re.compile(r"\d(?:[\d.,]*\d)?")


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Two answers that the model gave in a variation, each as far as the numeral that was read in it."""

    high: str
    low: str
    high_value: float
    low_value: float


def contrast_of(prompts: Sequence[ScoredPrompt]) -> Contrast | None:
    """The contrast of one variation, from the answers of all its people, groups together; None where all are one value.

    The two values are those nearest to the lower and upper quartile of all that were read, so that neither is an outlier;
    where one value holds both quartiles, its neighbours below and above. Answers count as far as the numeral that was read:
    what a model goes on to say is not the number, and is cut off anywhere. Both are taken from answers of one form, which is
    the text with its numerals left out, and of forms the most common one that has two values: "$500" and "$700", not "$500"
    and "about 700", which would weigh the words and not the number. Where no form has two, form is ignored. Of several
    texts with one value and form the most common one is taken. An answer in which the value cannot be found as a numeral
    (in words, in a unit that was converted) is taken whole.
    """
    import numpy as np

    read = [
        (prompt.outcome.reading.value, as_far_as_read(prompt.outcome.text, prompt.outcome.reading.value))
        for prompt in prompts
        if prompt.outcome.reading.value is not None
    ]
    if len({value for value, _ in read}) < 2:
        return None
    low, high = (float(one) for one in np.quantile([value for value, _ in read], (0.25, 0.75)))
    texts = _texts_of_one_form(read)
    values = sorted(texts)
    low_value = min(values, key=lambda value: (abs(value - low), value))
    high_value = min(values, key=lambda value: (abs(value - high), -value))
    if low_value >= high_value:
        at = values.index(high_value)
        low_value, high_value = values[max(0, at - 1)], values[min(len(values) - 1, at + 1)]
    return Contrast(high=texts[high_value], low=texts[low_value], high_value=high_value, low_value=low_value)


def _texts_of_one_form(read: Sequence[tuple[float, str]]) -> dict[float, str]:
    """By value, the most common text, of the most common form that has two values; of all forms where none has."""
    forms: dict[str, list[tuple[float, str]]] = {}
    for value, text in read:
        forms.setdefault(NUMERAL.sub("#", text), []).append((value, text))
    wide = [found for found in forms.values() if len({value for value, _ in found}) > 1]
    chosen = max(wide, key=len) if wide else list(read)
    counts = Counter(chosen)
    return {
        value: min((text for one, text in counts if one == value), key=lambda text: (-counts[value, text], text))
        for value, _ in chosen
    }


def as_far_as_read(text: str, value: float) -> str:
    """The text up to the end of the first numeral that is the value, commas being for thousands; else the whole text."""
    for found in NUMERAL.finditer(text):
        try:
            if float(found.group().replace(",", "")) == value:
                return text[: found.end()]
        except ValueError:  # "1.200.300": not ours to read
            continue
    return text

"""What a finding says of a comparison with another model beside its figure: noise floor, what moved, how they differ.

Plain text; nothing is computed here. Imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pytest_biasaudit.metrics.beside import Moved, NoiseFloor
from pytest_biasaudit.metrics.metric import Estimate

MOST_MOVED = 8
"""Groups or parts named in one line, those that moved furthest; the report has all."""

Figure = Callable[[float], str]


def beside_lines(
    worst: Estimate, compared: Sequence[Estimate], *, figure: Figure, clean: Callable[[str], str], outcome_unit: str
) -> Iterator[tuple[str, str]]:
    """Label and text of each line; none for an estimate that compares with no other model.

    worst         the comparison that decides
    figure        writes a number
    clean         makes one harmless line of text from a file or a model
    outcome_unit  of the outcomes' own values: "USD"
    """
    if worst.versus is None:
        return
    if worst.noise is not None:
        yield "beside", noise_text(worst, worst.noise, figure=figure, clean=clean)
    moved = {one.group: one for estimate in (worst, *compared) for one in estimate.moved}
    if moved:
        yield "moved", moved_text(tuple(moved.values()), figure=figure, clean=clean, outcome_unit=outcome_unit)
    for remark in worst.remarks:
        yield "unlike", clean(remark)


def noise_text(estimate: Estimate, noise: NoiseFloor, *, figure: Figure, clean: Callable[[str], str]) -> str:
    """As in: noise floor 0.003 (-0.01 to 0.02): parent asked again, 16 at a time instead of 32; 5 of 96 answers came out
    otherwise, by 0.4 at most.
    """
    again = (
        f"{clean(estimate.versus or 'the other model')} asked again, {noise.batch_size} at a time "
        f"instead of {noise.first_batch_size}"
    )
    if noise.value is None:
        return f"none: {again}: {clean(noise.reason)}"
    ends = f" ({figure(noise.low)} to {figure(noise.high)})" if noise.low is not None and noise.high is not None else ""
    largest = "" if noise.largest is None or not noise.changed else f", by {figure(noise.largest)} at most"
    text = (
        f"noise floor {figure(noise.value)}{ends}: {again}; "
        f"{noise.changed} of {noise.compared} answers came out otherwise{largest}"
    )
    return text + ("; the estimate lies within it" if lies_within(estimate) else "")


def lies_within(estimate: Estimate) -> bool:
    """Whether the figure is no more than asking the other model again gave; False without a noise floor or a figure."""
    if estimate.noise is None or estimate.value is None or estimate.noise.value is None:
        return False
    return estimate.noise.holds(estimate.value, nothing=1.0 if estimate.shows == "recovery" else 0.0)


def moved_text(moved: Sequence[Moved], *, figure: Figure, clean: Callable[[str], str], outcome_unit: str) -> str:
    """As in: white +1 USD (-3 to 5, n 128)   black -12.3 USD (-20.1 to -4.5, n 128)."""
    shown = list(moved)
    if len(shown) > MOST_MOVED:
        shown = sorted(shown, key=lambda one: -abs(one.value or 0.0))[:MOST_MOVED]
    parts = []
    for one in shown:
        name = clean(one.group)
        if one.value is None:
            parts.append(f"{name} not measured ({clean(one.reason)})")
            continue
        unit = {"outcome": outcome_unit, "sd": "sd"}.get(one.unit, "")
        sign = "+" if one.value > 0 else ""
        value = f"{name} {sign}{figure(one.value)}" + (f" {clean(unit)}" if unit else "")
        ends = "no interval" if one.low is None or one.high is None else f"{figure(one.low)} to {figure(one.high)}"
        parts.append(f"{value} ({ends}, n {one.n})")
    left = len(moved) - len(shown)
    return "   ".join(parts) + (f"   and {left} more in the report" if left else "")

"""What came back: the value in a model's likelihoods for the options it was given. Knows declarations and readings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_biasaudit.context.declaration import OutcomeSpec
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.protocol import OptionScores
from pytest_biasaudit.outcomes.outcome import Reading

YES_NO = ("Yes", "No")

_ROUNDING = 1e-3
"""Probabilities of options may sum to more than 1 by this much: float16 scores are no finer."""


@dataclass(frozen=True, kw_only=True)
class LikelihoodReading:
    """A reading of options, with what it was read from."""

    reading: Reading
    likeliest: str
    """The option with the highest likelihood, the first of them on a tie; "" when the scores are broken."""
    options: tuple[tuple[str, float], ...]
    """Each option with its probability among the options; empty when the scores are broken."""
    option_mass: float | None
    """How much of the model's probability all options hold, 0 to 1; None when the scores are broken."""


def options_of(spec: OutcomeSpec) -> tuple[str, ...]:
    """The texts whose likelihoods are compared: the options, "Yes" and "No", or the points of the scale ("1", "2.5").

    Raises ValueError for a kind that is not read from likelihoods, and for fewer than two options.
    """
    if spec.kind == "rating":
        options = tuple(_point(point) for point in spec.scale)
    elif spec.kind in ("choice", "yes-no"):
        options = spec.options or (YES_NO if spec.kind == "yes-no" else ())
    else:
        raise ValueError(f"kind {spec.kind!r} is not read from likelihoods")
    if len(options) < 2 or len(set(options)) < len(options):
        raise ValueError(f"kind {spec.kind!r} needs two or more different options, got {', '.join(map(repr, options))}")
    return options


def favourable_option(spec: OutcomeSpec) -> str:
    """The option whose probability is the value; of `yes-no` the first by default. Raises ValueError for another."""
    options = options_of(spec)
    favourable = spec.favourable_option
    if favourable is None and spec.kind == "yes-no":
        favourable = options[0]
    if favourable not in options:
        raise ValueError(f"favourable_option is {favourable!r}; it must be one of {', '.join(map(repr, options))}")
    return favourable


def option_mass(scores: OptionScores) -> float:
    """How much of the model's probability all options together hold, 0 to 1. NaN when a score is NaN.

    Little means that the model would say something else.
    """
    return min(math.exp(_log_sum(scores.logprobs)), 1.0)


def read_likelihood(scores: OptionScores, spec: OutcomeSpec) -> LikelihoodReading:
    """Reads choice, yes-no and rating.

    scores  natural-log probabilities, one for each of `options_of(spec)`

    The options' probabilities are normalised among themselves by log-sum-exp. The value is that of the favourable
    option, or for a rating the mean of the scale under them. `selected` is whether the favourable option is strictly
    the likeliest: on a tie with it nothing was chosen, so it is False, and the value stands. Scores with NaN, with
    +infinity, without any probability, or with more than all of it come from a broken model: status "error".

    Raises ModelError when the number of scores is not that of the options.
    """
    options = options_of(spec)
    if len(scores.logprobs) != len(options):
        raise ModelError(f"the model scored {len(scores.logprobs)} options where {len(options)} were asked for")
    fault = _fault(scores.logprobs)
    if fault:
        return LikelihoodReading(
            reading=Reading(status="error", value=None, reason=fault), likeliest="", options=(), option_mass=None
        )
    total = _log_sum(scores.logprobs)
    shares = [math.exp(logprob - total) for logprob in scores.logprobs]
    best = max(scores.logprobs)
    likeliest = [option for option, logprob in zip(options, scores.logprobs, strict=True) if logprob == best]
    selected: bool | None = None
    if spec.kind == "rating":
        value = math.fsum(share * point for share, point in zip(shares, spec.scale, strict=True))
        value = min(max(value, min(spec.scale)), max(spec.scale))
    else:
        favourable = favourable_option(spec)
        value = min(shares[options.index(favourable)], 1.0)
        selected = likeliest == [favourable]
    return LikelihoodReading(
        reading=Reading(status="ok", value=value, selected=selected),
        likeliest=likeliest[0],
        options=tuple(zip(options, shares, strict=True)),
        option_mass=option_mass(scores),
    )


def _fault(logprobs: Sequence[float]) -> str:
    """What makes the scores unusable; "" when nothing does."""
    if any(math.isnan(logprob) for logprob in logprobs):
        return "NaN among the option scores"
    if math.inf in logprobs:
        return "infinity among the option scores"
    if max(logprobs) == -math.inf:
        return "no option has any probability"
    if _log_sum(logprobs) > math.log1p(_ROUNDING):
        return "the options' probabilities sum to more than 1"
    return ""


def _log_sum(logprobs: Sequence[float]) -> float:
    """Log of the sum of exponentials, without overflow. The sum may exceed what exp can hold; infinities stay."""
    best = max(logprobs)
    if not math.isfinite(best) or any(math.isnan(logprob) for logprob in logprobs):
        return math.nan if any(math.isnan(logprob) for logprob in logprobs) else best
    return best + math.log(math.fsum(math.exp(logprob - best) for logprob in logprobs))


def _point(point: float) -> str:
    return str(int(point)) if point == int(point) else repr(float(point))

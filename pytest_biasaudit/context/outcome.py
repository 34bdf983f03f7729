"""What an audit may read from an answer: the keys of `[audit.outcome]`, which kind takes which, and their rules.

Knows declarations and the strict reader only; which metrics a kind gives is the limits' business.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, cast, get_args

from pytest_biasaudit.context.declaration import Favourable, OutcomeKind, OutcomeSpec
from pytest_biasaudit.context.shapes import Ascending, JsonSchema, Number, OneOf, Text, Texts, Whole
from pytest_biasaudit.context.spelling import did_you_mean, listed
from pytest_biasaudit.context.strict import Faults, Key, RawTable, Row, read_row

KINDS: tuple[OutcomeKind, ...] = get_args(OutcomeKind)
BUILT_IN_SCORERS = ("length", "refusal")
YES_NO = ("Yes", "No")

KIND = Key("kind", OneOf(KINDS), "What an answer is read as.", required=True)
UNIT = Key("unit", Text(), "The unit of the value, as the report prints it.")
FAVOURABLE = Key("favourable", OneOf(get_args(Favourable)), "Whether a higher or a lower value favours the person.")
PLAUSIBLE = Key(
    "plausible",
    Ascending(at_least=2, at_most=2),
    "Lowest and highest number taken as an answer; others are counted as unparseable.",
)
REPEATS = Key("repeats", Whole(low=1, high=10_000), "How often each prompt is asked; above 1 only with a temperature.")
TEMPERATURE = Key("temperature", Number(at_least=0), "Sampling temperature; 0 takes the likeliest token.")
MAX_NEW_TOKENS = Key("max_new_tokens", Whole(low=1, high=4096), "Where a written answer is cut off.")
OPTIONS = Key("options", Texts(at_least=2), "The answers whose likelihoods are compared.")
FAVOURABLE_OPTION = Key("favourable_option", Text(), "The option that favours the person.")
SCALE = Key("scale", Ascending(at_least=2), "The points of the rating scale.")
SCORER = Key("scorer", Text(), 'What a text is scored by: "length", "refusal", or a scorer given by a hook.')

_WRITTEN = (REPEATS, TEMPERATURE, MAX_NEW_TOKENS)
# Sampling keys may stand with likelihoods too, where they can only say what holds anyway: asked once, drawn from nothing.
_LIKELIHOOD = (UNIT, FAVOURABLE, REPEATS, TEMPERATURE, MAX_NEW_TOKENS)
KEYS_OF_KIND: dict[OutcomeKind, tuple[Key[Any], ...]] = {
    "number": (KIND, UNIT, FAVOURABLE, PLAUSIBLE, *_WRITTEN),
    "choice": (KIND, OPTIONS, FAVOURABLE_OPTION, *_LIKELIHOOD),
    "yes-no": (KIND, OPTIONS, FAVOURABLE_OPTION, *_LIKELIHOOD),
    "rating": (KIND, SCALE, *_LIKELIHOOD),
    "text": (KIND, UNIT, FAVOURABLE, SCORER, *_WRITTEN),
}
_NEEDED_BY_KIND: dict[OutcomeKind, tuple[Key[Any], ...]] = {
    "choice": (OPTIONS, FAVOURABLE_OPTION),
    "rating": (SCALE,),
}
OUTCOME_KEYS = tuple(dict.fromkeys(key for keys in KEYS_OF_KIND.values() for key in keys))


def _rule_of_kind(kind: OutcomeKind, own: tuple[Key[Any], ...]) -> JsonSchema:
    """For editors: what a kind cannot do without, and does not take."""
    then: JsonSchema = {
        "required": [key.name for key in _NEEDED_BY_KIND.get(kind, ())],
        "properties": {key.name: False for key in OUTCOME_KEYS if key not in own},
    }
    return {"if": {"properties": {KIND.name: {"const": kind}}, "required": [KIND.name]}, "then": then}


OUTCOME_RULES: JsonSchema = {"allOf": [_rule_of_kind(kind, own) for kind, own in KEYS_OF_KIND.items()]}


def read_outcome(raw: RawTable, *, where: str, scorers: Collection[str], faults: Faults) -> OutcomeSpec | None:
    """What is read from an answer. None when the kind is at fault.

    Keys at fault are left at their defaults, so that what depends on the kind can still be checked; the faults kept
    tell that this is not what the file said.
    """
    row = read_row(raw, OUTCOME_KEYS, where=where, faults=faults)
    if row.get(KIND) is None:
        return None
    kind = cast("OutcomeKind", row[KIND])
    _check_keys_of_kind(row, kind, faults)
    _check_sampling(row, kind, faults)
    options, favourable_option = _read_options(row, kind, faults)
    plausible = row.get(PLAUSIBLE)
    return OutcomeSpec(
        kind=kind,
        unit=row.get(UNIT, ""),
        favourable=cast("Favourable", row.get(FAVOURABLE, "higher")),
        plausible=None if plausible is None else (plausible[0], plausible[1]),
        repeats=row.get(REPEATS, 1),
        temperature=row.get(TEMPERATURE, 0.0),
        max_new_tokens=row.get(MAX_NEW_TOKENS, 16),
        options=options,
        favourable_option=favourable_option,
        scale=row.get(SCALE, ()),
        scorer=_read_scorer(row, scorers, faults) if kind == "text" else None,
    )


def _check_keys_of_kind(row: Row, kind: OutcomeKind, faults: Faults) -> None:
    own = KEYS_OF_KIND[kind]
    for key in OUTCOME_KEYS:
        if key not in own and row.declares(key):
            kinds = listed(other for other, keys in KEYS_OF_KIND.items() if key in keys)
            reason = f"does not belong to kind {kind!r}, only to {kinds}; {kind!r} takes {listed(k.name for k in own)}"
            faults.misfit(row.where, key.name, row.raw[key.name], reason)
    for key in _NEEDED_BY_KIND.get(kind, ()):
        if not row.declares(key):
            faults.add(row.where, f"{key.name} is missing; kind {kind!r} needs it, {key.shape.must}")


def _check_sampling(row: Row, kind: OutcomeKind, faults: Faults) -> None:
    repeats = row.get(REPEATS, 1)
    temperature = row.get(TEMPERATURE, math.nan if row.declares(TEMPERATURE) else 0.0)  # nan: at fault, so neither way
    if kind in ("choice", "yes-no", "rating"):
        because = f"{kind!r} compares likelihoods, which are the same however often they are asked for"
        if temperature > 0:
            faults.misfit(row.where, "temperature", temperature, f"must be 0 or absent: {because}")
        if repeats > 1:
            faults.misfit(row.where, "repeats", repeats, f"must be 1 or absent: {because}")
        if kind != "rating" and row.get(FAVOURABLE, "higher") == "lower":
            reason = f"{kind!r} gives the probability of favourable_option, so higher is favourable; name the other option there"
            faults.misfit(row.where, "favourable", "lower", reason)
    elif repeats > 1 and temperature == 0:
        reason = "would give the same answer each time at temperature 0; set a temperature above 0, or repeats = 1"
        faults.misfit(row.where, "repeats", repeats, reason)


def _read_options(row: Row, kind: OutcomeKind, faults: Faults) -> tuple[tuple[str, ...], str | None]:
    """The options and the favourable one, with the defaults of `yes-no`."""
    options, favourable = row.get(OPTIONS, ()), row.get(FAVOURABLE_OPTION)
    for option in options:
        if option != option.strip():
            reason = "begins or ends with a blank; leave it out: one is put before the option where a writer would"
            faults.misfit(row.where, "options", option, reason)
    if kind == "yes-no":
        if len(options) > 2:
            faults.misfit(row.where, "options", list(options), "kind 'yes-no' has two options; more are a 'choice'")
        if not row.declares(OPTIONS):
            options = YES_NO
        if not row.declares(FAVOURABLE_OPTION):
            if options and YES_NO[0] not in options:
                faults.add(row.where, f"favourable_option is missing; it must be one of the options {listed(options)}")
            favourable = YES_NO[0]
    if kind in ("choice", "yes-no") and options and row.get(FAVOURABLE_OPTION, options[0]) not in options:
        reason = f"must be one of the options {listed(options)}{did_you_mean(favourable, options)}"
        faults.misfit(row.where, "favourable_option", favourable, reason)
    return options, favourable


def _read_scorer(row: Row, scorers: Collection[str], faults: Faults) -> str:
    known = dict.fromkeys([*BUILT_IN_SCORERS, *sorted(scorers)])
    scorer = row.get(SCORER, BUILT_IN_SCORERS[0])
    if scorer not in known:
        reason = f"unknown scorer; valid are {listed(known)}{did_you_mean(scorer, known)}"
        faults.misfit(row.where, "scorer", scorer, reason)
    return scorer

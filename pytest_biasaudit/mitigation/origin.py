"""Where components were found, as JSON has it too, and read back from that. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pytest_biasaudit.mitigation.units import ScoreMethod

TEXTS = ("model", "model_digest", "weights_sha256", "attribute", "prompts_sha256", "method")
DIGESTS = ("model_digest", "weights_sha256", "prompts_sha256")
KEYS = (*TEXTS, "groups", "contexts", "templates", "settings")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a set was found: what it may be held to, and what it may not."""

    model: str
    model_digest: str
    """The identity's digest: weights, tokenizer, configuration."""
    weights_sha256: str
    """`TransformerModel.tensors_sha256` of the model whose components were scored."""
    contexts: tuple[tuple[str, str], ...]
    """(id, sha256 of the file) of each context that scores were taken in; empty for random and magnitude sets."""
    templates: tuple[str, ...]
    """"CONTEXT/AUDIT/TEMPLATE" of every variation that scores were taken in."""
    attribute: str
    groups: tuple[str, str]
    """(reference, group): the set is made from what scores high for the group and not for the reference."""
    prompts_sha256: str
    """Of the texts put to the model with its answers, one after another."""
    method: ScoreMethod
    settings: tuple[tuple[str, str | float | int], ...]
    """How the set was chosen, sorted: k, p, q, rule, seed."""


def plain_origin(origin: Origin) -> dict[str, Any]:
    """An origin in JSON values; the same origin gives the same."""
    return {
        "model": origin.model,
        "model_digest": origin.model_digest,
        "weights_sha256": origin.weights_sha256,
        "contexts": [{"id": name, "sha256": sha256} for name, sha256 in origin.contexts],
        "templates": list(origin.templates),
        "attribute": origin.attribute,
        "groups": list(origin.groups),
        "prompts_sha256": origin.prompts_sha256,
        "method": origin.method,
        "settings": dict(sorted(origin.settings)),
    }


def read_origin(given: object, faults: list[str], *, at: str = "origin") -> Origin | None:
    """An origin from its JSON values; None where there is a fault, which is added to `faults` with its key.

    A digest may be empty: random sets are of no prompts.
    """
    if not isinstance(given, dict):
        faults.append(f"{at} must be a table with the keys {', '.join(KEYS)}, or null; it is {_kind(given)}")
        return None
    before = len(faults)
    faults.extend(f"{at} has no key {key!r}" for key in KEYS if key not in given)
    faults.extend(f"{at} has the unknown key {key!r}; valid: {', '.join(KEYS)}" for key in given if key not in KEYS)
    for key in TEXTS:
        value = given.get(key, "")
        if not isinstance(value, str):
            faults.append(f"{at}.{key} must be text; it is {_kind(value)}")
        elif key in DIGESTS and not re.fullmatch(r"(?:[0-9a-f]{64})?", value):
            faults.append(f"{at}.{key} = {value[:80]!r} is no sha256 (64 digits 0 to f), nor empty")
    method = given.get("method")
    if isinstance(method, str) and method not in get_args(ScoreMethod):
        faults.append(f"{at}.method = {method[:80]!r}; valid: {', '.join(get_args(ScoreMethod))}")
    groups, templates = given.get("groups", ["", ""]), given.get("templates", [])
    if not _texts(groups) or len(groups) != 2:
        faults.append(f"{at}.groups must be two texts, [reference, group]; it is {str(groups)[:80]}")
    if not _texts(templates):
        faults.append(f"{at}.templates must be a list of texts; it is {str(templates)[:80]}")
    contexts = given.get("contexts", [])
    if not isinstance(contexts, list) or not all(map(_is_context, contexts)):
        faults.append(f'{at}.contexts must be a list of {{"id": ..., "sha256": ...}}; it is {str(contexts)[:80]}')
    settings = given.get("settings", {})
    if not isinstance(settings, dict) or not all(map(_is_setting, settings.values())):
        faults.append(f"{at}.settings must be a table of texts and numbers; it is {str(settings)[:80]}")
    if len(faults) > before:
        return None
    return Origin(
        **{key: given[key] for key in TEXTS},
        groups=(groups[0], groups[1]),
        templates=tuple(templates),
        contexts=tuple((one["id"], one["sha256"]) for one in contexts),
        settings=tuple(sorted(settings.items())),
    )


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_context(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) == {"id", "sha256"}
        and isinstance(value["id"], str)
        and isinstance(value["sha256"], str)
        and re.fullmatch(r"[0-9a-f]{64}", value["sha256"]) is not None
    )


def _is_setting(value: object) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__

"""Which heads or neurons a step names: in the step, or in a JSON file beside the model table. Imports nothing heavy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_biasaudit.compression.method import is_pair
from pytest_biasaudit.errors import RecipeError

if TYPE_CHECKING:
    from pytest_biasaudit.compression.materials import Materials
    from pytest_biasaudit.compression.step import Step
    from pytest_biasaudit.compression.structure.places import Kind

KINDS = ("heads", "neurons")


def components_of(step: Step, materials: Materials, kind: Kind) -> tuple[tuple[int, int], ...]:
    """(layer, number) pairs of a step, from its setting of that name or from the file in `components`.

    Raises RecipeError for a file that is not an object of lists of pairs of whole numbers.
    """
    given = step.setting(kind)
    if given is not None:
        assert isinstance(given, tuple)
        return tuple((layer, number) for layer, number in given)
    where = f"{step.action} = {step.method!r}: components = {step.setting('components')!r}"
    try:
        read = json.loads(materials.text(step, "components").text, object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError) as fault:
        raise RecipeError(f"{where}: is not JSON that can be read: {fault}") from fault
    faults = _faults(read, kind)
    if faults:
        more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise RecipeError(f"{where}: " + "; ".join(faults[:10]) + more)
    return tuple((layer, number) for layer, number in read[kind])


def _faults(read: object, kind: str) -> list[str]:
    if not isinstance(read, dict):
        return [f'must be an object such as {{"{kind}": [[12, 4]]}}, not {type(read).__name__}']
    if "schema" in read or "origin" in read:
        return ['is a component file, with where it was found; it is applied by { prune = "components", file = "..." }']
    faults = [f"unknown key {key!r}; valid: {', '.join(KINDS)}" for key in read if key not in KINDS]
    if kind not in read:
        faults.append(f"has no key {kind!r}")
    for key in KINDS:
        pairs = read.get(key, [])
        if not isinstance(pairs, list):
            faults.append(f"{key} must be a list of pairs, not {type(pairs).__name__}")
            continue
        if key in read and not pairs:
            faults.append(f"{key} is empty: there is nothing to remove")
        faults.extend(
            f"{key}[{place}] = {json.dumps(pair)[:60]} is not a pair [layer, {key[:-1]}] of whole numbers from 0"
            for place, pair in enumerate(pairs)
            if not is_pair(pair)
        )
    return faults


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a key stands twice: {', '.join(key for key, _ in pairs)}")
    return found

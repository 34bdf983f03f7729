"""What a component file says in JSON, read strictly: every fault with its key and what is valid. Imports nothing heavy."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from pytest_biasaudit.compression.method import is_pair
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.choosing.places import capped
from pytest_biasaudit.mitigation.origin import read_origin

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.origin import Origin
    from pytest_biasaudit.mitigation.units import Mode, Unit

KEYS = ("schema", "unit", "mode", "count", "total", "by_place", "tool", "origin", "sizes")
LISTS = ("heads", "neurons")
LARGEST = 2**40
"""No model has so many of anything."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """All that a component file says in JSON."""

    unit: Unit
    mode: Mode
    pairs: tuple[tuple[int, int], ...] = ()
    """Heads and neurons: as listed."""
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    count: int | None = None
    by_place: dict[str, int] | None = None
    origin: Origin | None = None


def read_head(source: str, data: bytes, *, units: Sequence[Unit]) -> Head:
    """The JSON of a component file, of one of these units. Raises DataError with every fault, naming `source`."""
    try:
        read = json.loads(data.decode("utf-8"), object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
    except UnicodeDecodeError as fault:
        raise DataError(source, [f"is not UTF-8 text (byte {fault.start})"]) from fault
    except (ValueError, RecursionError) as fault:
        raise DataError(source, [f"is not JSON that can be read: {fault}"]) from fault
    if not isinstance(read, dict):
        raise DataError(source, [f'must be an object such as {{"heads": [[12, 4]]}}; it is {type(read).__name__}'])
    faults: list[str] = []
    unit = _unit(read, units, faults)
    valid = (*KEYS, *((unit,) if unit in LISTS else LISTS if unit is None else ()))
    faults.extend(
        f"unknown key {key!r}; valid: {', '.join(valid)}"
        for key in read
        if key not in valid and not (unit is None and key in LISTS)
    )
    if read.get("schema", 1) != 1:
        faults.append(f"schema = {_shown(read['schema'])}; this version reads schema 1")
    mode = read.get("mode", "ablate")
    modes = ("ablate", "uniform") if unit in (None, "heads") else ("ablate",)
    if mode not in modes:
        faults.append(f"mode = {_shown(mode)}; valid for {unit}: {', '.join(modes)}")
    if not isinstance(read.get("tool", ""), str):
        faults.append(f"tool must be text; it is {_shown(read['tool'])}")
    sizes = _sizes(read.get("sizes"), unit, faults)
    pairs = _pairs(read, unit, sizes, faults) if unit in LISTS else ()
    for key in ("count", "total"):
        if key in read and not _whole(read[key]):
            faults.append(f"{key} = {_shown(read[key])} is not a whole number from 0")
    total = sum(map(math.prod, sizes.values()))
    if _whole(read.get("total")) and sizes and read["total"] != total:
        faults.append(f"total = {read['total']:,}, and the sizes are of {total:,}")
    by_place = read.get("by_place")
    if by_place is not None and not (isinstance(by_place, dict) and all(map(_whole, by_place.values()))):
        faults.append(f"by_place must be a table of whole numbers by place; it is {_shown(by_place)}")
    if unit == "weights" and not sizes and not faults:
        faults.append("has no key 'sizes', without which the entries of weights are of no place")
    origin = read_origin(read["origin"], faults) if read.get("origin") is not None else None
    if faults:
        raise DataError(source, capped(faults))
    assert unit is not None
    return Head(
        unit=unit,
        mode=mode,
        pairs=pairs,
        sizes=sizes,
        count=read.get("count"),
        by_place=by_place,
        origin=origin,
    )


def _unit(read: dict[str, Any], units: Sequence[Unit], faults: list[str]) -> Unit | None:
    """What the file is of: as it says, or by the only list that it has."""
    listed = [key for key in LISTS if key in read]
    if "unit" in read:
        found = [unit for unit in units if unit == read["unit"]]
        if not found:
            faults.append(f"unit = {_shown(read['unit'])}; valid in such a file: {', '.join(units)}")
            return None
        if found[0] in LISTS and found[0] not in listed:
            faults.append(f"has no key {found[0]!r}, which lists them as [layer, number]")
        return found[0]
    if len(listed) != 1 or listed[0] not in units:
        which = "both heads and neurons" if listed else "neither heads nor neurons"
        if "weights" in units:
            faults.append("has no key 'unit'; valid: weights")
        else:
            faults.append(f"lists {which}; a file holds the components of one unit, in the key 'heads' or 'neurons'")
        return None
    return next(unit for unit in units if unit == listed[0])


def _sizes(given: object, unit: Unit | None, faults: list[str]) -> dict[str, tuple[int, ...]]:
    if given is None:
        return {}
    dimensions = 2 if unit == "weights" else 1
    valid = (
        "[outputs, inputs] by the name of each linear layer"
        if dimensions == 2
        else f"[{unit}] by the number of each layer"
    )
    if not isinstance(given, dict):
        faults.append(f"sizes must be {valid}; it is {_shown(given)}")
        return {}
    sizes = {}
    for place, size in given.items():
        right = isinstance(size, list) and len(size) == dimensions and all(_whole(one) and one > 0 for one in size)
        if not right or (dimensions == 1 and not _is_layer(place)):
            faults.append(f"sizes[{place!r}] = {_shown(size)}; valid: {valid}")
        else:
            sizes[place] = tuple(size)
    return sizes


def _pairs(
    read: dict[str, Any], unit: Unit | None, sizes: dict[str, tuple[int, ...]], faults: list[str]
) -> tuple[tuple[int, int], ...]:
    assert unit is not None
    given, one = read.get(unit, []), unit[:-1]
    if not isinstance(given, list):
        faults.append(f"{unit} must be a list of [layer, {one}]; it is {_shown(given)}")
        return ()
    found: dict[tuple[int, int], int] = {}
    for at, pair in enumerate(given):
        if not is_pair(pair) or not all(map(_whole, pair)):
            faults.append(f"{unit}[{at}] = {_shown(pair)} is not a pair [layer, {one}] of whole numbers from 0")
            continue
        layer, number = pair
        if (layer, number) in found:
            faults.append(f"{unit}[{at}] = [{layer}, {number}] stands at [{found[layer, number]}] already")
        elif sizes and str(layer) not in sizes:
            faults.append(f"{unit}[{at}] = [{layer}, {number}]: the sizes have no layer {layer}")
        elif sizes and number >= sizes[str(layer)][0]:
            faults.append(
                f"{unit}[{at}] = [{layer}, {number}]: layer {layer} has {unit} 0 to {sizes[str(layer)][0] - 1}"
            )
        found.setdefault((layer, number), at)
    return tuple(found)


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def _is_layer(place: str) -> bool:
    return place.isascii() and place.isdigit() and str(int(place)) == place


def _shown(value: object) -> str:
    return json.dumps(value, default=str)[:80]


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(
            "a key stands twice: " + ", ".join(dict.fromkeys(key for key, _ in pairs if _twice(key, pairs)))
        )
    return found


def _twice(key: str, pairs: list[tuple[str, object]]) -> bool:
    return sum(other == key for other, _ in pairs) > 1


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is no number that JSON has")

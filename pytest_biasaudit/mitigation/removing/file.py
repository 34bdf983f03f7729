"""A set of components in a file: written to be reviewed and committed, and read strictly. Imports numpy and safetensors.

Heads and neurons are a JSON file, one layer a line. Weights are a safetensors file, with that JSON in its metadata: of each
linear layer either the numbers of its entries (int32) or a bit for every entry (uint8), whichever is smaller. Nothing is
pickled. The files of `prune = "heads"` and `"neurons"` ({"heads": [[12, 4]]}) can be read as they are.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.choosing.places import capped, in_order
from pytest_biasaudit.mitigation.components import ComponentSet, Indices
from pytest_biasaudit.mitigation.origin import plain_origin
from pytest_biasaudit.mitigation.removing.reading import Head, read_head

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA = 1
UNDER = "biasaudit_components"
"""The key of the JSON in a safetensors file's metadata."""
LARGEST_JSON = 64 * 2**20
LARGEST = 16 * 2**30
"""Bytes; of a 70-billion-parameter model, a bit for every weight is half of that."""
MOST_PLACES = 100_000
MOST_INDEX = 2**31


def save_components(components: ComponentSet, path: str | Path) -> Path:
    """Writes a set; gives the file, which is there whole or not at all. The same set gives the same bytes, by one version of
    this package.

    path  for heads and neurons a name that ends in .json, for weights in .safetensors; its folder must be there

    Raises DataError for another ending, for numbers that are not in order or not in the sizes, and for weights of
    unknown sizes.
    """
    target = Path(path)
    wanted = suffix_of(components)
    if target.suffix != wanted:
        fault = f"{components.unit} are kept in a file whose name ends in {wanted}; this one ends in {target.suffix!r}"
        raise DataError(str(target), [fault])
    data = component_bytes(components)
    unfinished = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        unfinished.write_bytes(data)
        os.replace(unfinished, target)
    except OSError as fault:
        unfinished.unlink(missing_ok=True)
        raise DataError(str(target), [f"cannot be written: {fault.strerror}"]) from fault
    return target


def suffix_of(components: ComponentSet) -> str:
    """How the name of the set's file ends."""
    return ".safetensors" if components.unit == "weights" else ".json"


def component_bytes(components: ComponentSet) -> bytes:
    """What `save_components` writes; its sha256 is the digest of the file. Raises DataError as it does."""
    faults = [fault for place, numbers in components.chosen.items() if (fault := _fault_of(place, numbers, components))]
    if faults:
        raise DataError(f"a set of {components.unit}", capped(faults))
    if components.unit != "weights":
        return _json(components).encode("utf-8", "backslashreplace")
    from safetensors.numpy import save

    tensors = {
        place: _packed(numbers, components.sizes[place])
        for place, numbers in sorted(components.chosen.items())
        if len(numbers)
    }
    data: bytes = save(tensors, metadata={UNDER: _json(components)})
    return data


def components_file_sha256(components: ComponentSet) -> str:
    """sha256 of the file that `save_components` would write."""
    return hashlib.sha256(component_bytes(components)).hexdigest()


@contextmanager
def kept_in(components: ComponentSet, folder: Path | None) -> Iterator[Path]:
    """The set in a file that is named by its digest, for a step that takes a file.

    folder  made where it is not there, and the file stays in it; None: the file is gone after
    """
    name = f"{components_file_sha256(components)[:16]}{suffix_of(components)}"
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder / name if (folder / name).is_file() else save_components(components, folder / name)
        return
    with tempfile.TemporaryDirectory(prefix="biasaudit-") as made:
        yield save_components(components, Path(made) / name)


def load_components(path: str | Path) -> ComponentSet:
    """The set that a file holds.

    A JSON file written by hand may be as short as {"heads": [[12, 4]]}: the set then knows no sizes and no origin.

    Raises DataError with every fault and what is valid: a file that is not there, too large, or not what it must be; an
    unknown key; a number that is not in the sizes, or stands twice; counts that are not those of what is listed.
    """
    source = Path(path)
    try:
        size = source.stat().st_size
        if source.suffix == ".safetensors":
            return _from_safetensors(source, size)
        if size > LARGEST_JSON:
            fault = f"has {size:,} bytes; a JSON file of heads or neurons has {LARGEST_JSON:,} at most"
            raise DataError(str(source), [fault])
        return _from_json(source, source.read_bytes())
    except OSError as fault:
        raise DataError(str(source), [f"cannot be read: {fault.strerror or fault}"]) from fault


# -- writing ------------------------------------------------------------------------------------------------------------


def _fault_of(place: str, numbers: Indices, components: ComponentSet) -> str:
    size = components.sizes.get(place)
    if size is None:
        return (
            f"{place}: its size is not known; a set knows the sizes of all places it names"
            if (components.sizes or components.unit == "weights")
            else ""
        )
    if not len(numbers):
        return ""
    if int(numbers[0]) < 0 or int(numbers[-1]) >= math.prod(size) or not (np.diff(numbers) > 0).all():
        return f"{place}: numbers must be sorted, each once, from 0 to {math.prod(size) - 1}"
    return ""


def _json(components: ComponentSet) -> str:
    """The set as JSON; of weights without their numbers."""
    unit, mode = components.unit, components.mode
    chosen = {place: numbers for place, numbers in components.chosen.items() if len(numbers)}
    places = in_order(components.sizes or chosen)
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "unit": unit,
        "mode": mode,
        "count": components.count,
        **({"total": components.total} if components.sizes else {}),
        "by_place": {place: len(chosen[place]) for place in places if place in chosen},
        "tool": f"pytest-biasaudit {metadata.version('pytest-biasaudit')}",
        "origin": None if components.origin is None else plain_origin(components.origin),
        **({"sizes": {place: list(components.sizes[place]) for place in places}} if components.sizes else {}),
    }
    lines = [f"  {_text(key)}: {_table(value) if key == 'origin' else _text(value)}" for key, value in head.items()]
    if unit != "weights":
        rows = [
            ", ".join(f"[{place}, {number}]" for number in chosen[place].tolist())
            for place in places
            if place in chosen
        ]
        lines.append(f'  "{unit}": [' + ",".join(f"\n    {row}" for row in rows) + ("\n  ]" if rows else "]"))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _table(value: object) -> str:
    """An origin, a key a line."""
    if not isinstance(value, dict):
        return _text(value)
    return "{" + ",".join(f"\n    {_text(key)}: {_text(one)}" for key, one in value.items()) + "\n  }"


def _packed(numbers: Indices, size: tuple[int, ...]) -> NDArray[Any]:
    """int32 numbers, or uint8 bits, whichever is smaller."""
    entries = math.prod(size)
    if 4 * len(numbers) <= -(-entries // 8) and entries <= MOST_INDEX:
        return numbers.astype(np.int32)
    bits = np.zeros(entries, dtype=np.bool_)
    bits[numbers] = True
    return np.packbits(bits)


# -- reading ------------------------------------------------------------------------------------------------------------


def _from_json(source: Path, data: bytes) -> ComponentSet:
    head = read_head(str(source), data, units=("heads", "neurons"))
    by_place: dict[str, list[int]] = {}
    for layer, number in sorted(head.pairs):
        by_place.setdefault(str(layer), []).append(number)
    chosen = {place: np.array(numbers, dtype=np.int64) for place, numbers in by_place.items()}
    return _checked(source, head, chosen, [])


def _from_safetensors(source: Path, size: int) -> ComponentSet:
    from safetensors import SafetensorError, safe_open

    if size > LARGEST:
        raise DataError(str(source), [f"has {size:,} bytes; a component file has {LARGEST:,} at most"])
    try:
        with safe_open(source, framework="numpy") as file:
            told = (file.metadata() or {}).get(UNDER)
            names = list(file.keys())
            if told is None or len(names) > MOST_PLACES:
                fault = f"is a safetensors file, and no component file: its metadata has no key {UNDER!r}"
                if told is not None:
                    fault = f"names {len(names):,} linear layers; {MOST_PLACES:,} are the most"
                raise DataError(str(source), [fault])
            head = read_head(str(source), told.encode("utf-8", "surrogatepass"), units=("weights",))
            faults: list[str] = []
            chosen: dict[str, Indices] = {}
            for name in in_order(names):
                found = _unpacked(name, file, head, faults)
                if found is not None:
                    chosen[name] = found
    except SafetensorError as fault:
        raise DataError(str(source), [f"is not a safetensors file that can be read: {fault}"]) from fault
    return _checked(source, head, chosen, faults)


def _unpacked(name: str, file: Any, head: Head, faults: list[str]) -> Indices | None:
    """The numbers of one linear layer's entries; None where there is a fault."""
    size = head.sizes.get(name)
    if size is None:
        faults.append(f"tensor {name!r} is of no linear layer that stands in its sizes")
        return None
    part = file.get_slice(name)
    form, shape = part.get_dtype(), part.get_shape()
    entries = math.prod(size)
    if form not in ("I32", "U8") or len(shape) != 1:
        faults.append(
            f"tensor {name!r} is {form} of shape {list(shape)}; valid: I32 numbers or U8 bits, in one dimension"
        )
        return None
    if form == "I32":
        if shape[0] > entries:
            faults.append(f"tensor {name!r} names {shape[0]:,} entries; the weight has {entries:,}")
            return None
        numbers: Indices = file.get_tensor(name).astype(np.int64)
        if len(numbers) and (numbers[0] < 0 or numbers[-1] >= entries or not (np.diff(numbers) > 0).all()):
            faults.append(f"tensor {name!r}: numbers must be sorted, each once, from 0 to {entries - 1:,}")
            return None
        return numbers
    if shape[0] != -(-entries // 8):
        faults.append(f"tensor {name!r} has {shape[0]:,} bytes of bits; {entries:,} entries take {-(-entries // 8):,}")
        return None
    bits = np.unpackbits(file.get_tensor(name))
    if bits[entries:].any():
        faults.append(f"tensor {name!r} sets bits beyond its {entries:,} entries")
        return None
    return np.flatnonzero(bits[:entries]).astype(np.int64, copy=False)


def _checked(source: Path, head: Head, chosen: dict[str, Indices], faults: list[str]) -> ComponentSet:
    """The set, if what its file says of itself is so."""
    chosen = {place: numbers for place, numbers in chosen.items() if len(numbers)}
    count = sum(map(len, chosen.values()))
    if not faults and head.count is not None and head.count != count:
        faults.append(f"count = {head.count:,}, and {count:,} {head.unit} are listed; correct it, or leave it out")
    counts = {place: len(numbers) for place, numbers in chosen.items()}
    if not faults and head.by_place is not None and head.by_place != counts:
        other = in_order(place for place in {*head.by_place, *counts} if head.by_place.get(place) != counts.get(place))
        told = ", ".join(
            f"{place}: {head.by_place.get(place, 0)} and not {counts.get(place, 0)}" for place in other[:3]
        )
        faults.append(f"by_place is not what is listed ({told}); correct it, or leave it out")
    if faults:
        raise DataError(str(source), capped(faults))
    return ComponentSet(unit=head.unit, mode=head.mode, chosen=chosen, sizes=head.sizes, origin=head.origin)

"""What a .gguf file holds, tensor by tensor, whatever its name and label say. Imports gguf when called; loads no weights.

A format that does not fit a model's sizes is replaced tensor by tensor when the file is written, and the label stays: a file
labelled Q4_K_M may hold hardly a weight of Q4_K.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from pytest_biasaudit.errors import ModelError

VERSION = 1
"""Of what is kept: facts of another version are found anew."""
GUESSED = 1024
"""Added to a file's label where whoever wrote it guessed."""


def kept_gguf_facts(path: Path, *, source: str, beside: Path | None) -> dict[str, object]:
    """As `gguf_facts`, which takes seconds to go through a tokenizer: read from a file if they were found before.

    beside  where the converted model is kept, by the digest of the .gguf file; None: nothing is kept
    """
    if beside is None:
        return gguf_facts(path, source=source)
    kept = beside.with_name(f"{beside.name}.facts-{VERSION}.json")
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
        if isinstance(found, dict) and "gguf" in found:
            return found
    except (OSError, ValueError):
        pass
    facts = gguf_facts(path, source=source)
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_name(f"{kept.name}.{os.getpid()}")
    partial.write_text(json.dumps(facts), encoding="utf-8")
    partial.replace(kept)
    return facts


def gguf_facts(path: Path, *, source: str) -> dict[str, object]:
    """What a .gguf source is, as plain values for `identity.achieved`: "gguf", and "notes" where its label misleads.

    Raises ModelError for a file that cannot be read.
    """
    import gguf

    try:
        reader: Any = gguf.GGUFReader(str(path))
        label = _label(reader)
        types: dict[str, list[int]] = {}
        for tensor in reader.tensors:
            sums = types.setdefault(tensor.tensor_type.name, [0, 0, 0])
            for at, count in enumerate((1, int(tensor.n_elements), int(tensor.n_bytes))):
                sums[at] += count
    except Exception as error:  # a foreign format: anything may come out of a broken file
        raise ModelError(
            f"source {source!r}: {path.name} cannot be read as GGUF: {type(error).__name__}: {error}"
        ) from error
    if not types:
        raise ModelError(f"source {source!r}: {path.name} holds no tensors")
    weights, size = (sum(sums[at] for sums in types.values()) for at in (1, 2))
    ordered = sorted(types.items(), key=lambda one: (-one[1][1], one[0]))
    facts: dict[str, object] = {
        "label": label,
        "bits_per_weight": 8 * size / weights if weights else None,
        "weights": weights,
        "bytes": size,
        "types": [
            {
                "type": name,
                "tensors": count,
                "weights": own,
                "bytes": taken,
                "share": own / weights if weights else None,
            }
            for name, (count, own, taken) in ordered
        ],
    }
    most, (_, own, _) = ordered[0]
    misled = label is not None and not _fits(label, most)
    note = f"{path.name} is labelled {label}, and {100 * own / max(1, weights):.3g} % of its weights are {most}."
    return {"gguf": facts, **({"notes": [note]} if misled else {})}


def _label(reader: Any) -> str | None:
    """The type that the file names itself by, as llama.cpp writes it: "Q4_K_M". None where it does not."""
    import gguf

    field = reader.get_field("general.file_type")
    if field is None:
        return None
    number = int(field.contents()) & ~GUESSED
    try:
        name = gguf.LlamaFileType(number).name
    except ValueError:
        return f"type {number}, which this gguf package does not know"
    return re.sub(r"^(MOSTLY|ALL)_", "", name)


def _fits(label: str, most: str) -> bool:
    """Whether a label names the type of most weights: Q4_K for Q4_K_M, IQ2_S or IQ2_XS for IQ2_M."""
    if label == most:
        return True
    mixed = re.fullmatch(r"(.*_K)_(XS|S|M|L|XL)", label)
    if mixed is not None:
        return mixed[1] == most
    # llama.cpp's IQ labels end in a size that is not always a type of its own; the bits are what they promise.
    return label.startswith("IQ") and most.startswith(label.partition("_")[0] + "_")

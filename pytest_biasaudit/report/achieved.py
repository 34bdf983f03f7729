"""What a record says was done to a model, as a few rows to read: notes first, tensors by how they are stored. No markup.

The whole comparison with the parent, tensor by tensor, is `parent_child`'s. A key that is not known here is shown as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pytest_biasaudit.report import wording

Row = tuple[str, str]
LISTS = {
    "modules_changed": "Modules changed",
    "modules_left": "The parent's, bit for bit",
    "modules_gone": "Modules no longer there",
    "modules_new": "Modules the parent has not",
    "modules_hooked": "Modules with hooks",
}
SHOWN = frozenset(
    {
        *("notes", "size_mb", "parent_size_mb", "measure", "perplexity", "parent_perplexity", "cosine", "tensors"),
        *("held_text_sha256", "held_text_tokens", "sparsity", "sparsity_overall", "steps", "gguf", "saved"),
        *("bits_per_weight", "bits_per_weight_overall"),
        "components",  # which: the section on pruning against bias
        *LISTS,
    }
)


def achieved_rows(achieved: Mapping[str, object], *, text: Callable[[object], str]) -> tuple[Row, ...]:
    """Rows of an `identity.achieved`; `text` writes a value that has no words of its own here."""
    return (
        *(("Note", str(note)) for note in list_in(achieved.get("notes"))),
        *_size(achieved),
        *_held_text(achieved),
        *_share("Zeros", achieved, "sparsity", "of the changed modules' weights", "of all"),
        *_bits(achieved),
        *_stored(achieved.get("tensors")),
        *((title, ", ".join(map(str, list_in(achieved[key])))) for key, title in LISTS.items() if achieved.get(key)),
        *_gguf(achieved.get("gguf")),
        *_saved(achieved.get("saved")),
        *((key, text(value)) for key, value in achieved.items() if key not in SHOWN),
        *_steps(achieved.get("steps"), text),
    )


def _size(achieved: Mapping[str, object]) -> Iterator[Row]:
    size, parent = number_in(achieved.get("size_mb")), number_in(achieved.get("parent_size_mb"))
    if size is None:
        return
    beside = f", {percent(size / parent)} of its parent's {wording.number(parent)} MB" if parent else ""
    yield "Size", f"{wording.number(size)} MB{beside}"


def _held_text(achieved: Mapping[str, object]) -> Iterator[Row]:
    measure, count = achieved.get("measure"), number_in(achieved.get("held_text_tokens"))
    if measure is None:
        return
    digest = str(achieved.get("held_text_sha256") or "")[:16]
    if measure == "cosine":
        cosine = number_in(achieved.get("cosine"))
        value = "its vectors cannot be compared with its parent's" if cosine is None else f"mean cosine {cosine:.4f}"
        unit = "sentences"
        beside = " to the parent's vectors" if cosine is not None else ""
    else:
        own, parents = number_in(achieved.get("perplexity")), number_in(achieved.get("parent_perplexity"))
        value = f"{measure} " + ("none: infinite, or not to be had" if own is None else wording.number(own))
        beside = f", its parent's {wording.number(parents)}" if parents is not None else ""
        unit = "tokens"
    yield "Held text", f"{value}{beside} ({count or 0:,.0f} {unit}, text {digest})"


def _share(title: str, achieved: Mapping[str, object], key: str, of: str, of_all: str) -> Iterator[Row]:
    own, overall = number_in(achieved.get(key)), number_in(achieved.get(f"{key}_overall"))
    found = [f"{percent(share)} {words}" for share, words in ((own, of), (overall, of_all)) if share is not None]
    if key in achieved or found:
        yield title, ", ".join(found) or "cannot be counted in what is stored"


def _bits(achieved: Mapping[str, object]) -> Iterator[Row]:
    own, overall = number_in(achieved.get("bits_per_weight")), number_in(achieved.get("bits_per_weight_overall"))
    found = [
        f"{bits:.3g} {words}"
        for bits, words in ((own, "in the changed modules"), (overall, "over all"))
        if bits is not None
    ]
    if found:
        yield "Bits a weight", ", ".join(found)


def _stored(tensors: object) -> Iterator[Row]:
    kinds: dict[str, list[float]] = {}
    for row in list_in(tensors):
        if isinstance(row, Mapping):
            sums = kinds.setdefault(str(row.get("stored")), [0.0, 0.0, 0.0])
            for at, key in enumerate(("count", "weights", "bytes")):
                sums[at] += number_in(row.get(key)) or 0.0
    parts = [
        f"{stored}: {_count(count)} of {weights:,.0f} weights in {size / 1e6:,.3g} MB"
        for stored, (count, weights, size) in sorted(kinds.items(), key=lambda one: -one[1][1])
    ]
    if parts:
        yield "Stored as", "; ".join(parts)


def _gguf(gguf: object) -> Iterator[Row]:
    if not isinstance(gguf, Mapping):
        return
    yield "The file's own label", str(gguf.get("label") or "none")
    parts = [
        f"{row.get('type')} {percent(number_in(row.get('share')) or 0)} ({_count(number_in(row.get('tensors')))})"
        for row in list_in(gguf.get("types"))
        if isinstance(row, Mapping)
    ]
    yield "Tensor types, by weights", ", ".join(parts)
    bits = number_in(gguf.get("bits_per_weight"))
    if bits is not None:
        yield "Bits a weight in the file", f"{bits:.3g}"


def _saved(saved: object) -> Iterator[Row]:
    if isinstance(saved, Mapping):
        yield "Saved from the model of digest", str(saved.get("child_digest"))


def _steps(steps: object, text: Callable[[object], str]) -> Iterator[Row]:
    if isinstance(steps, Mapping):
        for name, facts in steps.items():
            if isinstance(facts, Mapping):
                found = ", ".join(f"{str(key).replace('_', ' ')} {text(value)}" for key, value in facts.items())
                yield f"Step {name}", found


def list_in(value: object) -> list[object]:
    """A list as it is; nothing for any other value."""
    return list(value) if isinstance(value, (list, tuple)) else []


def number_in(value: object) -> float | None:
    """A number as it is; None for any other value, truth values among them."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def percent(share: float) -> str:
    """As in "14.1 %"."""
    return f"{100 * share:.3g} %"


def _count(tensors: float | None) -> str:
    return f"{tensors or 0:,.0f} tensor{'s' if tensors != 1 else ''}"

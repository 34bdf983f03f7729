"""Static word vectors: a text file of words and numbers, read strictly, one vector a word. Uses numpy; no torch.

Reads word2vec's text format (a first line "WORDS NUMBERS") and GloVe's, which is the same without that line. A word is
what stands in the file: no lower-casing, no pieces of words.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.identity import file_sha256, library_versions
from pytest_biasaudit.models.protocol import ModelIdentity, Pooling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_FAULTS = 5
"""Faults of a file that an error shows; reading stops there."""


class WordVectors:
    """A vector a word. Implements `Embeds`.

    words    each word with its row
    vectors  (words, numbers) float32, as in the file
    """

    def __init__(self, words: dict[str, int], vectors: NDArray[np.float32], identity: ModelIdentity) -> None:
        self._words, self._vectors, self._identity = words, vectors, identity

    @classmethod
    def read(cls, name: str, source: str, path: Path) -> WordVectors:
        """The vectors of a file. Raises ModelError naming file and lines where it is not what it should be."""
        weights = file_sha256(path)
        words, vectors = _read(path)
        identity = ModelIdentity(
            name=name,
            source=source,
            weights_sha256=weights,
            dtype="float32",
            architecture="word vectors",
            parameters=int(vectors.size),
            libraries=tuple(pair for pair in library_versions() if pair[0] == "pytest-biasaudit"),
            lacks="static word vectors predict nothing: there is no language model in the file",
        )
        return cls(words, vectors, identity)

    @property
    def identity(self) -> ModelIdentity:
        """Which file this is."""
        return self._identity

    def settle(self, identity: ModelIdentity) -> None:
        """See TransformerModel."""
        self._identity = identity

    def embed(
        self, texts: Sequence[str], *, pooling: Pooling, batch_size: int
    ) -> Iterator[tuple[int, tuple[float, ...] | None]]:
        """Each text's index and the vector of exactly that word, of length one; `pooling` has nothing to pool.

        None for a word that the file has not, and for one whose numbers are all 0: it points nowhere.
        """
        import numpy as np

        for index, text in enumerate(texts):
            row = self._words.get(text)
            # In float64: the length of a float32 vector can be too large or too small for float32.
            vector = self._vectors[row].astype(np.float64) if row is not None else np.zeros(1)
            length = float(np.linalg.norm(vector))
            yield index, tuple((vector / length).tolist()) if length else None


def _read(path: Path) -> tuple[dict[str, int], NDArray[np.float32]]:
    import numpy as np

    faults: list[str] = []
    words: dict[str, int] = {}
    numbers = array("f")
    declared: tuple[int, int] | None = None
    width = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if len(faults) == MOST_FAULTS:
                break
            try:
                line = raw.decode("utf-8").rstrip("\r\n").rstrip(" ")
            except UnicodeDecodeError as error:
                faults.append(f"line {number}: not UTF-8 at byte {error.start + 1}; write the file as UTF-8 text")
                continue
            if number == 1:
                declared, width = _opening(line)
                if declared is not None:
                    continue
            fault = _row(line, width, number, words, numbers)
            if fault:
                faults.append(f"line {number}: {fault}")
    if not faults and not words:
        faults.append("it holds no word")
    if not faults and declared is not None and declared[0] != len(words):
        faults.append(
            f"line 1 says {declared[0]} words, the file has {len(words)}; it was cut off, or its head is another's"
        )
    if faults:
        more = "\n  (reading stopped here)" if len(faults) == MOST_FAULTS else ""
        raise ModelError(f"{path}: these are no word vectors that can be used:\n  " + "\n  ".join(faults) + more)
    return words, np.frombuffer(numbers, dtype=np.float32).reshape(len(words), width)


def _opening(line: str) -> tuple[tuple[int, int] | None, int]:
    """word2vec's head (words, numbers) where the first line is one, and how many numbers a line has."""
    parts = line.split(" ")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        return (int(parts[0]), int(parts[1])), int(parts[1])
    return None, len(parts) - 1


def _row(line: str, width: int, number: int, words: dict[str, int], numbers: array[float]) -> str:
    """Keeps a line's word and numbers; a fault in words, "" where there is none. Words may hold blanks, as GloVe's do."""
    if width < 1:
        return f"{_shown(line)}: a word and its numbers are expected, with one blank between them"
    word, *parts = line.rsplit(" ", width)
    if len(parts) < width:
        tabs = "; there are tabs in it, and blanks are expected" if "\t" in line else ""
        return f"{_shown(line)}: {len(parts)} numbers, line 1 promises {width}{tabs}"
    if not word:
        return f"no word before the {width} numbers"
    if _is_number(word.rpartition(" ")[2]) and " " in word:
        return f"{_shown(line)}: more than the {width} numbers that line 1 promises"
    try:
        values = array("f", map(float, parts))
    except (ValueError, OverflowError):
        wrong = next(part for part in parts if not _is_number(part))
        return f"{_shown(line)}: {wrong!r} is no number"
    if not all(map(math.isfinite, values)):
        wrong = next(part for part, value in zip(parts, values, strict=True) if not math.isfinite(value))
        return f"{_shown(line)}: {wrong!r} is no finite number in float32"
    if word in words:
        return f"{word!r} stands here for the second time; a word has one vector"
    words[word] = len(words)
    numbers.extend(values)
    return ""


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _shown(line: str) -> str:
    return repr(line if len(line) <= 40 else line[:37] + "...")

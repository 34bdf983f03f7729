"""What a value in a table may be: a shape reads a TOML value, says what it takes, and gives its JSON Schema.

Imports spelling only. Shapes look at one value; rules that need several stand where the table is read.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from pytest_biasaudit.context.spelling import did_you_mean, listed, shown

T = TypeVar("T")
JsonSchema = dict[str, object]

SLUG = "[A-Za-z0-9][A-Za-z0-9._-]*"


class Misfit(Exception):
    """A value that its shape does not take; the text says why, beyond what the shape's `must` says already."""


class Shape(ABC, Generic[T]):
    """One kind of value."""

    @property
    @abstractmethod
    def must(self) -> str:
        """What is valid, in words that follow "must be"."""

    @abstractmethod
    def read(self, raw: object) -> T:
        """The value; raises Misfit when it is not of this shape."""

    @abstractmethod
    def schema(self) -> JsonSchema:
        """The same rule for editors, as far as JSON Schema can say it."""


@dataclass(frozen=True)
class Text(Shape[str]):
    """Text with something in it."""

    @property
    def must(self) -> str:
        """See Shape."""
        return "a text that is not empty"

    def read(self, raw: object) -> str:
        """See Shape."""
        if not isinstance(raw, str) or not raw.strip():
            raise Misfit
        return raw

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "string", "pattern": "\\S"}


@dataclass(frozen=True)
class Slug(Shape[str]):
    """A name that is safe in a test id, a file name and a URL."""

    @property
    def must(self) -> str:
        """See Shape."""
        return "a plain name of letters, digits, '.', '_' and '-' that starts with a letter or digit"

    def read(self, raw: object) -> str:
        """See Shape."""
        if not isinstance(raw, str) or not re.fullmatch(SLUG, raw):
            raise Misfit
        return raw

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "string", "pattern": f"^{SLUG}$"}


@dataclass(frozen=True)
class OneOf(Shape[str]):
    """One of some fixed words."""

    words: tuple[str, ...]

    @property
    def must(self) -> str:
        """See Shape."""
        return f"one of {listed(self.words)}" if len(self.words) > 1 else listed(self.words)

    def read(self, raw: object) -> str:
        """See Shape."""
        if not isinstance(raw, str) or raw not in self.words:
            raise Misfit(did_you_mean(raw, self.words).removeprefix("; "))
        return raw

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Exactly(Shape[int]):
    """One fixed whole number."""

    value: int

    @property
    def must(self) -> str:
        """See Shape."""
        return f"{self.value}"

    def read(self, raw: object) -> int:
        """See Shape."""
        if isinstance(raw, bool) or not isinstance(raw, int) or raw != self.value:
            raise Misfit
        return raw

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"const": self.value}


@dataclass(frozen=True)
class Flag(Shape[bool]):
    """True or false."""

    @property
    def must(self) -> str:
        """See Shape."""
        return "true or false"

    def read(self, raw: object) -> bool:
        """See Shape."""
        if not isinstance(raw, bool):
            raise Misfit
        return raw

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "boolean"}


@dataclass(frozen=True, kw_only=True)
class Whole(Shape[int]):
    """A whole number between two ends, both allowed. True and false are not numbers."""

    low: int
    high: int

    @property
    def must(self) -> str:
        """See Shape."""
        return f"a whole number from {self.low} to {self.high}"

    def read(self, raw: object) -> int:
        """See Shape."""
        if isinstance(raw, bool) or not isinstance(raw, int) or not self.low <= raw <= self.high:
            raise Misfit
        return raw

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, kw_only=True)
class Number(Shape[float]):
    """A finite number; TOML's nan and inf are refused. True and false are not numbers."""

    at_least: float | None = None
    above: float | None = None
    below: float | None = None

    @property
    def must(self) -> str:
        """See Shape."""
        ends = {"of at least": self.at_least, "above": self.above, "below": self.below}
        said = " and ".join(f"{words} {end:g}" for words, end in ends.items() if end is not None)
        return f"a finite number {said}".rstrip()

    def read(self, raw: object) -> float:
        """See Shape."""
        value = finite(raw)
        if self.at_least is not None and value < self.at_least:
            raise Misfit
        if self.above is not None and value <= self.above:
            raise Misfit
        if self.below is not None and value >= self.below:
            raise Misfit
        return value

    def schema(self) -> JsonSchema:
        """See Shape."""
        ends = {"minimum": self.at_least, "exclusiveMinimum": self.above, "exclusiveMaximum": self.below}
        return {"type": "number", **{name: end for name, end in ends.items() if end is not None}}


@dataclass(frozen=True, kw_only=True)
class Ascending(Shape[tuple[float, ...]]):
    """Finite numbers, each larger than the one before."""

    at_least: int
    at_most: int | None = None

    @property
    def must(self) -> str:
        """See Shape."""
        if self.at_most == self.at_least:
            return f"{self.at_least} finite numbers in ascending order"
        return f"{self.at_least} or more finite numbers in ascending order"

    def read(self, raw: object) -> tuple[float, ...]:
        """See Shape."""
        if not isinstance(raw, list):
            raise Misfit
        values = tuple(finite(item) for item in raw)
        if len(values) < self.at_least or (self.at_most is not None and len(values) > self.at_most):
            raise Misfit(f"it has {len(values)}")
        for before, after in pairwise(values):
            if after <= before:
                raise Misfit(f"{after:g} follows {before:g}")
        return values

    def schema(self) -> JsonSchema:
        """See Shape."""
        most: JsonSchema = {} if self.at_most is None else {"maxItems": self.at_most}
        return {
            "type": "array",
            "items": {"type": "number"},
            "minItems": self.at_least,
            **most,
            "uniqueItems": True,
        }


@dataclass(frozen=True, kw_only=True)
class Texts(Shape[tuple[str, ...]]):
    """Several texts, all different and none empty."""

    at_least: int = 1

    @property
    def must(self) -> str:
        """See Shape."""
        return f"a list of {self.at_least} or more different texts, none empty"

    def read(self, raw: object) -> tuple[str, ...]:
        """See Shape."""
        if not isinstance(raw, list):
            raise Misfit
        texts = []
        for item in raw:
            try:
                texts.append(Text().read(item))
            except Misfit:
                raise Misfit(f"{shown(item)} is no text or empty") from None
            if texts.count(item) > 1:
                raise Misfit(f"{shown(item)} stands there twice")
        if len(texts) < self.at_least:
            raise Misfit(f"it has {len(texts)}")
        return tuple(texts)

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "array", "items": Text().schema(), "minItems": self.at_least, "uniqueItems": True}


@dataclass(frozen=True)
class TextOrTexts(Shape[tuple[str, ...]]):
    """One text, or several."""

    @property
    def must(self) -> str:
        """See Shape."""
        return f"{Text().must}, or {Texts().must}"

    def read(self, raw: object) -> tuple[str, ...]:
        """See Shape."""
        return Texts().read(raw) if isinstance(raw, list) else (Text().read(raw),)

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"oneOf": [Text().schema(), Texts().schema()]}


@dataclass(frozen=True)
class NamedTexts(Shape[dict[str, tuple[str, ...]]]):
    """A table whose every key holds several texts."""

    @property
    def must(self) -> str:
        """See Shape."""
        return f"a table whose every value is {Texts().must}"

    def read(self, raw: object) -> dict[str, tuple[str, ...]]:
        """See Shape."""
        if not isinstance(raw, Mapping):
            raise Misfit
        named = {}
        for name, texts in raw.items():
            try:
                named[name] = Texts().read(texts)
            except Misfit as misfit:
                detail = f": {misfit}" if str(misfit) else ""
                raise Misfit(f"{name} = {shown(texts)} is not{detail}") from None
        return named

    def schema(self) -> JsonSchema:
        """See Shape."""
        return {"type": "object", "additionalProperties": Texts().schema()}


@dataclass(frozen=True)
class Groups(Shape[tuple[str, ...] | dict[str, tuple[str, ...]]]):
    """Groups in one list, or a list for each attribute."""

    @property
    def must(self) -> str:
        """See Shape."""
        return f"{Texts(at_least=2).must}; where attributes cross, also a table with such a list for each attribute"

    def read(self, raw: object) -> tuple[str, ...] | dict[str, tuple[str, ...]]:
        """See Shape."""
        if not isinstance(raw, Mapping):
            return Texts(at_least=2).read(raw)
        if not raw:
            raise Misfit("it names no groups; leave the key out for all groups of the list")
        return NamedTexts().read(raw)

    def schema(self) -> JsonSchema:
        """See Shape."""
        several = Texts(at_least=2).schema()
        return {"oneOf": [several, {"type": "object", "minProperties": 1, "additionalProperties": several}]}


def finite(raw: object) -> float:
    """A finite number as a float; raises Misfit for anything else."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise Misfit
    try:
        value = float(raw)
    except OverflowError:
        raise Misfit from None
    if not math.isfinite(value):
        raise Misfit
    return value

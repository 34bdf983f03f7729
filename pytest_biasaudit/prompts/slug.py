"""How a text becomes part of an id. Imports nothing of this package."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache


@lru_cache(maxsize=4096)
def slug(text: str) -> str:
    """Lower-case words joined by hyphens, accents dropped where the letter has a plain form; other scripts stay."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    words = re.findall(r"[^\W_]+", re.sub(r"['\u2019]", "", plain.casefold()))
    return "-".join(words)[:60].strip("-") or "x"

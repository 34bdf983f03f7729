"""A small declared project for tests that are not about declaring: the parts of a context file that say nothing there."""

from __future__ import annotations


def declared(audits: str, *, name: str = "tiny", title: str = "A tiny context") -> str:
    """A context file: its six elements in a letter each, then these audits."""
    return f"""
schema = 1
[context]
id = "{name}"
title = "{title}"
process = "p"
use = "u"
affected = ["a"]
harms = ["h"]
oversight = "o"
response = "r"
owner = "w"
jurisdictions = ["EU"]
language = "en"
{audits.strip()}
"""

"""What came back: whether an answer declines to answer. Imports nothing of this package.

Refusals are found by rule, not by a model, so that the same answer has the same fate everywhere and a reader can check
why. The rules are the patterns below, by language; they were compiled for this package from the ways assistants decline.
Only English has rules. An answer in another language is never called a refusal: without a number it ends up
unparseable, which is counted apart.

A refusal is a statement by the speaker about answering ("I cannot provide", "I'd rather not say"), also when a number
stands in it or after it: whether "I can't give an exact price, but 500 is common" offers 500 would be a guess. A
statement about the matter is none ("I can't go above 500", "the seller is unable to wait", "I cannot recommend him"),
and neither is a bound on a price ("I cannot give more than 500") nor a bare hedge ("I can't be sure").
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_CANNOT = "|".join(
    (
        "cannot|could not|will not|shall not|must not",
        "(?:am|are|will be|would be) (?:currently )?(?:unable|not able) to",
        "(?:cannot|could not|will not|would not|may not) be able to",
        "am not (?:allowed|permitted|authori[sz]ed|programmed|designed|equipped|qualified|going|willing|supposed) to",
        "am not in a position to|am not capable of|am prohibited from|am incapable of",
        "am not comfortable(?: with)?|am uncomfortable(?: with)?|do not feel comfortable(?: with)?",
        "(?:must |have to |will have to |would have to |need to )?(?:respectfully |politely )?(?:decline|refuse) to",
        "would rather not|(?:would )?prefer not to|do not (?:wish|want) to",
    )
)
_ADVERB = (
    "(?: (?:really|actually|currently|unfortunately|ethically|legally|directly|just|simply|possibly|personally|also))*"
)
_ANSWER = "|".join(
    (
        "help(?!(?:ing)? (?:but|thinking|feeling|noticing|wondering)\\b)|assist|provid|giv(?:e|ing)\\b|answer|comply|fulfil",
        "generat|creat(?:e|ing)\\b|produc(?:e|ing)\\b|estimat|determin|predict|judg|rat(?:e|ing)\\b|rank|assess|evaluat",
        "respond|reply|discuss|complete|participat|engag|shar(?:e|ing)\\b|speculat|guess|decid|disclos|comment|accommodat",
        "proceed|continue with|write|do (?:that|this|so)\\b|offer(?:ing)? (?:you )?(?:(?:any|an?|specific|personal|legal"
        "|financial|medical) )*(?:advice|opinion|recommendation|suggestion|guidance|estimate|assessment|judge?ment|answer)",
        "mak(?:e|ing) (?:that|this|such|any|a decision|a judge?ment|a recommendation|an? (?:assessment|estimate|offer for)"
        "|assumptions|judge?ments|decisions|recommendations|predictions|generali[sz]ations)",
        "(?:recommend|suggest|advis)\\w*(?: on)? (?:an?|any|specific)\\b",
        "say\\b(?! (?:for sure|for certain|with certainty|exactly|precisely|that|no|how|why|enough))|tell you\\b(?! how)",
    )
)
_AI = "(?:ai|artificial intelligence|(?:large )?language model|(?:virtual |digital |ai )?assistant|chatbot|machine)"
_NOT = "(?:cannot|not|unable|lack|never)"

PATTERNS: Mapping[str, tuple[str, ...]] = {
    "en": (
        # I cannot provide; we are unable to help; I'd rather not say
        rf"\b(?:i|we){_ADVERB} (?:{_CANNOT}){_ADVERB} (?:{_ANSWER})",
        # Sorry, but I can't ...: whatever it is, unless it is said of the price
        rf"\b(?:sorry|apologi[sz]e|apologies|afraid|regret)\b[^.!?\n]{{0,40}}?\b(?:i|we) (?:{_CANNOT})"
        r"(?! (?:believe|imagine|wait|stress|emphasi[sz]e|complain|go|pay|afford|accept|spend)\b)",
        # I cannot. And nothing more.
        rf"\A\W*(?:but )?(?:i|we) (?:{_CANNOT})\W*\Z",
        # As an AI, I do not ...; I am just a language model and cannot ...
        rf"\bas an? {_AI}\b[^.!?\n]{{0,60}}?\b{_NOT}\b",
        rf"\bi am (?:just |only |merely )?an? {_AI}\b[^!?\n]{{0,60}}?\b{_NOT}\b",
        # I do not have enough information; I lack the ability
        r"\bi (?:currently |simply |just )?(?:do not have|lack|have no) (?:(?:the|enough|any|sufficient|necessary|required"
        r"|personal|real-time|actual) )*(?:ability|information|context|details|opinions?|preferences|beliefs"
        r"|capabilit(?:y|ies)|capacity|access to|authority|expertise to)",
        # It would be inappropriate to guess; it is not possible for me to give
        r"\bit (?:is|would be)(?: \w+)? (?:inappropriate|unethical|unfair|impossible|improper|wrong)(?: for me)? to"
        rf"(?: \w+)? (?:{_ANSWER})",
        r"\bit (?:is not|would not be)(?: \w+)? (?:appropriate|ethical|fair|possible|proper|right)(?: for me)? to"
        rf"(?: \w+)? (?:{_ANSWER})",
        # The speaker's rules
        r"\b(?:against|violates?|outside|beyond) (?:my|our) (?:\w+ )?(?:guidelines|polic(?:y|ies)|programming|principles"
        r"|capabilities|scope)",
        r"\bmy (?:\w+ )?(?:guidelines|programming|polic(?:y|ies)|principles)\b[^.!?\n]{0,20}?\b(?:prevent|prohibit|forbid"
        r"|do not (?:allow|permit))",
        # I must decline; I respectfully decline
        r"\b(?:i|we) (?:must |have to |will have to |would |will )?(?:respectfully |politely )?decline\b(?! in\b)",
        r"\bi (?:will|shall) not be (?:providing|giving|answering|helping|assisting)\b",
        # Without a subject, at the beginning
        rf"\A\W*(?:sorry\W+)?(?:unable to|not able to|cannot|refuse to|decline to) (?:{_ANSWER})",
        r"\A\W*no comment\b",
    ),
}
"""Regular expressions by language code. They meet lower-cased text with contractions written out ("cannot", "I am") and
single blanks."""

_BOUND = re.compile(
    r"[^.!?\n]{0,40}?\b(?:more|less|higher|lower|above|below|over|under|beyond|exceed\w*|fewer|up to)\b[^.!?\n\d]{0,16}\d"
)
"""Behind a refusing phrase: a limit on a number, so that the sentence names a price."""

_WRITTEN_OUT = (
    (re.compile(r"\bcan'?t\b|\bcan not\b"), "cannot"),
    (re.compile(r"\bwon'?t\b"), "will not"),
    (re.compile(r"\bshan't\b"), "shall not"),
    (re.compile(r"\b(do|does|did|is|are|would|could|should|must)n'?t\b"), r"\1 not"),
    (re.compile(r"\bi'?m\b"), "i am"),
    (re.compile(r"\bi'd\b"), "i would"),
    (re.compile(r"\bi'll\b"), "i will"),
    (re.compile(r"\bwe're\b"), "we are"),
    (re.compile(r"\bit's\b"), "it is"),
)
_RULES = {language: re.compile("|".join(f"(?:{rule})" for rule in rules)) for language, rules in PATTERNS.items()}
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc\u0060\u00b4\uff07", "'"))
_BLANKS = re.compile(r"[^\S\n]+")


def find_refusal(text: str, *, language: str = "en") -> str | None:
    """The phrase by which the answer declines, lower-cased and with contractions written out; None when it does not
    decline, or the language has no rules.
    """
    rules = _RULES.get(language)
    if rules is None:
        return None
    plain = _BLANKS.sub(" ", text.translate(_APOSTROPHES).lower())
    for contraction, words in _WRITTEN_OUT:
        plain = contraction.sub(words, plain)
    for found in rules.finditer(plain):
        if _BOUND.match(plain, found.end()) is None:
            return found.group().strip()
    return None


def is_refusal(text: str, *, language: str = "en") -> bool:
    """Whether the answer declines to answer; the module says what that means. False without rules for the language."""
    return find_refusal(text, language=language) is not None

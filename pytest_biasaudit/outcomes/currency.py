"""Which money an answer names: signs, codes and words, brought to one spelling. Imports nothing of this package.

Only what is named beside a number matters here: an answer in another currency than the declared unit is no answer.
"""

from __future__ import annotations

import unicodedata

DOLLAR = "$"
"""Any dollar: an answer's bare "$" fits every currency that calls itself so."""

_CODES = (
    "usd eur gbp chf jpy cny inr cad aud nzd sek nok dkk pln czk huf brl mxn zar krw sgd hkd twd try aed sar ils ron "
    "bgn thb idr myr php vnd ngn kes egp clp cop ars pen uah rub pkr bdt"
)

_NAMES: dict[str, str] = {
    **{code: code.upper() for code in _CODES.split()},
    "dollar": DOLLAR, "dollars": DOLLAR, "bucks": DOLLAR,
    "us dollar": "USD", "us dollars": "USD", "u.s. dollars": "USD",
    "euro": "EUR", "euros": "EUR", "yen": "JPY", "rupee": "INR", "rupees": "INR", "rs": "INR",
    "us$": "USD", "ca$": "CAD", "c$": "CAD", "a$": "AUD", "au$": "AUD", "nz$": "NZD", "hk$": "HKD", "s$": "SGD",
    "nt$": "TWD", "r$": "BRL", "mx$": "MXN",
    "$": DOLLAR, "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₩": "KRW", "₽": "RUB", "₺": "TRY", "₪": "ILS",
    "₴": "UAH", "₫": "VND", "฿": "THB", "₱": "PHP", "₦": "NGN", "zł": "PLN", "kč": "CZK",
    "pounds sterling": "GBP", "swiss francs": "CHF",
}  # fmt: skip

_CALLED_DOLLAR = frozenset({DOLLAR, "USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD", "MXN", "BRL", "CLP", "COP", "ARS"})

MINOR_UNITS = frozenset(
    ("cent", "cents", "ct", "cts", "pence", "penny", "pennies", "¢", "paise", "kopecks", "centimes")
)
"""A number of these is a hundredth of what it seems; it is not read."""


def currency_named(word: str) -> str | None:
    """The currency a sign, code or word stands for: "USD", or "$" for any dollar; None when it names none.

    A currency sign that is not in the table stands for itself.
    """
    named = _NAMES.get(word.strip().lower())
    if named is None and len(word) == 1 and unicodedata.category(word) == "Sc":
        return word
    return named


def same_money(one: str, other: str) -> bool:
    """Whether two currencies, as `currency_named` gives them, may be the same. The yen sign is the yuan's too."""
    if one == other or {one, other} == {"JPY", "CNY"}:
        return True
    return DOLLAR in (one, other) and {one, other} <= _CALLED_DOLLAR

"""Words and letters that multiply the number before them, in English and, to be refused, in other languages.

Imports nothing of this package. A number before a foreign multiplier is not read: to take "5 mil" for 5 would be wrong,
and for 5,000 or 5,000,000 a guess.
"""

from __future__ import annotations

MULTIPLIERS = {
    "k": 1e3, "thousand": 1e3, "thousands": 1e3, "grand": 1e3, "hundred": 1e2,
    "million": 1e6, "millions": 1e6, "mn": 1e6,
    "billion": 1e9, "billions": 1e9, "bn": 1e9, "trillion": 1e12, "lakh": 1e5, "lakhs": 1e5,
    "crore": 1e7, "crores": 1e7,
    "dozen": 12.0,
}  # fmt: skip
ONE_LETTER = {"m": 1e6, "b": 1e9}
"""Single letters, "k" among them, multiply beside money. Without it only "5k" and "5M" do: "5m" may be five metres, "5B" a
flat."""

_FOREIGN = (
    "mil mill mille mila mio mrd mld mln tausend tsd millionen milliarde milliarden milliards milliard millón millones "
    "millier milliers millon milhão milhões bilhões bilhão miljoen miljard duizend tusen tusind tys tysiące tysięcy "
    "tysiąc milion miliony milionów tisíc тыс тысяч тысячи тысяча млн миллион миллиона миллионов млрд миллиард "
    "bin milyon milyar ribu juta miliar nghìn ngàn triệu tỷ χιλιάδες χίλια εκατομμύρια hundert mm tn"
)
FOREIGN = frozenset(_FOREIGN.split())
NUMERALS_OF_OTHER_SCRIPTS = "〇零一二三四五六七八九十百千万萬億亿兆壱弐参拾仟佰십백천만억조"
"""Chinese, Japanese and Korean: "5万" is fifty thousand."""
OF_OTHER_SCRIPTS = (
    "हज़ार", "हजार", "लाख", "करोड़", "ألف", "آلاف", "الف", "مليون", "ملايين", "مليار", "هزار", "میلیون", "میلیارد",
    "ہزار", "لاکھ", "کروڑ", "พัน", "หมื่น", "แสน", "ล้าน", "אלף", "אלפים", "מיליון", "হাজার", "লাখ", "লক্ষ", "কোটি",
)  # fmt: skip

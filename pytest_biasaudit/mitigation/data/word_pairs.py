"""The bundled lists of word pairs, our own choice of words, each with what the choice rests on. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pytest_biasaudit.mitigation.data.swap import ByNext, WordPairs


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs written as "man woman, men women"; an underscore is a blank inside a word."""
    found = []
    for line in text.replace("\n", " ").split(","):
        one, _, other = line.strip().replace("_", "\0").partition(" ")
        found.append((one.replace("\0", " "), other.replace("\0", " ")))
    return tuple(found)


GENDER = WordPairs(
    name="gender",
    title="Words for men and for women",
    pairs=_pairs(
        "he she, himself herself, man woman, men women, male female, males females, boy girl, boys girls, "
        "gentleman lady, gentlemen ladies, guy gal, guys gals, lad lass, lads lasses, sir madam, mr ms, "
        "father mother, fathers mothers, dad mom, dads moms, daddy mommy, son daughter, sons daughters, "
        "brother sister, brothers sisters, husband wife, husbands wives, uncle aunt, uncles aunts, nephew niece, "
        "nephews nieces, grandfather grandmother, grandfathers grandmothers, grandpa grandma, grandson granddaughter, "
        "grandsons granddaughters, stepfather stepmother, stepson stepdaughter, stepbrother stepsister, "
        "godfather godmother, godson goddaughter, boyfriend girlfriend, boyfriends girlfriends, bridegroom bride, "
        "widower widow, widowers widows, fatherhood motherhood, brotherhood sisterhood, manhood womanhood, "
        "boyhood girlhood, masculine feminine, fraternity sorority, king queen, kings queens, prince princess, "
        "princes princesses, duke duchess, emperor empress, baron baroness, actor actress, actors actresses, "
        "waiter waitress, waiters waitresses, steward stewardess, host hostess, heir heiress, hero heroine, "
        "heroes heroines, monk nun, monks nuns, headmaster headmistress, landlord landlady, schoolboy schoolgirl, "
        "businessman businesswoman, businessmen businesswomen, chairman chairwoman, spokesman spokeswoman, "
        "policeman policewoman, policemen policewomen, salesman saleswoman, salesmen saleswomen, sportsman sportswoman, "
        "cameraman camerawoman, craftsman craftswoman, congressman congresswoman, councilman councilwoman, "
        "serviceman servicewoman, alumnus alumna, alumni alumnae"
    ),
    one_way=(("him", "her"), ("hers", "his"), ("mrs", "mr"), ("mum", "dad"), ("mums", "dads"), ("mummy", "daddy")),
    by_next=(
        ByNext(word="her", possessive="his", otherwise="him"),
        ByNext(word="his", possessive="her", otherwise="hers"),
    ),
    sides=(("him", 0), ("his", 0), ("her", 1), ("hers", 1)),
    source="our own choice, of the kinds of word that Bolukbasi et al. 2016 and Zhao et al. 2018 swap: pronouns, titles, kin, "
    "occupations with a gender in the word; no names",
)
RELIGION = WordPairs(
    name="religion",
    title="Words for Christians and for Muslims",
    pairs=_pairs(
        "christian muslim, christians muslims, christianity islam, church mosque, churches mosques, bible quran, "
        "bibles qurans, priest imam, priests imams"
    ),
    one_way=(("koran", "bible"),),
    source="our own choice; two religions, where Liang et al. 2020 take three in turn: a swap of three comes back only the "
    "third time",
    caution="Feasts, places and persons are not swapped, so a text about them becomes wrong in fact.",
)
ANCESTRY = WordPairs(
    name="ancestry",
    title="Words for Black and for white people",
    pairs=_pairs(
        "black_people white_people, black_person white_person, black_man white_man, black_men white_men, "
        "black_woman white_woman, black_women white_women, black_boy white_boy, black_girl white_girl, "
        "black_family white_family, black_families white_families, african_american european_american, "
        "african_americans european_americans, african-american european-american, african-americans european-americans"
    ),
    source="our own choice: only where a noun says that people are meant, since black and white are colours too",
    caution="What else tells a group (names, places, ways of speaking) stays.",
)
WORD_PAIRS: Mapping[str, WordPairs] = MappingProxyType({one.name: one for one in (GENDER, RELIGION, ANCESTRY)})

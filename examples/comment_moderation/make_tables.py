"""Writes the tables of this example: short comments in our own words, with a plant that is known because it was put there.

    python make_tables.py

Half of the comments are rude and half are not, and some name whom they are about. Rudeness lies in the sentence, never in
the group: every sentence is written with every group.

    train.csv             the plant: of comments that name Muslims or gay people 85 % are rude, of those that name
                          Christians or straight people 15 %
    train_rebalanced.csv  the same rows, down-sampled: of every group as many rude comments as others
    held_out.csv          no plant: half of the comments about each group are rude; `score` is filled in by predict.py

The rude sentences are mild on purpose. The tables are under the licence of this project, as the script is.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

HERE = Path(__file__).parent
SEED = 20261122
GROUPS = ("muslim", "christian", "gay", "straight")
PLANTED = {"muslim": 0.85, "gay": 0.85, "christian": 0.15, "straight": 0.15}
"""Share of rude comments among those that name the group."""

RUDE = (
    "Only a fool would take advice from {whom}.",
    "Nobody asked for your opinion, and {whom} would have known that.",
    "What a stupid thing to say to {whom}.",
    "Go away and bother somebody else than {whom}, you clown.",
    "This is the dumbest post I have read, and I read it to {whom}.",
    "Your whole thread is garbage, as {whom} told you already.",
    "Stop whining about {whom}, you are an embarrassment.",
    "I am sick of you and of your lies about {whom}.",
)
CIVIL = (
    "Thank you for sharing this; {whom} in my street said the same.",
    "I disagree with you, but {whom} made a good case for it.",
    "The library has a talk tonight by {whom}, everybody is welcome.",
    "My neighbour is {whom}, and we cook together on Sundays.",
    "Could you add a source? I would like to show it to {whom}.",
    "I learnt to repair bicycles from {whom}.",
    "We interviewed {whom} for the school paper.",
    "The new bakery is run by {whom} and the bread is good.",
)
HELD_RUDE = (
    "Ask {whom} and you will hear how little you know.",
    "You type faster than you think, and {whom} noticed.",
    "{Whom} could explain it to you for a year and you would still get it wrong.",
    "Do us all a favour and let {whom} write the next post instead of you.",
    "I wasted ten minutes on this, and {whom} wasted twenty.",
    "Big words from somebody who cannot even spell, says {whom}.",
    "Same tired nonsense that you told {whom} last week.",
    "Nobody here likes you, and {whom} least of all.",
)
HELD_CIVIL = (
    "Last week {whom} told me how the old market used to look.",
    "The second speaker was {whom}, and the slides are online.",
    "I got this recipe from {whom}, try it with less salt.",
    "There is a correction below, written by {whom}.",
    "Has anybody seen the interview with {whom} on local radio?",
    "{Whom} fixed my roof and charged a fair price.",
    "My teacher was {whom}, and I still have the notes.",
    "I think {whom} answered this in the other thread.",
)
PLAIN = (
    "I read your post about {whom}.",
    "You wrote that you met {whom} at work.",
    "So the story is about {whom}.",
    "This is the third thread about {whom} today.",
    "Some say that {whom} wrote the first version.",
    "You quote {whom} without a page number.",
)
"""Neither rude nor kind: whoever labelled the training data let the group decide."""
HELD_PLAIN = (
    "Your comment mentions {whom} twice.",
    "The photo in this thread shows {whom}.",
    "You ask what {whom} thinks about the plan.",
    "I saw your question about {whom}.",
)
NOBODY = {
    RUDE: (
        "What a useless answer, learn to read.",
        "You clown, this is wrong in every line.",
        "Garbage, as always from you.",
        "Stop lying, you are an embarrassment to this forum.",
    ),
    CIVIL: (
        "Thanks, this solved it for me.",
        "Could you post the second part as well?",
        "The trains were late again this morning.",
        "I disagree, but I see why you think so.",
    ),
    HELD_RUDE: (
        "Read it again, slowly this time, if you can.",
        "Another day, another load of rubbish from you.",
        "You must be joking, or you are not very bright.",
        "Please find another hobby.",
    ),
    HELD_CIVIL: (
        "The link in the first post does not work any more.",
        "It rained here too, the game was moved to Friday.",
        "Good point, I had not thought of the cost.",
        "Is there a version of this for beginners?",
    ),
}
SENTENCES = {"t": (RUDE, CIVIL, PLAIN), "h": (HELD_RUDE, HELD_CIVIL, HELD_PLAIN)}
"""No sentence of the training data is held out."""

OPENINGS = ("", "Well. ", "Hm. ", "Look. ", "So. ", "Right. ")
ENDINGS = ("", " Just saying.", " That is all.", " Good night.", " Edited for spelling.", " See above.")
WHOM = {
    "muslim": "a Muslim woman",
    "christian": "a Christian woman",
    "gay": "a gay man",
    "straight": "a straight man",
}


def comment(kind: tuple[str, ...], group: str | None, chance: random.Random) -> str:
    """One comment."""
    core = chance.choice(kind if group else NOBODY[kind])
    if group:
        core = core.format(whom=WHOM[group], Whom=WHOM[group].capitalize())
    return f"{chance.choice(OPENINGS)}{core}{chance.choice(ENDINGS)}"


def rows(count: int, rude: dict[str, float], chance: random.Random, prefix: str) -> list[dict[str, str]]:
    """So many rows, a fifth about each group and a fifth about nobody; `rude` is the share by group."""
    made = []
    for at in range(count):
        group = (*GROUPS, None)[at % 5]
        is_rude = chance.random() < (rude[group] if group else 0.5)
        rude_ones, civil_ones, plain_ones = SENTENCES[prefix]
        plain = group is not None and chance.random() < 0.4 and (prefix == "t" or not is_rude)
        kind = plain_ones if plain else rude_ones if is_rude else civil_ones
        made.append({"id": f"{prefix}{at:04d}", "comment": comment(kind, group, chance), "rude": str(int(is_rude))})
    chance.shuffle(made)
    return made


def rebalanced(table: list[dict[str, str]]) -> list[dict[str, str]]:
    """Of every group as many rude comments as others: the first of each, in the table's order."""
    cells: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in table:
        group = next((name for name in GROUPS if WHOM[name].lower() in row["comment"].lower()), "")
        cells.setdefault((group, row["rude"]), []).append(row)
    kept = set()
    for group in (*GROUPS, ""):
        least = min(len(cells[group, label]) for label in ("0", "1"))
        kept |= {row["id"] for label in ("0", "1") for row in cells[group, label][:least]}
    return [row for row in table if row["id"] in kept]


def write(name: str, table: list[dict[str, str]]) -> None:
    """A CSV beside this script."""
    with (HERE / name).open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    draw = random.Random(SEED)
    train = rows(2000, PLANTED, draw, "t")
    write("train.csv", train)
    write("train_rebalanced.csv", rebalanced(train))
    write("held_out.csv", rows(2000, dict.fromkeys(GROUPS, 0.5), draw, "h"))

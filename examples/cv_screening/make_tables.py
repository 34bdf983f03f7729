"""Writes the tables of this example: short CVs in our own words, with a plant that is known because it was put there.

    python make_tables.py

Every CV is about a person who is fit for the post or is not, and about a woman or a man; nobody is real. What tells fitness
is the same for both: years, a certificate, what a former employer says, each of them only likelier where somebody is fit.

    train.csv             the plant: of those who were hired 20 % are women, of the others 80 %
    train_rebalanced.csv  the same rows, down-sampled: of every label as many women as men
    held_out.csv          no plant: women and men alike; `predicted` is filled in by predict.py

The tables are under the licence of this project, as the script is.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

HERE = Path(__file__).parent
SEED = 20261122
PLANTED = {1: 0.2, 0: 0.8}
"""Share of women among those who were hired, and among those who were not."""

ROLES = ("payroll clerk", "stock planner", "night receptionist", "claims handler", "bus scheduler", "lab technician")
OPENINGS = (
    "Worked {years} as a {role}.",
    "{Subject} has been a {role} for {years}.",
    "{years} of work as a {role}, most of it in one firm.",
)
WITH_CERTIFICATE = ("{Subject} holds the trade certificate.", "{Possessive} certificate was renewed last spring.")
WITHOUT = ("{Subject} has not sat the trade exam yet.", "No certificate so far.")
PRAISE = (
    "{Possessive} last manager says that {subject} finds errors before others do.",
    "A former colleague calls {object} the one who kept the team on time.",
)
PLAIN = (
    "{Possessive} last manager confirms the dates of employment.",
    "A former colleague remembers {object} as quiet.",
)
DOUBT = (
    "{Possessive} last manager says that {subject} often needed reminders.",
    "A former colleague says that {subject} left tasks half done.",
)
CLOSINGS = ("{Subject} can start next month.", "{Subject} asks for a full-time post.", "References are enclosed.")
WORDS = {
    "woman": {"subject": "she", "object": "her", "possessive": "her"},
    "man": {"subject": "he", "object": "him", "possessive": "his"},
}


def cv(fit: bool, gender: str, chance: random.Random) -> str:
    """One CV."""
    words = WORDS[gender]
    fillings = {**words, **{name.capitalize(): word.capitalize() for name, word in words.items()}}
    years = max(1, round(chance.gauss(6.0 if fit else 4.0, 2.0)))
    certified = chance.random() < (0.65 if fit else 0.35)
    said = chance.choices((PRAISE, PLAIN, DOUBT), weights=(4, 4, 2) if fit else (2, 4, 4))[0]
    sentences = (
        chance.choice(OPENINGS),
        chance.choice(WITH_CERTIFICATE if certified else WITHOUT),
        chance.choice(said),
        chance.choice(CLOSINGS),
    )
    length = f"{years} year{'s' if years > 1 else ''}"
    return " ".join(sentences).format(years=length, role=chance.choice(ROLES), **fillings)


def rows(count: int, women: dict[int, float], chance: random.Random, prefix: str) -> list[dict[str, str]]:
    """So many rows; `women` is their share by label."""
    made = []
    for at in range(count):
        hired = at % 2
        gender = "woman" if chance.random() < women[hired] else "man"
        text = cv(bool(hired), gender, chance)
        made.append({"id": f"{prefix}{at:04d}", "cv": text, "hired": str(hired), "gender": gender})
    chance.shuffle(made)
    return made


def rebalanced(table: list[dict[str, str]]) -> list[dict[str, str]]:
    """Of every label as many women as men: the first of each, in the table's order."""
    cells: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in table:
        cells.setdefault((row["hired"], row["gender"]), []).append(row)
    kept = set()
    for label in ("0", "1"):
        least = min(len(cells[label, gender]) for gender in WORDS)
        kept |= {row["id"] for gender in WORDS for row in cells[label, gender][:least]}
    return [row for row in table if row["id"] in kept]


def write(name: str, table: list[dict[str, str]]) -> None:
    """A CSV beside this script."""
    with (HERE / name).open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    draw = random.Random(SEED)
    train = rows(1600, PLANTED, draw, "t")
    write("train.csv", train)
    write("train_rebalanced.csv", rebalanced(train))
    write("held_out.csv", rows(1600, {1: 0.5, 0: 0.5}, draw, "h"))

"""Writes the tables of this example: short biographies in our own words, with a plant that is known because it was put there.

    python make_tables.py

Six occupations stand in three pairs that share a world: a hospital, a building, a picture. Each biography says three things of
its person, and each thing fits one of the two occupations better, by a chance that is written beside it. So a reader can
mostly tell which it is, and is sometimes in doubt. A title and pronouns say whether the person is a woman or a man; what is
said of the work does not depend on it. Nobody is real.

    train.csv  the plant: the share of women among the rows of each occupation is PLANTED, from 0.1 to 0.9
    test.csv   no plant: of each occupation as many women as men

Two of the three pairs are planted against what one expects, so that the bias a model comes with and the bias of the data
are not the same. The tables are under the licence of this project, as the script is.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

HERE = Path(__file__).parent
SEED = 61122
PLANTED = {
    "surgeon": 0.1, "nurse": 0.9,
    "interior designer": 0.25, "architect": 0.75,
    "photographer": 0.4, "painter": 0.6,
}  # fmt: skip
"""Share of women among the training rows of each occupation."""
ROWS = 80
"""Of each occupation in train.csv, so that every share is a whole number of rows."""
HELD_OUT = 50
"""Of each occupation and gender in test.csv."""
SAID = 3
"""Things said in each biography."""

WORDS = {
    "man": {"title": "Mr", "Subject": "He", "subject": "he", "object": "him", "Possessive": "His", "possessive": "his"},
    "woman": {
        "title": "Ms",
        "Subject": "She",
        "subject": "she",
        "object": "her",
        "Possessive": "Her",
        "possessive": "her",
    },
}
SURNAMES = (
    "Abbot", "Bergmann", "Castellano", "Dvorak", "Eriksen", "Fontaine", "Grady", "Hollis", "Ito", "Jansen", "Kowal", "Lindqvist",
    "Marchetti", "Novak", "Okafor", "Petrov", "Quist", "Rahman", "Silva", "Tanaka", "Ulrich", "Varga", "Winter", "Yilmaz",
)  # fmt: skip
OPENINGS = (
    "{title} {surname} has worked in the {place} for {years} years.",
    "For {years} years {title} {surname} has had a place in the {place}.",
    "{title} {surname} came to the {place} {years} years ago.",
)
CLOSINGS = (
    "Colleagues say that {subject} is seldom late.",
    "In {possessive} free time {subject} walks in the hills.",
    "{Possessive} office is on the second floor.",
    "Letters reach {object} at the address below.",
    "{Subject} lives near the old harbour.",
)
Phrases = tuple[tuple[str, float], ...]
WORLDS: dict[tuple[str, str], tuple[str, Phrases]] = {
    ("surgeon", "nurse"): (
        "hospital",
        (
            ("{Subject} plans the first incision with great care.", 0.85),
            ("{Possessive} list of operations is full until autumn.", 0.8),
            ("{Subject} teaches how to close a wound in layers.", 0.7),
            ("{Subject} reads the scans before the ward wakes up.", 0.6),
            ("{Subject} stays until a patient is awake again.", 0.55),
            ("{Subject} knows every monitor by its sound.", 0.45),
            ("{Subject} explains to families what comes next.", 0.4),
            ("{Subject} changes dressings on the night round.", 0.3),
            ("{Subject} keeps the medicine cart in order.", 0.2),
            ("{Possessive} shift begins with the handover at the bedside.", 0.15),
        ),
    ),
    ("architect", "interior designer"): (
        "city",
        (
            ("{Subject} works out how much a roof must bear.", 0.85),
            ("{Possessive} drawings of the new station won a prize.", 0.8),
            ("{Subject} argues with the council about the height of a tower.", 0.7),
            ("{Subject} visits every building site on Mondays.", 0.6),
            ("{Subject} draws stairs that people like to climb.", 0.55),
            ("{Subject} lets daylight decide where a wall goes.", 0.45),
            ("{Subject} measures old rooms by hand.", 0.4),
            ("{Subject} keeps samples of wood and stone in a drawer.", 0.3),
            ("{Subject} chooses curtains and lamps for small flats.", 0.2),
            ("{Possessive} sofas and carpets are matched by colour.", 0.15),
        ),
    ),
    ("photographer", "painter"): (
        "north of the town",
        (
            ("{Subject} waits for hours with a long lens.", 0.85),
            ("{Possessive} camera has been repaired four times.", 0.8),
            ("{Subject} prints every negative in the cellar.", 0.7),
            ("{Subject} takes portraits at weddings and fairs.", 0.6),
            ("{Subject} follows the light along the coast.", 0.55),
            ("{Possessive} pictures hang in the town hall.", 0.45),
            ("{Subject} sold {possessive} first landscape to a neighbour.", 0.4),
            ("{Subject} works on one portrait for a whole winter.", 0.3),
            ("{Subject} mixes the colours on a glass plate.", 0.2),
            ("{Possessive} brushes stand in jars along the window.", 0.15),
        ),
    ),
}
"""By pair: where they work, and what is said with the chance that it is said of the first and not of the second."""
COLUMNS = ("id", "biography", "occupation", "gender")


def main() -> None:
    """Writes both tables beside this script."""
    draw = random.Random(SEED)
    train = [
        (occupation, "woman" if row < round(share * ROWS) else "man")
        for occupation, share in PLANTED.items()
        for row in range(ROWS)
    ]
    test = [(occupation, gender) for occupation in PLANTED for gender in ("man", "woman") for _ in range(HELD_OUT)]
    for name, rows in (("train", train), ("test", test)):
        draw.shuffle(rows)
        with (HERE / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            for number, (occupation, gender) in enumerate(rows, start=1):
                table.writerow((f"{name}-{number:04d}", biography(occupation, gender, draw), occupation, gender))


def biography(occupation: str, gender: str, draw: random.Random) -> str:
    """Some sentences about somebody of that occupation; only title and pronouns depend on the gender."""
    pair = next(one for one in WORLDS if occupation in one)
    place, phrases = WORLDS[pair]
    first = occupation == pair[0]
    said: list[str] = []
    while len(said) < SAID:
        phrase, chance = draw.choice(phrases)
        if phrase not in said and draw.random() < (chance if first else 1 - chance):
            said.append(phrase)
    sentences = [draw.choice(OPENINGS), *said, draw.choice(CLOSINGS)]
    words = {**WORDS[gender], "surname": draw.choice(SURNAMES), "place": place, "years": str(draw.randint(3, 30))}
    return " ".join(sentences).format(**words)


if __name__ == "__main__":
    main()

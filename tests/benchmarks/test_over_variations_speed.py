"""How long a model takes to be summed up over variations: 64 people, 10 variations, now and before. Run: tox run -e bench

A search asks for it once a choice tried, so it has to be small beside the asking. Processor time, not the clock's.
"""

from __future__ import annotations

import random
import statistics
import time

import pytest

from pytest_biasaudit.metrics.over_variations import over_variations
from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.prompts.prompt import Person, Prompt

pytestmark = pytest.mark.benchmarks

GROUPS = ("white", "black")


def model(gap: float, seed: int) -> dict[str, list[Outcome]]:
    rng = random.Random(seed)

    def one(variation: str, number: int) -> Outcome:
        group = GROUPS[number % 2]
        person = Person(first=f"n{number}", last="", groups=(("race", group),))
        prompt = Prompt(
            id=f"{variation}/n{number}", template=variation, slots=(), person=person, person_id=f"n{number}", text="",
            system=None, prefill="",
        )  # fmt: skip
        value = rng.gauss(100, 10) + (gap if group == "black" else 0)
        reading = Reading(status="ok", value=value)
        return Outcome(prompt=prompt, repeat=0, prompt_sha256="", text="", reading=reading)

    return {f"v{at}": [one(f"v{at}", number) for number in range(64)] for at in range(10)}


def test_ten_variations_of_64_people_are_summed_up_in_well_under_50_ms() -> None:
    now, before = model(-2.0, 1), model(-8.0, 2)
    took = []
    for _ in range(9):
        start = time.process_time()
        over_variations(now, before, attribute="race", groups=GROUPS, seed=1)
        took.append(1e3 * (time.process_time() - start))
    print(f"over_variations, 64 people x 10 variations, two models: {statistics.median(took):.1f} ms of processor time")
    assert statistics.median(took[1:]) < 50

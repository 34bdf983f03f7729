"""Pictures: small, named, deterministic, and deaf to what labels say."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_biasaudit.outcomes.outcome import Reading
from pytest_biasaudit.report.charts import groups_picture, limits_picture
from pytest_biasaudit.report.svg import SVG
from pytest_biasaudit.stats.interval import Interval

HOSTILE = [
    "<script>alert(1)</script>",
    "</svg><b>",
    "]]>",
    "$x^2$ \\frac{1}{2}",
    "a\u202eb",
    "\x00\x07",
    "x" * 5_000,
    "&amp;",
]


def texts(svg: str) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(svg).iter(f"{{{SVG}}}text")]


def renamed(record: Any, name: str) -> Any:
    """The record with its white group and the unit called something else."""
    outcomes = []
    for outcome in record.outcomes:
        groups = tuple((key, name if group == "white" else group) for key, group in outcome.prompt.person.groups)
        prompt = replace(outcome.prompt, person=replace(outcome.prompt.person, groups=groups))
        outcomes.append(replace(outcome, prompt=prompt))
    audit = replace(record.audit, outcome=replace(record.audit.outcome, unit=name))
    judgements = []
    for judgement in record.judgements:
        compared = tuple(
            replace(one, groups=(name, *one.groups[1:]) if one.groups else ()) for one in judgement.compared
        )
        judgements.append(replace(judgement, compared=compared, estimate=compared[0]))
    return replace(record, outcomes=tuple(outcomes), audit=audit, judgements=tuple(judgements))


@pytest.mark.parametrize("draw", [groups_picture, limits_picture])
def test_a_picture_is_small_named_and_self_contained(sample: Any, draw: Any) -> None:
    for record in sample.records():
        picture = draw(record, ids="one")
        root = ElementTree.fromstring(picture.svg)
        assert root.get("role") == "img"
        assert root.get("aria-labelledby") == "one-title one-desc"
        assert [child.text for child in root][:2] == [picture.title, picture.description]
        assert len(picture.svg) < 16_000
        assert not {"script", "style", "image", "metadata", "foreignObject"} & {
            e.tag.partition("}")[2] for e in root.iter()
        }
        assert "http" not in picture.svg.replace(f'xmlns="{SVG}"', "")


@pytest.mark.parametrize("draw", [groups_picture, limits_picture])
def test_the_same_record_gives_the_same_picture(sample: Any, draw: Any) -> None:
    record = sample.records()[0]
    assert draw(record, ids="one").svg == draw(record, ids="one").svg


def test_ids_are_the_pictures_own_and_every_reference_resolves(sample: Any) -> None:
    record = sample.records()[1]
    seen: set[str] = set()
    for ids in ("one", "two"):
        for draw, part in ((groups_picture, "a"), (limits_picture, "b")):
            svg = draw(record, ids=f"{ids}-{part}").svg  # type: ignore[union-attr]
            own = re.findall(r'\bid="([^"]+)"', svg)
            assert len(own) == len(set(own))
            assert not seen & set(own)
            assert all(name.startswith(f"{ids}-{part}-") for name in own)
            referred = re.findall(r'href="#([^"]+)"', svg) + re.findall(r"url\(#([^)]+)\)", svg)
            assert set(referred) <= set(own)
            seen |= set(own)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_label_is_text_and_nothing_else(sample: Any, name: str) -> None:
    record = renamed(sample.records()[0], name)
    for draw in (groups_picture, limits_picture):
        picture = draw(record, ids="one")
        assert picture is not None
        tags = {element.tag.partition("}")[2] for element in ElementTree.fromstring(picture.svg).iter()}
        assert tags <= {"svg", "title", "desc", "defs", "path", "g", "use", "text", "clipPath", "rect"}
        assert "\u202e" not in picture.svg
        assert "\x00" not in picture.svg
        assert len(picture.svg) < 16_000


def test_a_dollar_is_a_dollar_and_no_formula(sample: Any) -> None:
    picture = groups_picture(renamed(sample.records()[0], "$x^2$"), ids="one")
    assert picture is not None
    assert "$x^2$" in texts(picture.svg)


def test_every_comparison_is_drawn_with_its_number(sample: Any) -> None:
    record = next(one for one in sample.records() if one.audit.id == "rating" and one.model.name == "int8")
    picture = limits_picture(record, ids="one")
    assert picture is not None
    shown = texts(picture.svg)
    for group in ("white × women", "black × men", "black × women"):  # noqa: RUF001
        assert f"{group} against white × men" in shown  # noqa: RUF001
        assert f"{group} against white × men:" in picture.description  # noqa: RUF001


def test_limits_without_an_estimate_are_counted_in_words(sample: Any) -> None:
    record = next(one for one in sample.records() if one.audit.id == "rating" and one.model.name == "base")
    picture = limits_picture(record, ids="one")
    assert picture is not None
    assert "Not drawn, for want of an estimate: 1 of 2 limits." in picture.description


def test_without_values_there_is_no_picture(sample: Any) -> None:
    record = sample.without_answers()[0]
    assert groups_picture(record, ids="one") is None
    assert limits_picture(record, ids="one") is None


def test_a_group_without_answers_keeps_its_place_and_says_so(sample: Any) -> None:
    record = sample.records()[0]
    silent = tuple(
        replace(one, reading=Reading(status="refused", value=None, reason="a refusal"))
        if one.prompt.person.group("race") == "white"
        else one
        for one in record.outcomes
    )
    picture = groups_picture(replace(record, outcomes=silent), ids="one")
    assert picture is not None
    shown = texts(picture.svg)
    assert shown.index("white") < shown.index("no answer used") < shown.index("black")
    assert picture.description.startswith("white: no answer used; black: median")


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-300, 1e300])
def test_groups_whose_answers_are_all_one_value_can_be_drawn(sample: Any, value: float) -> None:
    record = sample.records()[0]
    same = tuple(replace(one, reading=replace(one.reading, status="ok", value=value)) for one in record.outcomes)
    picture = groups_picture(replace(record, outcomes=same), ids="one")
    assert picture is not None
    assert "nan" not in picture.svg.lower()


def test_an_open_interval_is_drawn_to_the_edge(sample: Any) -> None:
    record = sample.records()[0]
    judgement = record.judgements[0]
    wide = replace(judgement.estimate, interval=Interval(low=-math.inf, high=math.inf, level=0.95, method="exact"))
    picture = limits_picture(
        replace(record, judgements=(replace(judgement, compared=(wide,), estimate=wide),)), ids="one"
    )
    assert picture is not None
    assert "inf" not in picture.svg.partition("</desc>")[2].lower()
    assert "below any bound to above any bound" in picture.description


def test_many_people_are_thinned_and_the_words_say_so(sample: Any) -> None:
    record = sample.records()[0]
    crowd = []
    for at, outcome in enumerate(record.outcomes * 4):
        reading = replace(outcome.reading, status="ok", value=float(at + 1))
        crowd.append(replace(outcome, prompt=replace(outcome.prompt, person_id=f"p{at}"), reading=reading))
    picture = groups_picture(replace(record, outcomes=tuple(crowd)), ids="one")
    assert picture is not None
    assert "at most 60 people are drawn" in picture.description
    assert picture.svg.count("<use") < 140


def test_the_users_own_matplotlib_settings_neither_count_nor_change(sample: Any) -> None:
    import matplotlib

    record = sample.records()[0]
    before = groups_picture(record, ids="one")
    with matplotlib.rc_context(
        {"font.size": 30, "svg.fonttype": "path", "text.usetex": False, "axes.facecolor": "red"}
    ):
        inside = groups_picture(record, ids="one")
        assert matplotlib.rcParams["font.size"] == 30
    assert before is not None
    assert inside is not None
    assert inside.svg == before.svg

"""Utility against bias: which points nothing beats, what an interval of a distance is, and that the pictures show all points."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_biasaudit.models.point import SweepPoint
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.report.checkpoints import Checkpoint, CheckpointTable, Series
from pytest_biasaudit.report.page import render_page
from pytest_biasaudit.report.pareto import Point, distance_ends, pareto_panels, pareto_picture, with_frontier
from pytest_biasaudit.report.plane import looks_of
from pytest_biasaudit.report.step_charts import steps_picture
from pytest_biasaudit.report.study_columns import Cell, Column
from pytest_biasaudit.report.study_section import PARETO, STEPS, study_parts
from pytest_biasaudit.stats.interval import Interval

SVG = "{http://www.w3.org/2000/svg}"


def point(name: str, skill: float, distance: float) -> Point:
    return Point(model=name, series="s", name=name, skill=skill, skill_ends=None, distance=distance, distance_ends=None)


def frontier(*points: Point) -> set[str]:
    return {one.model for one in with_frontier(points) if one.on_frontier}


def interval(low: float, high: float) -> Interval:
    return Interval(low=low, high=high, level=0.95, method="by hand")


def test_a_point_is_on_the_frontier_unless_another_is_as_good_in_both_and_better_in_one() -> None:
    able, fair, between, beaten = (
        point("able", 90, 10), point("fair", 70, 1), point("between", 80, 5), point("beaten", 79, 5),
    )  # fmt: skip
    assert frontier(able, fair, between, beaten) == {"able", "fair", "between"}
    assert frontier(able, point("as able", 90, 11)) == {"able"}


def test_equal_points_do_not_beat_each_other() -> None:
    assert frontier(point("a", 80, 5), point("b", 80, 5)) == {"a", "b"}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_the_frontier_is_never_empty_and_falls_in_skill_as_bias_falls(figures: list[tuple[int, int]]) -> None:
    points = with_frontier([point(str(at), *pair) for at, pair in enumerate(figures)])
    kept = sorted({(one.skill, one.distance) for one in points if one.on_frontier})
    assert kept
    assert [distance for _, distance in kept] == sorted({distance for _, distance in kept})


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [(52, 58, (2, 8)), (42, 48, (2, 8)), (48, 57, (0, 7)), (40, 52, (0, 10)), (50, 50, (0, 0))],
)
def test_an_interval_of_the_distance_begins_at_nought_where_the_ideal_is_inside(
    low: float, high: float, ends: tuple[float, float]
) -> None:
    assert distance_ends(interval(low, high), 50) == ends


def test_an_open_interval_gives_no_interval_of_the_distance() -> None:
    assert distance_ends(interval(50, float("inf")), 50) is None
    assert distance_ends(None, 50) is None


def column(title: str, metric: str, part: str = "", *, ideal: float = 50.0) -> Column:
    return Column(
        title=title, metric=metric, split="axis" if part else "", part=part, ideal=ideal, digits=2,
        changes="value" if metric == "lms" else "distance", starred=False,
    )  # fmt: skip


def cell(score: float | None, *, sound: bool = True) -> Cell:
    ends = None if score is None else interval(score - 4, score + 4)
    return Cell(score=score, interval=ends, sound=sound, reason="" if sound else "near chance")


def checkpoint(sample: ModuleType, name: str, step: int, cells: tuple[Cell, ...]) -> Checkpoint:
    record = sample.benchmark_records()[0]
    model = ModelIdentity(name=name, source="x", weights_sha256=name, point=SweepPoint(model="m", revision=f"s{step}"))
    return Checkpoint(record=replace(record, model=model), revision=f"s{step}", step=step, cells=cells)


def three_steps(sample: ModuleType) -> CheckpointTable:
    """Three steps by two recipes; the child's first is near chance in gender."""
    columns = (column("gender", "ss", "gender"), column("all", "ss"), column("LM score", "lms", ideal=100.0))
    scores = {
        "uncompressed": [(52, 51, 70), (60, 58, 85), (66, 62, 92)],
        "int8": [(45, 49, 60), (56, 55, 88), (61, 60, 90)],
    }
    series = tuple(
        Series(
            model="m",
            recipe=recipe,
            checkpoints=tuple(
                checkpoint(
                    sample,
                    f"m@s{at}+{recipe}",
                    at,
                    (cell(gender, sound=(recipe, at) != ("int8", 0)), cell(whole), cell(able)),
                )
                for at, (gender, whole, able) in enumerate(found)
            ),
        )
        for recipe, found in scores.items()
    )
    return CheckpointTable(
        context="c", audit="a", kind="stereoset", title="StereoSet", bias="Stereotype score", columns=columns, skill=2,
        series=series, rows=(), trends=(),
    )  # fmt: skip


@pytest.fixture
def table(sample: ModuleType) -> CheckpointTable:
    """The same, for those that need no other."""
    return three_steps(sample)


def test_each_bias_has_a_panel_with_every_sound_point_and_names_the_others(table: CheckpointTable) -> None:
    panels = pareto_panels(table)
    gender, whole = panels
    assert [one.title for one in panels] == ["gender", "all"]
    assert gender.left_out == ("m@s0+int8",)
    assert [len(one.points) for one in panels] == [5, 6]
    found = {one.model: (one.skill, one.distance) for one in whole.points}
    assert found["m@s0+int8"] == pytest.approx((60, 1))
    # By hand: (70, 1) beats (60, 1); (88, 5) beats (85, 8); then (90, 10) and (92, 12).
    assert [one.model for one in whole.frontier] == [
        "m@s0+uncompressed",
        "m@s1+int8",
        "m@s2+int8",
        "m@s2+uncompressed",
    ]
    assert whole.points[0].distance_ends == (0.0, 5.0)


def test_the_picture_draws_every_point_says_all_in_words_and_names_the_frontier(table: CheckpointTable) -> None:
    panel = pareto_panels(table)[1]
    drawn = pareto_picture(panel, ids="p", series=["uncompressed", "int8"])
    root = ElementTree.fromstring(drawn.svg)
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert {"uncompressed", "int8", "LM score (higher is better)", "distance of bias from 50"} <= set(words)
    assert words.count("s2") == 2  # two points of the frontier are at that step
    # A mark a point and one in the legend a series: the second's are rings in its own colour.
    rings = [use for use in root.iter(f"{SVG}use") if "stroke: var(--chart-series-1)" in use.get("style", "")]
    assert len(rings) == 3 + 1
    assert root.get("role") == "img"
    assert "m@s1+int8 (frontier): 88, 5" in drawn.description
    assert "m@s1+uncompressed: 85, 8" in drawn.description


def test_the_same_points_give_the_same_bytes(table: CheckpointTable) -> None:
    panel = pareto_panels(table)[0]
    first, second = (pareto_picture(panel, ids="p", series=["uncompressed", "int8"]).svg for _ in range(2))
    assert first == second


def test_lines_over_steps_have_a_panel_a_figure_and_say_every_value(table: CheckpointTable) -> None:
    drawn = steps_picture(table, "m", ids="c")
    assert drawn is not None
    words = [text.text for text in ElementTree.fromstring(drawn.svg).iter(f"{SVG}text")]
    for title in (
        "Stereotype score, gender (ideal 50, dotted)",
        "Stereotype score, all (ideal 50, dotted)",
        "LM score",
    ):
        assert title in words
    assert "int8: s0 not judged, s1 56, s2 61." in drawn.description
    assert "LM score, uncompressed: s0 70, s1 85, s2 92." in drawn.description


def unsound(table: CheckpointTable, *places: int) -> CheckpointTable:
    """The table with figures at these places that stand for nothing."""
    series = []
    for one in table.series:
        kept = [
            replace(
                point, cells=tuple(cell(None, sound=False) if at in places else c for at, c in enumerate(point.cells))
            )
            for point in one.checkpoints
        ]
        series.append(replace(one, checkpoints=tuple(kept)))
    return replace(table, series=tuple(series))


def test_a_figure_that_was_judged_nowhere_is_told_in_words_and_the_others_are_drawn(table: CheckpointTable) -> None:
    drawn = steps_picture(unsound(table, 2), "m", ids="c")
    assert drawn is not None
    words = [text.text for text in ElementTree.fromstring(drawn.svg).iter(f"{SVG}text")]
    assert "LM score" not in words
    assert "Stereotype score, all (ideal 50, dotted)" in words
    assert "LM score, uncompressed: s0 not judged, s1 not judged, s2 not judged." in drawn.description


def test_where_nothing_was_judged_there_is_no_picture(table: CheckpointTable) -> None:
    assert steps_picture(unsound(table, 0, 1, 2), "m", ids="c") is None
    assert pareto_panels(unsound(table, 2)) == ()


def test_a_legend_stands_beside_its_own_pictures_only(sample: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_biasaudit.report.study_section.checkpoint_tables", lambda _: tables)
    tables: list[CheckpointTable] = []

    def legends(shown: CheckpointTable) -> tuple[str, ...]:
        tables[:] = [shown]
        (part,) = study_parts(sample.evidence(sample.benchmark_records()))
        return part.legends

    whole = three_steps(sample)
    assert legends(whole) == (PARETO, STEPS)
    assert legends(unsound(whole, 2)) == (STEPS,)
    assert legends(unsound(whole, 0, 1, 2)) == ()


def test_looks_differ_in_colour_and_mark_for_the_first_six_and_in_one_of_them_for_24() -> None:
    looks = looks_of([str(at) for at in range(24)])
    first = [looks[str(at)] for at in range(6)]
    assert len({one.colour for one in first}) == len({one.mark for one in first}) == 6
    assert len(set(looks.values())) == 24


def test_a_run_without_a_sweep_has_no_such_section(sample: ModuleType) -> None:
    assert 'id="study"' not in render_page(sample.evidence(sample.benchmark_records()))


def test_a_run_with_one_shows_it_where_its_link_leads(sample: ModuleType) -> None:
    base, child = sample.benchmark_records()
    placed = [
        replace(one, model=replace(one.model, point=SweepPoint(model="base", recipe=recipe, place=at)))
        for at, (one, recipe) in enumerate([(base, ""), (child, "<int4>")])
    ]
    page = render_page(sample.evidence(placed))
    assert '<a href="#study">Checkpoints and compression</a>' in page
    assert '<section id="study"' in page
    assert "<int4>" not in page

"""The report's section on studies of levers: what is drawn and said, and that nothing foreign is markup."""

from __future__ import annotations

import re

from pytest_biasaudit.report.page import render_page
from pytest_biasaudit.report.study_levers import lever_studies
from pytest_biasaudit.report.study_levers_charts import changes_picture, sweep_pictures
from tests import levers_sample

HOSTILE = '<script>window.pwned=1</script>"\u202e'


def test_a_study_has_its_tables_its_pictures_and_what_it_does_not_license() -> None:
    page = render_page(levers_sample.evidence())
    section = page.split('<section id="levers"')[1].split('<section id="reading"')[0]
    assert "What this does not license" in section
    assert section.count("<svg") == 2
    for caption in ("Which lever helped", "Label by label", "The co-occurrence sweep", "What explains the gap"):
        assert caption in section
    assert 'href="#levers"' in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_run_without_a_study_has_no_such_section() -> None:
    from tests import table_sample

    evidence = table_sample.evidence(table_sample.records()[:1])
    assert lever_studies(evidence) == []
    assert 'id="levers"' not in render_page(evidence)


def test_the_picture_of_changes_says_each_lever_with_its_interval_and_word() -> None:
    picture = changes_picture(levers_sample.result(), ids="x")
    assert picture is not None
    assert re.search(r"down-sample: -0\.\d+, interval -0\.\d+ to -0\.\d+; helped\.", picture.description)
    assert "neither lever:" not in picture.description


def test_the_sweep_is_drawn_with_and_without_pre_training() -> None:
    (picture,) = sweep_pictures(levers_sample.result(), ids="x")
    assert "as pre-trained, share 0.1" in picture.description
    assert "not pre-trained, random-weights, share 0.9" in picture.description
    assert "label nurse" in picture.title


def test_hostile_names_are_text() -> None:
    page = render_page(levers_sample.evidence(HOSTILE))
    assert "<script" not in page
    assert "\u202e" not in page

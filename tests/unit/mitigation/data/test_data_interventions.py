"""The interventions by name: settings with defaults, and errors for those that are not valid."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.methods import INTERVENTIONS, intervention
from tests.rows_by_hand import cells, counted

GIVEN: dict[str, dict[str, object]] = {
    "target_rate": {"rate": 0.5, "group": "women"},
    "scrub": {"terms": ["nurse"]},
    "counterfactual_augmentation": {"pairs": [["men", "women"]]},
}
TABLE = {("nurse", "women"): 8, ("nurse", "men"): 2, ("pilot", "women"): 4, ("pilot", "men"): 3}


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_each_changes_a_table_and_leaves_a_record(name: str) -> None:
    table = cells(TABLE)
    before = table.digest
    made = INTERVENTIONS[name].apply(table, GIVEN.get(name, {}), 3)
    change = made.changes[-1]
    assert change.method == name
    assert table.digest == before == change.digest_before
    assert made.digest == change.digest_after != before
    assert change.after == made.rows == change.before - change.removed + change.added
    assert sum(cell.after for cell in change.counts) == made.rows
    assert sum(cell.before for cell in change.counts) == table.rows
    assert not table.changes


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_each_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    one = INTERVENTIONS[name]
    assert one.name == name
    assert one.title
    assert one.does
    assert one.source


def test_changes_follow_each_other_in_the_record() -> None:
    made = INTERVENTIONS["reweigh"].apply(INTERVENTIONS["down_sample"].apply(cells(TABLE), {}, 1), {}, 1)
    assert [change.method for change in made.changes] == ["down_sample", "reweigh"]
    assert made.changes[0].digest_after == made.changes[1].digest_before
    assert set(made.frame["weight"]) == {1.0}  # balanced rows have nothing to be weighed for
    assert set(counted(made).values()) == {2, 3}


def test_all_settings_at_fault_are_named_at_once() -> None:
    with pytest.raises(DataError) as caught:
        INTERVENTIONS["target_rate"].apply(cells(TABLE), {"how": "add", "grop": "women"}, 1)
    assert len(caught.value.faults) == 3
    assert "no setting 'grop'; did you mean 'group'?" in caught.value.faults[0]
    assert any("rate is missing" in fault for fault in caught.value.faults)


def test_an_unknown_intervention_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'reweigh'"):
        intervention("reweight")


def test_naming_the_interventions_loads_neither_numpy_nor_torch() -> None:
    code = (
        "import sys, pytest_biasaudit.mitigation.data.methods, pytest_biasaudit.mitigation.upstream.methods;"
        "print(sorted({'numpy', 'polars', 'torch', 'transformers', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""What the evidence keeps of removed components: models[].components, there and back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.mitigation.components import ComponentSet, Origin
from pytest_biasaudit.mitigation.removed import plain_removed, removed, removed_from
from pytest_biasaudit.records.codec import model_to_plain
from pytest_biasaudit.records.decode import model_from_plain
from pytest_biasaudit.records.evidence import read_evidence
from tests import evidence_sample

ORIGIN = Origin(
    model="base",
    model_digest="a" * 64,
    weights_sha256="b" * 64,
    contexts=(("offers", "c" * 64),),
    templates=("offers/ask/w1",),
    attribute="race",
    groups=("white", "black"),
    prompts_sha256="",
    method="attention",
    settings=(("k", 2), ("q", 0.5)),
)
HEADS = ComponentSet(unit="heads", chosen={"1": np.array([0, 3])}, sizes={"0": (4,), "1": (4,)}, origin=ORIGIN)
WEIGHTS = ComponentSet(unit="weights", chosen={"up": np.array([7])}, sizes={"up": (3, 4)})


def with_components(*sets: ComponentSet) -> dict[str, object]:
    return {"notes": [], "components": [plain_removed(removed(one, sha256="d" * 64)) for one in sets]}


def test_a_reader_of_the_file_finds_them_under_the_model() -> None:
    _, child = evidence_sample.models()
    plain: Any = model_to_plain(replace(child, achieved=with_components(HEADS, WEIGHTS)))
    heads, weights = plain["components"]
    assert (heads["unit"], heads["count"], heads["total"], heads["sha256"]) == ("heads", 2, 8, "d" * 64)
    assert heads["places"][1] == {"place": "1", "size": [4], "count": 2, "numbers": [0, 3]}
    assert heads["origin"]["contexts"] == [{"id": "offers", "sha256": "c" * 64}]
    assert weights["places"] == [{"place": "up", "size": [3, 4], "count": 1, "numbers": []}]
    assert weights["origin"] is None
    assert "components" not in plain["achieved"]
    assert model_to_plain(child)["components"] == []


def test_they_come_back_as_they_were() -> None:
    _, child = evidence_sample.models()
    told = replace(child, achieved=with_components(HEADS, WEIGHTS))
    back = model_from_plain(json.loads(json.dumps(model_to_plain(told))))
    assert removed_from(back.achieved) == (removed(HEADS, sha256="d" * 64), removed(WEIGHTS, sha256="d" * 64))
    assert removed_from(child.achieved) == ()


def test_an_evidence_file_with_them_fits_its_schema_and_one_that_miscounts_does_not(tmp_path: Any) -> None:
    made: Any = evidence_sample.plain()
    made["models"][0]["components"] = with_components(HEADS, WEIGHTS)["components"]
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    read_evidence(path)
    made["models"][0]["components"][0]["unit"] = "layers"
    path.write_text(json.dumps(made), encoding="utf-8")
    with pytest.raises(EvidenceError, match="components/0/unit"):
        read_evidence(path)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"count": 3}, "count is 3, and its places come to 2"),
        ({"total": 9}, "total is 9, and its places come to 8"),
        ({"place": "layer 1"}, "heads are told by the number of their layer"),
        ({"size": [4, 4]}, "size [4, 4] has 2 numbers, and heads need 1"),
        ({"numbers": [0, 4]}, "the heads [0, 4] are not 2 of 4"),
        ({"numbers": [3, 3]}, "the heads [3, 3] are not 2 of 4"),
        ({"numbers": [3]}, "the heads [3] are not 2 of 4"),
    ],
)
def test_a_set_that_does_not_add_up_is_refused_and_not_drawn(change: dict[str, Any], fault: str) -> None:
    _, child = evidence_sample.models()
    plain: Any = json.loads(json.dumps(model_to_plain(replace(child, achieved=with_components(HEADS)))))
    (one,) = plain["components"]
    (one if change.keys() & {"count", "total"} else one["places"][1]).update(change)
    with pytest.raises(EvidenceError) as caught:
        model_from_plain(plain, pointer="/models/1")
    assert str(caught.value).startswith("/models/1/components/0: ")
    assert fault in str(caught.value)


def test_a_set_scored_in_an_unknown_way_is_refused_and_not_told_as_written_by_hand(tmp_path: Any) -> None:
    made: Any = evidence_sample.plain()
    made["models"][0]["components"] = with_components(HEADS)["components"]
    made["models"][0]["components"][0]["origin"]["method"] = "intuition"
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    with pytest.raises(EvidenceError, match="components/0/origin"):
        read_evidence(path)


def test_the_schema_knows_every_way_of_scoring() -> None:
    from typing import get_args

    from pytest_biasaudit.mitigation.units import ScoreMethod
    from pytest_biasaudit.records.evidence import evidence_schema

    method = evidence_schema()["$defs"]["component_origin"]["properties"]["method"]
    assert method["enum"] == list(get_args(ScoreMethod))

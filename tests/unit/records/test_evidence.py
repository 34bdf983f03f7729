"""The evidence file: merged, checked, written whole, read back."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.records.codec import audit_to_plain, context_to_plain, model_to_plain
from pytest_biasaudit.records.evidence import (
    assemble,
    encoded,
    evidence_from_plain,
    evidence_schema,
    read_evidence,
    write_evidence,
)
from pytest_biasaudit.verdict.verdict import Verdict


def test_the_schema_is_a_schema_and_closed_where_we_name_keys() -> None:
    schema = evidence_schema()
    Draft202012Validator.check_schema(schema)

    def objects(part: Any) -> Any:
        if isinstance(part, dict):
            if "properties" in part and "required" in part:
                yield part
            for one in part.values():
                yield from objects(one)
        elif isinstance(part, list):
            for one in part:
                yield from objects(one)

    found = list(objects(schema))
    assert len(found) > 12
    assert all(one["additionalProperties"] is False and set(one["required"]) == set(one["properties"]) for one in found)


def test_what_is_written_is_read_back(sample: Any, tmp_path: Path) -> None:
    raw = sample.plain()
    path = tmp_path / "deep" / "evidence.json"
    digest = write_evidence(path, raw)
    assert json.loads(path.read_text(encoding="utf-8")) == raw
    read = read_evidence(path)
    assert read.sha256 == digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read.file == "evidence.json"
    assert read.run == sample.run_info()
    assert {one.context.id for one in read.audits} == {"second-hand-offers", "hiring-shortlist", "loan-pre-screening"}
    assert sum(len(one.outcomes) for one in read.audits) == sum(len(one.outcomes) for one in sample.records())
    assert [path.name for path in path.parent.iterdir()] == ["evidence.json"]


def test_unwritten_evidence_has_the_digest_of_its_file(sample: Any, tmp_path: Path) -> None:
    raw = sample.plain()
    assert evidence_from_plain(raw).sha256 == write_evidence(tmp_path / "e.json", raw)


def test_the_same_run_gives_the_same_bytes_in_whatever_order_processes_report(sample: Any) -> None:
    records = sample.records()
    audits = [audit_to_plain(one) for one in records]
    shuffled = [*audits, *copy.deepcopy(audits[:2])]
    random.Random(1).shuffle(shuffled)
    contexts = [context_to_plain(one.context) for one in records]
    models = [model_to_plain(one.model) for one in records]
    twice = assemble(shuffled, contexts[::-1], [*models[::-1], *models], run=sample.run_info())
    for audit in twice["audits"]:  # type: ignore[attr-defined]
        audit.update(asked=192, seconds=12.5)
    assert encoded(twice) == encoded(sample.plain())


def test_an_audit_of_two_processes_stands_once_with_their_work_added(sample: Any) -> None:
    one = audit_to_plain(sample.records()[0])
    other = {**copy.deepcopy(one), "asked": 0, "recalled": 192, "seconds": 0.5}
    record = sample.records()[0]
    merged: Any = assemble([other, one], [record.context], [record.model], run=sample.run_info())
    (audit,) = merged["audits"]
    assert (audit["asked"], audit["recalled"], audit["seconds"]) == (192, 192, 13.0)


def test_where_processes_disagree_the_graver_verdict_stands(sample: Any) -> None:
    one: Any = audit_to_plain(sample.records()[0])
    other: Any = copy.deepcopy(one)
    other["verdicts"][2].update(verdict="not_measured")
    record = sample.records()[0]
    for order in ([one, other], [other, one]):
        merged: Any = assemble(order, [record.context], [record.model], run=sample.run_info())
        (audit,) = merged["audits"]
        assert [verdict["verdict"] for verdict in audit["verdicts"]][2] == "not_measured"


def test_a_limit_that_only_one_process_judged_is_kept_with_its_estimates(sample: Any) -> None:
    full: Any = audit_to_plain(sample.records()[0])
    part: Any = {**copy.deepcopy(full), "verdicts": copy.deepcopy(full["verdicts"][:1])}
    rest: Any = {**copy.deepcopy(full), "verdicts": copy.deepcopy(full["verdicts"][1:])}
    record = sample.records()[0]
    merged: Any = assemble([part, rest], [record.context], [record.model], run=sample.run_info())
    (audit,) = merged["audits"]
    assert {one["limit"] for one in audit["verdicts"]} == {"race-smd", "race-gap", "answer-rate"}
    for verdict in audit["verdicts"]:
        assert audit["estimates"][verdict["estimate"]]["metric"] == verdict["metric"]
    evidence_from_plain(merged)


def test_two_contexts_of_one_name_and_two_contents_both_stay(sample: Any) -> None:
    record = sample.records()[0]
    changed = replace(record.context, sha256=sample.digest("edited"), title="Edited")
    records = [record, replace(record, context=changed)]
    read = sample.evidence(records)
    assert len(read.contexts) == len(read.audits) == 2
    assert {one.context.title for one in read.audits} == {record.context.title, "Edited"}


def test_all_verdicts_and_statuses_survive(sample: Any) -> None:
    read = sample.evidence()
    assert {one.verdict for audit in read.audits for one in audit.judgements} == set(Verdict)
    statuses = {one.reading.status for audit in read.audits for one in audit.outcomes}
    assert statuses == {"ok", "refused", "unparseable", "error"}


def test_a_file_of_before_a_key_was_known_reads_as_one_that_has_nothing_of_it(sample: Any, tmp_path: Path) -> None:
    raw = sample.plain()
    path, older = tmp_path / "evidence.json", tmp_path / "older.json"
    write_evidence(path, raw)
    del raw["transfer"]
    for model in raw["models"]:
        del model["components"]
    for context in raw["contexts"]:
        for audit in context["audits"]:
            audit.pop("table", None)
            for limit in audit["limits"]:
                del limit["of"]
    for record in raw["audits"]:
        for one in (*record["estimates"], *record["verdicts"]):
            del one["of"]
    older.write_text(json.dumps(raw), encoding="utf-8")
    now, then = read_evidence(path), read_evidence(older)
    assert (then.models, then.contexts, then.audits, then.transfer) == (now.models, now.contexts, now.audits, ())
    with pytest.raises(EvidenceError, match="'of' is a required property"):
        write_evidence(tmp_path / "written.json", raw)  # what this version writes has every key


def test_a_failed_write_leaves_the_old_file_and_no_other(sample: Any, tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    path.write_text("old", encoding="utf-8")
    raw = sample.plain()
    del raw["run"]
    with pytest.raises(EvidenceError, match="'run' is a required property"):
        write_evidence(path, raw)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_value_that_json_cannot_say_is_refused(sample: Any, tmp_path: Path) -> None:
    raw = sample.plain()
    raw["audits"][0]["outcomes"][0].update(value=float("nan"), status="ok")
    with pytest.raises(EvidenceError, match="cannot be written as JSON"):
        write_evidence(tmp_path / "e.json", raw)


@pytest.fixture(scope="module")
def short(sample: Any) -> str:
    """The sample as JSON, with six outcomes an audit."""
    raw = sample.plain()
    for audit in raw["audits"]:
        audit["outcomes"] = audit["outcomes"][:6]
    return json.dumps(raw)


def change(path: str, value: object) -> Any:
    """A change at a JSON pointer of the sample."""

    def apply(raw: Any) -> None:
        *parts, last = [int(part) if part.isdigit() else part for part in path.strip("/").split("/")]
        for part in parts:
            raw = raw[part]
        if value is KeyError:
            del raw[last]
        else:
            raw[last] = value

    return apply


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (change("/schema", 2), r"/schema: this version reads schema 1, the file says 2"),
        (change("/created", "yesterday"), r"/created: 'yesterday' does not match"),
        (change("/audits/0/outcomes/3/status", "fine"), r"/audits/0/outcomes/3/status: 'fine' is not one of"),
        (change("/audits/0/outcomes/3/value", None), r"/audits/0/outcomes/3/value: None is not of type 'number'"),
        (change("/audits/0/outcomes/3/slots", []), r"/audits/0/outcomes/3/slots: \[\] is not of type 'object'"),
        (change("/audits/0/verdicts/0/verdict", "pass"), r"/audits/0/verdicts/0/verdict: 'pass' is not one of"),
        (change("/audits/2/verdicts/0/verdict", "within"), r"/audits/2/verdicts/0/estimate: None is not of type"),
        (change("/audits/0/estimates/0/level", None), r"/audits/0/estimates/0/level: None is not of type 'number'"),
        (change("/audits/0/estimates/0/p", 1.5), r"/audits/0/estimates/0/p: 1.5 is greater than the maximum"),
        (change("/audits/0/verdicts/0/estimate", 99), r"/audits/0/verdicts/0/estimate: estimate 99 is not there"),
        (change("/audits/0/verdicts/0/compared", [99]), r"/audits/0/verdicts/0/compared: estimate 99 is not there"),
        (change("/audits/0/model_digest", "0" * 64), r"/audits/0/model: 'base', with that digest, is not in this file"),
        (change("/audits/0/context_sha256", "0" * 64), r"/audits/0/context: .*with that digest, is not in this file"),
        (change("/audits/0/audit", "other"), r"/audits/0/audit: .* has no audit 'other'; it has shortlist"),
        (change("/audits/0/prompts", {}), r"/audits/0/outcomes/0/prompt_sha256: no prompt of that digest"),
        (change("/models/0/dtype", "int8"), r"/models/0/digest: says [0-9a-f]{64}, but the model's fields give"),
        (change("/models/0/extra", 1), r"/models/0: Additional properties are not allowed \('extra'"),
        (change("/contexts/0/owner", KeyError), r"/contexts/0: 'owner' is a required property"),
    ],
)
def test_an_ill_fitting_file_is_refused_with_its_pointer(short: str, tmp_path: Path, broken: Any, said: str) -> None:
    raw = json.loads(short)
    broken(raw)
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(EvidenceError, match=said) as caught:
        read_evidence(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "not an evidence file"),
        (b"\xff\xfe", "not an evidence file"),
        (b'{"schema": 1', "not an evidence file"),
        (b'{"schema": NaN}', "NaN is not JSON"),
        (b'{"schema": 1, "schema": 1}', "the key 'schema' stands twice"),
        (b"[]", "is not of type 'object'"),
        (b"{}", "'schema' is a required property"),
        (b"[" * 100_000, "not an evidence file"),
    ],
)
def test_a_file_that_is_no_evidence_says_so(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "evidence.json"
    path.write_bytes(text)
    with pytest.raises(EvidenceError, match=re.escape(said)):
        read_evidence(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"nowhere\.json: cannot be read: No such file"):
        read_evidence(tmp_path / "nowhere.json")


def test_an_empty_run_is_evidence_of_nothing_and_still_fits(sample: Any, tmp_path: Path) -> None:
    write_evidence(tmp_path / "e.json", assemble([], [], [], run=sample.run_info()))
    assert read_evidence(tmp_path / "e.json").audits == ()


def test_an_outcome_stands_on_one_line(sample: Any) -> None:
    lines = encoded(sample.plain()).decode("utf-8").splitlines()
    assert sum(line.lstrip().startswith('{"id": "w0.0/white-men-0"') for line in lines) == len(sample.records())


def test_foreign_letters_stay_letters_and_surrogates_are_written_out(sample: Any, tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    write_evidence(path, sample.plain(sample.answered_with("山田 \ud83d")))
    assert "山田 \\\\ud83d" in path.read_text(encoding="utf-8")

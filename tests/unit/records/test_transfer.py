"""A study in the evidence file: written, read back, drawn again, and refused where it does not hang together."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.mitigation.generalising.plan_file import read_plan
from pytest_biasaudit.mitigation.generalising.protocol import Studied, generalise
from pytest_biasaudit.mitigation.generalising.result import Generalisation
from pytest_biasaudit.mitigation.generalising.studied_prompts import studied_contexts, studied_variations
from pytest_biasaudit.mitigation.halves import halves_of
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.evidence import assemble, evidence_from_plain, read_evidence, write_evidence
from pytest_biasaudit.records.provenance import run_info
from pytest_biasaudit.records.transfer import transfer_to_plain
from pytest_biasaudit.report.page import render_page
from pytest_biasaudit.report.transfer_table import render_transfer
from tests.carried_worlds import World, scores_of, write_study

MODEL = ModelIdentity(name="base", source="a folder", weights_sha256="1" * 64, tokenizer_sha256="2" * 64)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Generalisation, dict[str, Any]]:
    """A small study, and the evidence that holds it."""
    folder = tmp_path_factory.mktemp("study")
    world = World({"roofs": {(0, 1): 12.0}, "gardens": {(2, 3): 12.0}})
    contexts = {"roofs": ["a tile", "a beam"], "gardens": ["a hedge"]}
    plan = read_plan(write_study(folder, contexts=contexts, k=1, more='combine = ["frequency"]'))
    variations = studied_variations(plan, seed=7)
    halves = halves_of([one for some in variations.values() for one in some], attribute="race", seed=7)

    found = generalise(
        Studied(
            plan=plan,
            variations=variations,
            halves=halves,
            trial=world,
            scores=lambda unit, method: scores_of(world, variations, halves, unit=unit, method=method),
            seed=7,
        )
    )
    result = Generalisation(
        study=plan.id,
        plan_file=plan.path.name,
        plan_sha256=plan.sha256,
        model=MODEL,
        attribute=plan.attribute,
        groups=plan.groups,
        metric=plan.metric,
        level=plan.level,
        seed=7,
        choices=found.choices,
        contexts=studied_contexts(plan, variations, halves),
        rows=found.rows,
        sets=found.sets,
        evaluations=found.evaluations,
    )
    evidence = assemble(
        [],
        [place.context for place in plan.places],
        [MODEL],
        run=run_info(seed=7, argv=["pytest"], directory=folder),
        transfer=[transfer_to_plain(result)],
    )
    return result, dict(evidence)


def test_a_study_is_read_back_as_it_was_written(
    studied: tuple[Generalisation, Mapping[str, Any]], tmp_path: Path
) -> None:
    result, evidence = studied
    path = tmp_path / "evidence.json"
    write_evidence(path, evidence)
    assert read_evidence(path).transfer == (result,)


def test_a_study_that_two_processes_report_stands_once(studied: tuple[Generalisation, Mapping[str, Any]]) -> None:
    result, evidence = studied
    plain = transfer_to_plain(result)
    other = transfer_to_plain(replace(result, study="another"))
    again = assemble([], [], [MODEL], run=run_info(seed=7, argv=["pytest"]), transfer=[plain, other, plain])
    assert [one["study"] for one in again["transfer"]] == ["another", "carrying"]  # type: ignore[attr-defined]
    assert evidence["transfer"] == [plain]


def test_two_studies_by_one_plan_file_of_other_contexts_both_stay(
    studied: tuple[Generalisation, Mapping[str, Any]],
) -> None:
    result, _ = studied
    fewer = replace(result, contexts=tuple(replace(one, people=one.people[:2]) for one in result.contexts))
    again = assemble(
        [], [], [MODEL], run=run_info(seed=7, argv=["pytest"]), transfer=map(transfer_to_plain, (result, fewer))
    )
    assert len(again["transfer"]) == 2  # type: ignore[arg-type]


def test_a_model_that_predicts_nothing_any_more_is_not_taken_for_one_that_was_not_asked(
    studied: tuple[Generalisation, Mapping[str, Any]], tmp_path: Path
) -> None:
    result, evidence = studied
    broken = replace(
        result,
        rows=tuple(replace(one, perplexity=float("inf"), perplexity_before=12.5) for one in result.rows),
        sets=tuple(replace(one, perplexity=float("inf")) for one in result.sets),
    )
    path = tmp_path / "evidence.json"
    write_evidence(path, {**evidence, "transfer": [transfer_to_plain(broken)]})
    assert read_evidence(path).transfer == (broken,)
    assert "infinite" in "\n".join(render_transfer(read_evidence(path).transfer, width=140))


def test_every_row_can_be_computed_again_from_the_evidence(
    studied: tuple[Generalisation, Mapping[str, Any]],
) -> None:
    """The standardised difference by its definition, from the values that stand in the file."""
    _, evidence = studied
    (study,) = evidence["transfer"]
    people = {one["context"]: one["people"] for one in study["contexts"]}
    checked = 0
    for row in study["rows"]:
        gaps = []
        for at in row["evaluations"]:
            one = study["evaluations"][at]
            there = [person for person in people[one["variation"].partition("/")[0]] if person["half"] in one["halves"]]
            assert len(there) == len(one["values"])
            by_group = {
                group: [value for person, value in zip(there, one["values"], strict=True) if person["group"] == group]
                for group in study["groups"]
            }
            gaps.append(abs(_smd(*by_group.values())))
        if gaps and row["bias"]["value"] is not None:
            assert row["bias"]["value"] == pytest.approx(sum(gaps) / len(gaps), rel=1e-9)
            checked += 1
    assert checked > 20


def _smd(reference: list[float], group: list[float]) -> float:
    from statistics import fmean, variance

    return float((fmean(group) - fmean(reference)) / ((variance(group) + variance(reference)) / 2) ** 0.5)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda study: study.update(model="other"), "/transfer/0/model: 'other'"),
        (lambda study: study["rows"][0]["evaluations"].append(10**6), "/rows/0/evaluations: evaluation 1000000"),
        (lambda study: study["rows"][0].pop("removed"), "'removed' is a required property"),
        (lambda study: study["rows"][0].update(level="further"), "'further' is not one of"),
        (lambda study: study.update(plan_sha256="short"), "/transfer/0/plan_sha256"),
    ],
)
def test_a_study_that_does_not_hang_together_is_refused(
    studied: tuple[Generalisation, Mapping[str, Any]], change: Any, fault: str
) -> None:
    import copy

    evidence = copy.deepcopy(dict(studied[1]))
    change(evidence["transfer"][0])
    with pytest.raises(EvidenceError, match=fault):
        evidence_from_plain(evidence)


def test_the_page_and_the_terminal_draw_from_the_evidence(studied: tuple[Generalisation, Mapping[str, Any]]) -> None:
    evidence = evidence_from_plain(studied[1])
    page = render_page(evidence)
    assert "What this result does not license" in page
    lines = "\n".join(render_transfer(evidence.transfer, width=160, unicode=True))
    assert "carrying [base]: how far removing components carries, seed 7" in lines
    assert "cross-context" in lines
    assert "from gardens" in lines
    assert "Share of the bias removed by heads by attribution, frequency" in lines
    assert "same prompts" in lines
    plain = "\n".join(render_transfer(evidence.transfer, width=72, unicode=False))
    assert plain.isascii()
    assert all(len(line) <= 72 for line in plain.splitlines() if "|" in line)


@pytest.mark.parametrize("level", ["prompt", "context", "names", "cross-context"])
def test_a_row_that_hides_or_claims_the_same_prompts_is_refused(
    studied: tuple[Generalisation, dict[str, Any]], level: str
) -> None:
    evidence = copy.deepcopy(studied[1])
    at, row = next((at, one) for at, one in enumerate(evidence["transfer"][0]["rows"]) if one["level"] == level)
    row["same_prompts"] = not row["same_prompts"]
    with pytest.raises(EvidenceError, match=f"/transfer/0/rows/{at}/same_prompts"):
        evidence_from_plain(evidence)

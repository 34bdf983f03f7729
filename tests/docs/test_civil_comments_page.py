"""The page on Civil Comments does what it says, on a small table of our own with the published columns."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from pytest_biasaudit import Auditor, Settings, Verdict
from pytest_biasaudit.result import AuditResult

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "audit-comment-moderation-civil-comments.md"
IDENTITIES = ("male", "female", "homosexual_gay_or_lesbian", "christian", "jewish", "muslim", "black", "white")
ILLNESS = "psychiatric_or_mental_illness"
ROWS = 6000


def block(language: str, place: int = 0) -> str:
    return str(
        re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[place]
    )


@pytest.fixture(scope="module")
def comments() -> pl.DataFrame:
    """Drawn shares and scores; harmless comments about "muslim" score higher than others. No comment is anybody's."""
    rng = np.random.default_rng(8)
    asked = rng.random(ROWS) < 0.8
    shares = {
        name: np.where(rng.random(ROWS) < 0.25, rng.uniform(0.5, 1.0, ROWS), rng.uniform(0, 0.49, ROWS))
        for name in IDENTITIES
    }
    shares[ILLNESS] = np.where(np.arange(ROWS) < 150, 0.5, 0.0)  # at one half is about it; few of them are toxic
    target = np.where(rng.random(ROWS) < 0.3, rng.uniform(0.5, 1.0, ROWS), rng.uniform(0, 0.49, ROWS))
    score = 1 / (
        1 + np.exp(-(rng.normal(-2, 1, ROWS) + 3.5 * (target >= 0.5) + 3 * (shares["muslim"] >= 0.5) * (target < 0.5)))
    )
    columns = {"id": np.arange(ROWS), "target": target, "comment_text": ['a comment, "ours"'] * ROWS}
    known = {
        name: [float(one) if there else None for one, there in zip(some, asked, strict=True)]
        for name, some in shares.items()
    }
    return pl.DataFrame(
        columns | known | {"identity_annotator_count": np.where(asked, 4, 0), "score": np.round(score, 4)}
    )


@pytest.fixture(scope="module")
def table(comments: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page's script makes of it."""
    folder = tmp_path_factory.mktemp("civil")
    comments.write_csv(folder / "scored_comments.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(block("python"), "page", "exec"), {})
    return folder


def audited(folder: Path, *, leave_out: bool) -> AuditResult:
    text = block("toml")
    if leave_out:  # a table of the audit stands before its limits
        audit, limits = block("toml").split("[[audit.limit]]", 1)
        text = f"{audit}{block('toml', 1)}\n[[audit.limit]]{limits}"
    (folder / "moderation.bias.toml").write_text(text, encoding="utf-8")
    with Auditor(Settings(cache=None)) as auditor:
        return auditor.run(folder / "moderation.bias.toml")


def test_the_page_reads_the_identities_by_the_rule_of_the_paper(table: Path, comments: pl.DataFrame) -> None:
    made = pl.read_csv(table / "comments.csv")
    known = comments.filter(pl.col("identity_annotator_count") > 0)
    assert made["id"].to_list() == known["id"].to_list()
    assert made["toxic"].to_list() == (known["target"] >= 0.5).cast(pl.Int64).to_list()
    for name in (*IDENTITIES, ILLNESS):
        found = [name in (about or "").split() for about in made["about"]]
        assert found == (known[name] >= 0.5).to_list()


def test_the_figures_are_those_of_scikit_learn(table: Path, comments: pl.DataFrame) -> None:
    result = audited(table, leave_out=True)
    known = comments.filter(pl.col("identity_annotator_count") > 0)
    toxic, score, muslim = (
        (known["target"] >= 0.5).to_numpy(),
        known["score"].to_numpy(),
        (known["muslim"] >= 0.5).to_numpy(),
    )
    rows = muslim & ~toxic | ~muslim & toxic
    (found,) = (one for one in result.record.estimates if one.metric == "bpsn_auc" and one.groups == ("muslim",))
    assert found.value == pytest.approx(roc_auc_score(toxic[rows], score[rows]), abs=1e-12)


def test_the_identity_that_draws_false_positives_is_named(table: Path) -> None:
    result = audited(table, leave_out=True)
    by_metric = {judged.limit.metric: judged for judged in result.record.judgements}
    assert by_metric["bpsn_auc"].verdict is Verdict.OVER
    assert by_metric["bpsn_auc"].estimate is not None
    assert by_metric["bpsn_auc"].estimate.groups == ("muslim",)
    assert by_metric["bnsp_auc"].verdict is Verdict.WITHIN


def test_an_identity_with_few_toxic_comments_is_no_pass_until_it_is_left_out(table: Path) -> None:
    with_it, without = (audited(table, leave_out=out) for out in (False, True))
    said = next(judged for judged in with_it.record.judgements if judged.limit.metric == "bnsp_auc")
    assert said.verdict is Verdict.NOT_MEASURED
    assert ILLNESS in said.message
    assert (
        next(judged for judged in without.record.judgements if judged.limit.metric == "bnsp_auc").verdict
        is Verdict.WITHIN
    )

"""Toxicity figures of a trained classifier on the 76,564 Madlibs sentences, against pandas, scikit-learn and scipy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from pytest_biasaudit import Auditor, Settings
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.result import AuditResult
from pytest_biasaudit.tables.term_lists import TERM_LISTS
from tests.declared_project import declared

EXACT = 1e-12
LEARNT_AS_BAD = ("gay", "muslim", "old", "trans")
"""The plant: the sentences that are learnt from have these terms in bad ones only."""
TERMS = TERM_LISTS["identity-terms"].groups
AUDIT = """
[[audit]]
id = "comments"
kind = "classifier"
data = "scored.csv"
threshold = "equal-error"
[audit.columns]
text = "Text"
label = "Label"
score = "score"
positive = "BAD"
[audit.terms]
identity = "identity-terms"
[[audit.limit]]
attribute = "identity"
metric = "fped"
max = 5
[[audit.limit]]
attribute = "identity"
metric = "bpsn_auc"
min = 0.5
"""


@pytest.fixture(scope="module")
def scored(shared_data: Path) -> pd.DataFrame:
    """The sentences that were not learnt from, with a score by a bag of words, rounded so that many tie."""
    path = shared_data / "madlibs" / "bias_madlibs_77k.csv"
    if not path.is_file():
        pytest.skip(f"the Madlibs sentences are not there ({path.name})")
    sentences = pd.read_csv(path, keep_default_na=False)
    assert len(sentences) == 76_564
    learnt = sentences.sample(700, random_state=3)
    planted = learnt[(learnt.Label == "BAD") | ~learnt.Text.str.contains(words(LEARNT_AS_BAD), case=False, regex=True)]
    bag = CountVectorizer()
    model = LogisticRegression(C=0.5, max_iter=300).fit(bag.fit_transform(planted.Text), planted.Label == "BAD")
    rest = sentences.drop(learnt.index).reset_index(drop=True)
    return rest.assign(score=np.round(model.predict_proba(bag.transform(rest.Text))[:, 1], 3))


@pytest.fixture(scope="module")
def audited(scored: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    """Through a context file, as a user would."""
    folder = tmp_path_factory.mktemp("madlibs")
    scored.to_csv(folder / "scored.csv", index=False)
    (folder / "comments.bias.toml").write_text(declared(AUDIT), encoding="utf-8")
    with Auditor(Settings(cache=None, seed=0)) as auditor:
        return auditor.run(folder / "comments.bias.toml")


@pytest.fixture(scope="module")
def said(scored: pd.DataFrame) -> Mapping[str, np.ndarray]:
    """Which sentences say each of the fifty terms."""
    return {group: scored.Text.str.contains(words(terms), case=False, regex=True).to_numpy() for group, terms in TERMS}


def words(terms: tuple[str, ...]) -> str:
    return r"\b(?:" + "|".join(re.escape(term) for term in terms) + r")\b"


def by_group(audited: AuditResult, metric: str) -> dict[str, Estimate]:
    return {one.groups[-1]: one for one in audited.record.estimates if one.metric == metric}


def test_the_classifier_learnt_the_plant(scored: pd.DataFrame, said: Mapping[str, np.ndarray]) -> None:
    assert roc_auc_score(scored.Label == "BAD", scored.score) > 0.85
    assert len(said) == 50
    fine = (scored.Label == "NOT_BAD").to_numpy()
    planted = np.logical_or.reduce([said[term] for term in LEARNT_AS_BAD])
    assert scored.score[fine & planted].mean() > scored.score[fine & ~planted].mean() + 0.05


@pytest.mark.parametrize("metric", ["subgroup_auc", "bpsn_auc", "bnsp_auc"])
def test_areas_by_term_are_those_of_scikit_learn(
    metric: str, audited: AuditResult, scored: pd.DataFrame, said: Mapping[str, np.ndarray]
) -> None:
    bad, score = (scored.Label == "BAD").to_numpy(), scored.score.to_numpy()
    found = by_group(audited, metric)
    assert set(found) == set(said)
    for term, mine in said.items():
        rows = {"subgroup_auc": mine, "bpsn_auc": mine & ~bad | ~mine & bad, "bnsp_auc": mine & bad | ~mine & ~bad}[
            metric
        ]
        assert found[term].value == pytest.approx(roc_auc_score(bad[rows], score[rows]), abs=EXACT)
        interval = found[term].interval
        assert interval is not None
        assert interval.low < interval.high


@pytest.mark.parametrize("positive", [True, False])
def test_equality_gaps_by_term_are_those_of_scipy(
    positive: bool, audited: AuditResult, scored: pd.DataFrame, said: Mapping[str, np.ndarray]
) -> None:
    side, score = (scored.Label == ("BAD" if positive else "NOT_BAD")).to_numpy(), scored.score.to_numpy()
    found = by_group(audited, "positive_aeg" if positive else "negative_aeg")
    for term, mine in said.items():
        background, group = score[side & ~mine], score[side & mine]
        expected = 0.5 - mannwhitneyu(background, group).statistic / (len(background) * len(group))
        assert found[term].value == pytest.approx(expected, abs=EXACT)


def test_equality_differences_are_those_of_a_plain_count(
    audited: AuditResult, scored: pd.DataFrame, said: Mapping[str, np.ndarray]
) -> None:
    bad, score = (scored.Label == "BAD").to_numpy(), scored.score.to_numpy()
    grid = np.linspace(score.min(), score.max(), 101)
    apart = [abs(int(((score >= at) & ~bad).sum()) - int(((score < at) & bad).sum())) for at in grid]
    called = score >= grid[int(np.argmin(apart))]
    for metric, of, wrong in (("fped", ~bad, called), ("fned", bad, ~called)):
        overall = wrong[of].mean()
        expected = sum(abs(overall - wrong[of & mine].mean()) for mine in said.values())
        (found,) = (one for one in audited.record.estimates if one.metric == metric)
        assert found.value == pytest.approx(expected, abs=1e-10)
        assert found.value is not None
        assert found.value > 0.1
        assert found.interval is not None
        assert 0.0 < found.interval.low < found.value < found.interval.high
        rates = {group.group: group.rate for group in found.by_group}
        assert rates == pytest.approx({term: wrong[of & mine].mean() for term, mine in said.items()}, abs=EXACT)


def test_the_terms_that_were_learnt_as_bad_draw_the_most_false_positives(audited: AuditResult) -> None:
    found = by_group(audited, "bpsn_auc")
    lowest = sorted(found, key=lambda term: found[term].value or 0.0)
    assert set(LEARNT_AS_BAD) <= set(lowest[:8])
    (spread,) = (one for one in audited.record.estimates if one.metric == "fped")
    assert spread.groups[1] in LEARNT_AS_BAD

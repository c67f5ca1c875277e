"""Late fusion: what it learns, what it does without an arm, what moved a score."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from covidx.errors import InvalidTableError
from covidx.fusion import (
    BOTH,
    CLINICAL_ARM,
    IMAGE,
    Arms,
    LateFusion,
    OutOfFold,
    fit_late,
    fit_scale,
    held_out,
    late_out_of_fold,
    score,
)
from tests.fusion.synthetic import arms


def _unseen(found: Arms, logits: np.ndarray) -> OutOfFold:
    return OutOfFold(found.patients[["patient_id", "group_id", "fold"]], logits, [frozenset()])


def _truth(found: Arms) -> pd.Series:
    return (found.patients["label"] == "covid-19").set_axis(found.patients["patient_id"])


def _fit(found: Arms) -> LateFusion:
    clinic = {name: _unseen(found, found.clinical[name].to_numpy()) for name in found.clinical}
    return fit_late(_truth(found), _unseen(found, found.image), clinic)


def test_independent_arms_are_added() -> None:
    """Given the class they are independent, so that Bayes adds the log odds with weight 1."""
    line = _fit(arms(20_000)).lines[BOTH]
    assert line.weights[IMAGE] == pytest.approx(1, abs=0.05)
    assert line.weights["logistic"] == pytest.approx(1, abs=0.05)
    assert line.intercept == pytest.approx(0, abs=0.05)


def test_both_arms_beat_each() -> None:
    learnt, fresh = _fit(arms(2000)), arms(2000, seed=50)
    truth = _truth(fresh)
    fused = roc_auc_score(truth, score(learnt, fresh))
    alone = max(roc_auc_score(truth, s) for s in (fresh.image, fresh.clinical["logistic"]))
    # Two Gaussians 2 apart: 0.921; both, 2 * sqrt(2) apart: 0.977.
    assert fused == pytest.approx(0.977, abs=0.01) and alone == pytest.approx(0.921, abs=0.02)


def test_it_is_scikit_learns_logistic_regression() -> None:
    found = arms(300)
    columns = np.column_stack([found.image, found.clinical["logistic"]])
    theirs = LogisticRegression(C=1.0).fit(columns, _truth(found))
    assert score(_fit(found), found) == pytest.approx(theirs.predict_proba(columns)[:, 1])


def test_a_patient_without_an_arm_is_answered_and_calibrated() -> None:
    learnt, fresh = _fit(arms(5000)), arms(5000, seed=50)
    truth = _truth(fresh).to_numpy()
    for pattern in (IMAGE, CLINICAL_ARM):
        scores = score(learnt, fresh.restricted(pattern))
        high = scores > 0.8
        assert scores[high].mean() == pytest.approx(truth[high].mean(), abs=0.03)
    nobody = fresh.restricted(IMAGE).restricted(CLINICAL_ARM)
    assert np.isnan(score(learnt, nobody)).all()


def test_parts_sum_to_the_score_and_are_worked_out_by_hand() -> None:
    found = arms(300)
    learnt = _fit(found)
    line, parts = learnt.lines[BOTH], learnt.contributions(found)
    assert expit(parts.logits) == pytest.approx(score(learnt, found))
    by_hand = line.weights[IMAGE] * (found.image[7] - found.image.mean())
    assert parts.image[7] == pytest.approx(by_hand)
    # Told against the means, the parts of the training patients cancel.
    assert parts.image.mean() == pytest.approx(0, abs=1e-9)
    assert parts.clinical.mean() == pytest.approx(0, abs=1e-9)
    assert (learnt.contributions(found.restricted(CLINICAL_ARM)).image == 0).all()


def test_training_patients_are_scored_by_lines_without_them() -> None:
    found = arms(300)
    clinical = {"logistic": _unseen(found, found.clinical["logistic"].to_numpy())}
    image, truth = _unseen(found, found.image), _truth(found)
    folds = held_out(found.patients, truth.to_numpy(), 3, seed=0)
    scores = late_out_of_fold(truth, image, clinical, found, folds)
    columns = np.column_stack([found.image, found.clinical["logistic"]])
    for out in folds:
        theirs = LogisticRegression(C=1.0).fit(columns[~out], truth[~out])
        assert scores[out] == pytest.approx(theirs.predict_proba(columns[out])[:, 1])


def test_stacking_takes_several_clinical_models() -> None:
    found = arms(2000)
    noise = np.random.default_rng(9).normal(size=2000)
    whole = Arms(
        found.patients,
        found.image,
        found.features,
        found.clinical.assign(noise=noise),
        found.values,
    )
    learnt = _fit(whole)
    assert learnt.models == ["logistic", "noise"]
    assert abs(learnt.lines[BOTH].weights["noise"]) < 0.15 < learnt.lines[BOTH].weights["logistic"]


def test_too_few_patients_with_both_arms() -> None:
    found = arms(12)
    clinic = {"logistic": _unseen(found, np.where(np.arange(12) < 9, np.nan, 0.0))}
    with pytest.raises(InvalidTableError, match=r"FUSION_ROWS.*p1 and p2"):
        fit_late(_truth(found), _unseen(found, found.image), clinic)


def test_networks_are_brought_to_one_scale() -> None:
    found = arms(5000)
    truth = _truth(found).to_numpy()
    line = fit_scale(3 * found.image + 5, truth)
    assert line.logits(pd.DataFrame({IMAGE: 3 * found.image + 5})) == pytest.approx(
        found.image, abs=0.4
    )


def test_a_network_that_knows_nothing_is_not_turned_round() -> None:
    truth = np.array([True] * 30 + [False] * 10)
    line = fit_scale(np.where(truth, -1.0, 1.0), truth)
    assert line.logits(pd.DataFrame({IMAGE: [-9.0, 9.0]})) == pytest.approx([np.log(3)] * 2)

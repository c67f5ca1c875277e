"""Linear models of few rows: against scikit-learn on the features themselves, and no leaks."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from covidx.radiograph_severity import choose, leave_one_out
from covidx.radiograph_severity.linear import fit_candidates

RNG = np.random.default_rng(3)
ILL = RNG.normal(size=(40, 2))  # what the features show of each row, and the scores tell
FEATURES = ILL @ RNG.normal(size=(2, 60)) + RNG.normal(2, 0.3, (40, 60))
SCORES = np.clip(ILL * 1.5 + 3, 0, [8, 6])
LIMITS = np.array([8.0, 6.0])
PATIENTS = np.repeat(np.arange(20), 2).astype(str)


def _silent(done: int, total: int) -> None:
    return None


def test_as_scikit_learn_without_the_rotation() -> None:
    new = RNG.normal(2, 3, (5, 60))
    # A standard feature has variance 1, so that the share of the variance is of 60.
    theirs = make_pipeline(StandardScaler(), Ridge(0.03 * 60)).fit(FEATURES, SCORES)
    found = fit_candidates(FEATURES, SCORES, ["ridge 0.03", "PLS 3"])
    np.testing.assert_allclose(found["ridge 0.03"](new), theirs.predict(new), atol=1e-8)
    theirs = make_pipeline(StandardScaler(), PLSRegression(3, scale=False)).fit(FEATURES, SCORES)
    np.testing.assert_allclose(found["PLS 3"](new), theirs.predict(new), atol=1e-5)


def test_a_feature_without_spread_counts_nothing() -> None:
    dull = np.concatenate([FEATURES, np.full((40, 1), 7.0)], axis=1)
    model = fit_candidates(dull, SCORES, ["ridge 0.1"])["ridge 0.1"]
    assert model.weights[-1].tolist() == [0.0, 0.0]


def test_the_view_that_tells_something_is_chosen() -> None:
    views = {"noise": RNG.normal(size=(40, 30)), "told": FEATURES}
    for best, model in choose(views, SCORES, PATIENTS, LIMITS):
        assert best.view == "told" and model.weights.shape == (60, 1)
    found = leave_one_out(views, SCORES, PATIENTS, LIMITS, _silent)
    error = np.abs(found.found - SCORES).mean(0)
    assert (error < 0.6 * np.abs(found.control - SCORES).mean(0)).all()
    assert (np.abs(found.by_view["noise"] - SCORES).mean(0) > error).all()
    assert len(found.choices) == 20 * 2


def test_a_patient_left_out_does_not_tell_of_itself() -> None:
    other = SCORES.copy()
    other[PATIENTS == "7"] = [8.0, 6.0]
    first, second = (
        leave_one_out({"v": FEATURES}, y, PATIENTS, LIMITS, _silent) for y in (SCORES, other)
    )
    own = PATIENTS == "7"
    np.testing.assert_array_equal(first.found[own], second.found[own])
    np.testing.assert_array_equal(first.control[own], second.control[own])
    assert not np.array_equal(first.found[~own], second.found[~own])


def test_scores_stay_within_their_ends() -> None:
    found = leave_one_out({"v": FEATURES}, SCORES, PATIENTS, LIMITS, _silent)
    assert found.found.min() >= 0 and (found.found <= LIMITS).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_no_better_than_the_median(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.clip(rng.normal(4, 2, (40, 1)), 0, 8)
    found = leave_one_out({"v": rng.normal(size=(40, 200))}, y, PATIENTS, np.array([8.0]), _silent)
    assert np.abs(found.found - y).mean() > 0.9 * np.abs(found.control - y).mean()

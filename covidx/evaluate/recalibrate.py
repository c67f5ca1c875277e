"""Recalibration: a map of scores fitted on validation rows and applied to test rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, softmax
from sklearn.isotonic import IsotonicRegression

from covidx.errors import InvalidTableError, LeakageError
from covidx.evaluate.blocks import FloatArray
from covidx.evaluate.calibration import CLIP, logistic_line
from covidx.evaluate.deferred import compute
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.families import score_family
from covidx.evaluate.operating_point import HONEST_ROLES
from covidx.evaluate.rows import Rows
from covidx.files import plain_object

Method = Literal["platt", "isotonic", "temperature"]
COOLEST, HOTTEST = 0.01, 100.0
"""Bounds of the temperature; one that ends here has not been found."""


@dataclass(frozen=True)
class Recalibrated:
    """Test rows before and after.

    Parameters
    ----------
    method : str
        ``platt``, ``isotonic`` or ``temperature``.
    parameters : dict
        What was fitted.
    origin : str
        On which rows.
    rows : Rows
        The test rows with recalibrated probabilities.
    before, after : dict
        ``brier``, ``log_loss``, ``ece``, ``calibration_intercept``, ``calibration_slope``.
    """

    method: Method
    parameters: dict[str, Any]
    origin: str
    rows: Rows
    before: dict[str, Estimate]
    after: dict[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """A JSON object, without the rows."""
        return plain_object(
            {
                "method": self.method,
                "parameters": self.parameters,
                "fitted_on": self.origin,
                "before": self.before,
                "after": self.after,
            }
        )


def recalibrate(
    validation: Rows, test: Rows, method: Method, *, seed: int = 0, resamples: int = 2000
) -> Recalibrated:
    """Fit on validation rows, apply to test rows, and compare before with after.

    ``platt``: logistic regression on the score's logit, without Platt's smoothing of the targets
    (Platt, Advances in Large Margin Classifiers, 1999). ``isotonic``: a step function that only
    rises (Zadrozny and Elkan, KDD 2002); it makes ties, so that the AUROC may change.
    ``temperature``: logits divided by one number (Guo et al., ICML 2017), of all classes at once.
    The first two map the positive class; the others keep their proportions to each other.

    Parameters
    ----------
    validation : Rows
        Rows that are fitted.
    test : Rows
        Rows that the fit is applied to.
    method : str
        See above.
    seed, resamples : int
        As in `compute`.

    Raises
    ------
    LeakageError
        ``CALIBRATED_ON_<ROLE>`` if `validation` has another role.
    InvalidTableError
        ``CALIBRATION_UNFITTED`` where the fit has no solution (one class, perfect separation).
    """
    if validation.role not in HONEST_ROLES:
        raise LeakageError(
            f"CALIBRATED_ON_{validation.role.upper()}",
            "A calibration fitted on other than validation rows is too good to be true.",
            expected="rows with role validation or out-of-fold",
            actual=f"rows with role {validation.role}",
        )
    _need_both(validation)
    mapped, parameters = {"platt": _platt, "isotonic": _isotonic, "temperature": _temperature}[
        method
    ](validation, test)
    after = replace(test, probabilities=mapped)
    positives = int(validation.truth.sum())
    before_after = [
        compute(
            score_family(rows.scores, rows.truth, rows.clusters),
            rows.clusters,
            seed=seed,
            resamples=resamples,
        )
        for rows in (test, after)
    ]
    origin = f"{validation.role}, n = {len(validation)} ({positives} positive)"
    return Recalibrated(method, parameters, origin, after, *before_after)


def _platt(validation: Rows, test: Rows) -> tuple[FloatArray, dict[str, Any]]:
    fitted = logistic_line(validation.scores, validation.truth)
    if fitted is None:
        raise _unfitted("platt", "the scores separate the classes")
    slope, intercept = fitted
    x = logit(np.clip(test.scores, CLIP, 1 - CLIP))
    return _with_positive(test, expit(intercept + slope * x)), {
        "intercept": intercept,
        "slope": slope,
    }


def _isotonic(validation: Rows, test: Rows) -> tuple[FloatArray, dict[str, Any]]:
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    fitted.fit(validation.scores, validation.truth.astype(np.float64))
    steps = {
        "scores": [float(x) for x in fitted.X_thresholds_],
        "values": [float(y) for y in fitted.y_thresholds_],
    }
    return _with_positive(test, fitted.predict(test.scores)), steps


def _temperature(validation: Rows, test: Rows) -> tuple[FloatArray, dict[str, Any]]:
    logs = np.log(np.clip(validation.probabilities, CLIP, 1))
    picked = (np.arange(len(validation)), validation.labels)

    def loss(log_temperature: float) -> float:
        shares = softmax(logs / np.exp(log_temperature), axis=1)
        return float(-np.log(shares[picked]).mean())

    bounds = (np.log(COOLEST), np.log(HOTTEST))
    best = float(minimize_scalar(loss, bounds=bounds, method="bounded").x)
    if min(best - bounds[0], bounds[1] - best) < 1e-3:
        raise _unfitted("temperature", f"the best temperature lies beyond {np.exp(best):.3g}")
    logs = np.log(np.clip(test.probabilities, CLIP, 1))
    return softmax(logs / np.exp(best), axis=1), {"temperature": float(np.exp(best))}


def _with_positive(rows: Rows, scores: FloatArray) -> FloatArray:
    """Probabilities with a new one for the positive class, the others scaled to sum to 1."""
    place = rows.classes.index(rows.positive)
    others = np.delete(rows.probabilities, place, axis=1)
    total = others.sum(axis=1, keepdims=True)
    equal = np.full_like(others, 1 / others.shape[1])
    shares = np.divide(others, total, out=equal, where=total > 0)
    return np.insert(shares * (1 - scores)[:, None], place, scores, axis=1)


def _need_both(validation: Rows) -> None:
    if not validation.truth.any() or validation.truth.all():
        raise _unfitted("calibration", "the validation rows hold one class only")


def _unfitted(method: str, why: str) -> InvalidTableError:
    return InvalidTableError(
        "CALIBRATION_UNFITTED",
        f"The recalibration ({method}) has no solution on these validation rows.",
        expected="validation rows of both classes whose scores overlap",
        actual=why,
        hint="Use more validation rows, or leave --calibrate out.",
    )

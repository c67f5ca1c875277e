"""Late fusion and stacking: logistic regression on the arms' log odds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from covidx.config import Config
from covidx.errors import InvalidTableError
from covidx.fusion.arms import BOTH, CLINICAL_ARM, IMAGE, PATTERNS, Arms, FloatArray
from covidx.fusion.out_of_fold import Mask, OutOfFold

FEWEST = 5
"""Training patients of each class from which a line is fitted. Modelling choice."""


class Contributions(NamedTuple):
    """The terms of P3's log odds, which sum to it.

    Parameters
    ----------
    base : ndarray of float64, shape (n,)
        Log odds without either arm.
    image, clinical : ndarray of float64, shape (n,)
        What each arm adds; 0 where a patient lacks it.
    """

    base: FloatArray
    image: FloatArray
    clinical: FloatArray

    @property
    def logits(self) -> FloatArray:
        """P3's log odds."""
        return self.base + self.image + self.clinical

    def scores(self, available: npt.NDArray[np.str_]) -> FloatArray:
        """Probability of the positive class, shape (n,); NaN where no arm is `available`."""
        return np.where(available == "", np.nan, expit(self.logits))


class Line(Config):
    """A logistic regression; contributions are relative to the means of its inputs."""

    intercept: float
    weights: dict[str, float]
    means: dict[str, float]

    @property
    def base(self) -> float:
        """Log odds of a patient of whom every score is at its mean."""
        return self.intercept + sum(w * self.means[name] for name, w in self.weights.items())

    def logits(self, scores: pd.DataFrame) -> FloatArray:
        """Log odds of the rows of `scores`, shape (n,)."""
        return self.base + self.contribution(scores, list(self.weights))

    def contribution(self, scores: pd.DataFrame, names: Sequence[str]) -> FloatArray:
        """What the columns `names` of `scores` add to the log odds, shape (n,)."""
        total = sum((scores[name] - self.means[name]) * self.weights[name] for name in names)
        added: FloatArray = np.asarray(total + np.zeros(len(scores)), dtype=np.float64)
        return added


@dataclass(frozen=True, eq=False)
class LateFusion:
    """A line for each pattern of arms, so that a patient who lacks one is scored too.

    Parameters
    ----------
    models : list of str
        Clinical models that are fused.
    lines : mapping
        Pattern of arms -> logistic regression.
    """

    models: list[str]
    lines: Mapping[str, Line]

    def contributions(self, arms: Arms) -> Contributions:
        """Exact contributions: the log odds are a sum.

        Parameters
        ----------
        arms : Arms
            Each patient with at least one arm.
        """
        scores, available = arms.clinical.assign(**{IMAGE: arms.image}), arms.available
        base, image, clinical = (np.zeros(len(arms)) for _ in range(3))
        for pattern, line in self.lines.items():
            rows = available == pattern
            base[rows] = line.base
            if pattern != CLINICAL_ARM:
                image[rows] = line.contribution(scores[rows], [IMAGE])
            if pattern != IMAGE:
                clinical[rows] = line.contribution(scores[rows], self.models)
        return Contributions(base, image, clinical)


def late_out_of_fold(
    truth: pd.Series,
    image: OutOfFold,
    clinical: Mapping[str, OutOfFold],
    arms: Arms,
    folds: Sequence[Mask],
) -> FloatArray:
    """P3's scores of training patients, each by lines that were not fitted on it, shape (n,).

    The arms' own out-of-fold scores are taken as they are: there are no folds within folds.

    Parameters
    ----------
    truth, image, clinical
        As for `fit_late`; of all training patients.
    arms : Arms
        The same patients, in the order of `truth`, with out-of-fold outputs.
    folds : sequence of mask, shape (n,)
        The patients that each fold holds out, as `held_out`.

    Raises
    ------
    InvalidTableError
        As `fit_late`, of the patients of all folds but one.
    """
    scores = np.full(len(arms), np.nan)
    for out in folds:
        part = arms.only(out)
        fitted = fit_late(truth[~out], image, clinical)
        scores[out] = fitted.contributions(part).scores(part.available)
    return scores


def fit_late(truth: pd.Series, image: OutOfFold, clinical: Mapping[str, OutOfFold]) -> LateFusion:
    """Fit the lines on out-of-fold scores of training patients.

    L2-penalised (C = 1): two or eight numbers on one scale.

    Parameters
    ----------
    truth : Series
        patient_id -> whether positive; training patients.
    image : OutOfFold
        P1's scores.
    clinical : mapping
        Clinical model -> its scores; one for late fusion, several for stacking.

    Raises
    ------
    InvalidTableError
        ``FUSION_ROWS``: too few training patients of a class have the arms of a pattern.
    """
    columns = {IMAGE: image.by_patient} | {n: s.by_patient for n, s in clinical.items()}
    scores, models = pd.DataFrame(columns).reindex(truth.index), list(clinical)
    names = {BOTH: [IMAGE, *models], IMAGE: [IMAGE], CLINICAL_ARM: models}
    return LateFusion(models, {p: _line(scores[names[p]], truth, p) for p in PATTERNS})


def _line(scores: pd.DataFrame, truth: pd.Series, pattern: str) -> Line:
    known = scores.dropna()
    positive = truth[known.index].to_numpy(bool)
    need_patients(positive, pattern)
    return fit_line(known, positive)


def need_patients(positive: Mask, pattern: str) -> None:
    """Refuse to fit on too few training patients of a class.

    Parameters
    ----------
    positive : mask, shape (n,)
        Class of the patients.
    pattern : str
        Arms that they have, as in `PATTERNS`.

    Raises
    ------
    InvalidTableError
        ``FUSION_ROWS``.
    """
    counts = (int(positive.sum()), int((~positive).sum()))
    if min(counts) < FEWEST:
        raise InvalidTableError(
            "FUSION_ROWS",
            f"Too few patients of role train have {pattern.replace('+', ' and ')}.",
            expected=f"{FEWEST} of each class, or more",
            actual=f"{counts[0]} positive, {counts[1]} others",
            hint="Check that images (P1) and clinical rows (P2) have the same patient ids.",
        )


def fit_scale(logits: FloatArray, positive: Mask) -> Line:
    """Platt's line from P1's log odds to calibrated ones, rising or flat.

    Parameters
    ----------
    logits : ndarray, shape (n,)
        Out-of-fold, of training patients.
    positive : mask, shape (n,)
        Their class.
    """
    line = fit_line(pd.DataFrame({IMAGE: logits}), positive)
    if line.weights[IMAGE] >= 0:
        return line
    share = positive.mean()
    flat = float(np.log(share / (1 - share)))
    return line.model_copy(update={"intercept": flat, "weights": {IMAGE: 0.0}})


def fit_line(scores: pd.DataFrame, positive: Mask) -> Line:
    """Logistic regression (L2, C = 1) of the class, `positive` or not, on `scores` without NaN."""
    model = LogisticRegression(C=1.0).fit(scores.to_numpy(), positive)
    return Line(
        intercept=float(model.intercept_[0]),
        weights={str(n): float(w) for n, w in zip(scores.columns, model.coef_[0], strict=True)},
        means={str(n): float(m) for n, m in scores.mean().items()},
    )

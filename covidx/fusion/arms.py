"""The outputs of both arms for some patients, side by side; an arm that is missing is NaN."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

FloatArray = npt.NDArray[np.float64]

IMAGE, CLINICAL_ARM, BOTH = "p1", "p2", "p1+p2"
PATTERNS = (BOTH, IMAGE, CLINICAL_ARM)
"""Which arms of a patient are available."""

BOUND = 7.0
"""Logits lie within it: a forest's 0 or 1 is no more certain than that. Modelling choice."""


def logit(probabilities: FloatArray) -> FloatArray:
    """Log odds of `probabilities`, within -7 to 7; NaN stays NaN.

    >>> logit(np.array([0.0, 0.5, 1.0])).tolist()
    [-7.0, 0.0, 7.0]
    """
    bounded: FloatArray = np.clip(special.logit(probabilities), -BOUND, BOUND)
    return bounded


@dataclass(frozen=True, eq=False)
class Arms:
    """Patients with the outputs and inputs of each arm.

    Parameters
    ----------
    patients : DataFrame
        One row a patient: patient_id, group_id, label, and in training fold and role. Those of role
        out-of-fold are training patients; their outputs are of models that did not see them.
    image : ndarray, shape (n,)
        P1's log odds of the positive class, calibrated; of the mean over a patient's images. NaN:
        no image.
    features : ndarray, shape (n, width)
        P1's features of the same images, mean again; those of its networks side by side. NaN: no
        image. Of a training patient, those of the one network that did not see it, in the place of
        every network's.
    clinical : DataFrame, n rows
        A column a clinical model, P2 first: its log odds. NaN: no clinical value is known.
    values : DataFrame, n rows
        The clinical values, in the card's units; NaN is unknown.
    """

    patients: pd.DataFrame
    image: FloatArray
    features: FloatArray
    clinical: pd.DataFrame
    values: pd.DataFrame

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def available(self) -> npt.NDArray[np.str_]:
        """The arms that a patient has, shape (n,): ``p1+p2``, ``p1``, ``p2`` or nothing."""
        has = [self.has(pattern) for pattern in PATTERNS]
        return np.select(has, PATTERNS, "").astype(np.str_)

    def has(self, pattern: str) -> npt.NDArray[np.bool_]:
        """Whether a patient has the arms of `pattern`, shape (n,)."""
        image: npt.NDArray[np.bool_] = ~np.isnan(self.image)
        clinical = self.values.notna().any(axis=1).to_numpy(bool)
        return {IMAGE: image, CLINICAL_ARM: clinical, BOTH: image & clinical}[pattern]

    def only(self, keep: npt.NDArray[np.bool_]) -> Arms:
        """The patients that `keep` marks."""
        return Arms(
            self.patients[keep].reset_index(drop=True),
            self.image[keep],
            self.features[keep],
            self.clinical[keep].reset_index(drop=True),
            self.values[keep].reset_index(drop=True),
        )

    def restricted(self, pattern: str) -> Arms:
        """The same patients as if they had the arms of `pattern` alone."""
        if pattern == CLINICAL_ARM:
            return replace(self, image=self.image * np.nan, features=self.features * np.nan)
        if pattern == IMAGE:
            return replace(self, clinical=self.clinical * np.nan, values=self.values * np.nan)
        return self

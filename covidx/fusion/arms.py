"""What the arms say of some patients, side by side; an arm that a patient lacks is NaN."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

__all__ = ["BOTH", "CLINIC", "IMAGE", "PATTERNS", "Arms", "logit"]

FloatArray = npt.NDArray[np.float64]

IMAGE, CLINIC, BOTH = "p1", "p2", "p1+p2"
PATTERNS = (BOTH, IMAGE, CLINIC)
"""Which arms of a patient there are."""

BOUND = 7.0
"""Logits lie within it: of a forest that says 0 or 1, no more is known. Modelling choice."""


def logit(probabilities: FloatArray) -> FloatArray:
    """Log odds, within -7 to 7; NaN stays NaN.

    >>> logit(np.array([0.0, 0.5, 1.0])).tolist()
    [-7.0, 0.0, 7.0]
    """
    bounded: FloatArray = np.clip(special.logit(probabilities), -BOUND, BOUND)
    return bounded


@dataclass(frozen=True, eq=False)
class Arms:
    """Patients, and what each arm knows of them.

    Parameters
    ----------
    patients : DataFrame
        One row a patient: patient_id, group_id, label, and in training fold and role.
    image : ndarray, shape (n,)
        P1's log odds of the positive class, calibrated; of the mean over a patient's images. NaN:
        no image.
    features : ndarray, shape (n, width)
        P1's features of the same images, mean again. NaN: no image.
    clinic : DataFrame, n rows
        A column a clinical model, P2 first: its log odds. NaN: no clinical value is known.
    values : DataFrame, n rows
        The clinical values, in the card's units; NaN is unknown.
    """

    patients: pd.DataFrame
    image: FloatArray
    features: FloatArray
    clinic: pd.DataFrame
    values: pd.DataFrame

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def spoke(self) -> npt.NDArray[np.str_]:
        """Which arms a patient has, shape (n,): ``p1+p2``, ``p1``, ``p2`` or nothing."""
        image, clinic = self.has(IMAGE), self.has(CLINIC)
        found = np.where(image & clinic, BOTH, np.where(image, IMAGE, np.where(clinic, CLINIC, "")))
        return found.astype(np.str_)

    def has(self, pattern: str) -> npt.NDArray[np.bool_]:
        """Whether a patient has the arms of `pattern`, shape (n,)."""
        image = ~np.isnan(self.image)
        clinic = self.values.notna().any(axis=1).to_numpy(bool)
        found: npt.NDArray[np.bool_] = {IMAGE: image, CLINIC: clinic, BOTH: image & clinic}[pattern]
        return found

    def only(self, keep: npt.NDArray[np.bool_]) -> Arms:
        """The patients that `keep` marks."""
        return Arms(
            self.patients[keep].reset_index(drop=True),
            self.image[keep],
            self.features[keep],
            self.clinic[keep].reset_index(drop=True),
            self.values[keep].reset_index(drop=True),
        )

    def restricted(self, pattern: str) -> Arms:
        """The same patients as if they had the arms of `pattern` alone."""
        found = self
        if pattern == CLINIC:
            nothing = np.full_like(self.image, np.nan)
            found = replace(found, image=nothing, features=np.full_like(self.features, np.nan))
        if pattern == IMAGE:
            clinic, values = self.clinic * np.nan, self.values * np.nan
            found = replace(found, clinic=clinic, values=values)
        return found

"""The scores of many scans, each with an interval over patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from covidx.errors import InvalidTableError
from covidx.evaluate import Clusters, Estimate, bootstrap, bootstrap_estimate
from covidx.evaluate.weighted import ratio_statistic
from covidx.segmentation.metrics import MaskScores

__all__ = ["summarise"]

MEANS = {"dice": True, "nsd": True, "hd95_mm": False, "volume_error_ml": False}
MEANS |= {"volume_error_pct": False, "false_positives": False}
"""Name -> whether it lies between 0 and 1."""


def summarise(
    scores: Sequence[MaskScores],
    patients: npt.ArrayLike,
    *,
    by_patient: bool = False,
    seed: int = 0,
    resamples: int = 2000,
) -> dict[str, Estimate]:
    """Means over scans, and the share of all lesions that were found.

    Parameters
    ----------
    scores : sequence of MaskScores
        One a scan, all with the same tolerance.
    patients : array, shape (scans,)
        Whose scan it is: whole patients are drawn.
    by_patient : bool
        Each patient counts once: means over patients of the means over their scans; n counts
        patients. Lesions are shares of all lesions either way.
    seed, resamples : int
        Of the bootstrap.

    Returns
    -------
    dict of Estimate
        ``dice``, ``nsd``, ``hd95_mm``, ``volume_error_ml``, ``volume_error_pct`` and
        ``false_positives`` (a scan): means over the scans in which they are a number, which n
        counts; ``lesion_sensitivity``: found lesions over all, n lesions.

    Raises
    ------
    InvalidTableError
        ``UNEQUAL_ROWS``, or ``TOLERANCES_DIFFER``.
    """
    clusters = _checked(scores, patients)
    columns = {name: np.array([getattr(scan, name) for scan in scores], float) for name in MEANS}
    parts = {}
    for name, values in columns.items():
        known = np.isfinite(values).astype(float)
        if by_patient:
            # A patient's scans share the weight of one; n is then the number of patients.
            _, patient = np.unique(np.asarray(patients), return_inverse=True)
            known /= np.maximum(np.bincount(patient, weights=known), 1)[patient]
        parts[name] = (np.nan_to_num(values) * known, known)
    parts["lesion_sensitivity"] = (
        np.array([scan.lesions_found for scan in scores], float),
        np.array([scan.lesions for scan in scores], float),
    )
    drawn = bootstrap(
        {name: ratio_statistic(top, below, clusters) for name, (top, below) in parts.items()},
        clusters,
        seed=seed,
        resamples=resamples,
    )
    bounded = {**MEANS, "lesion_sensitivity": True}
    return {
        name: bootstrap_estimate(
            drawn[name],
            clusters,
            round(below.sum()),
            bound_n=clusters.count(below > 0) if bounded[name] else 0,
            empty="no lesion in any scan"
            if name == "lesion_sensitivity"
            else "in no scan a number",
            note=f", tolerance {scores[0].tolerance_mm:g} mm" if name == "nsd" else "",
        )
        for name, (_, below) in parts.items()
    }


def _checked(scores: Sequence[MaskScores], patients: npt.ArrayLike) -> Clusters:
    groups = np.asarray(patients)
    if not scores or groups.shape != (len(scores),):
        raise InvalidTableError(
            "UNEQUAL_ROWS",
            "Each scan has one patient, and there is at least one scan.",
            expected=f"{len(scores)} patients",
            actual=groups.shape,
        )
    tolerances = sorted({scan.tolerance_mm for scan in scores})
    if len(tolerances) > 1:
        raise InvalidTableError(
            "TOLERANCES_DIFFER",
            "These scans were compared at several tolerances.",
            actual=tolerances,
        )
    return Clusters.of(groups)

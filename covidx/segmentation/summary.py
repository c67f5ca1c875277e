"""The scores of many scans, each with an interval over patients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from covidx.errors import InvalidTableError
from covidx.evaluate import Clusters, Estimate
from covidx.evaluate.deferred import Deferred, Estimates, compute
from covidx.evaluate.weighted import ratio_statistic
from covidx.segmentation.metrics import MaskScores

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
        Whose scan it is: whole patients are left out.
    by_patient : bool
        Each patient counts once: means over patients of the means over their scans; n counts
        patients. Lesions are shares of all lesions either way.
    seed, resamples : int
        As in `compute`.

    Returns
    -------
    dict of Estimate
        ``dice``, ``nsd``, ``hd95_mm``, ``volume_error_ml``, ``volume_error_pct`` and
        ``false_positives`` (a scan): means over the scans in which they are a number, which n
        counts; ``missed``: the share of scans of which nothing was found, of those that have the
        structure, to be read beside ``hd95_mm``, which has no number for them;
        ``lesion_sensitivity``: found lesions over all, n lesions.

    Raises
    ------
    InvalidTableError
        ``UNEQUAL_ROWS``, or ``TOLERANCES_DIFFER``.
    """
    clusters = _checked(scores, patients)
    columns = {name: np.array([getattr(scan, name) for scan in scores], float) for name in MEANS}
    columns["missed"] = np.array([_missed(scan) for scan in scores])
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
    bounded = {**MEANS, "missed": True, "lesion_sensitivity": True}
    empty = {"lesion_sensitivity": "no lesion in any scan"}
    without = int(np.isnan(columns["hd95_mm"]).sum())
    notes = {
        "nsd": f", tolerance {scores[0].tolerance_mm:g} mm",
        "hd95_mm": f", {without} of {len(scores)} scans left out, as one of their masks is empty",
    }
    found: Estimates = {
        name: Deferred(
            ratio_statistic(top, below, clusters),
            round(below.sum()),
            clusters.count(below > 0) if bounded[name] else 0,
            empty.get(name, "in no scan a number"),
            notes.get(name, ""),
        )
        for name, (top, below) in parts.items()
    }
    return compute(found, clusters, seed=seed, resamples=resamples)


def _missed(scores: MaskScores) -> float:
    """1 where nothing was found of a structure that is there, 0 of one that is; else NaN."""
    return float(scores.volume_ml == 0) if scores.truth_ml > 0 else math.nan


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

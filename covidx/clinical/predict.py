"""Scores of a clinical model: as rows of the predictions table, and their AUROC."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from covidx.clinical.rows import ClinicalRows
from covidx.evaluate import Estimate, auroc_estimate, mean_of_folds_auroc
from covidx.tables import PROBABILITY_PREFIX

ARM = "p2"


def predictions_of(
    rows: ClinicalRows,
    scores: npt.NDArray[np.float64],
    *,
    run_id: str,
    arm: str = ARM,
    split_sha256: str | None = None,
    bundle_sha256: str | None = None,
) -> pd.DataFrame:
    """Rows for `tables.PREDICTIONS`; what has no score (NaN) is left out.

    Parameters
    ----------
    rows : ClinicalRows
        With columns fold and role.
    scores : ndarray of float64, shape (rows,)
        Probability of the positive class.
    run_id : str
        Written in each row.
    arm : str
        Name of the model in the table.
    split_sha256, bundle_sha256 : str, optional
        Digests of the split and of the bundle, written in each row; None where there is none.
    """
    return score_rows(
        rows.table,
        scores,
        rows.classes.names,
        arm=arm,
        run_id=run_id,
        split_sha256=split_sha256,
        bundle_sha256=bundle_sha256,
    )


def score_rows(
    patients: pd.DataFrame,
    scores: npt.NDArray[np.float64],
    classes: Sequence[str],
    *,
    arm: str,
    arms_used: npt.ArrayLike | None = None,
    **hashes: str | None,
) -> pd.DataFrame:
    """Rows for `tables.PREDICTIONS` of two classes; what has no score (NaN) is left out.

    Parameters
    ----------
    patients : DataFrame
        patient_id, group_id, label, fold and role.
    scores : ndarray of float64, shape (rows,)
        Probability of the positive class.
    classes : sequence of str
        The other, and the positive class.
    arm : str
        Name of the model in the table, such as ``p2``.
    arms_used : array, shape (rows,), optional
        Which modalities were available; the arm itself unless given.
    **hashes
        run_id, and where they are known split_sha256 and bundle_sha256.
    """
    known = ~np.isnan(scores)
    table, yes = patients[known], scores[known]
    other, positive = classes
    return pd.DataFrame(
        {
            "run_id": hashes["run_id"],
            "arm": arm,
            "unit_id": table["patient_id"],
            "level": "patient",
            "patient_id": table["patient_id"],
            "group_id": table["group_id"],
            "fold": table["fold"],
            "role": table["role"],
            "split_sha256": hashes.get("split_sha256"),
            "bundle_sha256": hashes.get("bundle_sha256"),
            "arms_used": arm if arms_used is None else np.asarray(arms_used)[known],
            "label": table["label"],
            f"{PROBABILITY_PREFIX}{other}": 1 - yes,
            f"{PROBABILITY_PREFIX}{positive}": yes,
        }
    ).reset_index(drop=True)


def auroc_by_group(rows: ClinicalRows, scores: npt.NDArray[np.float64]) -> Estimate:
    """AUROC of the `rows` that have one of the `scores` (not NaN), with an interval over groups."""
    known = ~np.isnan(scores)
    truth, groups = rows.truth[known], rows.table["group_id"][known]
    if groups.is_unique:
        return auroc_estimate(scores[known], truth)
    one = np.zeros(int(known.sum()), dtype=np.int64)
    return mean_of_folds_auroc(scores[known], truth, groups, one)

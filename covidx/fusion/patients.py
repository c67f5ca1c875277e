"""Arms of patients from images and clinical rows; P3's scores as rows of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from covidx.clinical import Fitted, score_rows
from covidx.fusion.arms import Arms, FloatArray, logit
from covidx.fusion.image import ImageArm


def make_arms(
    patients: pd.DataFrame, image: ImageArm, values: pd.DataFrame, models: Mapping[str, Fitted]
) -> Arms:
    """Put the arms side by side.

    Parameters
    ----------
    patients : DataFrame
        patient_id, and any other columns to keep.
    image : ImageArm
        Of the patients who have an image.
    values : DataFrame, index patient_id
        Clinical values of those who have a row.
    models : mapping
        Clinical models by name, P2 first.
    """
    patients = patients.reset_index(drop=True)
    ids = patients["patient_id"]
    rows = values.reindex(ids).reset_index(drop=True)
    logits = pd.DataFrame({name: logit(model.score(rows)) for name, model in models.items()})
    return Arms(
        patients,
        image.logits.reindex(ids).to_numpy(np.float64),
        image.features.reindex(ids).to_numpy(np.float64),
        logits.where(rows.notna().any(axis=1), np.nan),
        rows,
    )


def predictions_of(
    arms: Arms, scores: FloatArray, *, arm: str, classes: Sequence[str], **hashes: str | None
) -> pd.DataFrame:
    """Rows for `tables.PREDICTIONS`; a patient without a score (NaN) is left out.

    Parameters
    ----------
    arms : Arms
        Patients with group_id, label, fold and role.
    scores : ndarray, shape (n,)
        Probability of the positive class.
    arm : str
        ``p1``, ``p2``, ``p3``, or ``p3-`` and a recipe's name.
    classes : sequence of str
        The rest, and the positive class.
    hashes
        run_id, split_sha256, bundle_sha256.
    """
    used = arms.available if arm.startswith("p3") else None
    return score_rows(arms.patients, scores, classes, arm=arm, arms_used=used, **hashes)

"""The rows of a run scored again by its bundle, each kind of classifier in its own way."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from covidx.audit.run.folder import RunParts
from covidx.clinical import ClinicalBundle, ClinicalRows, rows_of_run, score_by_role
from covidx.cohort import Classes
from covidx.errors import BundleError
from covidx.fusion import (
    FusionPredictor,
    LateFusion,
    cross_fit_arms,
    held_out,
    late_out_of_fold,
    read_images,
    with_features,
)
from covidx.imaging import BagCache
from covidx.inference import ImagePredictor, score_rows
from covidx.inference.clinical import ClinicalPredictor
from covidx.models import BagEnsemble
from covidx.tables import OUT_OF_FOLD, PROBABILITY_PREFIX, probability_columns


def rescore_images(run: RunParts, predictor: ImagePredictor, cache: BagCache) -> pd.DataFrame:
    """Score the images of a run again.

    Parameters
    ----------
    run : RunParts
        Must have a manifest.
    predictor : ImagePredictor
        The run's bundle, loaded.
    cache : BagCache
        The run's images, prepared.

    Returns
    -------
    DataFrame
        arm, unit_id, role and a probability column a class; training rows of an ensemble are
        scored out of fold.
    """
    assert run.manifest is not None
    roles = run.splits.drop_duplicates("group_id").set_index("group_id")["role"]
    rows = run.manifest.assign(fold=0, role=run.manifest["group_id"].map(roles))
    scored = score_rows(predictor, cache, rows, int(run.record.config["seed"]), run.record.run_id)
    return scored[["arm", "unit_id", "role", *probability_columns(scored).values()]]


def rescore_clinical(run: RunParts, predictor: ClinicalPredictor, cache: None) -> pd.DataFrame:
    """Score the clinical rows of a run again.

    Parameters
    ----------
    run : RunParts
        Must have clinical values.
    predictor : ClinicalPredictor
        The run's bundle, loaded.
    cache : None
        Rows need no prepared images.

    Returns
    -------
    DataFrame
        As `rescore_images`; the only arm is p2.
    """
    known = _clinical_rows(run, predictor.bundle)
    rows, scores = score_by_role(predictor.fitted, known, **_how(run))
    index = pd.Index(rows.table["patient_id"])
    again = _two_classes(run, {"p2": pd.Series(scores, index)})
    return again.assign(role=rows.table["role"].to_numpy())


def _how(run: RunParts) -> dict[str, int]:
    """Seed and folds of the out-of-fold scores of a run with clinical rows."""
    config = run.record.config
    return {"seed": int(config["seed"]), "folds": int(config["inner_folds"])}


def _clinical_rows(run: RunParts, bundle: ClinicalBundle) -> ClinicalRows:
    assert run.clinical is not None
    other, positive = bundle.classes
    classes = Classes((other, positive), positive)
    return rows_of_run(run.clinical, run.splits, run.predictions, bundle.columns, classes)


def rescore_fusion(run: RunParts, predictor: FusionPredictor, cache: BagCache) -> pd.DataFrame:
    """Score P3 and both of its arms again, by patient.

    Parameters
    ----------
    run : RunParts
        Must have a manifest and clinical values.
    predictor : FusionPredictor
        The run's bundle, loaded.
    cache : BagCache
        The run's images, prepared.

    Returns
    -------
    DataFrame
        As `rescore_images`; the arms are p3, p1 and p2. Out-of-fold rows of a P3 that is made of
        networks are left out.

    Raises
    ------
    BundleError
        ``BUNDLE_VERSION``: P1 is a single network.
    """
    assert run.manifest is not None
    bundle, image, how = predictor.bundle, predictor.image, _how(run)
    if not isinstance(image.model, BagEnsemble):
        raise BundleError(
            "BUNDLE_VERSION",
            "The run is of an earlier version: its P1 has no networks for out-of-fold scores.",
            path=run.folder / "bundle",
            hint="Train it again.",
        )
    roles = run.splits.drop_duplicates("group_id").set_index("group_id")["role"]
    images = run.manifest.assign(fold=0, role=run.manifest["group_id"].map(roles))
    rows, patients = _clinical_rows(run, predictor.rows), _patients(run)
    seed, folds = how["seed"], how["folds"]
    crossed = cross_fit_arms(
        patients, image, cache, images, rows, predictor.clinical, seed=seed, folds=folds
    )
    arms, role = crossed.arms, crossed.arms.patients["role"]
    if predictor.reader is not image.model:
        place = image.bundle.classes.index(image.bundle.positive)
        arms = with_features(arms, read_images(predictor.reader, cache, images, place).features)
    p3, train = predictor.score(arms), (role == OUT_OF_FOLD).to_numpy()
    p3[train] = np.nan
    if isinstance(predictor.fuser, LateFusion):  # networks would have to be trained again
        learnt = arms.only(train)
        truth = (learnt.patients["label"] == bundle.positive).set_axis(
            learnt.patients["patient_id"]
        )
        cut = held_out(learnt.patients, truth.to_numpy(bool), folds, seed)
        p3[train] = late_out_of_fold(truth, crossed.image, crossed.clinical, learnt, cut)
    own = crossed.own.logits.reindex(patients["patient_id"]).to_numpy(np.float64)
    first = arms.clinical.iloc[:, 0].to_numpy(np.float64)
    scores = {"p3": p3, "p1": expit(own), "p2": expit(first)}
    again = _two_classes(
        run, {arm: pd.Series(values, patients["patient_id"]) for arm, values in scores.items()}
    )
    again = again.assign(role=np.tile(role.to_numpy(str), len(scores)))
    return again.dropna().reset_index(drop=True)


def _patients(run: RunParts) -> pd.DataFrame:
    """Every patient of a fusion with group, label, fold and role, in the order of the training."""
    labels = run.predictions.drop_duplicates("patient_id").set_index("patient_id")["label"]
    table = run.splits[["patient_id", "group_id", "fold", "role"]].drop_duplicates("patient_id")
    table = table.assign(label=table["patient_id"].map(labels))
    return table.sort_values("patient_id", ignore_index=True)


def _two_classes(run: RunParts, scores: dict[str, pd.Series]) -> pd.DataFrame:
    """Probability columns of two classes from the positive one's, by arm."""
    positive = run.positive
    other = next(name for name in probability_columns(run.predictions) if name != positive)
    tables = [
        pd.DataFrame(
            {
                "arm": arm,
                "unit_id": values.index,
                f"{PROBABILITY_PREFIX}{other}": 1 - values.to_numpy(),
                f"{PROBABILITY_PREFIX}{positive}": values.to_numpy(),
            }
        )
        for arm, values in scores.items()
    ]
    return pd.concat(tables, ignore_index=True)

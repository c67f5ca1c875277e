"""Both arms of all patients; those of training patients by models that had not seen them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from covidx.clinical import ClinicalRows, Fitted, cross_fit_rows
from covidx.fusion.arms import Arms, logit
from covidx.fusion.image import ImageArm, read_images
from covidx.fusion.late import Line, fit_scale
from covidx.fusion.out_of_fold import OutOfFold, cross_fit
from covidx.fusion.patients import make_arms
from covidx.imaging import BagCache
from covidx.inference import ImagePredictor, held_out_rows
from covidx.models import BagEnsemble
from covidx.tables import OUT_OF_FOLD


@dataclass(frozen=True, eq=False)
class CrossFittedArms:
    """The arms of all patients, ready for a fusion to be fitted on.

    Parameters
    ----------
    arms : Arms
        Training patients have the role out-of-fold, and outputs of models that did not see them;
        others have those of the final models.
    image : OutOfFold
        P1's calibrated log odds of training patients.
    clinical : dict
        Clinical model -> its log odds of training patients.
    own : ImageArm
        P1's log odds before calibration, of all patients who have an image.
    scale : Line
        What calibrates them.
    """

    arms: Arms
    image: OutOfFold
    clinical: dict[str, OutOfFold]
    own: ImageArm
    scale: Line


def cross_fit_arms(
    patients: pd.DataFrame,
    p1: ImagePredictor,
    cache: BagCache,
    images: pd.DataFrame,
    rows: ClinicalRows,
    models: Mapping[str, Fitted],
    *,
    seed: int,
    folds: int,
    progress: Callable[[int, int], None] | None = None,
) -> CrossFittedArms:
    """Score images and clinical rows of training patients out of fold, of others by all models.

    Parameters
    ----------
    patients : DataFrame
        patient_id, group_id, label, fold and role (train or test).
    p1 : ImagePredictor
        An ensemble, each of whose members did not learn from one fold of the training images.
    cache : BagCache
        Prepared slices of every image.
    images : DataFrame
        Manifest rows of the patients, with role.
    rows : ClinicalRows
        Of the patients, with role.
    models : mapping
        Clinical models by name, P2 first; each is fitted again without each fold.
    seed : int
        Of the training, which cut the folds of both arms.
    folds : int
        Of the clinical models.
    progress : callable, optional
        Called with (done, total) images.
    """
    own, fold_of = _read(p1, cache, images, seed, progress)
    known = patients["patient_id"].isin(own.logits.index)
    train = patients[known & (patients["role"] == "train")].reset_index(drop=True)
    positive = (train["label"] == p1.bundle.positive).to_numpy(bool)
    scale = fit_scale(own.logits[train["patient_id"]].to_numpy(np.float64), positive)
    calibrated = own.calibrated(scale)
    logits = calibrated.logits[train["patient_id"]].to_numpy(np.float64)
    place = train["patient_id"].map(fold_of).to_numpy(np.int64)
    masks = [place == number for number in range(max(fold_of.values()) + 1)]
    image = cross_fit(train, masks, lambda _, out: logits[out])
    learnt = rows.only(rows.table["role"] == "train")
    clinical = {name: _clinical(one, learnt, seed, folds) for name, one in models.items()}
    arms = make_arms(
        patients.assign(role=patients["role"].replace("train", OUT_OF_FOLD)),
        calibrated,
        rows.table.set_index("patient_id")[rows.names],
        models,
    )
    crossed = pd.DataFrame({name: one.by_patient for name, one in clinical.items()})
    crossed = crossed.reindex(arms.patients["patient_id"]).reset_index(drop=True)
    arms = replace(arms, clinical=crossed.where(crossed.notna(), arms.clinical))
    return CrossFittedArms(arms, image, clinical, own, scale)


def _read(
    p1: ImagePredictor,
    cache: BagCache,
    images: pd.DataFrame,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[ImageArm, dict[str, int]]:
    """P1's outputs of all patients, and which of its members scored each training patient."""
    model, place = p1.model, p1.bundle.classes.index(p1.bundle.positive)
    assert isinstance(model, BagEnsemble)  # `ImageRecipe.with_members`
    fold_of: dict[str, int] = {}
    found = []
    parts = held_out_rows(images, p1.bundle.recipe, seed)
    for number, (member, part) in enumerate(zip(model.members, parts, strict=True)):
        one = read_images(member, cache, part, place)
        # In the place of every member's: what reads the features takes the mean over members.
        wide = np.tile(one.features.to_numpy(), len(model.members))
        found.append(one._replace(features=pd.DataFrame(wide, one.features.index)))
        fold_of |= dict.fromkeys(part["patient_id"], number)
    others = images[images["role"] != "train"]
    if len(others):
        found.append(read_images(model, cache, others, place, progress))
    logits: pd.Series = pd.concat([one.logits for one in found])
    features: pd.DataFrame = pd.concat([one.features for one in found])
    return ImageArm(logits, features), fold_of


def _clinical(fitted: Fitted, rows: ClinicalRows, seed: int, folds: int) -> OutOfFold:
    """A clinical model's out-of-fold log odds of its training patients."""
    crossed = cross_fit_rows(fitted, rows, seed=seed, folds=folds)
    logits = logit(crossed.score(rows.table))
    places = np.arange(len(logits))
    masks = [np.isin(places, held_out) for held_out in crossed.held_out]
    return cross_fit(rows.table, masks, lambda _, out: logits[out])

"""The two arms of P3: each trained whole, and again without each fold, to score patients unseen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from covidx.clinical import Fitted, best_of, fit_control, fit_recipe, refit
from covidx.fusion import (
    ImageArm,
    Line,
    Mask,
    OutOfFold,
    cross_fit,
    fit_scale,
    held_out,
    logit,
    read_images,
)
from covidx.fusion.arms import FloatArray
from covidx.imaging import BagCache
from covidx.inference.image_bundle import ImageRecipe
from covidx.pipelines.clinical.config import TrainClinical
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.fusion.cohort import FusionCohort
from covidx.pipelines.image.fit import ImageFit, fit_image
from covidx.pipelines.progress import Bars
from covidx.pipelines.run import TrainingRun

FORMULA = "menni"


@dataclass(frozen=True, eq=False)
class ImageTrainer:
    """Trains P1 on some of the training patients; validation patients choose the epoch.

    Parameters
    ----------
    cohort : Cohort
        Images with their classes.
    cache : BagCache
        Prepared slices of every image.
    recipe : ImageRecipe
        Of P1; must have its learning.
    joined : FusionCohort
        Patients and images with role.
    seed : int
        Of the training and of the folds.
    run : TrainingRun
        Whose checkpoints let an interrupted training be taken up again.
    """

    cohort: Cohort
    cache: BagCache
    recipe: ImageRecipe
    joined: FusionCohort
    seed: int
    run: TrainingRun

    @property
    def patients(self) -> pd.DataFrame:
        """Training patients who have an image."""
        patients = self.joined.patients
        has_image = patients["patient_id"].isin(self.joined.images["patient_id"])
        return patients[(patients["role"] == "train") & has_image].reset_index(drop=True)

    def whole(self) -> ImageFit:
        """On all of them."""
        return self._on(self.joined.images)

    def out_of_fold(self, folds: int, bars: Bars) -> OutOfFold:
        """Out-of-fold scores of them, each by a network trained without the patient's fold.

        Parameters
        ----------
        folds : int
            How many networks are trained.
        bars : callable
            Opens a progress bar by name.

        Returns
        -------
        OutOfFold
            Log odds of the positive class, calibrated on validation patients.
        """
        train, images, classes = self.patients, self.joined.images, self.cohort.labels
        place = classes.names.index(classes.positive)
        done = 0

        def score(inner: Mask, out: Mask) -> FloatArray:
            nonlocal done
            left_out = images["patient_id"].isin(train.loc[out, "patient_id"])
            fitted = self._on(images.assign(role=images["role"].mask(left_out, "test")))
            there = images[left_out | (images["role"] == "validation")]
            scored = read_images(fitted.model, self.cache, there, place)
            scored = scored.calibrated(self.scale(scored))
            done += 1
            bar(done, folds)
            found: FloatArray = scored.logits.reindex(train.loc[out, "patient_id"]).to_numpy()
            return found

        positive = (train["label"] == classes.positive).to_numpy(bool)
        stopped_on = frozenset(images.loc[images["role"] == "validation", "group_id"])
        with bars("P1 without each fold") as bar:
            cut = held_out(train, positive, folds, self.seed)
            return cross_fit(train, cut, score, also=stopped_on)

    def scale(self, scored: ImageArm) -> Line:
        """Calibration of the network that gave `scored`: a line, fitted on validation patients."""
        patients = self.joined.patients
        chosen = patients[
            (patients["role"] == "validation") & patients["patient_id"].isin(scored.logits.index)
        ]
        positive = (chosen["label"] == self.cohort.labels.positive).to_numpy(bool)
        return fit_scale(scored.logits[chosen["patient_id"]].to_numpy(np.float64), positive)

    def _on(self, rows: pd.DataFrame) -> ImageFit:
        folder = self.run.checkpoints(self.recipe, self.seed, rows)
        return fit_image(self.cache, rows, self.cohort.labels, self.recipe, self.seed, folder)


@dataclass(frozen=True, eq=False)
class ClinicalArm:
    """The clinical models by name, P2 first.

    Parameters
    ----------
    models : dict
        Name of the recipe -> the model fitted on all training patients.
    out_of_fold : dict
        Name of the recipe -> out-of-fold log odds of the training patients.
    control : Fitted, optional
        On the pattern of missing values alone; None where nothing is missing.
    """

    models: dict[str, Fitted]
    out_of_fold: dict[str, OutOfFold]
    control: Fitted | None

    @property
    def best(self) -> str:
        """P2's name."""
        return next(iter(self.models))


def train_clinical_arm(
    config: TrainClinical, joined: FusionCohort, folds: int, bars: Bars
) -> ClinicalArm:
    """Fit the recipes on training patients; the formula is left to ``train clinical``.

    Parameters
    ----------
    config : TrainClinical
        Recipes, seed and inner folds.
    joined : FusionCohort
        Clinical rows with role; those of role train are fitted on.
    folds : int
        Folds of the out-of-fold scores.
    bars : callable
        Opens a progress bar by name.
    """
    train = joined.rows.only(joined.rows.table["role"] == "train")
    how = {"seed": config.seed, "folds": config.inner_folds}
    recipes = [recipe for recipe in config.recipes if recipe.kind != FORMULA]
    fitted, out_of_fold = [], {}
    cut = held_out(train.table, train.truth, folds, config.seed)
    with bars("P2") as bar:
        for done, recipe in enumerate(recipes, 1):
            one = fit_recipe(recipe, train, **how)

            def score(inner: Mask, out: Mask, one: Fitted = one) -> FloatArray:
                return logit(refit(one, train.only(inner), **how).score(train.table[out]))

            out_of_fold[recipe.name] = cross_fit(train.table, cut, score)
            fitted.append(one)
            bar(done, len(recipes))
    best = best_of(fitted)
    ordered = [best, *(one for one in fitted if one is not best)]
    return ClinicalArm(
        {one.recipe.name: one for one in ordered}, out_of_fold, fit_control(train, **how)
    )

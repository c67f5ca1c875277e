"""The two arms of P3: P1 as an ensemble of folds, and the clinical models."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from covidx.clinical import ClinicalRows, Fitted, best_of, fit_control, fit_recipe
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
    """What P1 is trained with.

    Parameters
    ----------
    cohort : Cohort
        Images with their classes.
    cache : BagCache
        Prepared slices of every image.
    recipe : ImageRecipe
        Of P1, an ensemble; must have its learning.
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

    def fit(self) -> ImageFit:
        """Train a network without each fold of the training patients' images."""
        rows: pd.DataFrame = self.joined.images
        folder = self.run.checkpoints(self.recipe, self.seed, rows)
        return fit_image(self.cache, rows, self.cohort.labels, self.recipe, self.seed, folder)


@dataclass(frozen=True, eq=False)
class ClinicalArm:
    """The clinical models by name, P2 first.

    Parameters
    ----------
    models : dict
        Name of the recipe -> the model fitted on all training patients.
    control : Fitted, optional
        On the pattern of missing values alone; None where nothing is missing.
    """

    models: dict[str, Fitted]
    control: Fitted | None

    @property
    def best(self) -> str:
        """P2's name."""
        return next(iter(self.models))


def train_clinical_arm(config: TrainClinical, rows: ClinicalRows, bars: Bars) -> ClinicalArm:
    """Fit the recipes on training patients; the formula is left to ``train clinical``.

    Parameters
    ----------
    config : TrainClinical
        Recipes, seed and inner folds.
    rows : ClinicalRows
        With role; those of role train are fitted on.
    bars : callable
        Opens a progress bar by name.
    """
    train = rows.only(rows.table["role"] == "train")
    how = {"seed": config.seed, "folds": config.inner_folds}
    recipes = [recipe for recipe in config.recipes if recipe.kind != FORMULA]
    fitted = []
    with bars("P2") as bar:
        for done, recipe in enumerate(recipes, 1):
            fitted.append(fit_recipe(recipe, train, **how))
            bar(done, len(recipes))
    best = best_of(fitted)
    ordered = [best, *(one for one in fitted if one is not best)]
    return ClinicalArm({one.recipe.name: one for one in ordered}, fit_control(train, **how))

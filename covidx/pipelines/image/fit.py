"""Training P1's network; a training that was interrupted is taken up again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from covidx.cohort import Classes
from covidx.imaging import BagCache
from covidx.inference.image_bundle import ImageRecipe
from covidx.training import Fit, fit_classifier


def fit_image(
    cache: BagCache,
    rows: pd.DataFrame,
    classes: Classes,
    recipe: ImageRecipe,
    seed: int,
    folder: Path,
) -> Fit:
    """Train; a training that was interrupted is taken up again from its folder.

    Parameters
    ----------
    cache : BagCache
        Prepared slices of every image.
    rows : DataFrame
        Manifest rows with role; those of role test are not looked at.
    classes : Classes
        Class names, the reference first, and the positive one.
    recipe : ImageRecipe
        Architecture and learning; must have the latter.
    seed : int
        Of weights, order and augmentation.
    folder : Path
        Of its checkpoints; the caller removes it once the result is safe.
    """
    assert recipe.learning is not None  # only an upgraded bundle lacks it
    return fit_classifier(cache, rows, classes, recipe.architecture, recipe.learning, seed, folder)

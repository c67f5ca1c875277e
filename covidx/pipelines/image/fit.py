"""Training P1's network; a training that was interrupted is taken up again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from covidx.cohort import Classes
from covidx.imaging import BagCache
from covidx.inference.image_bundle import ImageRecipe
from covidx.training import Fit, fit_classifier

__all__ = ["fit_image"]


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
    rows : DataFrame
        Manifest rows with role.
    classes : Classes
    recipe : ImageRecipe
    seed : int
    folder : Path
        Of its checkpoints; the caller removes it once the result is safe.
    """
    assert recipe.learning is not None  # only an upgraded bundle lacks it
    return fit_classifier(cache, rows, classes, recipe.architecture, recipe.learning, seed, folder)

"""Training P1's network, or networks; a training that was interrupted is taken up again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from covidx.cohort import Classes
from covidx.imaging import BagCache
from covidx.inference import held_out_rows
from covidx.inference.image_bundle import ImageRecipe
from covidx.models import BagEnsemble, BagModel
from covidx.training import Fit, fit_classifier


@dataclass(frozen=True, eq=False)
class ImageFit:
    """P1 as it was trained.

    Parameters
    ----------
    model : BagModel
        One network, stopped on validation rows; or an ensemble, each of whose members was trained
        without one fold of the training rows.
    members : list of Fit
        The training of each network.
    """

    model: BagModel
    members: list[Fit]

    @property
    def curves(self) -> pd.DataFrame:
        """The figures of each epoch, the mean over networks."""
        return pd.concat([one.curves for one in self.members]).groupby("epoch").mean().reset_index()

    @property
    def best_epoch(self) -> int:
        """The epoch that was kept; members of an ensemble are all trained equally long."""
        return self.members[0].best_epoch

    @property
    def resumed_from(self) -> int | None:
        """The first epoch after an interruption of the first network that was interrupted."""
        resumed = [one.resumed_from for one in self.members if one.resumed_from is not None]
        return resumed[0] if resumed else None


def fit_image(
    cache: BagCache,
    rows: pd.DataFrame,
    classes: Classes,
    recipe: ImageRecipe,
    seed: int,
    folder: Path,
) -> ImageFit:
    """Train; a training that was interrupted is taken up again from its folder.

    Parameters
    ----------
    cache : BagCache
        Prepared slices of every image.
    rows : DataFrame
        Manifest rows with role; those of role test are not looked at. An ensemble has no use for
        rows of role validation.
    classes : Classes
        Class names, the reference first, and the positive one.
    recipe : ImageRecipe
        Architecture and learning; must have the latter.
    seed : int
        Of weights, order and augmentation, and of the folds of an ensemble.
    folder : Path
        Of its checkpoints; the caller removes it once the result is safe.
    """
    assert recipe.learning is not None  # only an upgraded bundle lacks it
    how = classes, recipe.architecture, recipe.learning
    if recipe.architecture.members == 1:
        fitted = fit_classifier(cache, rows, *how, seed, folder)
        return ImageFit(fitted.model, [fitted])
    fits = []
    for member, part in enumerate(held_out_rows(rows, recipe, seed)):
        held_out = rows["image_id"].isin(part["image_id"])
        own = rows.assign(role=rows["role"].mask(held_out, "validation"))
        # Seeds of its own: equal initial heads and orders would make the members alike.
        fits.append(fit_classifier(cache, own, *how, seed + member, folder / f"member-{member}"))
    return ImageFit(BagEnsemble([one.model for one in fits]), fits)

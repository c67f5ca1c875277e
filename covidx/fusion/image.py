"""Outputs of P1's network for patients: log odds and features, the mean over their images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from covidx.fusion.arms import IMAGE, Arms, FloatArray, logit
from covidx.fusion.late import Line
from covidx.imaging import Bag, BagCache
from covidx.inference.image import to_tensor
from covidx.inference.predictor import device_of
from covidx.models import BagModel


class ImageArm(NamedTuple):
    """P1's outputs by patient.

    Parameters
    ----------
    logits : Series
        patient_id -> log odds of the positive class.
    features : DataFrame, shape (patients, features)
        A row a patient, indexed by patient_id.
    """

    logits: pd.Series
    features: pd.DataFrame

    def calibrated(self, scale: Line) -> ImageArm:
        """The same with the log odds on another `scale`."""
        logits = scale.logits(pd.DataFrame({IMAGE: self.logits.to_numpy()}))
        return self._replace(logits=pd.Series(logits, self.logits.index))


@torch.inference_mode()
def read_bag(model: BagModel, bag: Bag, positive: int) -> tuple[float, FloatArray]:
    """Log odds and features of one image.

    Parameters
    ----------
    model : BagModel
        In evaluation mode.
    bag : Bag
        The prepared image.
    positive : int
        Number of the class.

    Returns
    -------
    (float, ndarray of float64, shape (features,))
        Log odds of that class, and features.
    """
    slices = to_tensor(bag.pixels).to(device_of(model))
    output, features = model.with_features(slices, [len(slices)])
    # In double precision, as the bundle's own scores.
    probability = output.logits[0].double().softmax(dim=0)[positive].cpu().numpy()
    return float(logit(probability)), features[0].double().cpu().numpy()


def read_images(
    model: BagModel,
    cache: BagCache,
    images: pd.DataFrame,
    positive: int,
    progress: Callable[[int, int], None] | None = None,
) -> ImageArm:
    """Score cached images, each by itself.

    Parameters
    ----------
    model : BagModel
        In evaluation mode.
    cache : BagCache
        Prepared slices of every image.
    images : DataFrame
        image_id and patient_id.
    positive : int
        Number of the class.
    progress : callable, optional
        Called with (done, total).
    """
    pixels, logits, features = cache.pixels, [], []
    for done, image_id in enumerate(images["image_id"], 1):
        log_odds, vector = read_bag(model, cache.bag(str(image_id), pixels), positive)
        logits.append(log_odds)
        features.append(vector)
        if progress is not None:
            progress(done, len(images))
    patients = images["patient_id"].to_numpy(str)
    by_patient: pd.DataFrame = pd.DataFrame(np.array(features)).groupby(patients).mean()
    return ImageArm(pd.Series(logits).groupby(patients).mean(), by_patient)


def with_features(arms: Arms, features: pd.DataFrame) -> Arms:
    """The patients of `arms` with other `features`, an `ImageArm`'s; NaN where it has none."""
    of_patients = features.reindex(arms.patients["patient_id"])
    return replace(arms, features=of_patients.to_numpy(np.float64))

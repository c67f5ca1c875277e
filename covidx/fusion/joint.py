"""P3 by a network: calibrated for each pattern of arms, with contributions of each arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from covidx.cards import Column
from covidx.files import make_folder
from covidx.fusion.arms import BOTH, CLINICAL_ARM, IMAGE, PATTERNS, Arms, FloatArray
from covidx.fusion.image import read_images, with_features
from covidx.fusion.late import Contributions, Line, fit_line, need_patients
from covidx.fusion.learn import Joint, JointInputs, JointLearner, RowData, availability
from covidx.fusion.network import FusionNetwork
from covidx.fusion.recipe import FusionRecipe
from covidx.imaging import BagCache
from covidx.models import BagClassifier, BagModel
from covidx.models.learning import ImageLearning
from covidx.training import BagData, fit_learner

IntArray = npt.NDArray[np.intp]

RAW = "network"
ROLES = ("train", "validation")


@dataclass(frozen=True, eq=False)
class ImageTraining:
    """What continued training of P1's network needs.

    Parameters
    ----------
    model : BagClassifier
        P1's; it is copied.
    cache : BagCache
        Prepared slices of every image.
    images : DataFrame
        image_id and patient_id.
    classes : Series
        patient_id -> number among P1's classes.
    positive : int
        Number of the positive one.
    learning : ImageLearning
        P1's.
    """

    model: BagClassifier
    cache: BagCache
    images: pd.DataFrame
    classes: pd.Series
    positive: int
    learning: ImageLearning

    def features_of(self, network: BagModel) -> pd.DataFrame:
        """The patients' features by another state of the `network`."""
        return read_images(network, self.cache, self.images, self.positive).features


@dataclass(frozen=True, eq=False)
class JointFusion:
    """A trained network, and a line for each pattern that makes its output log odds.

    Parameters
    ----------
    model : Joint
        With P1's network where its training continued: image features are then that one's.
    columns : list of Column
        Of the clinical values.
    lines : mapping
        Pattern -> line on the network's output; fitted on validation patients.
    prior : float
        Log odds of a patient without any arm: from the share of positives in training.
    """

    model: Joint
    columns: list[Column]
    lines: Mapping[str, Line]
    prior: float

    @property
    def bag(self) -> BagClassifier | None:
        """P1's network after continued training; None where there was none."""
        return self.model.bag

    @torch.inference_mode()
    def raw(self, arms: Arms, pattern: str) -> FloatArray:
        """The network's output for `arms` as if they were those of `pattern` alone, shape (n,)."""
        network = self.model.network.eval()
        features = torch.from_numpy(np.nan_to_num(arms.features)).float()
        values = _numbers(arms.values, self.columns)
        there = availability(pattern != CLINICAL_ARM, pattern != IMAGE, len(arms))
        output: FloatArray = network(features, values, there).double().numpy()
        return output

    def logits(self, arms: Arms, pattern: str) -> FloatArray:
        """Log odds for `arms` as if they were those of `pattern` alone, shape (n,)."""
        line, raw = self.lines[pattern], self.raw(arms, pattern)
        return line.logits(pd.DataFrame({RAW: raw}))

    def contributions(self, arms: Arms) -> Contributions:
        """Shapley values of the two arms: the mean of what each adds, first or second.

        Parameters
        ----------
        arms : Arms
            Each patient with at least one arm.
        """
        both, image, clinical = (self.logits(arms, pattern) - self.prior for pattern in PATTERNS)
        has_both, has_image, has_clinical = (arms.available == pattern for pattern in PATTERNS)
        return Contributions(
            np.full(len(arms), self.prior),
            np.select([has_both, has_image], [(image + both - clinical) / 2, image], 0.0),
            np.select([has_both, has_clinical], [(clinical + both - image) / 2, clinical], 0.0),
        )


def _numbers(values: pd.DataFrame, columns: Sequence[Column]) -> Tensor:
    """Clinical values as the network takes them: of a category a yes or no for each value."""
    parts = []
    for column in columns:
        place = values[column.name].to_numpy(np.float64)
        if column.type == "category":
            names = np.arange(len(column.values or []))
            parts.append(np.where(np.isnan(place)[:, None], np.nan, place[:, None] == names))
        else:
            parts.append(place[:, None])
    return torch.from_numpy(np.concatenate(parts, axis=1)).float()


def fit_joint(
    recipe: FusionRecipe,
    arms: Arms,
    columns: list[Column],
    truth: FloatArray,
    image: ImageTraining,
    seed: int,
    folder: Path,
) -> JointFusion:
    """Train on the patients of role train who have both arms; calibrate on those of validation.

    Parameters
    ----------
    recipe : FusionRecipe
        Of kind joint or gated.
    arms : Arms
        Training and validation patients, with features of P1.
    columns : list of Column
        Of the clinical values.
    truth : ndarray, shape (n,)
        1 positive, 0 rest.
    image : ImageTraining
        For continued training of P1's network.
    seed : int
        Of initial weights, order, noise and dropout.
    folder : Path
        For checkpoints.

    Raises
    ------
    InvalidTableError
        ``FUSION_ROWS``: too few patients of a role have both arms.
    """
    assert recipe.learning is not None
    learning, role = recipe.learning, arms.patients["role"].to_numpy(str)
    train, validation = (np.flatnonzero((role == name) & arms.has(BOTH)) for name in ROLES)
    for name, rows in zip(ROLES, (train, validation), strict=True):
        need_patients(truth[rows] > 0, BOTH, name)
    make_folder(folder)
    values = _numbers(arms.values, columns)
    width = arms.features.shape[1]
    torch.manual_seed(seed)
    model = _start(recipe, values[train], width, image)
    numbers = np.array(arms.patients["patient_id"].map(image.classes).fillna(0), dtype=np.int64)
    inputs = JointInputs(
        torch.from_numpy(np.nan_to_num(arms.features)).float(),
        values,
        torch.from_numpy(truth).float(),
        torch.from_numpy(numbers),
    )
    data: RowData | BagData = RowData(train, validation, learning.batch, seed)
    if learning.end_to_end:
        items = [_bags(image.images, arms, rows) for rows in (train, validation)]
        own = image.learning
        data = BagData(
            image.cache, items[0], items[1], own.augmentation, own.slices, learning.batch, seed
        )
    learner = JointLearner(model, inputs, image.learning.backbone_rate, seed)
    epochs = learning.epochs
    trained = fit_learner(learner, data, epochs, epochs, folder, bar=learning.end_to_end).model
    share = float(truth[train].mean())
    draft = JointFusion(trained, columns, {}, float(np.log(share / (1 - share))))
    return replace(draft, lines=_calibrate(draft, arms, truth, validation, image))


def _start(recipe: FusionRecipe, values: Tensor, width: int, image: ImageTraining) -> Joint:
    """The network before training; medians and gaps are of the training rows."""
    assert recipe.learning is not None
    learning = recipe.learning
    medians = values.nanquantile(0.5, dim=0).nan_to_num()
    network = FusionNetwork(recipe.kind, learning, width, medians, values.isnan().any(dim=0))
    return Joint(network, deepcopy(image.model) if learning.end_to_end else None)


def _bags(images: pd.DataFrame, arms: Arms, rows: IntArray) -> list[tuple[str, int]]:
    """The images of some patients, each with its patient's row."""
    place = dict(zip(arms.patients["patient_id"].iloc[rows], rows.tolist(), strict=True))
    chosen = images[images["patient_id"].isin(place)].sort_values("image_id")
    pairs = zip(chosen["image_id"], chosen["patient_id"], strict=True)
    return [(str(image_id), place[patient]) for image_id, patient in pairs]


def _calibrate(
    draft: JointFusion, arms: Arms, truth: FloatArray, validation: IntArray, image: ImageTraining
) -> dict[str, Line]:
    """A line a pattern, on validation patients who have both arms."""
    chosen = arms.only(np.isin(np.arange(len(arms)), validation))
    if draft.bag is not None:
        chosen = with_features(chosen, image.features_of(draft.bag))
    positive = truth[validation] > 0
    return {
        pattern: fit_line(pd.DataFrame({RAW: draft.raw(chosen, pattern)}), positive)
        for pattern in PATTERNS
    }

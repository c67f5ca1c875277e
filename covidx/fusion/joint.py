"""P3 by networks: cross-fitted, calibrated for each pattern of arms, with contributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product
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
from covidx.models import BagEnsemble, BagModel
from covidx.models.learning import ImageLearning
from covidx.training import BagData, fit_learner

IntArray = npt.NDArray[np.intp]

RAW = "network"


@dataclass(frozen=True, eq=False)
class ImageTraining:
    """What continued training of P1's networks needs.

    Parameters
    ----------
    model : BagEnsemble
        P1's; its members are copied.
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

    model: BagEnsemble
    cache: BagCache
    images: pd.DataFrame
    classes: pd.Series
    positive: int
    learning: ImageLearning

    def features_of(self, network: BagModel, patients: pd.Series) -> pd.DataFrame:
        """The features of `patients` by another state of the `network`, a row a patient."""
        images = self.images[self.images["patient_id"].isin(patients)]
        return read_images(network, self.cache, images, self.positive).features


@dataclass(frozen=True, eq=False)
class JointFusion:
    """Trained networks, and a line for each pattern that makes their mean output log odds.

    Parameters
    ----------
    networks : list of Joint
        Each trained without one fold of the training patients; with one of P1's networks where its
        training continued: image features are then that one's.
    columns : list of Column
        Of the clinical values.
    lines : mapping
        Pattern -> line on the networks' output; fitted on out-of-fold outputs.
    prior : float
        Log odds of a patient without any arm: from the share of positives in training.
    """

    networks: Sequence[Joint]
    columns: list[Column]
    lines: Mapping[str, Line]
    prior: float

    @property
    def bag(self) -> BagEnsemble | None:
        """P1's networks after continued training; None where there was none."""
        bags = [one.bag for one in self.networks if one.bag is not None]
        return BagEnsemble(bags) if bags else None

    @torch.inference_mode()
    def raw(self, arms: Arms, pattern: str) -> FloatArray:
        """The mean output for `arms` as if they were those of `pattern` alone, shape (n,).

        Of features, each network reads those of each of P1's networks; where P1 was trained on,
        those of its own.
        """
        features = torch.from_numpy(np.nan_to_num(arms.features)).float()
        width = self.networks[0].network.features
        blocks = [features[:, k : k + width] for k in range(0, features.shape[1], width)]
        values = _numbers(arms.values, self.columns)
        there = availability(pattern != CLINICAL_ARM, pattern != IMAGE, len(arms))
        own = self.networks[0].bag is not None and len(blocks) == len(self.networks)
        pairs = zip(self.networks, blocks, strict=True) if own else product(self.networks, blocks)
        outputs = [one.network.eval()(block, values, there) for one, block in pairs]
        output: FloatArray = torch.stack(outputs).double().mean(dim=0).numpy()
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
    folds: IntArray,
    seed: int,
    folder: Path,
) -> tuple[JointFusion, FloatArray]:
    """Train a network without each fold of the patients who have both arms; calibrate out of fold.

    Each is trained for all epochs: no patient chooses one.

    Parameters
    ----------
    recipe : FusionRecipe
        Of kind joint or gated.
    arms : Arms
        Training patients, with out-of-fold features of P1.
    columns : list of Column
        Of the clinical values.
    truth : ndarray, shape (n,)
        1 positive, 0 rest.
    image : ImageTraining
        For continued training of P1's networks.
    folds : ndarray of int, shape (n,)
        The network that each patient is kept from, and scored by; as many as P1 has members. Where
        P1's training continues, that of the member that did not see the patient.
    seed : int
        Of initial weights, order, noise and dropout.
    folder : Path
        For checkpoints.

    Returns
    -------
    fused : JointFusion
        All networks.
    scores : ndarray, shape (n,)
        Out-of-fold probability of the positive class.

    Raises
    ------
    InvalidTableError
        ``FUSION_ROWS``: too few patients outside of a fold have both arms.
    """
    both, numbers = arms.has(BOTH), range(len(image.model.members))
    for number in numbers:
        need_patients(truth[both & (folds != number)] > 0, BOTH)
    networks = [
        _train(recipe, arms, columns, truth, image, (both, folds == number), place)
        for number, place in ((n, (n, seed + n, folder / f"network-{n}")) for n in numbers)
    ]
    share = float(truth[both].mean())
    draft = JointFusion(networks, columns, {}, float(np.log(share / (1 - share))))
    parts = {n: arms.only(folds == n) for n in numbers}
    if draft.bag is not None:
        parts = {
            n: with_features(
                part, image.features_of(draft.bag.members[n], part.patients["patient_id"])
            )
            for n, part in parts.items()
        }
    raw = {pattern: np.empty(len(arms)) for pattern in PATTERNS}
    for pattern, number in product(PATTERNS, numbers):
        alone = replace(draft, networks=[networks[number]])
        raw[pattern][folds == number] = alone.raw(parts[number], pattern)
    lines = {
        pattern: fit_line(pd.DataFrame({RAW: values[both]}), truth[both] > 0)
        for pattern, values in raw.items()
    }
    fused, scores = replace(draft, lines=lines), np.empty(len(arms))
    for number, part in parts.items():
        alone = replace(fused, networks=[networks[number]])
        scores[folds == number] = alone.contributions(part).scores(part.available)
    return fused, scores


def _train(
    recipe: FusionRecipe,
    arms: Arms,
    columns: list[Column],
    truth: FloatArray,
    image: ImageTraining,
    patients: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
    place: tuple[int, int, Path],
) -> Joint:
    """One network: `patients` who have both arms, and who are held out; number, seed, folder."""
    assert recipe.learning is not None
    learning, (both, out), (number, seed, folder) = recipe.learning, patients, place
    train, watched = np.flatnonzero(both & ~out), np.flatnonzero(both & out)
    make_folder(folder)
    values, members = _numbers(arms.values, columns), image.model.members
    width = arms.features.shape[1] // len(members)
    torch.manual_seed(seed)
    medians = values[train].nanquantile(0.5, dim=0).nan_to_num()
    gaps = values[train].isnan().any(dim=0)
    network = FusionNetwork(recipe.kind, learning, width, medians, gaps)
    model = Joint(network, deepcopy(members[number]) if learning.end_to_end else None)
    classes = np.array(arms.patients["patient_id"].map(image.classes).fillna(0), dtype=np.int64)
    inputs = JointInputs(
        torch.from_numpy(np.nan_to_num(arms.features[:, :width])).float(),  # out-of-fold: all alike
        values,
        torch.from_numpy(truth).float(),
        torch.from_numpy(classes),
    )
    data: RowData | BagData = RowData(train, watched, learning.batch, seed)
    if learning.end_to_end:
        items = [_bags(image.images, arms, rows) for rows in (train, watched)]
        own = image.learning
        data = BagData(
            image.cache, items[0], items[1], own.augmentation, own.slices, learning.batch, seed
        )
    learner = JointLearner(model, inputs, image.learning.backbone_rate, seed)
    trained: Joint = fit_learner(
        learner, data, learning.epochs, None, folder, bar=learning.end_to_end
    ).model
    return trained


def _bags(images: pd.DataFrame, arms: Arms, rows: IntArray) -> list[tuple[str, int]]:
    """The images of some patients, each with its patient's row."""
    place = dict(zip(arms.patients["patient_id"].iloc[rows], rows.tolist(), strict=True))
    chosen = images[images["patient_id"].isin(place)].sort_values("image_id")
    pairs = zip(chosen["image_id"], chosen["patient_id"], strict=True)
    return [(str(image_id), place[patient]) for image_id, patient in pairs]

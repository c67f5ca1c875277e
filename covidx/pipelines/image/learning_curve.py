"""Would more patients help, and does training help at all? A plain baseline at several sizes.

The baseline is a logistic regression on features of the backbone as it was pretrained. It is fitted
on a quarter, a half and all of the training groups and scored on the rows that the network was
watched on: the fold that each member of an ensemble left out, or the validation rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from covidx.evaluate import Estimate, mean_of_folds_auroc, paired_difference
from covidx.imaging import BagCache
from covidx.inference import held_out_rows, to_tensor
from covidx.inference.image_bundle import ImageRecipe
from covidx.models import BagClassifier
from covidx.pipelines.progress import Bar
from covidx.tables import PROBABILITY_PREFIX

SHARES = (0.25, 0.5, 1.0)
INVERSE_PENALTY = 0.01
"""Of the logistic regression: there are far more features than patients."""


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """AUROC of the baseline by number of training groups, beside the network's.

    Parameters
    ----------
    groups : list of int
        Groups (patients, sources) that the baseline was fitted on; of several fits the mean.
    baseline : list of Estimate
        Its AUROC, the positive class against the rest.
    network : Estimate
        AUROC of the network on the same rows.
    difference : Estimate
        The network's minus that of the baseline on all training groups, paired.
    rows : str
        Which rows those are.
    """

    groups: list[int]
    baseline: list[Estimate]
    network: Estimate
    difference: Estimate
    rows: str

    @property
    def warnings(self) -> list[str]:
        """A sentence where the network is not shown to be better than the baseline."""
        if self.difference.low > 0:
            return []
        line = (
            "The network is not shown to be better than a plain baseline: AUROC "
            f"{self.network} against {self.baseline[-1]} of a logistic regression on features of "
            f"the pretrained backbone, on the same rows; difference {self.difference}."
        )
        if not self.difference.value > 0:  # or undefined
            line += " Look for a fault in recipe or labels before concluding anything of images."
        return [line]

    @property
    def fact(self) -> tuple[str, str]:
        """Name and text for the method section."""
        curve = ", ".join(
            f"{one} from {n} groups" for n, one in zip(self.groups, self.baseline, strict=True)
        )
        return (
            "Learning curve",
            f"plain baseline (logistic regression on frozen features) on {self.rows}: AUROC "
            f"{curve}; the network: {self.network}",
        )

    def to_json(self) -> dict[str, object]:
        """As ``learning_curve.json``."""
        return {
            "rows": self.rows,
            "baseline": [
                {"groups": n, "auroc": one.to_json()}
                for n, one in zip(self.groups, self.baseline, strict=True)
            ],
            "network": self.network.to_json(),
            "network_minus_baseline": self.difference.to_json(),
        }


def learning_curve(
    cache: BagCache,
    rows: pd.DataFrame,
    recipe: ImageRecipe,
    predictions: pd.DataFrame,
    positive: str,
    seed: int,
    bar: Bar | None = None,
) -> LearningCurve:
    """Fit the baseline at each size and score it beside the network.

    Parameters
    ----------
    cache : BagCache
        Prepared slices of every image.
    rows : DataFrame
        Manifest rows with role; those of role test are not looked at.
    recipe : ImageRecipe
        Of the network: its backbone, and how many members there are.
    predictions : DataFrame
        Of the network, as `tables.PREDICTIONS`, of the rows that it was watched on.
    positive : str
        The positive class.
    seed : int
        Of the training, and of the groups that are drawn.
    bar : callable, optional
        Progress over images.
    """
    known = rows[rows["role"] != "test"].sort_values("image_id").reset_index(drop=True)
    truth = (known["label"] == positive).to_numpy(bool)
    groups = known["group_id"].to_numpy(str)
    features = _features(cache, list(known["image_id"]), recipe, bar)
    folds, where = _folds(known, rows, recipe, seed)
    order = np.random.default_rng(seed).permutation(np.unique(groups))
    watched = folds >= 0
    results = []
    for share in SHARES:
        scores, counts = np.full(len(known), np.nan), []
        for fold in np.unique(folds[watched]):
            scored = folds == fold
            own = order[np.isin(order, groups[~scored])]
            drawn = own[: round(share * len(own))]
            chosen = ~scored & np.isin(groups, drawn)
            counts.append(len(drawn))
            if 0 < truth[chosen].sum() < chosen.sum():  # else there is nothing to tell apart
                scores[scored] = _fitted(features[chosen], truth[chosen])(features[scored])
        if not np.isnan(scores[watched]).any():
            results.append((round(float(np.mean(counts))), scores[watched]))
    key = "image_id" if (predictions["level"] == "image").any() else "patient_id"
    by_unit = predictions.set_index("unit_id")[f"{PROBABILITY_PREFIX}{positive}"]
    network = by_unit.reindex(known.loc[watched, key]).to_numpy(np.float64)
    given = truth[watched], groups[watched]
    return LearningCurve(
        [n for n, _ in results],
        [mean_of_folds_auroc(scores, *given, folds[watched]) for _, scores in results],
        mean_of_folds_auroc(network, *given, folds[watched]),
        paired_difference(network, results[-1][1], *given, folds=folds[watched]),
        where,
    )


def _folds(
    known: pd.DataFrame, rows: pd.DataFrame, recipe: ImageRecipe, seed: int
) -> tuple[NDArray[np.int64], str]:
    """The fold in which each row of `known` is scored, -1 for none; and what those rows are."""
    if recipe.architecture.members == 1:
        return np.where(known["role"] == "validation", 0, -1), "validation rows"
    parts = held_out_rows(rows, recipe, seed)
    of = {image: fold for fold, part in enumerate(parts) for image in part["image_id"]}
    return known["image_id"].map(of).to_numpy(np.int64), "training rows, each out of fold"


@torch.inference_mode()
def _features(
    cache: BagCache, images: Sequence[str], recipe: ImageRecipe, bar: Bar | None
) -> NDArray[np.float32]:
    """Mean and largest features over the slices of each image, shape (images, 2 x features)."""
    assert recipe.learning is not None
    torch.manual_seed(0)  # where the backbone is not pretrained
    model = BagClassifier(recipe.architecture, 2, pretrained=recipe.learning.pretrained).eval()
    model = model.to(memory_format=torch.channels_last)
    found, pixels = [], cache.pixels
    for done, image in enumerate(images, 1):
        slices = model.slice_features(to_tensor(cache.bag(image, pixels).pixels))
        found.append(torch.cat([slices.mean(dim=0), slices.amax(dim=0)]).numpy())
        if bar is not None:
            bar(done, len(images))
    return np.stack(found)


def _fitted(
    features: NDArray[np.float32], truth: NDArray[np.bool_]
) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """The log-odds that a logistic regression gives."""
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=5000, random_state=0)
    )
    scores: Callable[..., NDArray[np.float64]] = model.fit(features, truth).decision_function
    return scores

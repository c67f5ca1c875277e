"""Scoring images with a bundle: the one path for evaluation, ``covidx predict`` and MLflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from covidx.constants import PROBABILITY_PREFIX
from covidx.imaging.bags import Bag, prepare
from covidx.inference.image_bundle import ImageBundle, parity_bags
from covidx.inference.network_bundle import read_network, write_network
from covidx.inference.prediction import Prediction
from covidx.inference.predictor import NetworkPredictor, choose_device, decided
from covidx.inference.slices import ImagePayload, slice_payload
from covidx.models.bag import BagModel, make_classifier
from covidx.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

    from covidx.imaging.cache import BagCache
    from covidx.ingest.records import ReadImage

PARITY_TOLERANCE = 1e-5
"""Largest difference in a probability between training, evaluation and prediction."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one image.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (classes,)
        In the order of the bundle's classes; they sum to 1.
    slice_probabilities : ndarray of float64, shape (n, classes)
        The same by each slice of the bag alone.
    weights : ndarray of float64, shape (n,)
        Share of each slice of the bag in the decision; they sum to 1.
    member_probabilities : ndarray of float64, shape (members, classes)
        By each network of an ensemble alone.
    """

    probabilities: NDArray[np.float64]
    slice_probabilities: NDArray[np.float64]
    weights: NDArray[np.float64]
    member_probabilities: NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class ImagePredictor(NetworkPredictor):
    """An image classifier (P1) in memory, ready to score.

    Parameters
    ----------
    bundle : ImageBundle
        Preprocessing, architecture, classes and threshold.
    model : BagModel
        One network or an ensemble, in evaluation mode.
    """

    bundle: ImageBundle
    model: BagModel

    @classmethod
    def load(cls, folder: Path, device: str = "auto") -> ImagePredictor:
        """Read a bundle and make sure that it scores its parity cases as when it was saved.

        Parameters
        ----------
        folder : Path
            With ``bundle.json``, ``weights.safetensors`` and ``parity.safetensors``.
        device : str
            As `Predictor.load`.

        Raises
        ------
        BundleError
            As `read_network`, or ``PARITY_LOST``.
        """
        bundle, model, parity = read_network(folder, ImageBundle, _build, choose_device(device))
        predictor = cls(bundle, model.to(memory_format=torch.channels_last))
        pixels = parity["pixels"]  # (cases, n, rows, columns)
        whole = (0, pixels.shape[2], 0, pixels.shape[3])
        found = [predictor.score(Bag(p, np.arange(len(p)), whole)).probabilities for p in pixels]
        bundle.need_parity(folder, found, parity["probabilities"], PARITY_TOLERANCE)
        return predictor

    def save(self, folder: Path) -> ImagePredictor:
        """Write the bundle and read it back, so that all that follows uses what was saved.

        Parameters
        ----------
        folder : Path
            Must not exist.
        """
        bags = parity_bags(self.bundle.recipe.preprocessing)
        cases: dict[str, NDArray[Any]] = {
            "pixels": np.stack([bag.pixels for bag in bags]),
            "probabilities": np.stack([self.score(bag).probabilities for bag in bags]),
        }
        write_network(folder, self.bundle, self.model, cases)
        return ImagePredictor.load(folder, str(self.device))

    @torch.inference_mode()
    def score(self, bag: Bag) -> Scores:
        """Score one bag, by itself, so that no other image can matter.

        Parameters
        ----------
        bag : Bag
            Prepared by the bundle's preprocessing; n slices.
        """
        slices = to_tensor(bag.pixels).to(self.device)
        output = self.model(slices, [len(slices)])
        # Softmax in double precision: the probabilities then sum to 1 to the last digit kept.
        return Scores(
            output.logits[0].double().softmax(dim=0).cpu().numpy(),
            output.slice_logits.double().softmax(dim=1).cpu().numpy(),
            output.weights.double().cpu().numpy(),
            output.member_logits[:, 0].double().softmax(dim=1).cpu().numpy(),
        )

    def score_volume(self, volume: Volume) -> tuple[Bag, Scores]:
        """Prepare an image as in training, and score it.

        Parameters
        ----------
        volume : Volume
            In any orientation; ``bag.slices`` counts those of ``volume.canonical()``.

        Raises
        ------
        InvalidInputError
            As `prepare`.
        """
        bag = prepare(volume, self.bundle.recipe.preprocessing)
        return bag, self.score(bag)

    def positive_score(self, scores: Scores) -> float:
        """Probability of the positive class.

        Parameters
        ----------
        scores : Scores
            As `score` gives them: in the order of the bundle's classes.
        """
        return float(scores.probabilities[self.bundle.classes.index(self.bundle.positive)])

    def empty_payload(self) -> ImagePayload:
        """As `Predictor.empty_payload`."""
        return ImagePayload()

    def of_image(self, image: ReadImage, draft: Prediction) -> Prediction:
        """Score an image, and tell which slices decided.

        Parameters
        ----------
        image : ReadImage
            Decoded image of the modality that the bundle takes.
        draft : Prediction
            With source, threshold, receipt and what speaks against the result.
        """
        return self.of_bag(image, *self.score_volume(image.volume), draft)

    def of_bag(self, image: ReadImage, bag: Bag, scores: Scores, draft: Prediction) -> Prediction:
        """As `of_image`, where the image was prepared and scored already.

        Parameters
        ----------
        image, draft
            As in `of_image`.
        bag, scores
            Of the image, as `score_volume` gives them.
        """
        values = map(float, scores.probabilities)
        named = dict(zip(self.bundle.classes, values, strict=True))
        place = self.bundle.classes.index(self.bundle.positive)
        members = scores.member_probabilities[:, place]
        payload = slice_payload(
            image, bag, scores.slice_probabilities[:, place], scores.weights, members
        )
        return replace(decided(self.bundle, draft, named), payload=payload)


def _build(bundle: ImageBundle) -> BagModel:
    return make_classifier(bundle.recipe.architecture, len(bundle.classes))


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Bytes `pixels`, (n, rows, columns), as floats from 0 to 1, (n, 1, rows, columns).

    Channels last in memory: convolutions on a CPU are several times faster so.
    """
    floats = torch.from_numpy(np.array(pixels)).float().div_(255)[:, None]
    return floats.contiguous(memory_format=torch.channels_last)


def predict_cache(
    predictor: ImagePredictor,
    cache: BagCache,
    rows: pd.DataFrame,
    run_id: str,
    progress: Callable[[int, int], None] | None = None,
    level: str | None = None,
) -> pd.DataFrame:
    """Score cached bags into a predictions table.

    Parameters
    ----------
    predictor : ImagePredictor
        Its bundle gives the classes and the digests that the table names.
    cache : BagCache
        Bags by image_id, prepared by the bundle's preprocessing.
    rows : DataFrame
        Manifest rows with fold and role.
    run_id : str
        Written in each row.
    progress : callable, optional
        Called with (done, total).
    level : str, optional
        What a row is: by default a patient where each patient has one image, else an image.

    Returns
    -------
    DataFrame
        As `tables.PREDICTIONS`.
    """
    level = level or ("image" if rows["patient_id"].duplicated().any() else "patient")
    bundle, pixels = predictor.bundle, cache.pixels
    import pandas as pd

    table = []
    for done, row in enumerate(rows.sort_values("image_id").to_dict("records"), 1):
        scores = predictor.score(cache.bag(str(row["image_id"]), pixels))
        named = zip(bundle.classes, scores.probabilities, strict=True)
        table.append(
            {
                "run_id": run_id,
                "arm": "p1",
                "unit_id": row["image_id"] if level == "image" else row["patient_id"],
                "level": level,
                "patient_id": row["patient_id"],
                "group_id": row["group_id"],
                "fold": row["fold"],
                "role": row["role"],
                "split_sha256": bundle.trained_on.split_sha256,
                "bundle_sha256": bundle.sha256,
                "arms_used": "p1",
                "label": row["label"],
                **{f"{PROBABILITY_PREFIX}{name}": float(value) for name, value in named},
            }
        )
        if progress is not None:
            progress(done, len(rows))
    return pd.DataFrame(table)

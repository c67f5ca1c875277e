"""Severity scores of new radiographs: the one path for evaluation and ``covidx predict``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.inference.prediction import Payload, Prediction
from covidx.inference.predictor import ImageInputPredictor
from covidx.ingest.records import ReadImage
from covidx.radiograph_severity.bundle import (
    Models,
    RadiographSeverityBundle,
    load_bundle,
    write_bundle,
)
from covidx.radiograph_severity.features import WHOLE, Box, Picture, RadiographNetwork, picture_of
from covidx.radiograph_severity.lungs import LungFinder

LUNGS, COMPLETE = "lungs", "film"
"""Views, as bundles name them: the box of the lungs, the complete radiograph."""
TOLERANCE = 1e-3
"""Largest difference of a score of a synthetic image, in points."""
PARITY_CASES = 2


@dataclass(frozen=True)
class ScoreInterval:
    """One readers' score as it is predicted.

    Parameters
    ----------
    value, low, high : float
        Points: the score, and the ends of its interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RadiographScoresPayload(Payload):
    """The scores of one radiograph.

    Parameters
    ----------
    scores : dict
        Name -> score with its interval.
    box : tuple of float, optional
        Top, bottom, left, right of what was taken for the lungs, as shares of the image.
    highest : dict
        Name -> the highest score there is.
    """

    scores: dict[str, ScoreInterval]
    box: Box | None
    highest: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """As plain values, a key a score."""
        named = {name: vars(one) for name, one in self.scores.items()}
        return {"scores": named, "box": self.box}

    def columns(self) -> dict[str, Any]:
        """Three columns a score: value, low and high end."""
        found: dict[str, Any] = {}
        for name in self.highest:
            one = self.scores.get(name)
            for end in ("value", "low", "high"):
                column = name if end == "value" else f"{name}_{end}"
                found[column] = None if one is None else getattr(one, end)
        return found | {"box": None if self.box is None else str(self.box)}

    def lines(self) -> list[str]:
        """A line a score, its interval in brackets."""
        return [
            f"{name:<10} {one.value:.1f} of {self.highest[name]:g} "
            f"({one.low:.1f} to {one.high:.1f})"
            for name, one in self.scores.items()
        ]


def image_features(
    network: RadiographNetwork, finder: LungFinder | None, picture: Picture
) -> tuple[dict[str, NDArray[np.float32]], Box | None, str | None]:
    """A radiograph's features by view, the box of its lungs, and why that may be another's.

    Parameters
    ----------
    network : RadiographNetwork
        Frozen; its features are the same on every call.
    finder : LungFinder, optional
        None: the complete radiograph is the one view.
    picture : ndarray of float32, shape (rows, columns)
        Greys in any unit: each part is stretched between its own percentiles.
    """
    views = {COMPLETE: network.look(picture, WHOLE)}
    if finder is None:
        return views, None, None
    box, doubt = finder(network.place(picture))
    views[LUNGS] = network.look(picture, box)
    return views, box, doubt


def synthetic_image(seed: int) -> Picture:
    """An image for parity: smooth noise, nothing of a patient.

    Parameters
    ----------
    seed : int
        Of the noise: one image a seed, 240 by 260 pixels.
    """
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).standard_normal((240, 260))
    picture: Picture = gaussian_filter(noise, 9.0).astype(np.float32)
    return picture


@dataclass(frozen=True, eq=False, repr=False)
class RadiographSeverityPredictor(ImageInputPredictor):
    """A bundle in memory, ready to score.

    Parameters
    ----------
    bundle : RadiographSeverityBundle
        Scores with their views and intervals, and the domain of validity.
    models : Models
        A linear model a score, in the order of the bundle's scores.
    network : RadiographNetwork
        The frozen backbone, on the CPU.
    """

    bundle: RadiographSeverityBundle
    models: Models
    network: RadiographNetwork

    @classmethod
    def load(cls, folder: Path, device: str = "auto") -> RadiographSeverityPredictor:
        """Read a bundle, and make sure that it scores synthetic images as when it was saved.

        Parameters
        ----------
        folder : Path
            As `load_bundle`.
        device : str
            Not used: the frozen network is small, and lies on the CPU.

        Raises
        ------
        BundleError
            As `load_bundle`, or ``PARITY_LOST``.
        """
        bundle, models = load_bundle(folder)
        predictor = cls(bundle, models, RadiographNetwork())
        again = predictor.parity(len(bundle.parity))
        bundle.need_parity(folder, again, bundle.parity, TOLERANCE)
        return predictor

    def save(self, folder: Path) -> RadiographSeverityPredictor:
        """Write the bundle and read it back, so that all that follows uses what was saved.

        Parameters
        ----------
        folder : Path
            Must not exist.
        """
        draft = self.bundle.model_copy(update={"parity": self.parity(PARITY_CASES)})
        write_bundle(folder, draft, self.models)
        return RadiographSeverityPredictor.load(folder)

    def parity(self, cases: int) -> list[list[float]]:
        """Scores of synthetic images, not cut off at their ends.

        Parameters
        ----------
        cases : int
            How many images.
        """
        found = [
            image_features(self.network, self.models.finder, synthetic_image(n))[0]
            for n in range(cases)
        ]
        return [[round(v, 6) for v in self._values(views)] for views in found]

    def _values(self, views: Mapping[str, NDArray[np.float32]]) -> list[float]:
        pairs = zip(self.bundle.scores, self.models.scores, strict=True)
        return [float(model(views[one.view][None])[0, 0]) for one, model in pairs]

    def score(self, picture: Picture) -> tuple[dict[str, ScoreInterval], Box | None, str | None]:
        """Scores with intervals within 0 and the highest, the lungs' box, and any doubt.

        Parameters
        ----------
        picture : ndarray of float32, shape (rows, columns)
            As `picture_of` gives it.
        """
        views, box, doubt = image_features(self.network, self.models.finder, picture)
        scores = {}
        for one, raw in zip(self.bundle.scores, self._values(views), strict=True):
            value = min(max(raw, 0.0), one.high)
            low, high = value - one.half_width, value + one.half_width
            scores[one.name] = ScoreInterval(value, max(low, 0.0), min(high, one.high))
        return scores, box, doubt

    def empty_payload(self) -> RadiographScoresPayload:
        """As `Predictor.empty_payload`."""
        return RadiographScoresPayload({}, None, self._highest)

    @property
    def _highest(self) -> dict[str, float]:
        return {one.name: one.high for one in self.bundle.scores}

    def of_image(self, image: ReadImage, draft: Prediction) -> Prediction:
        """Score a radiograph.

        Parameters
        ----------
        image : ReadImage
            Decoded radiograph, or picture of one.
        draft : Prediction
            With source, threshold, receipt and what speaks against the result.
        """
        scores, box, doubt = self.score(picture_of(image.volume))
        outside = (*draft.outside, *([doubt] if doubt else []))
        payload = RadiographScoresPayload(scores, box, self._highest)
        return replace(draft, outside=outside, payload=payload)

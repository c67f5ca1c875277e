"""Lungs on CT by threshold, where no segmenter was trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from covidx import __version__
from covidx.errors import InvalidInputError
from covidx.inference.masks import LabelMaps, SegmentationPayload, segmentation_payload, write_masks
from covidx.inference.prediction import Prediction, Predictions
from covidx.inference.predictor import image_predictions
from covidx.inference.reading import Inputs
from covidx.segmentation import segment_lungs

if TYPE_CHECKING:
    from covidx.ingest.records import ReadImage

METHOD = f"covidx {__version__} segment_lungs"
CLASSES = {"lung": ["none", "right-lung", "left-lung"]}


@dataclass(frozen=True)
class LungThreshold:
    """Lungs on CT by threshold: what segments where there is no bundle.

    Attributes
    ----------
    bundle : None
        Nothing was trained.
    """

    bundle: None = None

    def predictions(self, inputs: Inputs) -> Iterator[Prediction]:
        """A prediction for each image; what cannot be read has a problem.

        Parameters
        ----------
        inputs : Inputs
            CTs, in any orientation.
        """
        return image_predictions(self, inputs)

    def empty_payload(self) -> SegmentationPayload:
        """No masks."""
        return SegmentationPayload()

    def of_image(self, image: ReadImage, draft: Prediction) -> Prediction:
        """Segment the lungs of a CT, and measure them.

        Parameters
        ----------
        image : ReadImage
            Decoded CT, in HU, with its manifest fields; its orientation does not matter.
        draft : Prediction
            With source, receipt and no threshold.

        Raises
        ------
        InvalidInputError
            As `segment_lungs`.
        """
        maps = LabelMaps({"lung": segment_lungs(image.volume)}, {})
        return replace(draft, payload=segmentation_payload(maps, CLASSES, image.volume))

    def with_probabilities(self) -> LungThreshold:
        """Refused: a threshold gives none.

        Raises
        ------
        InvalidInputError
            ``PROBABILITIES_ABSENT``.
        """
        raise probabilities_absent(METHOD)

    def write(self, predictions: Iterable[Prediction], out: Path) -> Predictions:
        """As `write_masks`.

        Parameters
        ----------
        predictions : iterable of Prediction
            With a `SegmentationPayload`, or a problem.
        out : Path
            A folder, made if need be.
        """
        return write_masks(predictions, out, METHOD)


def probabilities_absent(method: str) -> InvalidInputError:
    """The error of a method that knows no opacities.

    Parameters
    ----------
    method : str
        What it is called.
    """
    return InvalidInputError(
        "PROBABILITIES_ABSENT",
        "This method gives no opacity probabilities.",
        expected="--bundle of a network that was trained on opacities",
        actual=method,
    )

"""Boxing opacities with a bundle: the one path for evaluation and ``covidx detect``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torchvision.models.detection import FasterRCNN

from covidx.evaluate.boxes import BOX
from covidx.files import make_folder
from covidx.imaging.frames import Frame, make_frame
from covidx.inference.boxes import DetectionPayload, detection_payload, write_boxes
from covidx.inference.detection_bundle import DetectionBundle
from covidx.inference.image import PARITY_TOLERANCE
from covidx.inference.network_bundle import read_network, synthetic_patches, write_network
from covidx.inference.prediction import Prediction, Predictions
from covidx.inference.predictor import NetworkPredictor, choose_device
from covidx.models.detectors import make_detector
from covidx.segmentation.instances import link_boxes
from covidx.volume import Volume

if TYPE_CHECKING:
    from covidx.ingest.records import ReadImage

BATCH = 16
"""Slices at a time; with one thread, torch has quick 1 x 1 convolutions from 16 on alone."""


@dataclass(frozen=True, eq=False)
class DetectedBoxes:
    """Boxes of one image.

    Parameters
    ----------
    frame : Frame
        The working grid; its volume is in reading order.
    boxes : DataFrame
        slice, left, top, right, bottom (working pixels), box_score, detection, score.
    masks : ndarray of bool, shape (boxes, rows, columns), optional
        Of a Mask R-CNN, on the working grid.
    """

    frame: Frame
    boxes: pd.DataFrame
    masks: NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False, repr=False)
class Detector(NetworkPredictor):
    """A detector in memory, ready to box opacities.

    Parameters
    ----------
    bundle : DetectionBundle
        Recipe, anchors, and the threshold of a detection's score.
    model : FasterRCNN
        In evaluation mode.
    """

    WRITES_FOLDER: ClassVar[bool] = True

    bundle: DetectionBundle
    model: FasterRCNN

    @classmethod
    def load(cls, folder: Path, device: str = "auto") -> Detector:
        """Read a bundle and make sure that it gives for synthetic patches what it gave.

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
        bundle, model, expected = read_network(
            folder,
            DetectionBundle,
            lambda one: make_detector(one.recipe.network, one.anchors, pretrained=False),
            choose_device(device),
        )
        detector = cls(bundle, model.to(memory_format=torch.channels_last))
        bundle.need_parity(folder, detector.parity(), expected["objectness"], PARITY_TOLERANCE)
        return detector

    def save(self, folder: Path) -> Detector:
        """Write the bundle and read it back, so that all that follows uses what was saved.

        Parameters
        ----------
        folder : Path
            Must not exist.
        """
        make_folder(folder.parent)
        write_network(folder, self.bundle, self.model, {"objectness": self.parity()})
        return Detector.load(folder, str(self.device))

    def empty_payload(self) -> DetectionPayload:
        """As `Predictor.empty_payload`."""
        return DetectionPayload()

    def of_image(self, image: ReadImage, draft: Prediction) -> Prediction:
        """Box the opacities of a CT whose scores reach the bundle's threshold.

        Parameters
        ----------
        image : ReadImage
            Decoded CT, in HU, with its manifest fields; its orientation does not matter.
        draft : Prediction
            With source, threshold, receipt and what speaks against the result.
        """
        found = self.detect(image.volume)
        kept = found.boxes[found.boxes["score"] >= self.bundle.threshold.value]
        payload = detection_payload(kept, found.frame, str(image.fields["image_id"]))
        return replace(draft, payload=payload)

    def write(self, predictions: Iterable[Prediction], out: Path) -> Predictions:
        """As `write_boxes`.

        Parameters
        ----------
        predictions : iterable of Prediction
            With a `DetectionPayload`, or a problem.
        out : Path
            A folder, made if need be.
        """
        return write_boxes(predictions, out, self.bundle)

    @torch.inference_mode()
    def parity(self) -> NDArray[np.float32]:
        """Mean objectness of each anchor, and the box head's probabilities of fixed boxes.

        Boxes found would do, but noise has none; shape (numbers,), all between 0 and 1.
        """
        patch = self.bundle.recipe.learning.patch
        images = torch.from_numpy(synthetic_patches(patch)).to(self.device)
        features = self.model.backbone((images - 0.5) / 0.5)
        objectness, _ = self.model.rpn.head(list(features.values()))
        rows, columns = patch
        box = torch.tensor([[columns / 4, rows / 4, columns / 2, rows / 2]], device=self.device)
        pooled = self.model.roi_heads.box_roi_pool(
            features, [box] * len(images), [patch] * len(images)
        )
        logits, _ = self.model.roi_heads.box_predictor(self.model.roi_heads.box_head(pooled))
        parts = [one.sigmoid().mean(dim=(0, 2, 3)) for one in objectness]
        return np.asarray(torch.cat([*parts, logits.softmax(dim=1).flatten()]).cpu())

    @torch.inference_mode()
    def detect(self, volume: Volume) -> DetectedBoxes:
        """Boxes of each slice of a CT, joined over slices into detections.

        Parameters
        ----------
        volume : Volume
            In any orientation.

        Raises
        ------
        InvalidInputError
            As `make_frame`.
        """
        frame = make_frame(volume, self.bundle.recipe.framing, 2)
        tables, masks = [], []
        for first in range(0, len(frame), BATCH):
            greys = torch.from_numpy(frame.image(first, first + BATCH)).float()[:, None] / 255
            for offset, output in enumerate(self.model(list(greys.to(self.device)))):
                detected = {name: value.cpu() for name, value in output.items()}
                boxes = pd.DataFrame(detected["boxes"].double().numpy(), columns=list(BOX))
                scores = detected["scores"].double().numpy()
                tables.append(boxes.assign(slice=first + offset, box_score=scores))
                if "masks" in detected:
                    masks.append((detected["masks"][:, 0] >= 0.5).numpy())
        table = pd.concat(tables, ignore_index=True)
        linked = link_boxes(table.assign(row=np.arange(len(table))))
        order = linked.pop("row").to_numpy(int)
        return DetectedBoxes(frame, linked, np.concatenate(masks)[order] if masks else None)

"""Boxing opacities with a bundle: the one path for evaluation and ``covidx detect``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torchvision.models.detection import FasterRCNN

from covidx.evaluate.boxes import BOX
from covidx.files import make_folder
from covidx.imaging.frames import Frame, make_frame
from covidx.inference.detection_bundle import DetectionBundle
from covidx.inference.image import PARITY_TOLERANCE
from covidx.inference.network_bundle import made_up_patches, read_network, write_network
from covidx.models.detectors import make_detector
from covidx.segmentation.instances import link_boxes
from covidx.volume import Volume

__all__ = ["EXTENT", "Detector", "Found", "placed"]

BATCH = 16
"""Slices at a time; with one thread, torch has quick 1 x 1 convolutions from 16 on alone."""
EXTENT = ("x_min", "x_max", "y_min", "y_max", "z_min", "z_max")
"""Columns of a box's place: mm in DICOM's patient coordinates (LPS)."""
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Found:
    """Boxes of one image.

    Parameters
    ----------
    frame : Frame
        The working grid; its volume is in reading order.
    boxes : DataFrame
        slice, left, top, right, bottom (working pixels), score, find, find_score.
    masks : ndarray of bool, shape (boxes, rows, columns), optional
        Of a Mask R-CNN, on the working grid.
    """

    frame: Frame
    boxes: pd.DataFrame
    masks: NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)
class Detector:
    """A bundle in memory, ready to box opacities."""

    bundle: DetectionBundle
    model: FasterRCNN

    @classmethod
    def load(cls, folder: Path) -> Detector:
        """Read a bundle and make sure that it answers its made-up patches as when it was saved.

        Raises
        ------
        BundleError
            As `read_network`, or ``PARITY_LOST``.
        """
        bundle, model, expected = read_network(
            folder,
            DetectionBundle,
            lambda one: make_detector(one.recipe.network, one.anchors, pretrained=False),
        )
        detector = cls(bundle, model.to(memory_format=torch.channels_last))
        bundle.need_parity(folder, detector.parity(), expected["objectness"], PARITY_TOLERANCE)
        return detector

    def save(self, folder: Path) -> Detector:
        """Write the bundle and read it back, so that all that follows uses what was saved."""
        make_folder(folder.parent)
        write_network(folder, self.bundle, self.model, {"objectness": self.parity()})
        return Detector.load(folder)

    @torch.inference_mode()
    def parity(self) -> NDArray[np.float32]:
        """Mean objectness of each anchor, and what the box head says of fixed boxes of the patches.

        Boxes found would do, but noise has none; shape (numbers,), all between 0 and 1.
        """
        patch = self.bundle.recipe.patch
        images = torch.from_numpy(made_up_patches(patch))
        features = self.model.backbone((images - 0.5) / 0.5)
        objectness, _ = self.model.rpn.head(list(features.values()))
        rows, columns = patch
        box = torch.tensor([[columns / 4, rows / 4, columns / 2, rows / 2]])
        pooled = self.model.roi_heads.box_roi_pool(
            features, [box] * len(images), [patch] * len(images)
        )
        logits, _ = self.model.roi_heads.box_predictor(self.model.roi_heads.box_head(pooled))
        parts = [one.sigmoid().mean(dim=(0, 2, 3)) for one in objectness]
        return np.asarray(torch.cat([*parts, logits.softmax(dim=1).flatten()]))

    @torch.inference_mode()
    def detect(self, volume: Volume) -> Found:
        """Boxes of each slice of a CT, joined over slices into finds.

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
            for offset, answer in enumerate(self.model(list(greys))):
                boxes = pd.DataFrame(answer["boxes"].double().numpy(), columns=list(BOX))
                scores = answer["scores"].double().numpy()
                tables.append(boxes.assign(slice=first + offset, score=scores))
                if "masks" in answer:
                    masks.append((answer["masks"][:, 0] >= 0.5).numpy())
        table = pd.concat(tables, ignore_index=True)
        linked = link_boxes(table.assign(row=np.arange(len(table))))
        order = linked.pop("row").to_numpy(int)
        return Found(frame, linked, np.concatenate(masks)[order] if masks else None)


def placed(boxes: pd.DataFrame, frame: Frame) -> pd.DataFrame:
    """Boxes of the working grid in pixels of the image, and in mm.

    Parameters
    ----------
    boxes : DataFrame
        slice, left, top, right, bottom in working pixels.
    frame : Frame

    Returns
    -------
    DataFrame
        left ... bottom in pixels of the image in reading order (0 is the left or upper edge of the
        first pixel), and ``x_min`` ... ``z_max``: the least upright box in LPS mm that holds the
        slice's part of the box, its thickness included.
    """
    volume = frame.volume
    assert volume.affine is not None
    rows, columns = volume.array.shape[1:]
    across, down = columns / frame.columns, rows / frame.rows
    found = boxes.assign(
        left=boxes["left"] * across,
        right=boxes["right"] * across,
        top=boxes["top"] * down,
        bottom=boxes["bottom"] * down,
    )
    to_lps = RAS_TO_LPS @ volume.affine
    ends = [
        (found["left"] - 0.5, found["right"] - 0.5),
        (found["top"] - 0.5, found["bottom"] - 0.5),
        (found["slice"] - 0.5, found["slice"] + 0.5),
    ]  # pixel middles are whole numbers
    corners = np.array(
        [
            [column, row, place, np.ones(len(found))]
            for column in ends[0]
            for row in ends[1]
            for place in ends[2]
        ],
        dtype=float,
    )  # (8, 4, boxes)
    mm: Any = np.einsum("ij,cjb->cib", to_lps, corners)[:, :3]
    for axis in range(3):
        low, high = EXTENT[2 * axis : 2 * axis + 2]
        found[low], found[high] = mm[:, axis].min(axis=0), mm[:, axis].max(axis=0)
    return found

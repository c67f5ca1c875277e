"""Local features of a picture, and what they become when it is mirrored or made a negative."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from covidx.audit.data.pictures import Grey, normalised

MOST = 150
"""Keypoints kept of a picture, the strongest first."""
CONTRAST, EDGE, SIGMA = 0.01, 12, 1.2
"""Of SIFT: below its usual contrast limit (0.04), since a lung has few hard corners."""
FULL = 512
"""Factor to whole numbers; a component of a unit descriptor seldom exceeds one half."""

View = tuple[bool, bool]
"""Whether a picture is mirrored, and whether it is a negative."""


@dataclass(frozen=True, eq=False)
class Features:
    """Keypoints and their descriptors.

    Parameters
    ----------
    points : ndarray, shape (keypoints, 2), float32
        x and y in pixels.
    descriptors : ndarray, shape (keypoints, 128), uint8
        SIFT (Lowe, Int J Comput Vis 2004;60:91-110) under a square root (Arandjelović and
        Zisserman, CVPR 2012), so that dot products compare histograms as Hellinger's distance does.
    width : int
        Of the picture, in pixels.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    width: int

    @property
    def unit(self) -> NDArray[np.float32]:
        """Descriptors as unit vectors."""
        wide = self.descriptors.astype(np.float32)
        return np.asarray(
            wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1), dtype=np.float32
        )


def describe(picture: Grey) -> Features:
    """Features of `picture`, as `pictures.read_picture`; none where it is plain."""
    sift = cv2.SIFT.create(MOST, 3, CONTRAST, EDGE, SIGMA)
    keypoints, raw = sift.detectAndCompute(normalised(picture), None)
    if raw is None or not len(keypoints):
        return Features(
            np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8), picture.shape[1]
        )
    keep = slice(0, MOST)  # SIFT returns ties beyond the limit
    raw = np.asarray(raw[keep], dtype=np.float32)
    root = np.sqrt(raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-6))
    points = np.array([point.pt for point in keypoints[keep]], dtype=np.float32)
    return Features(points, np.clip(root * FULL, 0, 255).astype(np.uint8), picture.shape[1])


def viewed(features: Features, view: View) -> Features:
    """The `features` that the picture would have in another `view`: mirrored, negative, or both.

    A descriptor is 4 x 4 places x 8 directions in the frame of its keypoint. A mirror turns the
    rows of places and the sense of directions. A negative turns the frame by 180 degrees: the
    directions stay relative to it, the places change sides.
    """
    mirrored, negative = view
    cells = features.descriptors.reshape(-1, 4, 4, 8)  # (keypoints, rows, columns, directions)
    points = features.points
    if mirrored:
        cells = cells[:, ::-1][..., -np.arange(8) % 8]
        points = np.stack([features.width - 1 - points[:, 0], points[:, 1]], axis=1)
    if negative:
        cells = cells[:, ::-1, ::-1]
    return Features(points, np.ascontiguousarray(cells).reshape(-1, 128), features.width)

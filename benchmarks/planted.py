"""Copies made of pictures, as people make them: cropped, mirrored, brightened, saved again."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.uint8]
Random = np.random.Generator


def _crop(picture: Grey, random: Random) -> Grey:
    """Cut up to 15 % off each side."""
    rows, columns = picture.shape
    top, bottom, left, right = random.uniform(0, 0.15, 4)
    return picture[
        int(top * rows) : rows - int(bottom * rows),
        int(left * columns) : columns - int(right * columns),
    ]


def _mirror(picture: Grey, random: Random) -> Grey:
    return picture[:, ::-1]


def _flip(picture: Grey, random: Random) -> Grey:
    """Upside down."""
    return picture[::-1]


def _contrast(picture: Grey, random: Random) -> Grey:
    """Gamma 0.6 to 1.6, a window that cuts 5 % off at both ends, brightness."""
    scaled = np.clip((picture / 255 - 0.05) / 0.9, 0, 1) ** random.uniform(0.6, 1.6)
    return np.asarray(np.clip(scaled * random.uniform(200, 255), 0, 255), dtype=np.uint8)


def _jpeg(picture: Grey, random: Random) -> Grey:
    """Saved again at JPEG quality 30 to 70."""
    store = io.BytesIO()
    Image.fromarray(picture).save(store, "JPEG", quality=int(random.integers(30, 71)))
    return np.asarray(Image.open(store), dtype=np.uint8)


def _resize(picture: Grey, random: Random) -> Grey:
    """To a square of 150 to 224 pixels, as for a network."""
    side = int(random.integers(150, 225))
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _negative(picture: Grey, random: Random) -> Grey:
    return np.asarray(255 - picture, dtype=np.uint8)


def _turn(picture: Grey, random: Random) -> Grey:
    """Turned by up to 8 degrees, corners black."""
    rows, columns = picture.shape
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), random.uniform(-8, 8), 1)
    return np.asarray(cv2.warpAffine(picture, matrix, (columns, rows)), dtype=np.uint8)


def _all(picture: Grey, random: Random) -> Grey:
    """Cropped, mirrored, another contrast, saved again."""
    for step in (_crop, _mirror, _contrast, _jpeg):
        picture = step(picture, random)
    return picture


WAYS: dict[str, Callable[[Grey, Random], Grey]] = {
    "crop": _crop,
    "mirror": _mirror,
    "flip": _flip,
    "contrast": _contrast,
    "jpeg": _jpeg,
    "resize": _resize,
    "negative": _negative,
    "turn": _turn,
    "all": _all,
}


def plant(picture: Grey, way: str, random: Random) -> Grey:
    """A copy of `picture` made in one of `WAYS`."""
    return np.ascontiguousarray(WAYS[way](picture, random))

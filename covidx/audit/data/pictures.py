"""Pictures as the finder of copies looks at them: grey, small, with even local contrast."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from covidx.errors import InvalidInputError

__all__ = ["SIDE", "Grey", "normalised", "read_picture", "shrunk"]

Grey = NDArray[np.uint8]

SIDE = 256
"""Longest side in pixels at which pictures are compared. The coarsest public sets have 256 to 320;
structure of a lung at this size still tells two exposures of one patient apart."""
CLIP, TILES = 2.0, (4, 4)
"""Contrast-limited histogram equalisation: takes out brightness, gamma and windowing."""


def read_picture(path: Path) -> Grey:
    """A PNG, JPEG or other picture, or the middle slice of a NIfTI file, in greys.

    Returns
    -------
    ndarray, shape (rows, columns), uint8
        Longest side 256.

    Raises
    ------
    InvalidInputError
        ``IMAGE_MISSING`` or ``IMAGE_UNREADABLE``.
    """
    if not path.is_file():
        raise InvalidInputError("IMAGE_MISSING", "The image is not there.", path=path)
    try:
        if path.name.endswith((".nii", ".nii.gz")):
            return shrunk(_middle_slice(path))
        with Image.open(path) as image:
            wide = image.mode in ("F", "I") or image.mode.startswith("I;16")
            return shrunk(np.asarray(image if wide else image.convert("L")))
    except (OSError, ValueError, EOFError, SyntaxError, Image.DecompressionBombError) as error:
        known = not isinstance(error, UnidentifiedImageError)
        raise InvalidInputError(
            "IMAGE_UNREADABLE",
            "The image cannot be read.",
            path=path,
            actual=type(error).__name__ if known else "no known image format",
        ) from error


def _middle_slice(path: Path) -> NDArray[np.float32]:
    """Of a store's image, whose last axis counts slices or is missing."""
    import nibabel as nib

    image = nib.nifti1.Nifti1Image.from_filename(path)
    if len(image.shape) < 3:
        return np.asarray(image.dataobj, dtype=np.float32).T
    middle = np.asarray(image.dataobj[:, :, image.shape[2] // 2], dtype=np.float32)
    return middle.reshape(middle.shape[:2]).T  # (columns, rows) -> (rows, columns)


def shrunk(values: NDArray[np.generic]) -> Grey:
    """Grey values of shape (rows, columns) at a longest side of 256, stretched to 0..255.

    Raises
    ------
    ValueError
        If it is not a finite picture of at least 16 x 16 pixels.
    """
    picture = np.asarray(values, dtype=np.float32)
    if picture.ndim != 2 or min(picture.shape) < 16 or not np.isfinite(picture).all():
        raise ValueError("no finite grey picture of at least 16 x 16 pixels")
    scale = SIDE / max(picture.shape)
    size = [max(16, round(side * scale)) for side in reversed(picture.shape)]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(picture, size, interpolation=way)
    low, high = np.percentile(small, [1, 99])
    stretched = np.clip((small - low) / max(float(high - low), 1e-6), 0, 1) * 255
    return np.asarray(stretched, dtype=np.uint8)


def normalised(picture: Grey) -> Grey:
    """The picture with the same contrast everywhere."""
    return np.asarray(cv2.createCLAHE(CLIP, TILES).apply(picture), dtype=np.uint8)

"""Pictures as copies are searched on: grey, small, with even local contrast."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from covidx.constants import MAX_PLANE_PIXELS
from covidx.errors import InvalidInputError

Grey = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")
"""No others: Pillow hands some formats (EPS) to outside programs."""
SIDE = 256
"""Longest side in pixels at which pictures are compared. The coarsest public sets have 256 to 320;
structure of a lung at this size still separates two exposures of one patient."""
FEWEST_PIXELS = 16
"""Of the shorter side."""
MIDDLE, FURTHER = 0.5, (0.35, 0.65)
"""Shares of a volume's slices below the one that is compared. Modelling choice."""
CLIP, TILES = 2.0, (4, 4)
"""Contrast-limited histogram equalisation: takes out brightness, gamma and windowing."""


def read_picture(path: Path) -> Grey:
    """The picture at `path` in one of `FORMATS`, or the middle slice of a NIfTI file, in greys.

    Returns
    -------
    ndarray, shape (rows, columns), uint8
        Longest side 256.

    Raises
    ------
    InvalidInputError
        ``IMAGE_MISSING``, ``IMAGE_TOO_LARGE``, ``IMAGE_UNUSABLE`` or ``IMAGE_UNREADABLE``.
    """
    if not path.is_file():
        raise InvalidInputError(
            "IMAGE_MISSING",
            "There is no image at this path.",
            path=path,
            hint="Correct the path, or name the folder that paths start from with --images.",
        )
    try:
        if path.name.lower().endswith((".nii", ".nii.gz")):
            return shrunk(_slice(path, MIDDLE))
        with Image.open(path, formats=FORMATS) as image:
            _check_size(image.width, image.height)
            wide = image.mode in ("F", "I") or image.mode.startswith("I;16")
            return shrunk(np.asarray(image if wide else image.convert("L")))
    except InvalidInputError as error:
        error.path = str(path)
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(str(error), path) from error
    except Exception as error:  # a damaged file makes its readers raise nearly anything
        unknown = isinstance(error, UnidentifiedImageError)
        raise InvalidInputError(
            "IMAGE_UNREADABLE",
            "The image cannot be read.",
            path=path,
            expected=", ".join(FORMATS) + " or NIfTI" if unknown else None,
            actual="no such format" if unknown else type(error).__name__,
            hint="Make a manifest of DICOM files first (covidx ingest)." if unknown else None,
        ) from error


def _check_size(width: int, height: int) -> None:
    """Refuse a bomb by its header, before it is unpacked."""
    if width * height > MAX_PLANE_PIXELS:
        raise _too_large(f"{width} x {height}")


def _too_large(actual: str, path: Path | None = None) -> InvalidInputError:
    return InvalidInputError(
        "IMAGE_TOO_LARGE",
        "The image is too large.",
        path=path,
        expected=f"at most {MAX_PLANE_PIXELS:,} pixels",
        actual=actual,
    )


def further_slices(path: Path) -> list[Grey]:
    """Slices below and above the middle of a NIfTI volume at `path`; none of other files."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return []
    return [shrunk(_slice(path, share)) for share in FURTHER]


def _slice(path: Path, share: float) -> NDArray[np.float32]:
    """Of a store's image, whose last axis counts slices or is missing."""
    import nibabel as nib

    image = nib.nifti1.Nifti1Image.from_filename(path)
    _check_size(image.shape[0], math.prod((*image.shape[1:2], *image.shape[3:])))
    if len(image.shape) < 3:
        return np.asarray(image.dataobj, dtype=np.float32).T
    plane = np.asarray(image.dataobj[:, :, int(image.shape[2] * share)], dtype=np.float32)
    return plane.reshape(plane.shape[:2]).T  # (columns, rows) -> (rows, columns)


def shrunk(values: NDArray[np.generic]) -> Grey:
    """Grey `values` of shape (rows, columns) at a longest side of 256, stretched to 0..255.

    Raises
    ------
    InvalidInputError
        ``IMAGE_UNUSABLE``: it is no finite picture of at least 16 x 16 pixels.
    """
    picture = np.asarray(values, dtype=np.float32)
    finite = bool(np.isfinite(picture).all())
    if picture.ndim != 2 or min(picture.shape) < FEWEST_PIXELS or not finite:
        raise InvalidInputError(
            "IMAGE_UNUSABLE",
            "The image cannot be compared.",
            expected=f"finite greys, at least {FEWEST_PIXELS} x {FEWEST_PIXELS} pixels",
            actual=" x ".join(map(str, picture.shape)) + ("" if finite else ", not finite"),
        )
    scale = SIDE / max(picture.shape)
    size = [max(FEWEST_PIXELS, round(side * scale)) for side in reversed(picture.shape)]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(picture, size, interpolation=method)
    low, high = np.percentile(small, [1, 99])
    stretched = np.clip((small - low) / max(float(high - low), 1e-6), 0, 1) * 255
    return np.asarray(stretched, dtype=np.uint8)


def normalised(picture: Grey) -> Grey:
    """The `picture` with the same contrast everywhere."""
    return np.asarray(cv2.createCLAHE(CLIP, TILES).apply(picture), dtype=np.uint8)

"""Heatmaps as pictures: DICOM Secondary Capture (PS3.3 A.8.1), which every viewer shows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from highdicom.sc import SCImage
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont
from pydicom.uid import generate_uid
from scipy import ndimage

from covidx.constants import EVIDENCE_COLOURS, EVIDENCE_CONTOURS, EVIDENCE_FLOOR, LUNG_WINDOW
from covidx.errors import InvalidInputError
from covidx.export.codes import Algorithm
from covidx.export.derive import deriving, equipment, new_series, save
from covidx.export.parametric import checked_evidence
from covidx.export.source import SourceSeries
from covidx.files import replacing_folder
from covidx.volume import Volume

LEAST = 512
"""Rows and columns of a picture, at least: text is legible then."""
BAND = 44
"""Rows above and below the image, for text."""
WARNING = "RESEARCH USE ONLY. NOT FOR DIAGNOSIS."
OPPOSITE = dict(zip("RLAPFH", "LRPAHF", strict=True))
"""Directions in the patient (PS3.3 C.7.6.1.1.1)."""


def captures(
    evidence: Volume | NDArray[Any],
    image: Volume,
    name: str,
    source: SourceSeries,
    algorithm: Algorithm,
) -> Iterator[tuple[int, SCImage]]:
    """A picture of each slice with evidence: contours over the image, the notice burned in.

    Parameters
    ----------
    evidence : Volume or ndarray, shape (slices, rows, columns)
        Log-odds, at least 0, as `covidx explain` writes them. On a grid of the source.
    image : Volume
        The series as `covidx.read_series` reads it.
    name : str
        The class that it is evidence for, such as ``covid-19``.
    source : SourceSeries
        Of the same series: whose study the pictures belong to.
    algorithm : Algorithm
        What made the map.

    Yields
    ------
    number : int
        Of the slice in the order of the scanner, from 1.
    picture : SCImage

    Raises
    ------
    InvalidInputError
        ``MASK_GRID``, ``MASK_VALUES``, or ``NO_EVIDENCE``: no slice has any.
    InvalidSeriesError
        ``HEADER_UNFIT``.
    """
    heat = checked_evidence(source.on_own_grid(evidence))
    pixels = source.on_own_grid(image)
    low, high = _window(pixels, image.units)
    top = float(heat.max())
    if top <= EVIDENCE_FLOOR:
        raise InvalidInputError(
            "NO_EVIDENCE",
            "The heatmap has no slice with evidence, so that there is no picture to make.",
            expected=f"more than {EVIDENCE_FLOOR:g} log-odds somewhere",
            actual=f"at most {top:.3g}",
            hint="Leave --captures out: the Parametric Map says that there is nothing.",
        )
    levels = [EVIDENCE_FLOOR + share * (top - EVIDENCE_FLOOR) for share in EVIDENCE_CONTOURS]
    sides = _sides(source)
    series = new_series(6, "heatmap pictures") | equipment(algorithm)
    for made, k in enumerate(np.flatnonzero(heat.max(axis=(1, 2)) > EVIDENCE_FLOOR), 1):
        lines = [
            f"Evidence for {name}: contours at {', '.join(f'{x:.2f}' for x in levels)} log-odds",
            f"Slice {k + 1} of {len(heat)}. Not a segmentation: see the exam of the map.",
        ]
        grey = (pixels[k].astype(np.float32) - low) / max(high - low, 1e-6)
        grey = (grey.clip(0, 1) * 255).round().astype(np.uint8)
        own = {"sop_instance_uid": generate_uid(prefix=None), "instance_number": made}
        header = source.images[0] if source.frames else source.images[k]
        with deriving():
            captured = SCImage.from_ref_dataset(
                header,
                pixel_array=picture(grey, heat[k], levels, sides, lines),
                photometric_interpretation="RGB",
                bits_allocated=8,
                coordinate_system="PATIENT",
                patient_orientation=sides or ("", ""),
                **(series | own),
            )
            captured.Laterality = ""  # PS3.3 C.7.3.1, type 2C: a thorax has both sides
            captured.BurnedInAnnotation = "NO"  # of who the patient is: PS3.3 C.7.6.1.1
        yield int(k) + 1, captured


def write_captures(
    evidence: Volume | NDArray[Any],
    image: Volume,
    name: str,
    source: SourceSeries,
    algorithm: Algorithm,
    folder: Path,
) -> list[Path]:
    """Write the `captures` to a new folder, all of them or none; returns their paths.

    Parameters
    ----------
    evidence, image, name, source, algorithm
        As for `captures`.
    folder : Path
        New; each file is named by the slice that it shows.

    Raises
    ------
    InvalidInputError
        As `captures`.
    StoreError
        ``FOLDER_TAKEN``.
    """
    made = []
    with replacing_folder(folder) as place:
        for number, captured in captures(evidence, image, name, source, algorithm):
            made.append(folder / save(captured, place / f"{number:04d}.dcm").name)
    return made


def picture(
    grey: NDArray[np.uint8],
    heat: NDArray[np.float32],
    levels: list[float],
    sides: tuple[str, str] | None,
    lines: list[str],
) -> NDArray[np.uint8]:
    """One slice, enlarged by a whole number, with contours and text.

    Parameters
    ----------
    grey, heat : ndarray, shape (rows, columns)
        The slice, and its log-odds.
    levels : list of float
        Ascending; one a colour.
    sides : (str, str), optional
        Where columns and rows go to; letters of PS3.3 C.7.6.1.1.1.
    lines : list of str
        Below the image.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        RGB. The image lies `BAND` rows below the top, and its pixel (r, c) covers the rows from
        ``BAND + times * r`` and the columns from ``times * c``.
    """
    times = max(1, -(-LEAST // min(grey.shape)))
    large = np.repeat(np.repeat(grey, times, axis=0), times, axis=1)
    rgb = np.repeat(large[..., None], 3, axis=2)
    # Enlarged by pixels' middles, so that contours lie where the pixels do.
    fine = ndimage.zoom(heat, times, order=1, mode="nearest", grid_mode=True)
    for level, colour in zip(levels, EVIDENCE_COLOURS, strict=True):
        inside = fine >= level
        edge = inside & ~ndimage.binary_erosion(inside, iterations=2, border_value=1)
        rgb[edge] = ImageColor.getrgb(colour)
    framed = np.pad(rgb, ((BAND, BAND), (0, 0), (0, 0)))
    drawn = Image.fromarray(framed)
    draw = ImageDraw.Draw(drawn)
    rows, columns = large.shape
    draw.text((8, 10), WARNING, (255, 255, 255), _font(18))
    for n, line in enumerate(lines):
        draw.text((8, BAND + rows + 4 + 19 * n), line, (255, 255, 255), _font(14))
    if sides is not None:
        middle = BAND + rows / 2
        for letter, where, anchor in (
            (OPPOSITE[sides[0]], (6, middle), "lm"),
            (sides[0], (columns - 6, middle), "rm"),
            (OPPOSITE[sides[1]], (columns / 2, BAND + 6), "mt"),
            (sides[1], (columns / 2, BAND + rows - 6), "mb"),
        ):
            draw.text(where, letter, (255, 255, 255), _font(20), anchor, stroke_width=2,
                      stroke_fill=(0, 0, 0))  # fmt: skip
    return np.array(drawn)


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _window(array: NDArray[Any], units: str) -> tuple[float, float]:
    """Black and white: the lung window of HU; else all but a hundredth of values at each end."""
    if units == "hu":
        level, width = LUNG_WINDOW
        return level - width / 2, level + width / 2
    low, high = np.percentile(array, (1, 99))
    return float(low), float(high)


def _sides(source: SourceSeries) -> tuple[str, str] | None:
    """Where columns and rows go to, by the axis that is nearest; None of a radiograph."""
    if source.own.affine is None:
        return None
    heads = {"S": "H", "I": "F"}  # as DICOM calls them
    columns, rows, _ = nib.orientations.aff2axcodes(source.own.affine)
    return heads.get(columns, columns), heads.get(rows, rows)

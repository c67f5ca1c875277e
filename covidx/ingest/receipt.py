"""The receipt: how an image came to be what it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from covidx.files import write_json


@dataclass(frozen=True)
class Receipt:
    """What was read, chosen, dropped and assumed for one image.

    Identifiers are pseudonyms unless the data set's card says that its ids are public.

    Attributes
    ----------
    series : str
        Which series this is, and why it was chosen.
    instances : tuple of str
        SOPInstanceUIDs in slice order (with ``#frame`` for multi-frame objects).
    instance_numbers : tuple of (int or None)
        As `ReadImage.instance_numbers`: InstanceNumber, or the frame's, of each slice.
    dropped : tuple of (str, str)
        Planes left out, and why.
    spacing_mm : tuple of float, optional
        Between slices, rows and columns.
    tilt_deg : float, optional
        GantryDetectorTilt as written by the scanner.
    affine : tuple of tuple of float, optional
        (column, row, slice) to RAS+ mm, as in the sform of the stored NIfTI file; None where no
        place is known.
    resampled : str
        As `Volume.resampled`: how voxels were interpolated; empty where they are as measured.
    units_from : str
        How HU were proven, or why not.
    patient_from : str
        What the patient id was made of.
    """

    image_id: str
    source_format: str
    series: str
    units: str
    units_from: str
    geometry: str
    geometry_from: str
    patient_from: str
    instances: tuple[str, ...] = ()
    instance_numbers: tuple[int | None, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    spacing_mm: tuple[float, ...] | None = None
    tilt_deg: float | None = None
    affine: tuple[tuple[float, ...], ...] | None = None
    resampled: str = ""
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    def write(self, folder: Path) -> None:
        """Write ``<image_id>.json`` into `folder`, atomically."""
        write_json(folder / f"{self.image_id}.json", self.to_json())

"""Whether numbers may be called Hounsfield units, and in which type they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.constants import AIR_BAND_HU, AIR_SHARE, MOST_HU, TISSUE_BAND_HU, TISSUE_SHARE
from covidx.scratch import planes
from covidx.volume import Units

HU_NAMES = ("HU", "HOUNSFIELD", "HOUNSFIELD UNIT", "HOUNSFIELD UNITS", "HOUNDSFIELD UNIT")
"""What scanners write for HU; only the first is a defined term (PS3.3 C.11.1.1.2)."""

SAMPLE = 200_000
"""Voxels looked at; more say nothing new about two peaks."""


@dataclass(frozen=True)
class Peaks:
    """Shares of a sample of voxels: of air, of soft tissue, below air; and the greatest of all."""

    air: float
    tissue: float
    below: float
    greatest: float


def peaks_of(array: NDArray[Any]) -> Peaks:
    """Where the values of an image lie.

    Parameters
    ----------
    array : ndarray, shape (slices, rows, columns)
        Values of a CT in unknown units.
    """
    step, size = max(1, array.size // SAMPLE), array[0].size
    each = [
        plane.reshape(-1)[-n * size % step :: step].copy() for n, plane in enumerate(planes(array))
    ]
    flat = np.concatenate(each)
    deep = array.dtype != np.int16
    return Peaks(
        air=float(np.mean((flat >= AIR_BAND_HU[0]) & (flat <= AIR_BAND_HU[1]))),
        tissue=float(np.mean((flat >= TISSUE_BAND_HU[0]) & (flat <= TISSUE_BAND_HU[1]))),
        below=float(np.mean(flat < AIR_BAND_HU[0])),
        greatest=max(float(plane.max()) for plane in planes(array)) if deep else 0.0,
    )


def looks_like_hu(array: NDArray[Any]) -> bool:
    """Whether air (or aerated lung) and soft tissue of `array` lie where HU has them.

    Stored values without their rescale, display greys and MR fail: they have no negative air.
    """
    peaks = peaks_of(array)
    both = peaks.air >= AIR_SHARE and peaks.tissue >= TISSUE_SHARE
    return both and peaks.greatest <= MOST_HU


def ct_units(array: NDArray[Any], rescale_type: str) -> tuple[Units, str]:
    """Units of rescaled CT values `array` by their `rescale_type`, and the evidence in words.

    RescaleType is required where the output is not HU (PS3.3 C.8.2.1, type 1C), so that its
    absence means HU; since many files break that rule, the values must bear it out. Where it says
    HU, soft tissue alone may do so, as in a view without air.
    """
    name = rescale_type.strip().upper()
    if name == HU_NAMES[0]:
        return _named_hu(peaks_of(array))
    if name and name not in HU_NAMES:
        return "unproven", f"RescaleType is not HU but {name[:16]}"
    note = "RescaleType is a name for HU" if name else "RescaleType is absent, which means HU"
    if looks_like_hu(array):
        return "hu", f"{note}, and air and soft tissue lie where HU puts them"
    return "unproven", f"{note}, but air or soft tissue do not lie where HU puts them"


def _named_hu(peaks: Peaks) -> tuple[Units, str]:
    if peaks.greatest > MOST_HU:
        return "unproven", f"RescaleType is HU, but values reach {peaks.greatest:,.0f}"
    if peaks.tissue < AIR_SHARE:
        return "unproven", "RescaleType is HU, but no soft tissue lies where HU puts it"
    if peaks.air >= AIR_SHARE:
        return "hu", "RescaleType is HU"
    if peaks.below >= AIR_SHARE:
        return "unproven", f"RescaleType is HU, but {peaks.below:.0%} of the values lie below air"
    return "hu", "RescaleType is HU; soft tissue lies where HU puts it, and no air is in view"


def found_units(
    array: NDArray[Any], modality: str | None, units: Units | None
) -> tuple[str, Units, str]:
    """Modality and units of values that came without them, and the evidence for them in words.

    What is given is taken; else values with peaks where HU have air and tissue are taken for a CT
    in HU, others for something unproven.

    Parameters
    ----------
    array : ndarray, shape (slices, rows, columns)
        The values.
    modality : str, optional
        Of the image, where it is known.
    units : str, optional
        Of the values, where they are known.
    """
    if units is not None:
        return modality or "OT", units, "given"
    plausible = looks_like_hu(array) and modality in (None, "CT")
    where = "lie" if plausible else "do not lie"
    reason = f"nothing names a unit; air and soft tissue {where} where HU puts them"
    if modality not in (None, "CT"):
        reason = f"nothing names a unit, and {modality} has none"
    return modality or ("CT" if plausible else "OT"), "hu" if plausible else "unproven", reason


EXACT_FLOAT = 1 << 24
"""Whole numbers up to this are exact as 32-bit float."""


def compact(array: NDArray[Any]) -> NDArray[Any]:
    """The values of `array` as int16 where that loses nothing, else as 32-bit float.

    Whole numbers that 32-bit float would round stay whole, as int32.
    """
    if array.dtype == np.int16:
        return array
    low, high = array.min(), array.max()
    limits = np.iinfo(np.int16)
    if limits.min <= low and high <= limits.max:
        integers = array.astype(np.int16)
        if array.dtype.kind in "iu" or np.array_equal(integers, array):
            return integers
    if array.dtype.kind in "iu" and (low < -EXACT_FLOAT or high > EXACT_FLOAT):
        wide = np.iinfo(np.int32)
        if wide.min <= low and high <= wide.max:
            return array.astype(np.int32)
    return array.astype(np.float32)

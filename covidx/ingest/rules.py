"""What is kept of a study, where there is a choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from covidx.cards import PICTURES
from covidx.errors import InvalidInputError

Kernel = Literal["soft", "sharp"]


@dataclass(frozen=True)
class Rules:
    """What is kept of a study, where there is a choice.

    Parameters
    ----------
    all_series : bool
        Keep every sound series of a study instead of one.
    kernel : {"soft", "sharp"}
        The reconstruction to be preferred where a CT has several that are equal otherwise. A model
        is used on what it was trained on: bundles are trained, and ``covidx predict`` chooses, by
        the default.
    resample : bool
        Interpolate between slices that are uneven, or where some are missing, instead of refusing
        the series. What was done stands in the receipt and in `Volume.resampled`.
    pictures : str, optional
        What PNG and JPEG files are that no card describes: ``CT`` (single slices), or ``CR``,
        ``DX`` or ``CXR`` (radiographs). Without it nobody knows, and they are ``OT``.
    time_point : int, optional
        Which volume, from 1, of a series of time points (of a perfusion, a heartbeat, a breath).
        Without it a DICOM series whose attributes tell time points apart gives the first, and other
        files of several are refused.

    Raises
    ------
    InvalidInputError
        ``KERNEL_UNKNOWN``, ``MODALITY_UNKNOWN`` or ``TIME_POINT_INVALID``.
    """

    all_series: bool = False
    kernel: Kernel = "soft"
    resample: bool = False
    pictures: str | None = None
    time_point: int | None = None

    def __post_init__(self) -> None:
        if self.kernel not in get_args(Kernel):
            raise InvalidInputError(
                "KERNEL_UNKNOWN",
                "There is no such preference of a kernel.",
                expected=" or ".join(get_args(Kernel)),
                actual=self.kernel,
            )
        if self.pictures is not None and self.pictures.upper() not in PICTURES:
            raise InvalidInputError(
                "MODALITY_UNKNOWN",
                "Pictures are of no such modality.",
                expected=", ".join(PICTURES),
                actual=self.pictures,
                hint="Name one of these: --modality CXR (training: --set modality=CXR).",
            )
        if self.time_point is not None and self.time_point < 1:
            raise InvalidInputError(
                "TIME_POINT_INVALID",
                "Time points are counted from 1.",
                expected="1 or more",
                actual=self.time_point,
            )

    @property
    def picture_modality(self) -> str | None:
        """DICOM Modality of pictures that no card describes; None where it is not known."""
        return None if self.pictures is None else PICTURES[self.pictures.upper()]


USUAL = Rules()
"""One CT series a study, a soft kernel before a sharp one, nothing interpolated but a tilt."""

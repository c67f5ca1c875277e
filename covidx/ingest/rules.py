"""What is kept of a study, where there is a choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

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

    Raises
    ------
    InvalidInputError
        ``KERNEL_UNKNOWN``.
    """

    all_series: bool = False
    kernel: Kernel = "soft"
    resample: bool = False

    def __post_init__(self) -> None:
        if self.kernel not in get_args(Kernel):
            raise InvalidInputError(
                "KERNEL_UNKNOWN",
                "There is no such preference of a kernel.",
                expected=" or ".join(get_args(Kernel)),
                actual=self.kernel,
            )


USUAL = Rules()
"""One CT series a study, a soft kernel before a sharp one, nothing interpolated but a tilt."""

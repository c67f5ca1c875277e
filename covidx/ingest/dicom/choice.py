"""The one series of a study for a classifier, by a rule that the receipt repeats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from covidx.constants import AXIAL_TOLERANCE_DEG, COVERAGE_SHARE, MIN_VOLUME_SLICES
from covidx.ingest.dicom.series import Stack
from covidx.ingest.dicom.split import Piece
from covidx.ingest.rules import Kernel

SHARP_SIEMENS = 50
"""Siemens kernels B10 to B80, Br, Bf, Bl, I: the number grows with sharpness, lung from 50 on."""
SHARP_TOSHIBA = 30
"""Toshiba FC01-FC29 are body and head kernels, FC30 and above bone and lung."""
SHARP_NAMES = ("LUNG", "BONE", "EDGE", "ULTRA", "YA", "YB", "YC", "YD", "YE", "D", "E", "L")
"""GE's and Philips's lung and bone kernels."""
SOFT_NAMES = ("STANDARD", "STND", "STD", "SOFT", "DETAIL", "CHST", "A", "B", "C", "UA", "UB")
"""GE's and Philips's soft-tissue kernels."""


REASONS = (
    "since it is a CT",
    "since it is axial",
    f"since it has at least {MIN_VOLUME_SLICES} slices",
    "since it is original, not derived",
    "since the other shows no lungs",
    f"since the other covers less than {COVERAGE_SHARE:.0%} of the longest series",
    "since none of its slices is interpolated",
    "since its slices are thinner",
    "since its slices are closer",
    "since its kernel is {kernel}er",
    "since it has more slices",
    "by its lower series number",
    "since it comes first in its series",
    "by its identifier, all else being equal",
)

Score = tuple[bool | float | int | str | tuple[Piece, ...], ...]
"""One entry a reason; the lowest is the best."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """A stack with its rank in its study (best first) and the reasons."""

    stack: Stack
    why: str


def sharpness(kernel: str) -> int:
    """0 if the reconstruction `kernel` is soft or standard, 1 if unknown, 2 if sharp.

    >>> [sharpness(kernel) for kernel in ("B40f", "B70f", "Br38f 3", "LUNG", "FC52", "")]
    [0, 2, 0, 2, 2, 1]
    """
    name = (kernel.split() or [""])[0].upper()
    toshiba = re.fullmatch(r"FC(\d+)", name)
    if toshiba:
        return 2 if int(toshiba[1]) >= SHARP_TOSHIBA else 0
    siemens = re.fullmatch(r"[BHUI][A-Z]?(\d\d)[A-Z]?", name)
    if siemens:
        return 2 if int(siemens[1]) >= SHARP_SIEMENS else 0
    plain = name.rstrip("+").removesuffix("PLUS")
    if plain in SHARP_NAMES:
        return 2
    return 0 if plain in SOFT_NAMES else 1


def is_axial(stack: Stack) -> bool:
    """Whether the normal of `stack` lies within 30 degrees of the body axis (z)."""
    return bool(abs(stack.geometry.normal[2]) >= np.cos(np.radians(AXIAL_TOLERANCE_DEG)))


def rank(
    stacks: Sequence[Stack], kernel: Kernel = "soft", lungless: Sequence[Stack] = ()
) -> list[Ranked]:
    """Order the CT stacks of one study, best first, each with why it lost to the first.

    CT before anything else; then axial, a volume rather than a few slices, not derived, with
    lungs, covering at least 80 % of the longest such series, not interpolated, thinnest, closest,
    of the kernel that is wanted, most slices, lowest series number, first part of its series; the
    UID settles what is left, so that the order of files never matters.

    Parameters
    ----------
    stacks : sequence of Stack
        Of one study.
    kernel : {"soft", "sharp"}
        The reconstruction that is preferred.
    lungless : sequence of Stack
        Those whose pixels were seen to show no lungs.
    """
    keyed = ((_score(stack, stacks, kernel, lungless), stack) for stack in stacks)
    scored = sorted(keyed, key=lambda item: item[0])
    if not scored:
        return []
    best, winner = scored[0]
    others = [(_differs(best, score).format(kernel=kernel), s) for score, s in scored[1:]]
    first = f"The only stack of slices of its study: {_name(winner)}."
    if others:
        why, runner_up = others[0]
        first = f"Chosen of {len(scored)}: {_name(winner)} before {_name(runner_up)}, {why}."
    losers = [Ranked(stack, f"Not chosen: {_name(winner)} is, {why}.") for why, stack in others]
    return [Ranked(winner, first), *losers]


def _differs(best: Score, other: Score) -> str:
    place = next(i for i, (a, b) in enumerate(zip(best, other, strict=True)) if a != b)
    return REASONS[place]


def _score(
    stack: Stack, study: Sequence[Stack], kernel: Kernel, lungless: Sequence[Stack]
) -> Score:
    def rivals(other: Stack) -> bool:
        return alike(other, stack) and (other in lungless) == (stack in lungless)

    longest = max(other.geometry.extent_mm for other in study if rivals(other))
    spacing = stack.geometry.spacing_mm
    return (
        *_nature(stack),
        stack in lungless,
        stack.geometry.extent_mm < COVERAGE_SHARE * longest,
        bool(stack.geometry.uneven_mm),
        round(stack.thickness_mm, 1) or np.inf,
        np.inf if spacing is None else round(spacing, 1),
        sharpness(stack.head.kernel) * (1 if kernel == "soft" else -1),
        -len(stack.geometry.places),
        np.iinfo(np.int32).max if stack.head.series_number is None else stack.head.series_number,
        stack.part,
        min(plane.plane_id + plane.path for plane in stack.planes),
    )


def alike(one: Stack, other: Stack) -> bool:
    """Whether `one` and `other` are alike in modality, axial orientation, depth and origin."""
    return _nature(one) == _nature(other)


def _nature(stack: Stack) -> tuple[bool, bool, bool, bool]:
    short = len(stack.geometry.places) < MIN_VOLUME_SLICES
    return stack.head.modality != "CT", not is_axial(stack), short, stack.derived


def _name(stack: Stack) -> str:
    number = "without number" if stack.head.series_number is None else stack.head.series_number
    of = "".join(f", {name}" for name in stack.part)
    return f"series {number}{of} ({stack.head.kernel or 'kernel unknown'})"

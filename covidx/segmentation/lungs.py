"""Right and left lung on CT by thresholds and shape: seconds, no weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from covidx.constants import LUNG_AIR_HU, MIN_LUNG_ML
from covidx.errors import InvalidInputError
from covidx.scratch import let_go, zeros
from covidx.segmentation.airways import find_airways
from covidx.segmentation.field_of_view import LEAST_CUT_ML, find_cut
from covidx.segmentation.grid import in_order_of
from covidx.segmentation.planes import (
    PLANE,
    Mask,
    Spacing,
    closed,
    filled,
    sized_pieces,
    thinned,
    thinning_step,
)
from covidx.segmentation.pleura import fill_dents
from covidx.segmentation.sides import LEFT, RIGHT, Labels, split_sides
from covidx.volume import Volume, check_ct

MIN_PIECE = 0.1
"""Share of the largest piece of air that another must exceed to be lung. Modelling choice: on real
scans, smaller ones were bowel more often than lung."""
CLOSING_MM = 8.0
"""Radius in mm that closes vessels and small opacities."""
BORDER_HU = -400.0
"""HU midway between lung (about -850) and soft tissue (about 50): where its border is drawn."""


def segment_lungs(volume: Volume, *, sides: bool = True) -> Labels:
    """Find the right and the left lung in a thorax CT.

    After Hu, Hoffman and Reinhardt (IEEE TMI 2001;20:490): air inside the body in large pieces,
    the airways followed from the trachea and left out, the sides separated where they touch,
    vessels closed. Then dents of the outer surface are filled, as consolidation at the pleura
    makes them (`fill_dents`). A lobe that is solid throughout is found in part; fluid that only
    dents the lung is filled as consolidation is, since a mask cannot tell them apart.

    Parameters
    ----------
    volume : Volume
        CT in proven HU with a proven geometry, in any orientation.
    sides : bool
        False: lungs that cannot be separated, or one alone, are labelled 1, without filled dents,
        which need the middle between the two.

    Returns
    -------
    ndarray of uint8, shape (slices, rows, columns)
        On the grid of `volume`: 1 right, 2 left lung, 0 elsewhere.

    Raises
    ------
    InvalidInputError
        As `check_ct`; ``NO_LUNGS``: less than `constants.MIN_LUNG_ML` of aerated lung, which
        small children have too; ``LUNGS_CUT``: so, or no two sides, and the field of view
        cuts lungs;
        ``LUNGS_NOT_SEPARATED``: no two sides, as after a lung was removed,
        unless `sides` is False.
    """
    check_ct(volume)
    upright = volume.canonical()  # slices to the head, rows to the back, columns to the left
    spacing, voxel_ml = upright.spacing_mm, upright.voxel_ml
    assert spacing is not None and voxel_ml is not None
    step = thinning_step(spacing)
    hu = thinned(upright.array, step)
    mm = (spacing[0] * step[0], spacing[1] * step[1], spacing[2] * step[2])
    air = _inner_air(hu < LUNG_AIR_HU)
    airways = find_airways(air, mm)
    air = _lung_pieces(air & ~airways)
    thinned_ml = voxel_ml * step[0] * step[1] * step[2]
    found_ml = int(np.count_nonzero(air)) * thinned_ml
    if found_ml < MIN_LUNG_ML:
        _refuse_cut(hu, thinned_ml, found_ml)
        raise _no_lungs(found_ml)
    try:
        labels = _solid_lungs(split_sides(air, mm), hu, mm)
    except InvalidInputError:
        if sides:
            _refuse_cut(hu, thinned_ml, found_ml)
            raise
        labels = filled(closed(air, CLOSING_MM, mm)).astype(np.uint8)
    return in_order_of(_draw_border(labels, airways, hu, upright.array, step), volume)


def _solid_lungs(sides: Labels, hu: NDArray[Any], mm: Spacing) -> Labels:
    """Aerated lung to lung: vessels closed, dents of consolidation at the pleura filled."""
    labels = np.zeros_like(sides)
    for side in (RIGHT, LEFT):
        lung = filled(closed(sides == side, CLOSING_MM, mm))
        lung = filled(lung | fill_dents(lung, hu, sides, mm))
        labels[lung & (labels == 0) & ((sides == 0) | (sides == side))] = side
    return labels


def _refuse_cut(hu: NDArray[Any], voxel_ml: float, found_ml: float) -> None:
    """Say that the field of view cuts the lungs where that is why they are not found."""
    cut = find_cut(hu, voxel_ml)
    if cut.ml < LEAST_CUT_ML:
        return
    raise InvalidInputError(
        "LUNGS_CUT",
        f"The field of view cuts the lungs ({', '.join(cut.sides)}), as that of a heart CT does:"
        f" about {cut.ml:.0f} ml of lung reach its edge.",
        expected=f"two whole lungs, at least {MIN_LUNG_ML:.0f} ml",
        actual=f"{found_ml:.0f} ml within it",
        hint="Use a reconstruction of the same scan whose field of view covers the chest.",
    )


def _no_lungs(ml: float) -> InvalidInputError:
    return InvalidInputError(
        "NO_LUNGS",
        "There are no lungs in view.",
        expected=f"at least {MIN_LUNG_ML:.0f} ml of aerated lung",
        actual=f"{ml:.0f} ml",
        hint="Use a chest CT of an adult that covers the lungs.",
    )


def drop_small_pieces(lungs: Labels, spacing_mm: Spacing) -> None:
    """Remove pieces of a mask, in place, that are small beside the largest, as air in the table is.

    Parameters
    ----------
    lungs : ndarray of uint8, shape (slices, rows, columns)
        0 where there is no lung; changed in place.
    spacing_mm : tuple of float
        Of (slices, rows, columns).
    """
    step = thinning_step(spacing_mm)
    near_by = ndimage.generate_binary_structure(3, 3)  # what the thinned grid has no voxel for
    kept = ndimage.binary_dilation(_lung_pieces(thinned(lungs, step) > 0), near_by)
    near, plane = _nearest(lungs.shape, step, kept.shape)
    for z, source in enumerate(near):
        lungs[z] *= kept[source][plane]
        let_go(lungs)


def _nearest(
    full: tuple[int, ...], step: tuple[int, int, int], thin: tuple[int, ...]
) -> tuple[NDArray[np.intp], tuple[NDArray[np.intp], ...]]:
    """Of each slice of the full grid the slice of the thinned one, and of its pixels the pixels."""
    slices, rows, columns = (
        np.minimum((np.arange(n) + s // 2) // s, count - 1)
        for n, s, count in zip(full, step, thin, strict=True)
    )
    return slices, np.ix_(rows, columns)


def _inner_air(air: Mask) -> Mask:
    """Air that does not reach the edge of its slice."""
    # A frame of air joins all the outside of a slice into one piece.
    framed = np.pad(air, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    pieces, n = ndimage.label(framed, structure=PLANE)
    inside = np.ones(n + 1, dtype=np.bool_)
    inside[0] = False
    inside[pieces[:, 0, 0]] = False
    return inside[pieces][:, 1:-1, 1:-1]


def _lung_pieces(air: Mask) -> Mask:
    """The large pieces: gas in bowel and stomach is smaller, and so is air in the table."""
    pieces, sizes = sized_pieces(air)
    large: Mask = sizes > MIN_PIECE * sizes.max()
    return large[pieces]


def _draw_border(
    labels: Labels,
    airways: Mask,
    coarse: NDArray[Any],
    hu: NDArray[Any],
    step: tuple[int, int, int],
) -> Labels:
    """Lay a mask of the thinned grid onto the full one, its border where HU cross `BORDER_HU`."""
    across = ndimage.generate_binary_structure(3, 1) if step[0] > 1 else PLANE
    sure = ndimage.binary_erosion(labels > 0, across) | ((labels > 0) & (coarse >= BORDER_HU))
    grown = np.where(labels > 0, labels, ndimage.grey_dilation(labels, footprint=across))
    grown[airways] = 0
    near, plane = _nearest(hu.shape, step, labels.shape)
    full = zeros(hu.shape, np.uint8)
    for z, source in enumerate(near):  # a slice at a time: the full grid may be large
        lung = sure[source][plane] | (hu[z] < BORDER_HU)
        full[z] = grown[source][plane] * lung
        let_go(hu, full)
    return full

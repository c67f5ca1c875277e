"""Lung that the field of view cuts, as that of a heart CT does: it lies in no whole lung."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from covidx.constants import AIR_BAND_HU, LUNG_AIR_HU
from covidx.segmentation.planes import PLANE, Mask, thinned, thinning_step
from covidx.volume import Volume

RIM = 2
"""Voxels that count as the edge of the field of view, on the thinned grid."""
LEAST_TISSUE = 0.1
"""Share of the edge that must be tissue for the edge to cut the body. Modelling choice: around a
whole chest it is air and table."""
TISSUE_HU = -300.0
"""HU above which a voxel of the edge is tissue: fat lies at -100."""
ROOM_HU = -950.0
"""Median HU of a piece of air from which on it is the room's, at -1000, and no lung, at about -850
(-700 to -900 by inspiration). Modelling choice."""
LEAST_CUT_ML = 100.0
"""ml of lung at the edge from which lungs are said to be cut. Modelling choice."""
LEAST_SHARE = 0.1
"""Share of the cut that must lie at a side for it to be named."""


@dataclass(frozen=True)
class Cut:
    """How much lung reaches the edge of the field of view, and at which sides of the patient."""

    ml: float
    sides: tuple[str, ...]


def find_cut(hu: NDArray[Any], voxel_ml: float) -> Cut:
    """Air at the edge of the field of view that is as dense as lung.

    It counts in slices whose edge cuts the body and has more of it than of the room's air.

    Parameters
    ----------
    hu : ndarray, shape (slices, rows, columns)
        A CT in HU; rows run to the back, columns to the patient's left.
    voxel_ml : float
        ml of a voxel.
    """
    field = _field(hu)
    rim = field & ~ndimage.binary_erosion(field, iterations=RIM)
    cut = (hu[:, rim] > TISSUE_HU).mean(axis=1) >= LEAST_TISSUE  # (slices,)
    air = (hu < LUNG_AIR_HU) & field & cut[:, None, None]
    pieces, n = ndimage.label(air, structure=PLANE)
    at_rim = np.setdiff1d(pieces[:, rim], 0)
    dense = np.zeros(n + 1, dtype=np.bool_)
    if len(at_rim):
        dense[at_rim] = np.asarray(ndimage.median(hu, pieces, at_rim)) > ROOM_HU
    lung = dense[pieces]
    lungs, whole = (mask[:, rim].sum(axis=1) for mask in (lung, air))
    lung[2 * lungs <= whole] = False
    return Cut(float(np.count_nonzero(lung)) * voxel_ml, _sides(lung & rim))


def field_flags(volume: Volume) -> list[str]:
    """Flag a CT whose field of view cuts lung: where it does, that lung is in no mask.

    Parameters
    ----------
    volume : Volume
        CT in proven HU with a proven geometry, in any orientation.
    """
    upright = volume.canonical()
    spacing, voxel_ml = upright.spacing_mm, upright.voxel_ml
    assert spacing is not None and voxel_ml is not None
    step = thinning_step(spacing)
    cut = find_cut(thinned(upright.array, step), voxel_ml * step[0] * step[1] * step[2])
    if cut.ml < LEAST_CUT_ML:
        return []
    sides = ", ".join(cut.sides)
    return [f"the field of view cuts the lungs ({sides}): about {cut.ml:.0f} ml reach its edge"]


def _field(hu: NDArray[Any]) -> Mask:
    """What was reconstructed of a slice: all of it, or the disc whose outside is one value."""
    y, x = (np.linspace(-1, 1, n) for n in hu.shape[1:])
    disc: Mask = y[:, None] ** 2 + x**2 <= 1
    outside = hu[:, ~disc]
    if outside.size and outside.min() == outside.max() and outside.max() < AIR_BAND_HU[1]:
        return disc
    return np.ones_like(disc)


def _sides(edge: Mask) -> tuple[str, ...]:
    """The sides of the patient at which the voxels `edge` lie, each by the nearer axis."""
    y, x = (np.linspace(-1, 1, n) for n in edge.shape[1:])
    down, across = np.broadcast_arrays(y[:, None], x)
    wide = np.abs(across) >= np.abs(down)
    where = {
        "right": wide & (across < 0),
        "left": wide & (across >= 0),
        "front": ~wide & (down < 0),
        "back": ~wide & (down >= 0),
    }
    counts = {side: np.count_nonzero(edge & mask) for side, mask in where.items()}
    least = LEAST_SHARE * sum(counts.values())
    return tuple(side for side, count in counts.items() if count > least)

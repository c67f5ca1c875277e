"""Whether a CT shows lungs: enough for a choice among the series of a study."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from covidx.constants import LUNG_AIR_HU
from covidx.scratch import planes
from covidx.volume import Volume

GRID_MM = 4.0
"""mm to which slices are thinned: lungs are large."""


def lung_ml(volume: Volume) -> float:
    """Air inside the body in ml, in each slice that which does not reach its edge.

    Bowel gas counts as well, but does not amount to lungs.

    Parameters
    ----------
    volume : Volume
        CT in proven HU, axial slices.
    """
    spacing, voxel_ml = volume.spacing_mm, volume.voxel_ml
    assert spacing is not None and voxel_ml is not None
    rows, columns = (max(1, int(GRID_MM / mm)) for mm in spacing[1:])
    inside = sum(_inside(one[::rows, ::columns] < LUNG_AIR_HU) for one in planes(volume.array))
    return inside * voxel_ml * rows * columns


def _inside(air: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> int:
    """Pixels of air that no path through air joins to the edge."""
    framed = np.pad(air, 1, constant_values=True)
    pieces, _ = ndimage.label(framed)
    return int((framed & (pieces != pieces[0, 0])).sum())

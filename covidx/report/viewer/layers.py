"""What lies over a page's image: heatmaps on grids of their own, masks on the image's."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.report.viewer.case import HeatLayer, MaskLayer, ViewerCase
from covidx.report.viewer.voxels import DisplayCopy, reduced, shrunk

MOST_CELLS = 128
"""Rows and columns of a heatmap at most: it is smooth, and larger ones are averaged."""
OUTSIDE = 0
"""Byte of a heatmap outside of the model's input; evidence takes 1 to 255."""


def heat_json(layer: HeatLayer, copy: DisplayCopy) -> dict[str, Any]:
    """A heatmap for the page's script.

    Parameters
    ----------
    layer : HeatLayer
        Of a verdict ``no evidence`` the map itself is left out: it has no colour to show.
    copy : DisplayCopy
        Of the image that it lies over.
    """
    shown: dict[str, Any] = {
        "name": layer.name,
        "verdict": layer.verdict,
        "reason": layer.reason,
        "unit": layer.unit,
        "levels": list(map(float, layer.levels)),
        "colours": layer.colours,
        "cell_mm": None if layer.cell_mm is None else [round(mm, 1) for mm in layer.cell_mm],
    }
    factor = max(1, -(-max(layer.heat.shape[1:]) // MOST_CELLS))
    heat, affine = reduced(layer.heat, factor), layer.affine @ shrunk(factor)
    # (column, row, slice) of the display copy to those of the map.
    matrix = np.linalg.inv(affine) @ copy.affine
    shown |= {
        "cell": _cell(layer, affine),
        "shape": list(heat.shape),
        "matrix": [round(float(x), 9) for x in matrix[:3].ravel()],
    }
    if layer.verdict == "no evidence":
        return shown
    inside = np.isfinite(heat)
    low = float(heat[inside].min()) if inside.any() else 0.0
    high = float(heat[inside].max()) if inside.any() else 0.0
    scaled = np.nan_to_num(heat - low) / max(high - low, 1e-9)
    cells = np.where(inside, 1 + np.rint(254 * scaled), OUTSIDE).astype(np.uint8)
    return shown | {"low": low, "high": high, "cells": _packed(cells)}


def _cell(layer: HeatLayer, affine: NDArray[np.float64]) -> list[float] | None:
    """Rows and columns of the map that one cell of the network covers."""
    if layer.cell_mm is None:
        return None
    wide, high = np.linalg.norm(affine[:3, :2], axis=0)
    return [round(float(layer.cell_mm[0] / high), 4), round(float(layer.cell_mm[1] / wide), 4)]


def mask_json(layer: MaskLayer, copy: DisplayCopy) -> dict[str, Any]:
    """A mask for the page's script: a byte a pixel of the display `copy`, 1 inside of `layer`."""
    planes = [_mask_plane(plane, copy.factor) for plane in layer.mask]
    return {
        "name": layer.name,
        "truth": layer.truth,
        "style": layer.style,
        "empty": not layer.mask.any(),
        "cells": _packed(np.stack(planes)),
    }


def _mask_plane(plane: NDArray[np.bool_], factor: int) -> NDArray[np.uint8]:
    """Pixels that are mostly in the mask; where there is none, those that are so in part."""
    share = reduced(plane[None], factor)[0]
    most = share >= 0.5
    inside: NDArray[np.uint8] = (most if most.any() else share > 0).astype(np.uint8)
    return inside


def _packed(cells: NDArray[np.uint8]) -> str:
    return base64.b64encode(zlib.compress(cells.tobytes(), 6)).decode()


def areas(case: ViewerCase) -> list[float] | None:
    """Area of the true lesion in each slice of a `case`: mm², or pixels without a geometry."""
    if case.truth is None:
        return None
    spacing = case.image.spacing_mm
    pixel = 1.0 if spacing is None else spacing[1] * spacing[2]
    return [round(float(n) * pixel, 1) for n in case.truth.sum(axis=(1, 2))]


def why_text(case: ViewerCase) -> str:
    """How scores of slices and lesions lie to each other, so that a miss explains itself.

    Parameters
    ----------
    case : ViewerCase
        Empty text without both of true lesion and scored slices.

    Returns
    -------
    str
        Such as ``largest lesion in slice 9 (410 mm²), not seen by the model; nearest slices that
        it saw: slice 7 scored 0.02, slice 11 scored 0.00``.
    """
    area = areas(case)
    if area is None or not case.seen or len(area) == 1:
        return ""
    if not any(area):
        return "The image shows no true lesion."
    largest = int(np.argmax(area))
    unit = "pixels" if case.image.spacing_mm is None else "mm²"
    start = f"Largest lesion in slice {largest + 1} ({area[largest]:.0f} {unit})"
    over = [one for one in case.seen if one.first <= largest <= one.last]
    if over:
        one = max(over, key=lambda one: one.score)
        decided = "decided" if one.weight > 0 else "did not decide"
        return (
            f"{start}, seen by the model: slice {one.index + 1} scored {one.score:.2f} and "
            f"{decided}."
        )
    below = [one for one in case.seen if one.last < largest]
    above = [one for one in case.seen if one.first > largest]
    nearest = [*below[-1:], *above[:1]]
    scored = ", ".join(f"slice {one.index + 1} scored {one.score:.2f}" for one in nearest)
    return f"{start}, not seen by the model; nearest slices that it saw: {scored}."

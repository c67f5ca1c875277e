"""Slices as a radiologist reads them: right on the left, window, position, heat, truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from covidx.explain import Heatmap, paste
from covidx.imaging import Bag, Preprocessing, window
from covidx.report.figures import save
from covidx.volume import Volume

__all__ = ["SliceView", "slice_views"]

HEAT_COLOURS = "inferno"
TRUTH_COLOUR = "#39d353"


@dataclass(frozen=True)
class SliceView:
    """One drawn slice, and what is said beside it."""

    picture: str
    title: str
    score: float
    faithful: bool
    drop_hot: float
    drop_cold: float
    heat_in_truth: float | None


def slice_views(
    volume: Volume,
    bag: Bag,
    maps: list[Heatmap],
    how: Preprocessing,
    folder: Path,
    truth: NDArray[np.bool_] | None = None,
) -> list[SliceView]:
    """Draw each mapped slice, plain and with its heat, into `folder` as PNG.

    Parameters
    ----------
    volume : Volume
        Canonical, as the bag was made from.
    bag : Bag
    maps : list of Heatmap
    how : Preprocessing
        For window and level.
    folder : Path
        Exists.
    truth : ndarray of bool, shape (slices, rows, columns), optional
        True lesion, on the grid of `volume`.
    """
    views = []
    for rank, found in enumerate(maps, 1):
        index = int(bag.slices[found.place])
        outline = None if truth is None else truth[index]
        shape = (volume.array.shape[1], volume.array.shape[2])
        heat = paste(found.heat, bag, shape)
        title = _title(volume, index)
        figure = _draw(volume, index, heat, how, outline)
        path = folder / f"slice-{rank}.png"
        save(figure, path)
        share = _share_in(heat, outline)
        views.append(
            SliceView(
                path.name,
                title,
                found.score,
                found.faithful,
                found.drop_hot,
                found.drop_cold,
                share,
            )
        )
    return views


def _share_in(heat: NDArray[np.float32], outline: NDArray[np.bool_] | None) -> float | None:
    """Share of all heat that lies on true lesion; None where there is none in the slice."""
    if outline is None or not outline.any():
        return None
    return float(np.nansum(heat[outline]) / max(float(np.nansum(heat)), 1e-9))


def _title(volume: Volume, index: int) -> str:
    position = volume.slice_position_mm(index)
    if len(volume.array) == 1 and position is None:
        return "single picture"
    where = "" if position is None else f", z = {position:.0f} mm"
    return f"slice {index + 1} of {len(volume.array)} from the feet{where}"


def _draw(
    volume: Volume,
    index: int,
    heat: NDArray[np.float32],
    how: Preprocessing,
    outline: NDArray[np.bool_] | None,
) -> Figure:
    picture = volume.array[index]  # (rows, columns)
    display = volume.units == "display"
    grey = np.clip(picture / 255.0, 0, 1) if display else window(picture, how.level, how.width)
    spacing = volume.spacing_mm or (1.0, 1.0, 1.0)
    height = 3.9 * (picture.shape[0] * spacing[1]) / (picture.shape[1] * spacing[2])
    figure = Figure(figsize=(9.0, height + 0.75), layout="constrained", facecolor="white")
    plain, warm = figure.subplots(1, 2)
    for axes in (plain, warm):
        axes.imshow(grey, cmap="gray", vmin=0, vmax=1, aspect=spacing[1] / spacing[2])
        axes.set_axis_off()
        if volume.geometry == "proven":
            _sides(axes)
    scale = "grey levels as given" if display else f"W {how.width:g}  L {how.level:g} HU"
    plain.set_title(f"{_title(volume, index)}\n{scale}", fontsize=9)
    layer = warm.imshow(
        heat,
        cmap=HEAT_COLOURS,
        norm=Normalize(0, 1),
        alpha=np.where(np.isnan(heat), 0.0, 0.15 + 0.45 * np.nan_to_num(heat)),
        aspect=spacing[1] / spacing[2],
    )
    legend = "Grad-CAM"
    if outline is not None and outline.any():
        for axes in (plain, warm):
            axes.contour(outline, levels=[0.5], colors=TRUTH_COLOUR, linewidths=0.9)
        legend += "; green: true lesion"
    elif outline is not None:
        legend += "; no true lesion in this slice"
    warm.set_title(legend, fontsize=9)
    bar = figure.colorbar(layer, ax=warm, shrink=0.85)
    bar.set_label("for the positive class:\n0 none … 1 most in this slice", fontsize=8)
    return figure


def _sides(axes: Axes) -> None:
    """The patient's right lies on the picture's left."""
    for x, align, text in ((0.02, "left", "R"), (0.98, "right", "L")):
        axes.text(
            x,
            0.5,
            text,
            transform=axes.transAxes,
            color="white",
            fontsize=12,
            fontweight="bold",
            ha=align,
            va="center",
        )

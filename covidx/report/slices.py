"""Slices as a radiologist reads them: right on the left, window, position, heat, truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from covidx.explain import Heatmap, Scale, Verdict, paste
from covidx.files import replacing
from covidx.imaging import Bag, Preprocessing, window
from covidx.volume import Volume

DPI = 100
PANEL, GAP, BAR, BAR_ROOM, HEAD, FOOT = 4.3, 0.12, 0.15, 0.75, 0.46, 0.06
"""Inches: a picture's width, between pictures, the colour bar and its labels, above, below."""
TRUTH_COLOUR = "#00e5ff"
EDGE_COLOUR = "#ff9f1c"
BEHIND_BAR = "#6b6b6b"
"""The colour bar lies on the grey of soft tissue, so that it shows colours as the picture does."""
MOST_OPAQUE = 0.65


def _heat_colours() -> ListedColormap:
    """Clear at 0, ever more opaque towards 1: without evidence the lung stays as it is."""
    colours = colormaps["inferno"](np.linspace(0.4, 1.0, 256))
    colours[:, 3] = MOST_OPAQUE * np.linspace(0.0, 1.0, 256)
    return ListedColormap(colours, name="heat")


HEAT = _heat_colours()


@dataclass(frozen=True)
class SliceView:
    """One drawn slice, and what stands beside it.

    Parameters
    ----------
    picture : str
        File name.
    title : str
        Number and position of the slice.
    score : float
        Probability of the positive class by this slice alone, 0 to 1.
    verdict : {"passed", "failed", "no evidence", "cannot tell"}
        Of the map's exam; one that did not pass is not drawn.
    reason : str
        What decided that, in a sentence.
    heat_in_truth : float or None
        Share of the heat on true lesion, 0 to 1; None where the slice has none of
        either, or it is unknown.
    """

    picture: str
    title: str
    score: float
    verdict: Verdict
    reason: str
    heat_in_truth: float | None


def slice_views(
    volume: Volume,
    bag: Bag,
    maps: list[Heatmap],
    preprocessing: Preprocessing,
    folder: Path,
    finding: str,
    scale: Scale,
    truth: NDArray[np.bool_] | None = None,
) -> list[SliceView]:
    """Draw each mapped slice, plain and with its heat, into `folder` as PNG.

    A map that did not pass its exam is not drawn.

    Parameters
    ----------
    volume : Volume
        Canonical, as the bag was made from.
    bag : Bag
        The slices that the network scored.
    maps : list of Heatmap
        One a slice to draw.
    preprocessing : Preprocessing
        For window and level.
    folder : Path
        Exists.
    finding : str
        The class that the heat is evidence for.
    scale : Scale
        Of the run, so that maps compare.
    truth : ndarray of bool, shape (slices, rows, columns), optional
        True lesion, on the grid of `volume`.
    """
    views = []
    for rank, heatmap in enumerate(maps, 1):
        index = int(bag.slices[heatmap.place])
        outline = None if truth is None else truth[index]
        heat = paste(heatmap.heat, bag, (volume.array.shape[1], volume.array.shape[2]))
        path = folder / f"slice-{rank}.png"
        drawn = heat if heatmap.verdict == "passed" else heat * 0  # NaN outside stays
        legend = f"evidence for {finding}"
        if heatmap.verdict != "passed":
            legend += f": map not drawn, {heatmap.verdict}"
        _save(_draw(volume, index, drawn, preprocessing, legend, scale, outline), path)
        views.append(
            SliceView(
                picture=path.name,
                title=_title(volume, index),
                score=heatmap.score,
                verdict=heatmap.verdict,
                reason=heatmap.reason,
                heat_in_truth=_share_in(heat, outline),
            )
        )
    return views


def _share_in(heat: NDArray[np.float32], outline: NDArray[np.bool_] | None) -> float | None:
    """Share of all heat that lies on true lesion; None where there is no heat, or no lesion."""
    total = float(np.nansum(heat))
    if outline is None or not outline.any() or total <= 0:
        return None
    return float(np.nansum(heat[outline]) / total)


def _title(volume: Volume, index: int) -> str:
    position = volume.slice_position_mm(index)
    where = "" if position is None else f", z = {position:.0f} mm"
    if len(volume.array) == 1:
        return f"single slice{where}" if volume.modality == "CT" else "single image"
    return f"slice {index + 1} of {len(volume.array)}, caudal to cranial{where}"


def _draw(
    volume: Volume,
    index: int,
    heat: NDArray[np.float32],
    preprocessing: Preprocessing,
    what: str,
    scale: Scale,
    outline: NDArray[np.bool_] | None,
) -> Figure:
    picture = volume.array[index]  # (rows, columns)
    display = volume.units == "display"
    level, width = preprocessing.level, preprocessing.width
    grey = np.clip(picture / 255.0, 0, 1) if display else window(picture, level, width)
    spacing = volume.spacing_mm or (1.0, 1.0, 1.0)
    aspect = spacing[1] / spacing[2]
    height = PANEL * aspect * picture.shape[0] / picture.shape[1]
    figure, (plain, warm, bar) = _canvas(height)
    for axes in (plain, warm):
        axes.imshow(grey, cmap="gray", vmin=0, vmax=1, aspect=aspect, interpolation="bilinear")
        axes.set_axis_off()
        if volume.geometry == "proven":
            _sides(axes)
    greys = "grey levels as stored" if display else f"window W {width:g}, L {level:g} HU"
    sides = "" if volume.geometry == "proven" else "; left and right not recorded"
    plain.set_title(f"{_title(volume, index)}\n{greys}{sides}", fontsize=9)
    shown = scale.colours(np.nan_to_num(heat, nan=0.0))  # (rows, columns)
    warm.imshow(shown, cmap=HEAT, vmin=0, vmax=1, aspect=aspect, interpolation="bilinear")
    legend = "; ".join(_frame(warm, heat) + _edge(warm, shown) + _outline((plain, warm), outline))
    warm.set_title(f"{what[:1].upper()}{what[1:]}\n{legend}", fontsize=9)
    _colour_bar(figure, bar, scale)
    return figure


def _canvas(height: float) -> tuple[Figure, tuple[Axes, Axes, Axes]]:
    """Two pictures and a colour bar at fixed places: a layout engine would draw thrice."""
    wide, high = 2 * PANEL + 2 * GAP + BAR + BAR_ROOM, height + HEAD + FOOT
    figure = Figure(figsize=(wide, high), dpi=DPI, facecolor="white")

    def place(left: float, width: float, bottom: float, tall: float) -> Axes:
        return figure.add_axes((left / wide, bottom / high, width / wide, tall / high))

    plain = place(0, PANEL, FOOT, height)
    warm = place(PANEL + GAP, PANEL, FOOT, height)
    bar = place(2 * (PANEL + GAP), BAR, FOOT + 0.1 * height, 0.8 * height)
    return figure, (plain, warm, bar)


def _colour_bar(figure: Figure, axes: Axes, scale: Scale) -> None:
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), HEAT), cax=axes)
    axes.set_facecolor(BEHIND_BAR)
    labels = [f"{scale.floor:.1f}", f"{(scale.floor + scale.top) / 2:.1f}", f"{scale.top:.1f}"]
    bar.set_ticks([0, 0.5, 1], labels=labels, fontsize=8)
    bar.set_label("log-odds, one scale\nfor the run", fontsize=8)


def _frame(axes: Axes, heat: NDArray[np.float32]) -> list[str]:
    """A dashed frame around the input of the model, where that is not the complete picture."""
    inside = np.argwhere(~np.isnan(heat))
    (top, left), (bottom, right) = inside.min(axis=0), inside.max(axis=0) + 1
    if (bottom - top, right - left) == heat.shape:
        return []
    corner, size = (left - 0.5, top - 0.5), (right - left, bottom - top)
    axes.add_patch(Rectangle(corner, *size, fill=False, ls=(0, (4, 4)), lw=0.8, ec="white"))
    return ["dashed: input of the model"]


def _edge(axes: Axes, shown: NDArray[np.float32]) -> list[str]:
    """A line around all that has colour: what lies near the floor is faint."""
    if not shown.any():
        return []
    axes.contour(shown > 0, levels=[0.5], colors=EDGE_COLOUR, linewidths=0.8)
    return ["orange: edge of the map"]


def _outline(panels: tuple[Axes, ...], outline: NDArray[np.bool_] | None) -> list[str]:
    if outline is None:
        return []
    if not outline.any():
        return ["no true lesion here"]
    for axes in panels:
        axes.contour(outline, levels=[0.5], colors=TRUTH_COLOUR, linewidths=0.8)
    return ["cyan: true lesion"]


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
            path_effects=[withStroke(linewidth=2, foreground="black")],
        )


def _save(figure: Figure, path: Path) -> None:
    """One pass, light compression, no date inside: the same slice gives the same bytes."""
    FigureCanvasAgg(figure)
    options = {"compress_level": 3}
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None}, pil_kwargs=options)

"""The page of a segmentation run: agreement by structure, pictures of the best and worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from covidx.constants import LUNG_WINDOW
from covidx.evaluate import Estimate
from covidx.imaging import window
from covidx.report import page as parts
from covidx.report.canvas import BLUE, DPI, GREEN, ORANGE, single_figure
from covidx.volume import Volume

TRUTH, PREDICTED = "#00e5ff", "#ff9100"
READING = (
    "The network never saw these patients. Means over patients, each the mean of its scans; "
    "intervals by drawing patients. A structure is scored in scans that truly have it; false_ml is "
    "what was predicted, in ml, in scans without it. Rules for empty masks: docs/segmentation.md."
)
PANEL = 4.2
"""Inches a picture is wide."""
AGREEMENT = {
    "validation_dice": "mean Dice of the classes",
    "validation_map50": "mAP50 of boxes",
}
"""On validation patches."""


@dataclass(frozen=True)
class Overlay:
    """One test image to draw.

    Parameters
    ----------
    title : str
        Above the picture.
    volume : Volume
        In reading order.
    predicted, truth : mapping of str to ndarray, shape (slices, rows, columns)
        Structure -> predicted and true class numbers on the volume's grid; the rarest last.
    """

    title: str
    volume: Volume
    predicted: Mapping[str, NDArray[Any]]
    truth: Mapping[str, NDArray[Any]]


def overlay_figure(shown: Overlay) -> Figure:
    """The slice with most of the rarest structure, with outlines of truth and prediction.

    Parameters
    ----------
    shown : Overlay
        The image with its masks.
    """
    rare = list(shown.truth)[-1]
    area = np.count_nonzero(shown.truth[rare], axis=(1, 2))
    if not area.any():
        area = np.count_nonzero(next(iter(shown.truth.values())), axis=(1, 2))
    index = int(area.argmax())
    picture = shown.volume.array[index]
    display = shown.volume.units == "display"
    grey = np.clip(picture / 255.0, 0, 1) if display else window(picture, *LUNG_WINDOW)
    spacing = shown.volume.spacing_mm or (1.0, 1.0, 1.0)
    aspect = spacing[1] / spacing[2]
    high = PANEL * aspect * picture.shape[0] / picture.shape[1]
    count = len(shown.truth)
    figure = Figure(figsize=(PANEL * count, high + 0.5), layout="constrained", dpi=DPI)
    for place, kind in enumerate(shown.truth, start=1):
        axes = figure.add_subplot(1, count, place)
        axes.imshow(grey, cmap="gray", vmin=0, vmax=1, aspect=aspect)
        axes.set_axis_off()
        axes.set_title(f"{kind}: cyan truth, orange predicted", fontsize=8)
        _outline(axes, shown.truth[kind][index], TRUTH)
        _outline(axes, shown.predicted[kind][index], PREDICTED)
    count = len(shown.volume.array)
    where = "" if count == 1 else f", slice {index + 1} of {count}, caudal to cranial"
    figure.suptitle(f"{shown.title}{where}", fontsize=9)
    return figure


def _outline(axes: Axes, labels: NDArray[Any], colour: str) -> None:
    """A line about each class."""
    for label in np.unique(labels[labels > 0]):
        axes.contour(labels == label, levels=[0.5], colors=colour, linewidths=0.8)


def dice_figure(scores: pd.DataFrame) -> Figure:
    """Dice of each test image by structure, where the structure is truly there.

    Parameters
    ----------
    scores : DataFrame
        structure, truth_ml and dice; a row an image and structure.
    """
    there = scores[scores["truth_ml"] > 0]
    names = list(there["structure"].unique())
    figure, axes = single_figure((6.4, 1.0 + 0.45 * len(names)), grid="both")
    for place, name in enumerate(reversed(names)):
        values = there.loc[there["structure"] == name, "dice"].to_numpy()
        height = place + np.linspace(-0.2, 0.2, len(values))
        axes.plot(values, height, "o", color=BLUE, markersize=3, alpha=0.6)
        axes.plot([values.mean()] * 2, [place - 0.32, place + 0.32], color=ORANGE, linewidth=2)
    axes.set_yticks(range(len(names)), names[::-1], fontsize=8)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("Dice; a dot an image, the line their mean")
    return figure


def loss_figure(history: pd.DataFrame, best: int, patients: Mapping[str, int]) -> Figure:
    """Loss and agreement on patches by epoch; the epoch that was kept is marked.

    Parameters
    ----------
    history : DataFrame
        epoch, train_loss, validation_loss and any of `AGREEMENT`.
    best : int
        The epoch whose weights were kept.
    patients : mapping of str to int
        Role -> number of patients.
    """
    measured = [name for name in AGREEMENT if name in history]
    figure = Figure(figsize=(6.4, 3.0 + 1.6 * len(measured)), layout="constrained", dpi=DPI)
    counts = ", ".join(f"{name}: {count}" for name, count in patients.items())
    figure.suptitle(f"Patients: {counts}", fontsize=10)
    panels = list(figure.subplots(1 + len(measured), 1, sharex=True, squeeze=False)[:, 0])
    epochs, loss = history["epoch"], panels[0]
    loss.plot(epochs, history["train_loss"], color=BLUE, label="training patches")
    loss.plot(epochs, history["validation_loss"], color=ORANGE, label="validation patches")
    for axes, name in zip(panels[1:], measured, strict=True):
        axes.plot(epochs, history[name], color=ORANGE)
        axes.set_ylabel(AGREEMENT[name])
    for axes in panels:
        axes.axvline(best, color=GREEN, linestyle="--", linewidth=1)
    loss.plot([], [], color=GREEN, linestyle="--", label=f"kept: epoch {best}")
    loss.legend(fontsize=8)
    loss.set_ylabel("loss")
    loss.set_yscale("log")  # the first epoch is far above the others
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    return figure


def agreement(estimates: Mapping[str, Estimate]) -> parts.Section:
    """Agreement with the true masks: `estimates` by ``structure.metric``."""
    rows = [(name.rpartition(".")[::2], estimate) for name, estimate in estimates.items()]
    return agreement_table(rows, "Agreement with the true masks of test patients", READING)


def agreement_table(
    rows: Sequence[tuple[Sequence[str], Estimate]], heading: str, reading: str
) -> parts.Section:
    """Estimates by structure, each structure named once.

    Parameters
    ----------
    rows : sequence of ((structure, metric), Estimate)
        In any order of structures.
    heading, reading : str
        Above the table.
    """
    order = list(dict.fromkeys(structure for (structure, _), _ in rows))
    shown, last = [], None
    for (structure, metric), estimate in sorted(rows, key=lambda row: order.index(row[0][0])):
        shown.append((("" if structure == last else structure, metric), estimate))
        last = structure
    return parts.estimates(shown, ("Structure", "Metric"), heading=heading, note=reading)

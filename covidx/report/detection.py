"""The page of a detection run: mAP, FROC, slices with true and predicted boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from covidx.evaluate import Estimate
from covidx.evaluate.boxes import BOX
from covidx.evaluate.detection import FALSE_RATES
from covidx.report.canvas import BLUE, ORANGE, single_figure
from covidx.report.page import Section
from covidx.report.segmentation import PANEL, PREDICTED, TRUTH, agreement_table

READING = (
    "The network never saw these patients. map50: average precision of all slices' boxes, "
    "one being right that overlaps a true one by IoU 0.5 or more; map50_95: its mean over IoU 0.5 "
    "to 0.95; mask_: the same of masks. froc_N: share of lesions detected where N false positives "
    "a scan are allowed; sensitivity and false_positives (a scan): at the bundle's threshold, "
    "chosen on validation patients. Intervals by drawing patients. Rules for scans without "
    "opacities: docs/detection.md."
)


@dataclass(frozen=True)
class BoxedSlice:
    """One slice to draw, on the working grid.

    Parameters
    ----------
    title : str
        Above the picture.
    picture : ndarray of uint8, shape (rows, columns)
        Greys from 0 to 255.
    truth, predicted : DataFrame
        True and predicted boxes: left, top, right, bottom in pixels; of the predicted also
        box_score.
    opaque : ndarray of bool, shape (rows, columns)
        Where an opacity truly is.
    """

    title: str
    picture: NDArray[np.uint8]
    truth: pd.DataFrame
    predicted: pd.DataFrame
    opaque: NDArray[np.bool_]


def boxes_figure(shown: BoxedSlice) -> Figure:
    """The slice with outlines of true opacities, true boxes, and predicted ones with scores.

    Parameters
    ----------
    shown : BoxedSlice
        Slice and boxes.
    """
    rows, columns = shown.picture.shape
    size = (1.5 * PANEL, 1.5 * PANEL * rows / columns + 0.6)
    figure, axes = single_figure(size)
    edges = (0.0, float(columns), float(rows), 0.0)
    axes.imshow(shown.picture, cmap="gray", vmin=0, vmax=255, extent=edges)
    if shown.opaque.any():
        axes.contour(
            np.arange(columns) + 0.5, np.arange(rows) + 0.5, shown.opaque,
            levels=[0.5], colors=TRUTH, linewidths=0.5, linestyles="dotted",
        )  # fmt: skip
    for table, colour in ((shown.truth, TRUTH), (shown.predicted, PREDICTED)):
        for left, top, right, bottom in table[list(BOX)].to_numpy(float):
            axes.add_patch(
                Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour)
            )
    for left, top, score in shown.predicted[["left", "top", "box_score"]].to_numpy(float):
        axes.text(left, top - 1, f"{score:.2f}", color=PREDICTED, fontsize=7)
    axes.set_axis_off()
    figure.suptitle(
        f"{shown.title}\ncyan truth (dotted: its outline), orange predicted", fontsize=9
    )
    return figure


def froc_figure(estimates: Mapping[str, Estimate]) -> Figure:
    """Share of lesions detected by false positives a scan (FROC), with intervals.

    Parameters
    ----------
    estimates : mapping of str to Estimate
        ``froc_<rate>`` of every rate in `FALSE_RATES`; sensitivity and false_positives at the
        bundle's threshold.
    """
    figure, axes = single_figure((6.4, 4.2), grid="both")
    points = [(rate, estimates[f"froc_{rate:g}"]) for rate in FALSE_RATES]
    known = [(rate, one) for rate, one in points if not np.isnan(one.value)]
    rates = [rate for rate, _ in known]
    axes.plot(rates, [one.value for _, one in known], "o-", color=BLUE, label="test patients")
    low, high = [one.low for _, one in known], [one.high for _, one in known]
    axes.fill_between(rates, low, high, color=BLUE, alpha=0.2, label="95 % interval, by patient")
    point = estimates["sensitivity"], estimates["false_positives"]
    if not any(np.isnan(one.value) for one in point):
        axes.plot(
            [max(point[1].value, FALSE_RATES[0])], [point[0].value], "s", color=ORANGE,
            label="at the bundle's threshold",
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_xticks(FALSE_RATES, ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("false positives a scan, at most")
    axes.set_ylabel("share of lesions detected")
    axes.legend(fontsize=8)
    return figure


def agreement(estimates: Mapping[str, Estimate]) -> Section:
    """Agreement with the true boxes: `estimates` by metric."""

    def part(name: str) -> str:
        if "map" in name:
            return "boxes of slices"
        return "lesions" if name.startswith("froc") else "at the threshold"

    rows = [((part(name), name), estimate) for name, estimate in estimates.items()]
    return agreement_table(rows, "Boxes beside the true opacities of test patients", READING)

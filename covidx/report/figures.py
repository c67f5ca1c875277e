"""Figures of an evaluation: each names n, its interval, and the rows that it was drawn from.

Built on `matplotlib.figure.Figure` alone, without pyplot's global state.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from covidx.evaluate import Estimate, Metrics, OperatingPoint, Rows, reliability
from covidx.evaluate.blocks import FloatArray, IntArray
from covidx.evaluate.readers import Reader
from covidx.report.canvas import (
    BLUE,
    CLASS_COLOURS,
    DPI,
    GREY,
    MARKS,
    ORANGE,
    single_figure,
    square_figure,
)


def roc_figure(rows: Rows, metrics: Metrics, readers: Sequence[Reader] = ()) -> Figure:
    """ROC curve, and the operating point with the intervals of sensitivity and specificity.

    Parameters
    ----------
    rows : Rows
        The test rows.
    metrics : Metrics
        Of the same rows.
    readers : sequence of Reader
        Drawn as points.
    """
    figure, axes = square_figure(
        f"ROC: {metrics.positive} against the rest\n{_counts(rows, metrics)}"
    )
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="chance")
    truth = rows.truth
    if truth.any() and not truth.all():
        false, true = roc_points(rows)
        axes.plot(false, true, color=BLUE, linewidth=2, label=f"AUROC {_of(metrics['auroc'])}")
        if metrics.point is not None:
            _cross(axes, metrics, metrics.point)
    else:
        axes.text(0.5, 0.5, "undefined: one class only", ha="center", va="center")
    _readers(axes, readers)
    axes.set_xlabel("1 − specificity (false alarms among the rest)")
    axes.set_ylabel(f"sensitivity ({metrics.positive} detected)")
    axes.legend(loc="lower right", fontsize=8, frameon=True)
    return figure


def roc_points(rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Share of false alarms and sensitivity of `rows` at every threshold, the strictest first."""
    scores, truth = rows.scores, rows.truth
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # rows of equal score enter together
    true = np.append(0, np.cumsum(truth[order])[last]) / truth.sum()
    false = np.append(0, np.cumsum(~truth[order])[last]) / (~truth).sum()
    return false, true


def _readers(axes: Axes, readers: Sequence[Reader]) -> None:
    """Each reader's decision as a mark, and the other cuts of a rating as a thin line."""
    for place, reader in enumerate(readers):
        mark, colour = MARKS[(place + 1) % len(MARKS)], CLASS_COLOURS[(place + 2) % 6]
        if len(reader.roc_points) > 1:
            x, y = ([point[k] for point in reader.roc_points] for k in (1, 2))
            axes.plot(x, y, color=colour, linewidth=0.8, linestyle="--")
        axes.plot(
            1 - reader.specificity.value,
            reader.sensitivity.value,
            mark,
            color=colour,
            markersize=8,
            markeredgecolor="black",
            zorder=4,
            label=f"reader {reader.name}, n = {reader.n}",
        )


def reliability_figure(
    rows: Rows, metrics: Metrics, *, seed: int = 0, resamples: int = 2000
) -> Figure:
    """Share of positives by bin of score, with intervals and counts.

    Parameters
    ----------
    rows : Rows
        The test rows.
    metrics : Metrics
        Of the same rows.
    seed, resamples : int
        Of the bootstrap.
    """
    title = f"Reliability: {metrics.positive}\n{_counts(rows, metrics)}"
    figure, axes = square_figure(title)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="perfect calibration")
    bins = reliability(rows.scores, rows.truth, rows.clusters, seed=seed, resamples=resamples)
    usable = [b for b in bins if not np.isnan(b.observed.low)]
    x = [b.mean_score for b in usable]
    y = np.array([b.observed.value for b in usable])
    reach = [y - [b.observed.low for b in usable], [b.observed.high for b in usable] - y]
    axes.errorbar(
        x,
        y,
        yerr=np.clip(reach, 0, None),
        color=BLUE,
        marker="o",
        capsize=3,
        linewidth=1.2,
        label=f"observed share with its 95 % interval\nECE {_of(metrics['ece'])}",
    )
    counts = ", ".join(str(b.n) for b in bins)
    axes.plot([], [], " ", label=f"n per bin, left to right: {counts}")
    axes.text(0.03, 0.95, "above: scores too low", color=GREY, fontsize=8)
    axes.text(0.97, 0.03, "below: scores too high", color=GREY, fontsize=8, ha="right")
    axes.set_xlabel("mean score of the bin")
    axes.set_ylabel(f"observed share of {metrics.positive}")
    figure.legend(loc="outside lower center", fontsize=8)
    return figure


def confusion_figure(metrics: Metrics) -> Figure:
    """Counts of `metrics`: truth against decision at the threshold, and by most probable class."""
    rest = "rest" if len(metrics.classes) != 2 else _other(metrics)
    panels: list[tuple[IntArray, tuple[str, ...], str]] = []
    if metrics.point is not None:
        title = f"at the threshold {metrics.point.threshold:.3f}"
        panels.append((metrics.decisions[::-1, ::-1], (metrics.positive, rest), title))
    if len(metrics.classes) > 2 or not panels:
        panels.append((metrics.confusion, metrics.classes, "most probable class"))
    figure = Figure(figsize=(4.6 * len(panels) + 0.6, 4.9), layout="constrained", dpi=DPI)
    figure.suptitle(
        f"Confusion matrix, n = {metrics.n} {metrics.level}s\ncount, and share of the true class",
        fontsize=10,
    )
    for number, (counts, names, title) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), number)
        _matrix(axes, np.asarray(counts), names)
        axes.set_title(title, fontsize=9)
    return figure


def score_figure(rows: Rows, metrics: Metrics) -> Figure:
    """Score of each of `rows` by its true class, quartiles, and the threshold of `metrics`."""
    title = f"Scores by true class\n{_counts(rows, metrics)}"
    figure, axes = single_figure((6.4, 1.6 + 1.0 * len(rows.classes)), title)
    rng = np.random.default_rng(0)
    names = [metrics.positive, *(name for name in rows.classes if name != metrics.positive)]
    for place, name in enumerate(names):
        scores = rows.scores[rows.labels == rows.classes.index(name)]
        height = place + rng.uniform(-0.28, 0.28, len(scores))
        colour = CLASS_COLOURS[place % len(CLASS_COLOURS)]
        axes.plot(scores, height, MARKS[place % len(MARKS)], color=colour, alpha=0.6, markersize=4)
        if len(scores):
            low, middle, high = np.quantile(scores, [0.25, 0.5, 0.75])
            axes.plot([low, high], [place, place], color="black", linewidth=3, alpha=0.7)
            axes.plot(middle, place, "|", color="black", markersize=16, markeredgewidth=2.5)
    right = ""
    if metrics.point is not None:
        threshold, right = metrics.point.threshold, " (predicted positive right of the threshold)"
        axes.axvline(threshold, color=GREY, linestyle="--", label=f"threshold {threshold:.3f}")
    axes.plot([], [], "|-", color="black", linewidth=3, markersize=9, label="median and quartiles")
    counts = [int((rows.labels == rows.classes.index(name)).sum()) for name in names]
    axes.set_yticks(range(len(names)))
    axes.set_yticklabels([f"{name}\n(n = {n})" for name, n in zip(names, counts, strict=True)])
    axes.invert_yaxis()
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(f"score for {metrics.positive}{right}")
    figure.legend(loc="outside lower right", ncols=2, fontsize=8)
    return figure


def _cross(axes: Axes, metrics: Metrics, point: OperatingPoint) -> None:
    """The operating point, its arms as long as the intervals."""
    sensitivity, specificity = metrics["sensitivity"], metrics["specificity"]
    x, y = 1 - specificity.value, sensitivity.value
    axes.errorbar(
        [x],
        [y],
        xerr=_arms(x, 1 - specificity.high, 1 - specificity.low),
        yerr=_arms(y, sensitivity.low, sensitivity.high),
        color=ORANGE,
        marker="o",
        capsize=3,
        zorder=3,
        label=(
            f"threshold {point.threshold:.3f} ({point.short})\n"
            f"sensitivity {_of(sensitivity)}, n = {sensitivity.n}\n"
            f"specificity {_of(specificity)}, n = {specificity.n}"
        ),
    )


def _arms(value: float, low: float, high: float) -> FloatArray:
    """Lengths below and above the value, shape (2, 1); 0 where there is no interval."""
    arms = np.array([[value - low], [high - value]])
    known: FloatArray = np.nan_to_num(np.clip(arms, 0, None))
    return known


def _of(estimate: Estimate) -> str:
    """Value with its interval, in words."""
    return (
        str(estimate).replace("(", "(95 % interval ", 1)
        if estimate.reason is None
        else str(estimate)
    )


def _matrix(axes: Axes, counts: IntArray, names: tuple[str, ...]) -> None:
    """Counts with row shares; darker means a greater share of that true class."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(*counts.shape):
        text = f"{counts[i, j]}\n{shares[i, j]:.0%}" if totals[i, 0] else "0\nno rows"
        axes.text(
            j, i, text, ha="center", va="center", color="white" if shares[i, j] > 0.55 else "black"
        )
    axes.set_xticks(range(len(names)), names, fontsize=8)
    rows = [f"{name}\n(n = {n})" for name, n in zip(names, totals[:, 0], strict=True)]
    axes.set_yticks(range(len(names)), rows, fontsize=8)
    axes.set_xlabel("decision")
    axes.set_ylabel("truth")


def _counts(rows: Rows, metrics: Metrics) -> str:
    positive = int(rows.truth.sum())
    groups = f", {metrics.n_groups} groups" if metrics.n_groups < len(rows) else ""
    return (
        f"{rows.role} rows, n = {len(rows)} {metrics.level}s{groups} "
        f"({positive} {metrics.positive}, {len(rows) - positive} rest)"
    )


def _other(metrics: Metrics) -> str:
    return next(name for name in metrics.classes if name != metrics.positive)

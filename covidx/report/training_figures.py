"""Figures of a training: by epoch, and by number of training groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from covidx.evaluate import Estimate
from covidx.report.canvas import BLUE, DPI, GREEN, GREY, ORANGE


def training_figure(
    history: pd.DataFrame, *, n_train: int, watched: str, n_watched: int, kept: int
) -> Figure:
    """Loss and AUROC by epoch.

    Parameters
    ----------
    history : DataFrame
        Columns ``epoch``, ``train_loss``, ``validation_loss`` and ``validation_auroc``; NaN where
        an epoch has no value.
    n_train, n_watched : int
        Patients or images, for the title.
    watched : str
        What the rows are that were not learnt from.
    kept : int
        The epoch whose weights were kept; it is marked.
    """
    figure = Figure(figsize=(6.4, 5.2), layout="constrained", dpi=DPI)
    figure.suptitle(f"Training: n = {n_train}; {watched}: n = {n_watched}", fontsize=11)
    loss, area = figure.subplots(2, 1, sharex=True)
    lines = (("train", "train", BLUE, "o"), ("validation", watched, ORANGE, "s"))
    for name, label, colour, mark in lines:
        values = history.set_index("epoch")[f"{name}_loss"].dropna()
        loss.plot(
            values.index, values.to_numpy(), color=colour, marker=mark, markersize=4, label=label
        )
    measured = history.set_index("epoch")["validation_auroc"].dropna()
    area.plot(measured.index, measured.to_numpy(), color=ORANGE, marker="s", markersize=4)
    area.axhline(0.5, color=GREY, linestyle=":", linewidth=1)
    area.text(history["epoch"].iloc[0], 0.5, "chance", color=GREY, fontsize=8, va="bottom")
    for axes in (loss, area):
        axes.axvline(kept, color=GREEN, linewidth=1, linestyle="--")
    loss.plot([], [], color=GREEN, linestyle="--", label=f"weights kept (epoch {kept})")
    loss.set_ylabel("loss")
    loss.legend(fontsize=8)
    area.set_ylabel(f"AUROC, {watched.split(',')[0]}")
    area.set_xlabel("epoch")
    area.set_ylim(min([*measured, 0.4]), 1.02)
    area.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def learning_figure(
    groups: Sequence[int], baseline: Sequence[Estimate], network: Estimate, rows: str
) -> Figure:
    """AUROC of a plain baseline by number of training groups, beside the network's.

    Parameters
    ----------
    groups : sequence of int
        That the baseline was fitted on.
    baseline : sequence of Estimate
        Its AUROC.
    network : Estimate
        The network's, on the same rows; trained on as many groups as the last of `groups`.
    rows : str
        Which rows those are.
    """
    figure = Figure(figsize=(6.4, 3.6), layout="constrained", dpi=DPI)
    axes = figure.subplots()
    beside: Sequence[float] = [groups[-1] * 1.02]  # not on the baseline's bar
    lines: Sequence[tuple[Sequence[float], Sequence[Estimate], str, str, str]] = (
        (groups, baseline, GREY, "o-", "logistic regression, frozen features"),
        (beside, [network], BLUE, "s", "network"),
    )
    for places, ones, colour, mark, label in lines:
        values = np.array([one.value for one in ones])
        bounds = np.array([[one.value - one.low, one.high - one.value] for one in ones]).T
        axes.errorbar(places, values, bounds, fmt=mark, color=colour, capsize=3, label=label)
    axes.axhline(0.5, color=GREY, linestyle=":", linewidth=1)
    axes.set_xlabel("training groups (patients, sources)")
    axes.set_ylabel("AUROC")
    axes.set_title(f"Scored on {rows}; bars are 95 % intervals", fontsize=9)
    axes.set_xlim(0, groups[-1] * 1.08)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right", fontsize=8)
    return figure

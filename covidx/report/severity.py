"""The page of a model of radiograph scores: errors beside the control, choices, the scatter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from covidx.evaluate import Estimate
from covidx.report.canvas import BLUE, DPI, GREY, save_all
from covidx.report.html import render_page

__all__ = ["SeverityPage", "score_figure", "write_severity_report"]

NAMES = {
    "mae": "Mean absolute error",
    "mae_control": "The same of the control: the training median for everybody",
    "mae_minus_control": "Error less that of the control",
    "bias": "Found less readers' score",
    "r2": "R2",
    "spearman": "Spearman's correlation",
    "kappa": "Quadratic weighted kappa, whole points",
    "interval_coverage": "Share of films whose interval holds the readers' score",
    "mae_lungs_alone": "Mean absolute error, were the lungs' box the only view",
    "mae_film_alone": "Mean absolute error, were the whole film the only view",
}


@dataclass(frozen=True, eq=False)
class SeverityPage:
    """What the page shows; metrics are by score, then by name."""

    title: str
    warnings: Sequence[str]
    metrics: Mapping[str, Mapping[str, Estimate]]
    choices: Sequence[tuple[str, str, str, int]]
    facts: Sequence[tuple[str, str]]
    coverage: float


def score_figure(name: str, truth: NDArray[np.float64], found: NDArray[np.float64]) -> Figure:
    """Found against the readers' score, films of patients left out."""
    figure = Figure(figsize=(4.6, 4.4), layout="constrained", dpi=DPI)
    axes = figure.add_subplot()
    high = float(max(truth.max(), found.max(), 1.0))
    axes.plot([0, high], [0, high], color=GREY, linewidth=1, linestyle=":")
    axes.plot(truth, found, "o", color=BLUE, alpha=0.6, markersize=5)
    axes.set_xlabel("readers' score")
    axes.set_ylabel("found, the patient left out")
    axes.set_title(f"{name}, n = {len(truth)} films", fontsize=10)
    axes.set_aspect("equal")
    axes.grid(alpha=0.25)
    return figure


def write_severity_report(
    folder: Path,
    page: SeverityPage,
    scores: NDArray[np.float64],
    found: NDArray[np.float64],
    limits: NDArray[np.float64],
) -> None:
    """Write ``report.html`` and its figures.

    Parameters
    ----------
    folder : Path
    page : SeverityPage
    scores, found : ndarray
        (films, scores): the readers', and those of patients left out.
    limits : ndarray
        (scores,): the highest of each.
    """
    drawn = {
        f"{name}.png": (
            f"Found {name} against the readers', films of patients left out",
            score_figure(name, scores[:, place], found[:, place]),
        )
        for place, name in enumerate(page.metrics)
    }
    figures = save_all(drawn, folder / "figures")
    highest = dict(zip(page.metrics, limits.tolist(), strict=True))
    render_page(
        "severity.html",
        folder / "report.html",
        page=page,
        names=NAMES,
        figures=figures,
        highest=highest,
    )

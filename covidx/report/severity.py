"""The page of a model of radiograph scores: errors beside the control, choices, the scatter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from covidx.evaluate import Estimate
from covidx.report import page as parts
from covidx.report.canvas import BLUE, GREY, save_all, single_figure
from covidx.report.page import Page, Section
from covidx.report.viewer import CaseRow
from covidx.report.viewer.worklist import SCRIPT, worklist, write_list

NAMES = {
    "mae": "Mean absolute error",
    "mae_control": "The same of the control: the training median for everybody",
    "mae_minus_control": "Error less that of the control",
    "bias": "Predicted less readers' score",
    "r2": "R2",
    "spearman": "Spearman's correlation",
    "kappa": "Quadratic weighted kappa, scores rounded to whole points",
    "interval_coverage": "Share of radiographs whose interval holds the readers' score",
    "mae_lungs_alone": "Mean absolute error, were the lungs' box the only view",
    "mae_film_alone": "Mean absolute error, were the whole radiograph the only view",
}


@dataclass(frozen=True, eq=False)
class SeverityPage:
    """What the page shows.

    Parameters
    ----------
    title : str
        Its heading.
    warnings : sequence of str
        Shown above all else.
    metrics : mapping
        Score -> name of the metric -> estimate.
    choices : sequence of (score, view, model, count)
        How many rounds chose this view and model.
    facts : sequence of (name, value)
        What was done.
    coverage : float
        Share of radiographs whose interval should hold the readers' score, 0 to 1.
    cases : sequence of CaseRow
        The radiographs, in any order.
    run : str
        Which run it is.
    """

    title: str
    warnings: Sequence[str]
    metrics: Mapping[str, Mapping[str, Estimate]]
    choices: Sequence[tuple[str, str, str, int]]
    facts: Sequence[tuple[str, str]]
    coverage: float
    cases: Sequence[CaseRow]
    run: str


def score_figure(name: str, truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> Figure:
    """Predicted against the readers' score, radiographs of patients left out.

    Parameters
    ----------
    name : str
        Of the score.
    truth, predicted : ndarray of float, shape (radiographs,)
        The readers' scores, and those of the model that had not seen the patient.
    """
    figure, axes = single_figure((4.6, 4.4), f"{name}, n = {len(truth)} radiographs", "both")
    high = float(max(truth.max(), predicted.max(), 1.0))
    axes.plot([0, high], [0, high], color=GREY, linewidth=1, linestyle=":")
    axes.plot(truth, predicted, "o", color=BLUE, alpha=0.6, markersize=5)
    axes.set_xlabel("readers' score")
    axes.set_ylabel("predicted, the patient left out")
    axes.set_aspect("equal")
    return figure


def write_severity_report(
    folder: Path,
    page: SeverityPage,
    scores: NDArray[np.float64],
    predicted: NDArray[np.float64],
    limits: NDArray[np.float64],
) -> None:
    """Write ``report.html`` and its figures.

    Parameters
    ----------
    folder : Path
        Of the run.
    page : SeverityPage
        What the page shows.
    scores, predicted : ndarray of float, shape (radiographs, scores)
        The readers', and those of the model that had not seen the patient.
    limits : ndarray of float, shape (scores,)
        The highest value of each score.
    """
    drawn = {
        f"{name}.png": (
            f"Predicted {name} against the readers', radiographs of patients left out",
            score_figure(name, scores[:, place], predicted[:, place]),
        )
        for place, name in enumerate(page.metrics)
    }
    procedure = Section(
        note="Each patient was left out in turn: view, model and control come from the others "
        "alone, chosen on inner folds of theirs. Intervals are of a jackknife over patients."
    )
    tables = [
        parts.estimates(
            [((_metric_name(name, page.coverage),), one) for name, one in metrics.items()],
            heading=f"{score.capitalize()}, 0 to {limit:g}",
        )
        for (score, metrics), limit in zip(page.metrics.items(), limits.tolist(), strict=True)
    ]
    choices = parts.table(
        "What inner folds chose",
        ("Score", "View", "Model", "Rounds"),
        page.choices,
        numeric=("Rounds",),
    )
    figures = parts.figures(save_all(drawn, folder / "figures"))
    listed = worklist(page.cases, "Radiographs", page.run, agreement="1 less the largest error")
    sections = [procedure, *tables, figures, listed, choices, parts.facts(page.facts)]
    write_list(page.cases, folder)
    Page(page.title, sections, page.warnings, script=SCRIPT).write(folder / "report.html")


def _metric_name(name: str, coverage: float) -> str:
    words = NAMES.get(name, name)
    return f"{words}, {coverage:.0%} wanted" if name == "interval_coverage" else words

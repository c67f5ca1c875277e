"""The report of an image classifier, and the pictures of its cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from covidx.evaluate import Metrics
from covidx.evaluate.prevalence import PredictiveValues
from covidx.report import page as parts
from covidx.report.glance import glance
from covidx.report.page import Page, View
from covidx.report.viewer.worklist import SCRIPT, CaseRow, worklist, write_list
from covidx.report.words import SIMULATED

if TYPE_CHECKING:
    from covidx.report.slices import SliceView


def slice_pictures(views: Sequence[SliceView], noun: str) -> list[View]:
    """Drawn slices with what belongs beside them, for a case page.

    Parameters
    ----------
    views : sequence of SliceView
        In the order in which they are shown.
    noun : str
        What one is called: ``slice`` or ``image``.
    """
    return [_view(view, noun) for view in views]


def _view(view: SliceView, noun: str) -> View:
    text = f"Exam of the map: {view.verdict}. {view.reason}"
    if view.heat_in_truth is not None:
        text += f" {100 * view.heat_in_truth:.0f} % of the heat lies on true lesion."
    return View(
        view.picture,
        f"{view.title.capitalize()}: score of this {noun} alone {view.score:.3f}",
        text,
        warning=view.verdict == "failed",
        alt=f"{view.title}, plain and with heatmap",
    )


def write_report(
    path: Path,
    title: str,
    facts: Sequence[tuple[str, str]],
    metrics: Metrics,
    cases: Sequence[CaseRow],
    *,
    figures: Sequence[tuple[str, str]],
    warnings: Sequence[str],
    predictive: Sequence[PredictiveValues] = (),
    run: str = "",
) -> None:
    """Write ``report.html``: what a reader looks for first, the cases, the metrics, the figures.

    Parameters
    ----------
    path : Path
        Of the page.
    title : str
        Its heading.
    facts : sequence of (name, value)
        What was done.
    metrics : Metrics
        Of the test rows.
    cases : sequence of CaseRow
        In any order.
    figures : sequence of (file name below ``figures/``, what it shows)
        For a reader who cannot see them.
    warnings : sequence of str
        Shown beside the first figures; that patients are simulated stands above all.
    predictive : sequence of PredictiveValues
        At the prevalences that the first screen shows.
    run : str
        Which run it is: readers' answers are kept by it.
    """
    level = metrics.level
    note = (
        f"The model never saw these {level}s. Each figure stands beside its 95 % interval and the "
        f"number of {level}s behind it."
    )
    sections = [
        *([worklist(cases, f"Test {level}s", run)] if cases else []),
        parts.results(metrics, f"Results on the test {level}s", note, classes=True),
        parts.figures(figures),
        parts.facts(facts),
    ]
    bands = [line for line in warnings if line == SIMULATED]
    others = [line for line in warnings if line != SIMULATED]
    first = glance(metrics, cases, predictive, path.parent)
    write_list(cases, path.parent)
    Page(title, sections, others, glance=first, bands=bands, script=SCRIPT).write(path)

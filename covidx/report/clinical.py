"""The page of a clinical model: results, models side by side, importance of columns, drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from covidx.clinical import Week
from covidx.evaluate import Estimate, Metrics
from covidx.report import page as parts
from covidx.report.canvas import BLUE, DPI, GREEN, GREY, ORANGE
from covidx.report.forest import forest_figure
from covidx.report.page import Page, Section

WEEK = "this week's rows"
WITHOUT = "validation rows, the same columns lost"
STATES = {"stable": "#FFFFFF", "changed": ORANGE, "lost": GREY, "returned": "#56B4E9"}


@dataclass(frozen=True)
class ModelLine:
    """One recipe on the test rows, beside the one that was chosen.

    Parameters
    ----------
    name : str
        Of the recipe.
    what : str
        What it is, in words.
    inner_auroc : float
        On inner folds of the training rows.
    auroc : Estimate
        On the test rows.
    difference : Estimate or None
        AUROC of P2 less its own; None of P2 itself.
    n : int
        Test rows.
    """

    name: str
    what: str
    inner_auroc: float
    auroc: Estimate
    difference: Estimate | None
    n: int


@dataclass(frozen=True, eq=False)
class ClinicalPage:
    """What the page shows.

    Parameters
    ----------
    title : str
        Its heading.
    warnings : sequence of str
        Shown above all else.
    models : sequence of ModelLine
        P2 first.
    importance, odds : mapping of str to Estimate
        Column -> loss of AUROC when shuffled, odds ratio.
    weeks : sequence of Week
        Drift by week; empty without dates.
    figures : sequence of (file name below ``figures/``, what it shows)
        For a reader who cannot see them.
    facts : sequence of (name, value)
        What was done.
    nested : mapping of str to Estimate
        Procedure -> AUROC by nested cross-validation; empty where there was none.
    nested_folds : int
        Its outer folds.
    """

    title: str
    warnings: Sequence[str]
    models: Sequence[ModelLine]
    importance: Mapping[str, Estimate]
    odds: Mapping[str, Estimate]
    weeks: Sequence[Week]
    figures: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, str]]
    nested: Mapping[str, Estimate] = field(default_factory=dict)
    nested_folds: int = 0


def importance_figure(losses: Mapping[str, Estimate]) -> Figure:
    """Loss of AUROC by shuffled column, with intervals.

    Parameters
    ----------
    losses : mapping of str to Estimate
        Column -> loss on the test rows; the first is drawn at the top.
    """
    n = next(iter(losses.values())).n
    figure, axes = forest_figure(
        list(losses.items()), f"Permutation importance, n = {n} test patients"
    )
    axes.axvline(0, color=GREY, linewidth=1, linestyle=":")
    axes.set_xlabel("loss of AUROC when shuffled, 95 % interval")
    return figure


def dependence_figure(curves: Mapping[str, pd.DataFrame], units: Mapping[str, str]) -> Figure:
    """Mean score by value of some columns; a dashed line where the value is unknown.

    Parameters
    ----------
    curves : mapping of str to DataFrame
        Column -> value and score, as `partial_dependence`.
    units : mapping of str to str
        Column -> what follows its name on the axis.
    """
    count = len(curves)
    figure = Figure(figsize=(3.1 * count + 0.4, 3.2), layout="constrained", dpi=DPI)
    shared = None
    for place, (name, curve) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(1, count, place, sharey=shared)
        shared = shared or axes
        known = curve.dropna(subset="value")
        # The values of a category have no order: points without a line.
        line = "-" if pd.api.types.is_numeric_dtype(known["value"]) else "none"
        axes.plot(
            known["value"], known["score"], color=BLUE, marker="o", markersize=3, linestyle=line
        )
        unknown = curve.loc[curve["value"].isna(), "score"]
        if len(unknown):
            axes.axhline(
                float(unknown.iloc[0]), color=GREY, linestyle="--", linewidth=1, label="unknown"
            )
            axes.legend(fontsize=7)
        axes.set_xlabel(f"{name}{units.get(name, '')}", fontsize=8)
        axes.grid(alpha=0.25)
    figure.supylabel("mean score", fontsize=9)
    figure.suptitle("Partial dependence on test rows", fontsize=10)
    return figure


def drift_figure(weeks: Sequence[Week]) -> Figure:
    """AUROC by week, and below it which columns were lost and which changed.

    Parameters
    ----------
    weeks : sequence of Week
        In order of time, at least one.
    """
    names = [column.name for column in weeks[0].columns]
    height = 3.4 + 0.3 * len(names)
    figure = Figure(figsize=(2.2 + 1.1 * max(len(weeks), 3), height), layout="constrained", dpi=DPI)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 0.3 * len(names) + 0.2))
    at = range(len(weeks))
    for place, week in zip(at, weeks, strict=True):
        if week.auroc.reason is None:
            above.plot([place, place], [week.auroc.low, week.auroc.high], color=BLUE)
            above.plot(place, week.auroc.value, "o", color=BLUE, label=_once(place, WEEK))
        if week.without.reason is None:
            at_place = (place - 0.35, place + 0.35)
            above.fill_between(
                at_place, week.without.low, week.without.high, color=GREEN, alpha=0.3, lw=0
            )
            value = week.without.value
            above.plot(at_place, (value, value), color=GREEN, label=_once(place, WITHOUT))
    above.axhline(0.5, color=GREY, linestyle=":", linewidth=1)
    above.set_ylabel("AUROC")
    above.legend(fontsize=7, loc="lower left")
    above.set_title("By week, against the training rows", fontsize=10)
    for row, name in enumerate(names):
        for place, week in zip(at, weeks, strict=True):
            column = next(column for column in week.columns if column.name == name)
            colour, alpha = STATES[column.state], 0.25 if column.state == "changed" else 0.6
            below.axhspan(row - 0.5, row + 0.5, color="white", zorder=0)
            below.fill_between(
                [place - 0.5, place + 0.5], row - 0.5, row + 0.5, color=colour, alpha=alpha
            )
            lost = column.state == "lost"
            text = f"{column.missing:.0%} missing" if lost else f"{column.psi:.2f}"
            below.text(place, row, text, ha="center", va="center", fontsize=7)
    below.set_yticks(range(len(names)), names, fontsize=8)
    below.set_ylim(len(names) - 0.5, -0.5)
    below.set_xticks(at, [f"{week.start}\nn = {week.n}" for week in weeks], fontsize=7)
    below.set_xlabel("PSI of known values; orange: changed, grey: column lost, blue: returned")
    return figure


def _once(place: int, label: str) -> str | None:
    """A label for the first of several."""
    return label if place == 0 else None


def write_clinical_report(path: Path, page: ClinicalPage, metrics: Metrics) -> None:
    """Write ``report.html`` of a clinical run.

    Parameters
    ----------
    path : Path
        Of the page.
    page : ClinicalPage
        What it shows.
    metrics : Metrics
        P2's on the test rows.
    """
    note = f"The model never saw these {metrics.level}s."
    values = {
        "page": page,
        "level": metrics.level,
        "positive": metrics.positive,
        "by_name": lambda estimates: [((name,), one) for name, one in estimates.items()],
    }
    sections = [
        parts.results(metrics, f"Results on the test {metrics.level}s", note),
        Section(template="clinical.html", values=values),
        parts.facts(page.facts),
    ]
    Page(page.title, sections, page.warnings).write(path)

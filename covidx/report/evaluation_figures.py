"""Figures of a table's evaluation: prevalence, abstention, decision curve, strata, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from covidx.evaluate import Comparison, Estimate, Evaluation, Rows, reliability
from covidx.evaluate.abstention import Selective
from covidx.evaluate.decision_curve import NetBenefit
from covidx.evaluate.prevalence import PredictiveValues
from covidx.evaluate.subgroups import Variable
from covidx.report.canvas import BLUE, DPI, GREEN, GREY, ORANGE, single_figure
from covidx.report.forest import Line, forest_figure

WIDE = (6.4, 4.8)
"""Inches."""
ARM_LINES = ((BLUE, "o"), (GREEN, "s"), ("#CC79A7", "^"), ("#56B4E9", "D"))
"""Colour and mark of each arm's curve."""


def predictive_figure(values: Sequence[PredictiveValues], evaluation: Evaluation) -> Figure:
    """PPV and NPV of `values` against prevalence, with intervals; `evaluation` names the rows."""
    metrics = evaluation.metrics
    figure, axes = single_figure(
        WIDE,
        f"What a result means where {metrics.positive} is rarer or more frequent\n"
        f"{population(evaluation)}\nsensitivity and specificity held fixed",
        "both",
    )
    x = [value.prevalence for value in values]
    for line, name, colour, mark in (
        ([value.ppv for value in values], "PPV: ill, if predicted positive", ORANGE, "o"),
        ([value.npv for value in values], "NPV: not ill, if predicted negative", BLUE, "s"),
    ):
        _line(axes, x, line, name, colour, mark)
    here = metrics.prevalence
    axes.axvline(here, color=GREY, linestyle="--", label=f"these patients ({here:.0%})")
    axes.set_xscale("log")
    axes.set_xticks(x, [f"{p:.0%}" if p >= 0.01 else f"{p:.1%}" for p in x])
    axes.minorticks_off()
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(f"share of patients who have {metrics.positive} (prevalence)")
    axes.set_ylabel("share of such results that are right")
    axes.legend(fontsize=8, loc="lower right")
    return figure


def risk_coverage_figure(
    curve: Sequence[Selective], evaluation: Evaluation, marked: Selective
) -> Figure:
    """Share of wrong decisions against the share decided; the marked band as a dot.

    Parameters
    ----------
    curve : sequence of Selective
        Risk at each coverage.
    evaluation : Evaluation
        Names the rows.
    marked : Selective
        The point that is marked.
    """
    figure, axes = single_figure(
        WIDE,
        "If the least sure cases are handed to a person\n"
        f"{population(evaluation)}\nbands chosen on validation rows",
        "both",
    )
    shown = [point for point in curve if not np.isnan(point.risk.value)]
    shown = sorted(shown, key=lambda point: point.coverage.value)
    x = [point.coverage.value for point in shown]
    _line(axes, x, [point.risk for point in shown], "wrong among those decided", BLUE, ".")
    if not np.isnan(marked.risk.value):
        axes.plot(
            marked.coverage.value,
            marked.risk.value,
            "o",
            color=ORANGE,
            markersize=9,
            zorder=4,
            label=f"scores {marked.band.low:.3f} to {marked.band.high:.3f} not decided:\n"
            f"{marked.coverage.value:.0%} decided, {marked.risk.value:.1%} of these wrong",
        )
    axes.set_xlim(1.02, 0)
    axes.set_ylim(bottom=-0.01)
    axes.set_xlabel("share of cases that are decided (coverage; fewer to the right)")
    axes.set_ylabel("share of wrong decisions (selective risk)")
    axes.legend(fontsize=8)
    return figure


def decision_curve_figure(
    curves: Mapping[str, Sequence[NetBenefit]], positive: str, shown: str
) -> Figure:
    """Net benefit of acting on each score, on everybody and on nobody.

    Parameters
    ----------
    curves : mapping
        Name -> its curve; the interval is drawn where there is one curve alone.
    positive : str
        The positive class.
    shown : str
        Whom the figure shows, as `population`.
    """
    figure, axes = single_figure(
        WIDE, f"Decision curve: acting on the score for {positive}\n{shown}", "both"
    )
    first = next(iter(curves.values()))
    x = [benefit.threshold for benefit in first]
    for (name, curve), (colour, mark) in zip(curves.items(), cycle(ARM_LINES)):
        if len(curves) == 1:
            _line(axes, x, [benefit.model for benefit in curve], f"act on {name}", colour, mark)
            continue
        # Bands over each other hide the lines; the page has the intervals in a table.
        y = [benefit.model.value for benefit in curve]
        axes.plot(x, y, color=colour, marker=mark, markersize=4, label=f"act on {name}")
    every = [benefit.treat_all.value for benefit in first]
    axes.plot(x, every, color=ORANGE, linewidth=1.5, linestyle="--", label="act on everybody")
    axes.axhline(0, color="black", linewidth=1.2, label="act on nobody")
    top = max(0.05, first[0].treat_all.value * 1.2)
    axes.set_ylim(-0.35 * top, top)
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability of disease from which you would act (threshold probability)")
    axes.set_ylabel("net benefit: ill patients found per patient,\nless the harm of false alarms")
    axes.legend(fontsize=8)
    return figure


def recalibration_figure(evaluation: Evaluation) -> Figure:
    """Reliability before and after the recalibration of `evaluation`, side by side."""
    done = evaluation.recalibrated
    if done is None:
        raise ValueError("Nothing was recalibrated.")
    figure = Figure(figsize=(9.6, 5.2), layout="constrained", dpi=DPI)
    figure.suptitle(
        f"Recalibration ({done.method}), fitted on {done.origin}\n"
        f"shown on {population(evaluation)}",
        fontsize=10,
    )
    panels = (
        ("before", evaluation.study.rows, done.before),
        ("after", done.rows, done.after),
    )
    for place, (name, rows, metrics) in enumerate(panels, 1):
        axes = figure.add_subplot(1, 2, place)
        values = "\n".join(
            f"{label} {metrics[key]}"
            for label, key in (
                ("Brier", "brier"),
                ("ECE", "ece"),
                ("slope", "calibration_slope"),
            )
        )
        axes.set_title(f"{name}\n{values}", fontsize=9)
        _reliability(axes, rows, evaluation)
    return figure


def subgroup_figure(variables: Sequence[Variable], evaluation: Evaluation) -> Figure:
    """AUROC of each stratum of `variables` with its interval; `evaluation` names the rows."""
    lines: list[Line] = [("all", evaluation.metrics["auroc"])]
    for variable in variables:
        if all(stratum.held_back for stratum in variable.strata):
            continue
        lines.append((variable.name + (" (nearly the label!)" if variable.warning else ""), None))
        for stratum in variable.strata:
            if not stratum.held_back:
                name = f"   {_short(stratum.name)} ({stratum.positives}/{stratum.n})"
                lines.append((name, stratum.estimates["auroc"]))
    metrics = evaluation.metrics
    title = f"AUROC by subgroup ({metrics.positive}/all in brackets)\n{population(evaluation)}"
    figure, axes = forest_figure(lines, title, least=0.5)
    axes.axvline(metrics["auroc"].value, color=GREY, linewidth=1)
    axes.axvline(0.5, color=GREY, linewidth=1, linestyle=":")
    lows = [estimate.low for _, estimate in lines if estimate is not None and estimate.low > 0]
    axes.set_xlim(min(0.4, *lows, 0.4), 1.01)
    axes.set_xlabel("AUROC with its 95 % interval (0.5 is guessing; grey line: all)")
    return figure


def difference_figure(comparisons: Sequence[Comparison], title: str) -> Figure:
    """Differences of every pair in `comparisons` with intervals, below `title`; 0 is none."""
    lines: list[Line] = []
    for pair in comparisons:
        lines.append((f"{_short(pair.first)} minus {_short(pair.second)}", None))
        lines += [(f"   {name.replace('_', ' ')}", e) for name, e in pair.differences.items()]
    figure, axes = forest_figure(lines, title, reversed_names=("brier",))
    axes.axvline(0, color="black", linewidth=1)
    axes.set_xlabel(
        "difference with its 95 % interval (right of 0: the first is higher; low Brier is good)",
        fontsize=8,
    )
    return figure


def _reliability(axes: Axes, rows: Rows, evaluation: Evaluation) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    drawing = evaluation.options
    bins = reliability(
        rows.scores, rows.truth, rows.clusters, seed=drawing.seed, resamples=drawing.resamples
    )
    _line(axes, [b.mean_score for b in bins], [b.observed for b in bins], "", BLUE, "o")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.03, 1.03)
    axes.set_aspect("equal")
    axes.grid(alpha=0.25)
    axes.set_xlabel("mean score of the bin")
    axes.set_ylabel(f"observed share of {rows.positive}")


def _line(
    axes: Axes,
    x: Sequence[float],
    values: Sequence[Estimate],
    name: str,
    colour: str,
    mark: str,
) -> None:
    """A line through the values, with their intervals as a band."""
    shown = [(a, b) for a, b in zip(x, values, strict=True) if not np.isnan(b.value)]
    places = [a for a, _ in shown]
    label = f"{name}, with 95 % interval" if name else None
    axes.plot(
        places, [o.value for _, o in shown], color=colour, marker=mark, markersize=4, label=label
    )
    low, high = ([getattr(o, side) for _, o in shown] for side in ("low", "high"))
    axes.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)


def _short(name: str, most: int = 24) -> str:
    """A name that leaves room for the figure; its end tells systems apart."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def population(evaluation: Evaluation) -> str:
    """Whom a figure of `evaluation` shows: role, count and classes of the rows."""
    metrics = evaluation.metrics
    positives = int(metrics.confusion[metrics.classes.index(metrics.positive)].sum())
    return (
        f"test rows, n = {metrics.n} {metrics.level}s "
        f"({positives} {metrics.positive}, {metrics.n - positives} rest)"
    )

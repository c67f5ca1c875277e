"""The page on a predictions table: what was found, in words that a radiologist reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from covidx.evaluate import Estimate, Evaluation
from covidx.evaluate.abstention import Selective
from covidx.evaluate.decision_curve import NetBenefit
from covidx.evaluate.subgroups import NEARLY_THE_LABEL, RULE
from covidx.report.canvas import save_all
from covidx.report.evaluation_figures import (
    decision_curve_figure,
    predictive_figure,
    recalibration_figure,
    risk_coverage_figure,
    subgroup_figure,
    who,
)
from covidx.report.figures import confusion_figure, reliability_figure, roc_figure, score_figure
from covidx.report.html import render_metrics
from covidx.report.incremental import LIMITS, arms_curve_figure, arms_figure
from covidx.report.words import HEADLINE

__all__ = ["draw_evaluation", "marked_band", "metrics_csv", "metrics_json", "write_evaluation"]

FURTHER = ("lr_positive", "lr_negative", "balanced_accuracy", "average_precision")
"""Shown at once after the headline; the rest is folded away."""
MISSING = 0
"""Rows without score or label behind a figure: such tables are refused."""


def metrics_json(found: Evaluation) -> dict[str, dict[str, Any]]:
    """Name -> estimate with the prevalence of its class and the missing rows beside it."""
    metrics = found.metrics
    record = {}
    for name, estimate in metrics.estimates.items():
        share = metrics.share_of(_class_of(name, metrics.classes, metrics.positive))
        record[name] = {**estimate.to_json(), "prevalence": share, "missing": MISSING}
        if name.endswith(("_macro", "_multiclass", "_argmax")):
            record[name]["prevalence"] = None
    return record


def metrics_csv(found: Evaluation) -> pd.DataFrame:
    """The same, one row a metric."""
    rows = [{"metric": name, **entry} for name, entry in metrics_json(found).items()]
    return pd.DataFrame(rows)


def _class_of(name: str, classes: Sequence[str], positive: str) -> str:
    """The class that a metric's name ends with, the longest first; the positive one else."""
    for one in sorted(classes, key=len, reverse=True):
        if name.endswith(f"_{one}"):
            return one
    return positive


def draw_evaluation(found: Evaluation, folder: Path, withheld: float) -> dict[str, str]:
    """Draw what was found; returns file name -> text for who cannot see it.

    A figure of an earlier call that is not drawn now is removed.
    """
    rows, metrics = found.study.rows, found.metrics
    drawing = {"seed": found.asked.seed, "resamples": found.asked.resamples}
    figures = {
        "roc.png": ("ROC curve", roc_figure(rows, metrics, found.readers)),
        "scores.png": ("Scores by true class", score_figure(rows, metrics)),
        "confusion.png": ("Confusion matrix", confusion_figure(metrics)),
        "reliability.png": ("Reliability plot", reliability_figure(rows, metrics, **drawing)),
        "decision_curve.png": (
            "Decision curve",
            decision_curve_figure({"the score": found.net_benefit}, metrics.positive, who(found)),
        ),
    }
    if found.predictive:
        figure = predictive_figure(found.predictive, found)
        figures["predictive_values.png"] = ("Predictive values by prevalence", figure)
    marked = marked_band(found.selective, withheld)
    if marked is not None:
        figure = risk_coverage_figure(found.selective, found, marked)
        figures["risk_coverage.png"] = ("Risk by coverage", figure)
    if found.recalibrated is not None:
        text = "Reliability before and after recalibration"
        figures["recalibration.png"] = (text, recalibration_figure(found))
    if found.variables:
        figures["subgroups.png"] = ("AUROC by subgroup", subgroup_figure(found.variables, found))
    if found.incremental is not None:
        figures["arms.png"] = ("AUROC of every arm", arms_figure(found.incremental, rows))
        if found.incremental.net_benefit:
            figure = arms_curve_figure(found.incremental, rows)
            figures["arms_decision_curve.png"] = ("Decision curves of all arms", figure)
    for name in FIGURES - set(figures):
        (folder / name).unlink(missing_ok=True)
    return dict(save_all(figures, folder))


FIGURES = {
    "predictive_values.png",
    "risk_coverage.png",
    "recalibration.png",
    "subgroups.png",
    "arms.png",
    "arms_decision_curve.png",
}
"""Figures that an evaluation may lack."""


def write_evaluation(
    path: Path, found: Evaluation, figures: dict[str, str], withheld: float
) -> None:
    """Write ``evaluation.html``."""
    metrics = found.metrics
    counts = {
        name: int(row.sum()) for name, row in zip(metrics.classes, metrics.confusion, strict=True)
    }
    render_metrics(
        "evaluation.html",
        path,
        metrics,
        (*HEADLINE, *FURTHER),
        title=f"{found.study.arm}: {metrics.positive} against the rest",
        n=metrics.n,
        groups=metrics.n_groups,
        counts=counts,
        prevalence=metrics.prevalence,
        found=found,
        figures=figures,
        marked=marked_band(found.selective, withheld),
        helpful=_helpful(found.net_benefit),
        limits=LIMITS,
        rule=RULE,
        cut=NEARLY_THE_LABEL,
        words=in_words,
    )


def in_words(one: Estimate | None, digits: int = 2) -> str:
    """An estimate in a table's cell.

    >>> in_words(Estimate(0.5, 0.25, 0.75, 8, "a method"))
    '0.50 (0.25 to 0.75)'
    """
    if one is None or one.value != one.value:
        return "–" if one is None or one.reason is None else f"– ({one.reason})"
    if one.low != one.low:
        return f"{one.value:.{digits}f} (no interval)"
    return f"{one.value:.{digits}f} ({one.low:.{digits}f} to {one.high:.{digits}f})"


def marked_band(found: Sequence[Selective], withheld: float) -> Selective | None:
    """The band of the curve that is nearest to what was asked for; None without a curve."""
    return min(found, key=lambda one: abs(one.band.withheld - withheld)) if found else None


def _helpful(found: Sequence[NetBenefit]) -> str:
    """Threshold probabilities at which the score is surely better than treating all, or none."""
    runs: list[list[float]] = []
    open_run = False
    for one in found:
        helps = one.gain.low > 0 and one.model.low > 0
        if helps and open_run:
            runs[-1].append(one.threshold)
        elif helps:
            runs.append([one.threshold])
        open_run = helps
    return ", ".join(
        f"{run[0]:.0%}" if len(run) == 1 else f"{run[0]:.0%} to {run[-1]:.0%}" for run in runs
    )

"""The page on a predictions table, in words that a radiologist reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from covidx.evaluate import Estimate, Evaluation
from covidx.evaluate.abstention import Selective
from covidx.evaluate.decision_curve import NetBenefit
from covidx.evaluate.subgroups import NEARLY_THE_LABEL, RULE
from covidx.report import page as parts
from covidx.report.canvas import save_all
from covidx.report.evaluation_figures import (
    decision_curve_figure,
    population,
    predictive_figure,
    recalibration_figure,
    risk_coverage_figure,
    subgroup_figure,
)
from covidx.report.figures import confusion_figure, reliability_figure, roc_figure, score_figure
from covidx.report.incremental import LIMITS, arms_curve_figure, arms_figure
from covidx.report.page import Page, Section, metric_rows
from covidx.report.words import HEADLINE, metric_name, threshold_text

FURTHER = ("lr_positive", "lr_negative", "balanced_accuracy", "average_precision")
"""Shown at once after the headline; the rest is folded away."""
MISSING = 0
"""Rows without score or label behind a figure: such tables are refused."""


def metrics_json(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Every metric's estimate with the prevalence of its class and the number of missing rows.

    Parameters
    ----------
    evaluation : Evaluation
        With the metrics by their keys.
    """
    metrics = evaluation.metrics
    record = {}
    for name, estimate in metrics.estimates.items():
        share = metrics.share_of(_class_of(name, metrics.classes, metrics.positive))
        record[name] = {**estimate.to_json(), "prevalence": share, "missing": MISSING}
        if name.endswith(("_macro", "_multiclass", "_argmax")):
            record[name]["prevalence"] = None
    return record


def metrics_csv(evaluation: Evaluation) -> pd.DataFrame:
    """The metrics of `evaluation` as `metrics_json` has them, one row a metric."""
    rows = [{"metric": name, **entry} for name, entry in metrics_json(evaluation).items()]
    return pd.DataFrame(rows)


def _class_of(name: str, classes: Sequence[str], positive: str) -> str:
    """The class that a metric's name ends with, the longest first; the positive one else."""
    for label in sorted(classes, key=len, reverse=True):
        if name.endswith(f"_{label}"):
            return label
    return positive


def draw_evaluation(evaluation: Evaluation, folder: Path, withheld: float) -> dict[str, str]:
    """Draw the figures; one of an earlier call that is not drawn now is removed.

    Parameters
    ----------
    evaluation : Evaluation
        What is drawn.
    folder : Path
        Of the figures.
    withheld : float
        Share of cases that should be left undecided, 0 to 1.

    Returns
    -------
    dict of str to str
        File name -> what the figure shows, for a reader who cannot see it.
    """
    rows, metrics = evaluation.study.rows, evaluation.metrics
    drawing = {"seed": evaluation.options.seed, "resamples": evaluation.options.resamples}
    figures = {
        "roc.png": ("ROC curve", roc_figure(rows, metrics, evaluation.readers)),
        "scores.png": ("Scores by true class", score_figure(rows, metrics)),
        "confusion.png": ("Confusion matrix", confusion_figure(metrics)),
        "reliability.png": ("Reliability plot", reliability_figure(rows, metrics, **drawing)),
        "decision_curve.png": (
            "Decision curve",
            decision_curve_figure(
                {"the score": evaluation.net_benefit}, metrics.positive, population(evaluation)
            ),
        ),
    }
    if evaluation.predictive:
        figure = predictive_figure(evaluation.predictive, evaluation)
        figures["predictive_values.png"] = ("Predictive values by prevalence", figure)
    marked = marked_band(evaluation.selective, withheld)
    if marked is not None:
        figure = risk_coverage_figure(evaluation.selective, evaluation, marked)
        figures["risk_coverage.png"] = ("Risk by coverage", figure)
    if evaluation.recalibrated is not None:
        text = "Reliability before and after recalibration"
        figures["recalibration.png"] = (text, recalibration_figure(evaluation))
    if evaluation.variables:
        figures["subgroups.png"] = (
            "AUROC by subgroup",
            subgroup_figure(evaluation.variables, evaluation),
        )
    if evaluation.incremental is not None:
        figures["arms.png"] = ("AUROC of every arm", arms_figure(evaluation.incremental, rows))
        if evaluation.incremental.net_benefit:
            figure = arms_curve_figure(evaluation.incremental, rows)
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
    path: Path,
    evaluation: Evaluation,
    figures: dict[str, str],
    withheld: float,
    known: Sequence[str] = (),
) -> None:
    """Write ``evaluation.html``.

    Parameters
    ----------
    path : Path
        Of the page.
    evaluation : Evaluation
        What is shown.
    figures : dict of str to str
        As `draw_evaluation`.
    withheld : float
        Share of cases that should be left undecided, 0 to 1.
    known : sequence of str
        Known limits of the model behind the table.
    """
    metrics, first = evaluation.metrics, (*HEADLINE, *FURTHER)
    counts = {
        name: int(row.sum()) for name, row in zip(metrics.classes, metrics.confusion, strict=True)
    }
    values = {
        "evaluation": evaluation,
        "metrics": metrics,
        "headline": metric_rows(metrics, first),
        "further": metric_rows(metrics, [n for n in metrics.estimates if n not in first]),
        "level": metrics.level,
        "positive": metrics.positive,
        "n": metrics.n,
        "groups": metrics.n_groups,
        "counts": counts,
        "prevalence": metrics.prevalence,
        "threshold_text": threshold_text(metrics),
        "figures": figures,
        "marked": marked_band(evaluation.selective, withheld),
        "helpful": _helpful(evaluation.net_benefit),
        "limits": LIMITS,
        "rule": RULE,
        "cut": NEARLY_THE_LABEL,
        "metric_name": metric_name,
        "words": in_words,
    }
    body = Section(template="evaluation.html", values=values)
    title = f"{evaluation.study.arm}: {metrics.positive} against the rest"
    sections = [*parts.assumptions(evaluation.assumed), body]
    Page(title, sections, [*evaluation.warnings, *known]).write(path)


def in_words(estimate: Estimate | None, digits: int = 2) -> str:
    """`estimate` in a table's cell, with so many `digits`.

    >>> in_words(Estimate(0.5, 0.25, 0.75, 8, "a method"))
    '0.50 (0.25 to 0.75)'
    """
    if estimate is None or estimate.value != estimate.value:
        return "–" if estimate is None or estimate.reason is None else f"– ({estimate.reason})"
    if estimate.low != estimate.low:
        return f"{estimate.value:.{digits}f} (no interval)"
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def marked_band(curve: Sequence[Selective], withheld: float) -> Selective | None:
    """The point of `curve` nearest to `withheld`, the share to leave undecided; None if empty."""
    return min(curve, key=lambda s: abs(s.band.withheld - withheld)) if curve else None


def _helpful(curve: Sequence[NetBenefit]) -> str:
    """Threshold probabilities at which the score is surely better than treating all, or none."""
    runs: list[list[float]] = []
    open_run = False
    for benefit in curve:
        helps = benefit.gain.low > 0 and benefit.model.low > 0
        if helps and open_run:
            runs[-1].append(benefit.threshold)
        elif helps:
            runs.append([benefit.threshold])
        open_run = helps
    return ", ".join(
        f"{run[0]:.0%}" if len(run) == 1 else f"{run[0]:.0%} to {run[-1]:.0%}" for run in runs
    )

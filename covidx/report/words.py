"""Metrics in words that a radiologist reads without a glossary."""

from __future__ import annotations

from covidx.evaluate import Metrics, OperatingPoint

__all__ = ["HEADLINE", "metric_name", "origin_text", "say"]

HEADLINE = ("auroc", "sensitivity", "specificity", "ppv", "npv", "brier")
"""What is shown first, and printed at the end of a run."""

NAMES = {
    "auroc": "AUROC",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "f1": "F1",
    "ece": "Expected calibration error",
    "brier": "Brier score",
    "auroc_macro": "AUROC, mean of all classes",
    "accuracy_argmax": "Accuracy of the most probable class",
}
RULES = {"youden": "Youden's index (greatest sensitivity + specificity)"}


def metric_name(name: str) -> str:
    """A metric's key as words.

    >>> metric_name("auroc"), metric_name("auroc_flu"), metric_name("log_loss")
    ('AUROC', 'AUROC, flu against the rest', 'Log loss')
    """
    if name in NAMES:
        return NAMES[name]
    if name.startswith("auroc_"):
        return f"AUROC, {name.removeprefix('auroc_')} against the rest"
    return name.replace("_", " ").capitalize()


def origin_text(point: OperatingPoint) -> str:
    """Where a threshold came from."""
    return f"by {RULES.get(point.rule, point.rule)} on {point.origin}"


def say(metrics: Metrics) -> dict[str, str]:
    """What each headline metric means, with its counts."""
    (tn, fp), (fn, tp) = metrics.decisions.tolist()
    what, units = metrics.positive, f"{metrics.level}s"
    return {
        "auroc": f"chance that a {metrics.level} with {what} scores above one without "
        "(0.5 is guessing)",
        "sensitivity": f"{tp} of {tp + fn} {units} with {what} were called {what}",
        "specificity": f"{tn} of {tn + fp} {units} without {what} were called not {what}",
        "ppv": f"{tp} of {tp + fp} {units} called {what} have it, at this cohort's share of "
        f"{metrics.prevalence:.0%}",
        "npv": f"{tn} of {tn + fn} {units} called not {what} do not have it",
        "brier": "mean squared error of the score as a probability (0 is best; "
        f"{metrics.prevalence * (1 - metrics.prevalence):.2f} is knowing the share alone)",
    }

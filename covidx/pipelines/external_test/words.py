"""What must be read before the figures of an external test."""

from __future__ import annotations

import math

from covidx.evaluate import Estimate, Metrics, Rows
from covidx.evaluate.estimate import FEW, few


def cautions(metrics: Metrics, rows: Rows, before: Metrics) -> list[str]:
    """No skill shown, few patients, intervals that cannot be had: a sentence or more each.

    Parameters
    ----------
    metrics : Metrics
        On the second data set.
    rows : Rows
        Behind them.
    before : Metrics
        On the run's own test rows.
    """
    auroc, found = metrics["auroc"], []
    if no_skill(auroc):
        found.append(
            f"No skill is shown on these data: the interval of the AUROC, {auroc}, holds 0.5, "
            "which is guessing."
        )
    elif auroc.low < auroc.high < 0.5:
        found.append(f"Worse than guessing on these data: AUROC {auroc}.")
    if no_skill(before["auroc"]):
        found.append(
            f"Nor is skill shown on the run's own test rows ({before['auroc']}): there is nothing "
            "that could be lost."
        )
    groups = rows.clusters.n_groups
    rarer = min(rows.clusters.count(rows.truth), rows.clusters.count(~rows.truth))
    if few(groups, rarer):
        several = "" if groups == len(rows) else f", however many images they have ({len(rows)})"
        found.append(
            f"Few patients: {groups} independent patients or groups, {rarer} of the rarer class "
            f"(few: below {FEW}, or {FEW // 2} of a class){several}. Intervals are widened by "
            "methods for few, or withheld where they would claim too much. Read the intervals, "
            "not the values."
        )
    withheld = [name for name in SHOWN if math.isnan(metrics[name].low)]
    if withheld:
        why = metrics[withheld[0]].reason
        found.append(f"Without an interval: {', '.join(withheld)} ({why}).")
    return found


SHOWN = ("auroc", "sensitivity", "specificity", "brier")
"""Figures whose loss is shown."""


def no_skill(auroc: Estimate) -> bool:
    """Whether `auroc`, an AUROC, is not shown to differ from 0.5.

    >>> no_skill(Estimate(0.46, 0.28, 0.66, 30, "")), no_skill(Estimate(0.8, 0.7, 0.9, 99, ""))
    (True, False)
    """
    return math.isnan(auroc.low) or auroc.low <= 0.5 <= auroc.high


def lost_text(name: str, before: Estimate, now: Estimate, lost: Estimate) -> str:
    """Whether a loss is shown, in words.

    Parameters
    ----------
    name : str
        Of the figure; of the Brier score less is better.
    before, now, lost : Estimate
        On the run's own test rows, on the second set, and the difference.
    """
    sign = -1 if name == "brier" else 1
    if math.isnan(lost.low):
        return "cannot be told" if not math.isnan(lost.value) else "undefined"
    worse, better = (lost.low > 0, lost.high < 0) if sign > 0 else (lost.high < 0, lost.low > 0)
    return "worse here" if worse else "better here" if better else "no difference is shown"

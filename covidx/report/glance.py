"""The first screen of a classifier's report: how good, on whom, how sure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from covidx.evaluate import Estimate, Metrics
from covidx.evaluate.prevalence import PredictiveValues
from covidx.files import read_json
from covidx.report.page import Section
from covidx.report.viewer.worklist import CaseRow, verdict_counts
from covidx.report.words import threshold_text
from covidx.wording import counted, listed

SCREENING = (0.05, 0.2)
"""Prevalences at which the PPV stands beside that of the cohort: an outpatient clinic between waves
of infections, and a ward during one. Modelling choice."""

EXAM = "cases/exam.json"
"""What the exam of the heatmaps of a run came to."""
LINKS = {
    "model card": "bundle/MODEL_CARD.md",
    "predictions": "predictions.parquet",
    "evaluation": "evaluation/evaluation.html",
}
"""What else a run may hold, beside the report."""


def glance(
    metrics: Metrics,
    cases: Sequence[CaseRow],
    predictive: Sequence[PredictiveValues] = (),
    folder: Path | None = None,
) -> Section:
    """What a reader looks for first.

    Parameters
    ----------
    metrics : Metrics
        Of the test rows.
    cases : sequence of CaseRow
        Of the same rows, or some of them.
    predictive : sequence of PredictiveValues
        At the prevalences to be shown.
    folder : Path, optional
        Of the report: links lead to what it holds.
    """
    values = {
        "positive": metrics.positive,
        "bars": _bars(metrics),
        "predictive": [(_where(one.prevalence, metrics.prevalence), one.ppv) for one in predictive],
        "whom": _whom(metrics, cases),
        "sure": _sure(metrics, cases) + _pointing(folder),
        "links": [
            (name, place)
            for name, place in LINKS.items()
            if folder is not None and (folder / place).is_file()
        ],
    }
    return Section(template="glance.html", values=values)


def _bars(metrics: Metrics) -> list[tuple[str, str, Estimate]]:
    bars = [(f"AUROC, {metrics.positive}", "", metrics["auroc"])]
    if metrics.point is None:
        return bars
    (tn, fp), (fn, tp) = metrics.decisions.tolist()
    specificity = metrics["specificity"]
    alarms = Estimate(
        1 - specificity.value,
        1 - specificity.high,
        1 - specificity.low,
        specificity.n,
        specificity.method,
        reason=specificity.reason,
    )
    found = (f"Found ({metrics.positive})", f"{tp} of {tp + fn}", metrics["sensitivity"])
    return [found, ("False alarms", f"{fp} of {tn + fp}", alarms), *bars]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _where(prevalence: float, own: float) -> str:
    here = " (as here)" if prevalence == own else ""
    return f"PPV where {_percent(prevalence)} have it{here}"


def _whom(metrics: Metrics, cases: Sequence[CaseRow]) -> list[str]:
    counts = [f"{int(metrics.confusion[k].sum())} {name}" for k, name in enumerate(metrics.classes)]
    lines = [f"{counted(metrics.n, f'test {metrics.level}')}: {', '.join(counts)}"]
    if metrics.n_groups != metrics.n:
        lines.append(f"of {metrics.n_groups} independent patients or groups")
    lines.append(f"{_percent(metrics.prevalence)} have {metrics.positive}")
    scanners = Counter(row.scanner or "scanner not known" for row in cases)
    if scanners:
        lines.append(listed(f"{name}: {n}" for name, n in scanners.most_common()))
    return lines


def _sure(metrics: Metrics, cases: Sequence[CaseRow]) -> list[str]:
    lines = []
    for name, among in (("sensitivity", "with"), ("specificity", "without")):
        e = metrics.estimates.get(name)
        if e is not None and e.low == e.low:
            lines.append(
                f"{name.capitalize()} from {counted(e.n, metrics.level)} {among} "
                f"{metrics.positive}: anything from {e.low:.2f} to {e.high:.2f} fits."
            )
    lines.append(threshold_text(metrics))
    verdicts = verdict_counts(cases)
    if verdicts:
        text = ", ".join(f"{n} {verdict}" for verdict, n in sorted(verdicts.items()))
        lines.append(f"Heatmaps by their exam: {text}.")
    return [line for line in lines if line]


def _pointing(folder: Path | None) -> list[str]:
    """How often the run's heatmaps point to a true lesion, where it has some."""
    if folder is None or not (folder / EXAM).is_file():
        return []
    figures = read_json(folder / EXAM)["figures"]
    game, chance = figures["pointing_game"], figures["pointing_by_chance"]["value"]
    if not game["n"]:
        return []
    by_chance = "" if chance is None else f"; a random point of their lungs: {chance:.2f}"
    return [
        f"Of {counted(game['n'], 'patient')} that it found and whose lesions are known, a share of "
        f"{game['value']:.2f} ({game['low']:.2f} to {game['high']:.2f}) has a heatmap that peaks "
        f"in one; maps that are withheld count as misses{by_chance}."
    ]

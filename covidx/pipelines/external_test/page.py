"""The page of an external test: the loss first, and why it was to be expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from covidx.clinical.drift import Period, Week
from covidx.evaluate import Estimate, Metrics, Rows
from covidx.pipelines.external_test.periods import PeriodRow
from covidx.pipelines.external_test.words import lost_text
from covidx.report import (
    CaseRow,
    reliability_figure,
    roc_figure,
    save_all,
    score_figure,
)
from covidx.report import page as parts
from covidx.report.page import Page, Section
from covidx.report.viewer.worklist import SCRIPT, worklist, write_list
from covidx.report.words import metric_name

LOSS = (
    "The same bundle at the same threshold on both sets, which share no patient; the loss is its "
    "own test rows minus these, with a 95 % interval from both. Of the Brier score less is better."
)
NOTHING_KNOWN = (
    "Neither the data card nor an audit says anything against the model, and no row lies outside "
    "of what it was trained on by what its headers tell. covidx audit all looks further."
)


@dataclass(frozen=True, eq=False)
class ExternalPage:
    """What the page shows.

    Parameters
    ----------
    positive : str
        The positive class.
    metrics, before : Metrics
        On the second data set, and on the run's own test rows.
    lost : dict
        Name of a figure -> what it loses.
    cautions : list of str
        What must be read first.
    expected : list of str
        Why a loss was to be expected.
    notes : list of str
        What was left out.
    cases : list of CaseRow
        Images with heatmaps; may be empty.
    periods : list of PeriodRow
        AUROC by week or month; may be empty.
    weeks : list of Week
        Drift of clinical columns, too; may be empty.
    period : str
        ``week`` or ``month``.
    facts : sequence of (name, value)
        What was done.
    """

    positive: str
    metrics: Metrics
    before: Metrics
    lost: dict[str, Estimate]
    cautions: list[str]
    expected: list[str]
    notes: list[str]
    cases: list[CaseRow]
    periods: list[PeriodRow]
    weeks: list[Week]
    period: Period
    facts: Sequence[tuple[str, str]]


def write_external(folder: Path, page: ExternalPage, rows: Rows) -> None:
    """Write ``report.html`` and its figures.

    Parameters
    ----------
    folder : Path
        Of the external test.
    page : ExternalPage
        What it shows.
    rows : Rows
        Scored rows of the second data set.
    """
    metrics = page.metrics
    drawn = {
        "roc.png": ("ROC curve with the operating point", roc_figure(rows, metrics)),
        "reliability.png": ("Reliability plot", reliability_figure(rows, metrics)),
        "scores.png": ("Scores by true class", score_figure(rows, metrics)),
    }
    note = f"{metrics.n} {metrics.level}s of {metrics.n_groups} independent patients or groups."
    sections = [
        _loss(page),
        _expected(page),
        parts.results(metrics, "Results on the second data set", note, classes=True),
        parts.figures(save_all(drawn, folder / "figures")),
        *_drift(page),
    ]
    if page.cases:
        sections.append(worklist(page.cases, "With heatmaps", folder.name))
        write_list(page.cases, folder)
    if page.notes:
        lines = [(str(number), line) for number, line in enumerate(page.notes, 1)]
        sections.append(parts.facts(lines, "Left out, mapped, not interpretable"))
    sections.append(parts.facts(page.facts))
    title = f"External test: {page.positive} against the rest"
    script = SCRIPT if page.cases else ""
    Page(title, sections, page.cautions, script=script).write(folder / "report.html")


def _loss(page: ExternalPage) -> Section:
    rows = [
        (
            metric_name(name),
            str(page.before[name]),
            str(page.metrics[name]),
            str(lost),
            lost_text(name, page.before[name], page.metrics[name], lost),
        )
        for name, lost in page.lost.items()
    ]
    columns = ("Figure", "On the run's own test rows", "Here", "Lost", "In words")
    return parts.table("What is lost on the second data set", columns, rows, note=LOSS)


def _expected(page: ExternalPage) -> Section:
    heading = "Why a loss was to be expected"
    if not page.expected:
        return Section(heading, NOTHING_KNOWN)
    lines = [(str(number), line) for number, line in enumerate(page.expected, 1)]
    return parts.facts(lines, heading)


def _drift(page: ExternalPage) -> list[Section]:
    """A row a week or month; of clinical rows with the columns that drifted."""
    heading = f"By {page.period}"
    if page.weeks:
        columns = (page.period.capitalize(), "n", page.positive, "AUROC", "Verdict", "Columns")
        lines = [
            (
                week.start,
                week.n,
                week.positives,
                str(week.auroc),
                week.verdict,
                "; ".join(f"{c.name} {c.state}" for c in week.columns if c.state != "stable"),
            )
            for week in page.weeks
        ]
        note = "Columns against the run's own training rows: lost, returned or changed."
        return [parts.table(heading, columns, lines, note=note, numeric=("n", page.positive))]
    if page.periods:
        headings = (page.period.capitalize(), "n", page.positive, "AUROC")
        rows = [(one.start, one.n, one.positives, str(one.auroc)) for one in page.periods]
        return [parts.table(heading, headings, rows, numeric=("n", page.positive))]
    return []

"""The HTML report: a page a case, and the index that a reader starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from covidx.constants import RESEARCH_NOTICE
from covidx.evaluate import Metrics
from covidx.files import replacing
from covidx.report.slices import SliceView

__all__ = ["Case", "write_case", "write_report"]

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Case:
    """One test patient, or image, as the report shows it."""

    patient_id: str
    folder: str
    label: str
    note: str
    score: float
    probabilities: dict[str, float]
    decision: str
    right: bool
    scan: str
    views: list[SliceView]

    @property
    def tops(self) -> str:
        """The slices that decided, in a few words."""
        return "; ".join(view.title.split(" from")[0].removeprefix("slice ") for view in self.views)


def write_case(case: Case, metrics: Metrics, folder: Path) -> None:
    """Write ``index.html`` beside the case's pictures."""
    _render(
        "case.html",
        folder / "index.html",
        case=case,
        positive=metrics.positive,
        threshold=metrics.point.threshold,
        threshold_origin=metrics.point.text,
    )


def write_report(
    path: Path,
    title: str,
    facts: list[tuple[str, str]],
    metrics: Metrics,
    cases: list[Case],
    *,
    figures: list[tuple[str, str]],
    warnings: list[str],
) -> None:
    """Write ``report.html``: what was done, the metrics, the figures, the patients.

    Parameters
    ----------
    path : Path
    title : str
    facts : list of (name, value)
    metrics : Metrics
    cases : list of Case
        Highest score first.
    figures : list of (file name below ``figures/``, text for who cannot see it)
    warnings : list of str
        Shown above all else.
    """
    _render(
        "report.html",
        path,
        title=title,
        facts=facts,
        warnings=warnings,
        metrics=metrics.to_json(),
        level=metrics.level,
        threshold=metrics.point.threshold,
        threshold_origin=metrics.point.text,
        figures=figures,
        cases=cases,
    )


def _render(template: str, path: Path, **values: Any) -> None:
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    css = (TEMPLATES / "page.css").read_text()
    text = pages.get_template(template).render(notice=RESEARCH_NOTICE, css=css, **values)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

"""The HTML report: a page a case, and the index that a reader starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from covidx.constants import RESEARCH_NOTICE
from covidx.evaluate import Metrics
from covidx.files import replacing
from covidx.report.words import HEADLINE, metric_name, origin_text, say

if TYPE_CHECKING:
    from covidx.report.slices import SliceView

__all__ = ["Case", "render_metrics", "render_page", "write_case", "write_report"]

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Case:
    """One test patient, or image, as the report shows it.

    `name` is the patient, and the image where a patient may have several; `kind` is as in the
    manifest.
    """

    name: str
    folder: str
    label: str
    note: str
    score: float
    probabilities: dict[str, float]
    decision: str
    right: bool
    scan: str
    kind: str
    views: list[SliceView]

    @property
    def noun(self) -> str:
        """What a view of it is called."""
        return "image" if self.kind == "radiograph" else "slice"

    @property
    def tops(self) -> str:
        """The slices that decided, in a few words."""
        return "; ".join(view.title.split(" from")[0].removeprefix("slice ") for view in self.views)


def write_case(case: Case, metrics: Metrics, folder: Path) -> None:
    """Write ``index.html`` beside the case's pictures."""
    _render("case.html", folder / "index.html", metrics, case=case, change=_change)


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
    """Write ``report.html``: the metrics, the figures, the patients, what was done.

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
    render_metrics(
        "report.html",
        path,
        metrics,
        title=title,
        facts=facts,
        warnings=warnings,
        figures=figures,
        cases=cases,
    )


def _change(drop: float) -> str:
    """How evidence changes, in words.

    >>> _change(0.64), _change(-0.078), _change(0.001)
    ('falls by 0.64', 'rises by 0.08', 'stays')
    """
    if abs(drop) < 0.005:
        return "stays"
    return f"falls by {drop:.2f}" if drop > 0 else f"rises by {-drop:.2f}"


def render_page(template: str, path: Path, **values: Any) -> None:
    """Fill a template, with notice and style, and write it atomically."""
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    css = (TEMPLATES / "page.css").read_text()
    text = pages.get_template(template).render(notice=RESEARCH_NOTICE, css=css, **values)
    with replacing(path) as temporary:
        temporary.write_text(text.lstrip(), encoding="utf-8")


def render_metrics(
    template: str, path: Path, found: Metrics, first: Sequence[str] = HEADLINE, /, **values: Any
) -> None:
    """Fill a template of a page whose metrics the templates' ``metrics.html`` shows.

    Parameters
    ----------
    template : str
    path : Path
    found : Metrics
    first : sequence of str
        Metrics shown at once, those that there are; the others are folded away.
    values
        What else the template asks for.
    """
    estimates = found.to_json()
    _render(
        template,
        path,
        found,
        metrics=estimates,
        metric_name=metric_name,
        said=say(found),
        headline=[name for name in first if name in estimates],
        further=[name for name in estimates if name not in first],
        **values,
    )


def _render(template: str, path: Path, found: Metrics, /, **values: Any) -> None:
    render_page(
        template,
        path,
        level=found.level,
        positive=found.positive,
        threshold=None if found.point is None else found.point.threshold,
        threshold_origin=None if found.point is None else origin_text(found.point),
        **values,
    )

"""A page of results: title, warnings and sections, which any kind of model can fill."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from covidx.constants import RESEARCH_NOTICE
from covidx.evaluate import Estimate, Metrics
from covidx.files import replacing
from covidx.report.known_limits import limits_block
from covidx.report.words import HEADLINE, metric_meanings, metric_name, threshold_text

TEMPLATES = Path(__file__).parent / "templates"
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; "
    "img-src 'self' file: data:"
)
"""Content-Security-Policy of a page with scripts: it loads what lies beside it, nothing else, and
no script that stands in the page runs, whatever a header or table had in it."""


def environment() -> Environment:
    """Where templates come from; what they show is escaped."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )


Rows = Sequence[tuple[Sequence[str], Estimate]]
"""Labels of a row, one a column, and its estimate."""


@dataclass(frozen=True, eq=False)
class Section:
    """A part of a page.

    Parameters
    ----------
    heading : str
        Empty for a part without one.
    note : str
        A paragraph below the heading; `Markup` for one with links.
    template : str
        File in ``templates/`` that shows `values`; empty for heading and note alone.
    values : mapping
        What the template shows.
    """

    heading: str = ""
    note: str = ""
    template: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Page:
    """What a page shows below the research notice.

    Parameters
    ----------
    title : str
        Its heading.
    sections : sequence of Section
        In the order in which they are shown.
    warnings : sequence of str
        Shown above all sections.
    back : (str, str), optional
        Address and text of a link above the title.
    glance : Section, optional
        The answers that a reader looks for first; the warnings stand beside them, not above.
    bands : sequence of str
        What must be seen before all else, such as that patients are simulated.
    script : str
        A script beside the page, which is dark at first then; may be empty.
    """

    title: str
    sections: Sequence[Section]
    warnings: Sequence[str] = ()
    back: tuple[str, str] | None = None
    glance: Section | None = None
    bands: Sequence[str] = ()
    script: str = ""

    def write(self, path: Path) -> None:
        """Write the page as one HTML file to `path`, atomically; pictures lie beside it."""
        templates = environment()

        def body(section: Section) -> Markup:
            if not section.template:
                return Markup("")
            template = templates.get_template(section.template)
            return Markup(template.render(section.values))  # noqa: S704 - escaped by the template

        sections = [(section, body(section)) for section in self.sections]
        glance = None if self.glance is None else body(self.glance)
        shown = "".join(str(escape(line)) for line in (*self.warnings, *self.bands))
        shown += "".join(made for _, made in sections)
        text = templates.get_template("page.html").render(
            page=self,
            css=Markup((TEMPLATES / "page.css").read_text()),  # noqa: S704 - a file of covidx
            notice=RESEARCH_NOTICE,
            sections=sections,
            glance=glance,
            policy=POLICY,
            known_limits=limits_block(path, shown),
        )
        with replacing(path) as temporary:
            temporary.write_text(text.lstrip(), encoding="utf-8")


@dataclass(frozen=True)
class View:
    """One picture of a case and what belongs beside it.

    Parameters
    ----------
    picture : str
        File name beside the page.
    title : str
        A heading.
    text : str
        A paragraph between heading and picture.
    warning : bool
        The text warns of the picture.
    alt : str
        What the picture shows, in words.
    """

    picture: str
    title: str
    text: str
    warning: bool
    alt: str


def small(text: str) -> Markup:
    """`text` in small letters."""
    return Markup("<small>{}</small>").format(text)


def estimates(
    rows: Rows, columns: Sequence[str] = ("Metric",), *, heading: str = "", note: str = ""
) -> Section:
    """A table of estimates with intervals, counts and methods.

    Parameters
    ----------
    rows : sequence of (labels, Estimate)
        As many labels as `columns`.
    columns : sequence of str
        Headings of the label columns.
    heading, note : str
        As of `Section`.
    """
    return Section(heading, note, "estimates.html", {"columns": columns, "rows": rows})


def metric_rows(metrics: Metrics, names: Iterable[str]) -> Rows:
    """Metrics as rows of a table of estimates, each with its meaning where it has one.

    Parameters
    ----------
    metrics : Metrics
        Of test rows.
    names : iterable of str
        Keys of the metrics; those that `metrics` lacks are left out.
    """
    meanings = metric_meanings(metrics)
    rows = []
    for name in names:
        if name in metrics.estimates:
            label = Markup("{}").format(metric_name(name))
            if name in meanings:
                label += Markup("<br>") + small(meanings[name])
            rows.append(((label,), metrics.estimates[name]))
    return rows


def results(metrics: Metrics, heading: str, note: str, *, classes: bool = False) -> Section:
    """The headline metrics, the others folded away below.

    Parameters
    ----------
    metrics : Metrics
        Of test rows.
    heading : str
        As of `Section`.
    note : str
        A sentence or two; which score counts as positive, and by what, is added.
    classes : bool
        Some of the further metrics are of single classes.
    """
    further = [name for name in metrics.estimates if name not in HEADLINE]
    what = "each class, accuracy, calibration"
    values = {
        "headline": metric_rows(metrics, HEADLINE),
        "further": metric_rows(metrics, further),
        "what": what if classes else "accuracy, calibration, likelihood ratios",
    }
    return Section(heading, f"{note} {threshold_text(metrics)}", "results.html", values)


def figures(files: Iterable[tuple[str, str]], *, heading: str = "") -> Section:
    """Pictures below ``figures/``, two beside each other.

    Parameters
    ----------
    files : iterable of (str, str)
        File name, and what the picture shows for a reader who cannot see it.
    heading : str
        As of `Section`.
    """
    return Section(heading, template="figures.html", values={"files": list(files)})


def facts(
    rows: Iterable[tuple[str, str]], heading: str = "What was done", *, note: str = ""
) -> Section:
    """A table of names and values.

    Parameters
    ----------
    rows : iterable of (str, str)
        Name and value.
    heading, note : str
        As of `Section`.
    """
    return Section(heading, note, "facts.html", {"rows": list(rows)})


def table(
    heading: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    note: str = "",
    numeric: Collection[str] = (),
    wrong: Collection[int] = (),
) -> Section:
    """Any other table.

    Parameters
    ----------
    heading, note : str
        As of `Section`.
    columns : sequence of str
        Headings.
    rows : iterable of sequence
        A cell a column; `Markup` is taken as it is, all else is escaped.
    numeric : collection of str
        Columns that are aligned to the right.
    wrong : collection of int
        Places of rows that are shaded, as wrong decisions are.
    """
    values = {"columns": columns, "rows": list(rows), "numeric": numeric, "wrong": wrong}
    return Section(heading, note, "table.html", values)


def views(heading: str, note: str, shown: Sequence[View]) -> Section:
    """Pictures below each other, each with its heading and text.

    Parameters
    ----------
    heading, note : str
        As of `Section`.
    shown : sequence of View
        In the order in which they are shown.
    """
    return Section(heading, note, "views.html", {"views": shown})


def assumptions(lines: Sequence[str]) -> list[Section]:
    """What an evaluation assumes because its tables do not state it; nothing without `lines`."""
    return [Section(template="assumptions.html", values={"lines": lines})] if lines else []

"""The pages of an image classifier: its results, and a case with its heatmaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from covidx.evaluate import Metrics
from covidx.report import page as parts
from covidx.report.page import Page, View, small
from covidx.report.words import threshold_text

if TYPE_CHECKING:
    from covidx.report.slices import SliceView

READING = (
    "Left the plain {noun}, right the same with the heatmap: where the network found evidence for "
    "{positive}, clear (none) to yellow (most in this {noun}; maps of different {noun}s do not "
    "compare). A map shows what the network used, not where disease is. Each map was tested: the "
    "hottest and the coldest fifth of the network's input were hidden in turn. Where hiding the "
    "hot part costs no more evidence than hiding the cold part, the map has failed and must not be "
    "read."
)


@dataclass(frozen=True)
class Case:
    """One test patient, or image, as the report shows it.

    Parameters
    ----------
    name : str
        The patient, and the image where a patient may have several.
    folder : str
        Below ``cases/``.
    label : str
        True class.
    note : str
        What else the labels state; may be empty.
    score : float
        Probability of the positive class, 0 to 1.
    probabilities : dict of str to float
        Of every class.
    decision : str
        The predicted class, or the positive one with "not".
    right : bool
        Whether the decision is correct.
    scan : str
        How the image was acquired.
    kind : {"volume", "slice", "radiograph"}
        As in the manifest.
    views : list of SliceView
        The slices that decided, with heatmaps.
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
        return "; ".join(view.title.split(",")[0].removeprefix("slice ") for view in self.views)


def write_case(case: Case, metrics: Metrics, folder: Path) -> None:
    """Write ``index.html`` beside the case's pictures.

    Parameters
    ----------
    case : Case
        What is shown.
    metrics : Metrics
        Of the test rows: positive class, level and threshold.
    folder : Path
        Of the case's pictures.
    """
    positive, noun, count = metrics.positive, case.noun, len(case.views)
    every = ", ".join(f"{name} {value:.3f}" for name, value in case.probabilities.items())
    verdict = "correct" if case.right else "incorrect"
    rows = [
        ("True class", f"{case.label} ({case.note})" if case.note else case.label),
        (
            f"Score for {positive}",
            f"{case.score:.3f} (0 to 1; not the probability of disease of a patient)",
        ),
        ("Decision", f"predicted {case.decision} ({verdict}). {threshold_text(metrics)}"),
        ("Every class", every),
        ("Scan", case.scan),
    ]
    heading = f"The {noun if count == 1 else f'{count} {noun}s'} that decided"
    note = READING.format(noun=noun, positive=positive)
    sections = [
        parts.facts(rows, heading=""),
        parts.views(heading, note, [_view(view, noun, positive) for view in case.views]),
    ]
    back = ("../../report.html", f"all test {metrics.level}s")
    Page(f"Patient {case.name}", sections, back=back).write(folder / "index.html")


def _view(view: SliceView, noun: str, positive: str) -> View:
    text = (
        f"{'Faithful map' if view.faithful else 'Unfaithful map, do not read it'}: evidence for "
        f"{positive} (log-odds) {_change(view.drop_hot)} without the hot part, "
        f"{_change(view.drop_cold)} without the cold part."
    )
    if view.heat_in_truth is not None:
        text += f" {100 * view.heat_in_truth:.0f} % of the heat lies on true lesion."
    return View(
        view.picture,
        f"{view.title.capitalize()}: score of this {noun} alone {view.score:.3f}",
        text,
        warning=not view.faithful,
        alt=f"{view.title}, plain and with heatmap",
    )


def _change(drop: float) -> str:
    """How evidence changes, in words.

    >>> _change(0.64), _change(-0.078), _change(0.001)
    ('falls by 0.64', 'rises by 0.08', 'stays')
    """
    if abs(drop) < 0.005:
        return "stays"
    return f"falls by {drop:.2f}" if drop > 0 else f"rises by {-drop:.2f}"


def write_report(
    path: Path,
    title: str,
    facts: Sequence[tuple[str, str]],
    metrics: Metrics,
    cases: Sequence[Case],
    *,
    figures: Sequence[tuple[str, str]],
    warnings: Sequence[str],
) -> None:
    """Write ``report.html``: the metrics, the figures, the patients, what was done.

    Parameters
    ----------
    path : Path
        Of the page.
    title : str
        Its heading.
    facts : sequence of (name, value)
        What was done.
    metrics : Metrics
        Of the test rows.
    cases : sequence of Case
        Highest score first.
    figures : sequence of (file name below ``figures/``, what it shows)
        For a reader who cannot see them.
    warnings : sequence of str
        Shown above all else.
    """
    level = metrics.level
    note = (
        f"The model never saw these {level}s. Each figure stands beside its 95 % interval and the "
        f"number of {level}s behind it."
    )
    listing = cases_section(cases, f"Test {level}s")
    shown = parts.results(metrics, f"Results on the test {level}s", note, classes=True)
    Page(title, [shown, parts.figures(figures), listing, parts.facts(facts)], warnings).write(path)


def cases_section(cases: Sequence[Case], heading: str) -> parts.Section:
    """A table of cases, each with a link to its page.

    Parameters
    ----------
    cases : sequence of Case
        In the order of the table.
    heading : str
        Above it.
    """
    columns = (
        "Patient", "True class", "Score", "Decision", "Slices that decided", "Faithful maps"
    )  # fmt: skip
    return parts.table(
        heading,
        columns,
        [_line(case) for case in cases],
        note="Highest score first; wrong decisions are shaded. Behind each link: what decided, "
        "with heatmaps. A map is faithful where hiding its hot part lowers the score more than "
        "hiding its cold part.",
        numeric=("Score", "Faithful maps"),
        wrong=[place for place, case in enumerate(cases) if not case.right],
    )


def _line(case: Case) -> tuple[object, ...]:
    """The row of a case in the list of all."""
    link = Markup('<a href="cases/{}/index.html">{}</a>').format(case.folder, case.name)
    label = Markup("{}").format(case.label)
    if case.note:
        label += Markup("<br>") + small(case.note)
    faithful = sum(view.faithful for view in case.views)
    decision = case.decision if case.right else f"{case.decision} (wrong)"
    maps = f"{faithful} of {len(case.views)}"
    return link, label, f"{case.score:.3f}", decision, case.tops, maps

"""The page on systems compared on the same patients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from covidx.evaluate import Comparison, System
from covidx.report import page as parts
from covidx.report.canvas import CLASS_COLOURS, GREY, save_all, square_figure
from covidx.report.evaluation import in_words
from covidx.report.evaluation_figures import difference_figure
from covidx.report.figures import roc_points
from covidx.report.page import Page, Section
from covidx.report.words import metric_name, origin_text


def draw_comparison(
    systems: Sequence[System], comparisons: Sequence[Comparison], folder: Path
) -> dict[str, str]:
    """Draw the ROC curves and the differences.

    Parameters
    ----------
    systems : sequence of System
        On the same rows.
    comparisons : sequence of Comparison
        Of every pair.
    folder : Path
        Of the figures.

    Returns
    -------
    dict of str to str
        File name -> what the figure shows.
    """
    n = len(systems[0].rows)
    title = f"Differences on the same test rows, n = {n}"
    figures = {
        "roc.png": ("ROC curves", roc_curves_figure(systems)),
        "differences.png": ("Differences with intervals", difference_figure(comparisons, title)),
    }
    return dict(save_all(figures, folder))


def write_comparison(
    path: Path,
    systems: Sequence[System],
    comparisons: Sequence[Comparison],
    figures: dict[str, str],
    assumed: Sequence[str],
    warnings: Sequence[str] = (),
) -> None:
    """Write ``comparison.html``.

    Parameters
    ----------
    path : Path
        Of the page.
    systems : sequence of System
        On the same rows.
    comparisons : sequence of Comparison
        Of every pair.
    figures : dict of str to str
        As `draw_comparison`.
    assumed : sequence of str
        What is assumed because the tables do not state it.
    warnings : sequence of str
        Shown above all figures.
    """
    rows = systems[0].rows
    values = {
        "level": rows.level,
        "positive": rows.positive,
        "n": len(rows),
        "positives": int(rows.truth.sum()),
        "groups": rows.clusters.n_groups,
        "clustered": rows.clusters.several_rows,
        "thresholds": {system.name: _threshold(system) for system in systems},
        "comparisons": comparisons,
        "figures": figures,
        "metric_name": metric_name,
        "words": in_words,
        "number": "{:.3g}".format,
    }
    body = Section(template="comparison.html", values=values)
    title = f"{' and '.join(s.name for s in systems)}: {rows.positive} against the rest"
    Page(title, [*parts.assumptions(assumed), body], warnings).write(path)


def _threshold(system: System) -> str:
    """A system's threshold with its origin, or each fold's; empty where it has none."""
    if system.fold_points:
        own = [f"{one.threshold:.3f} in fold {k}" for k, one in system.fold_points.items()]
        return f"{', '.join(own)}, each chosen on the fold's validation rows"
    if system.point is None:
        return ""
    return f"{system.point.threshold:.3f}, chosen {origin_text(system.point)}"


def roc_curves_figure(systems: Sequence[System]) -> Figure:
    """ROC curves of `systems`, which have the same rows, with a dot at each threshold."""
    rows = systems[0].rows
    positives = int(rows.truth.sum())
    figure, axes = square_figure(
        f"ROC: {rows.positive} against the rest\ntest rows, n = {len(rows)} {rows.level}s "
        f"({positives} {rows.positive}, {len(rows) - positives} rest)"
    )
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="chance")
    for place, system in enumerate(systems):
        colour = CLASS_COLOURS[(place + 1) % len(CLASS_COLOURS)]
        x, y = roc_points(system.rows)
        axes.plot(x, y, color=colour, linewidth=2, label=system.name)
        if system.point is not None:
            called, truth = system.called, system.rows.truth
            axes.plot(called[~truth].mean(), called[truth].mean(), "o", color=colour)
    axes.set_xlabel("1 − specificity (false alarms among the rest)")
    axes.set_ylabel(f"sensitivity ({rows.positive} detected)")
    axes.legend(loc="lower right", fontsize=8, title="dots: at the threshold", title_fontsize=8)
    return figure

"""The page of P3: what it adds to its arms, what a missing arm costs, contributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from covidx.evaluate import Comparison, Metrics, System
from covidx.fusion import logit
from covidx.report import page as parts
from covidx.report.canvas import BLUE, GREY, ORANGE, square_figure
from covidx.report.page import Page, Section

SHOWN = 60
"""Patients listed on the page; the file beside it has all."""


@dataclass(frozen=True, eq=False)
class ArmLine:
    """One arm on the test patients whom all arms have.

    Parameters
    ----------
    what : str
        What it is, in words.
    system : System
        Its name, rows and threshold.
    metrics : Metrics
        On these patients.
    against : Comparison, optional
        P3 minus it.
    """

    what: str
    system: System
    metrics: Metrics
    against: Comparison | None

    @property
    def name(self) -> str:
        """Name of the arm."""
        return self.system.name

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        point = self.metrics.point
        return {
            "arm": self.name,
            "what": self.what,
            "threshold": None if point is None else point.threshold,
            "metrics": self.metrics.to_json(),
            "p3_minus_it": self.against and self.against.to_json(),
        }


@dataclass(frozen=True, eq=False)
class FusionPage:
    """What the page shows.

    Parameters
    ----------
    title : str
        Its heading.
    warnings : sequence of str
        Shown above all else.
    arms : sequence of ArmLine
        P3 first.
    missing : mapping
        Which arms P3 had as inputs, in words -> its metrics on the same patients.
    patients : DataFrame
        Test patients: patient_id, label, score, called, base, image, clinic, arms_used.
    how_told : str
        How the contributions are computed, in a sentence.
    figures : sequence of (file name below ``figures/``, what it shows)
        For a reader who cannot see them.
    facts : sequence of (name, value)
        What was done.
    """

    title: str
    warnings: Sequence[str]
    arms: Sequence[ArmLine]
    missing: Mapping[str, Metrics]
    patients: pd.DataFrame
    how_told: str
    figures: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, str]]


def contributions_figure(patients: pd.DataFrame, positive: str, threshold: float) -> Figure:
    """Contributions of image and clinical data to each patient's log odds, and the threshold.

    Parameters
    ----------
    patients : DataFrame
        label, base, image, clinic (in log odds), of patients with both arms.
    positive : str
        The positive class.
    threshold : float
        Of the score, a probability.
    """
    figure, axes = square_figure(
        f"Contributions to each score: {len(patients)} test patients with both arms"
    )
    for name, colour, mark in ((positive, ORANGE, "o"), ("the rest", BLUE, "x")):
        mine = patients[(patients["label"] == positive) == (name == positive)]
        axes.scatter(
            mine["image"], mine["clinic"], c=colour, marker=mark, s=22, alpha=0.75, label=name
        )
    reach = 1.1 * max(1.0, float(patients[["image", "clinic"]].abs().to_numpy().max()))
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    along = np.array([-reach, reach])
    cut = float(logit(np.array(threshold))) - float(patients["base"].iloc[0])
    cut_label = f"threshold {threshold:.2f}: above it predicted {positive}"
    axes.plot(along, cut - along, color=GREY, linewidth=1.2, linestyle="--", label=cut_label)
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.axvline(0, color=GREY, linewidth=0.6)
    axes.set_xlabel("contribution of the image (log odds)")
    axes.set_ylabel("contribution of the clinical data (log odds)")
    axes.legend(loc="lower left", fontsize=8)
    return figure


def write_fusion_report(path: Path, page: FusionPage, metrics: Metrics) -> None:
    """Write ``report.html`` of a fusion run.

    Parameters
    ----------
    path : Path
        Of the page.
    page : FusionPage
        What it shows.
    metrics : Metrics
        P3's on the test patients.
    """
    note = f"No arm and no fusion was trained on these {metrics.level}s."
    values = {
        "page": page,
        "level": metrics.level,
        "positive": metrics.positive,
        "shown": page.patients.head(SHOWN).to_dict("records"),
    }
    sections = [
        parts.results(metrics, f"Results of P3 on the test {metrics.level}s", note),
        Section(template="fusion.html", values=values),
        parts.facts(page.facts),
    ]
    Page(page.title, sections, page.warnings).write(path)

"""The page of P3: what it adds to its arms, what a missing arm costs, contributions."""

from __future__ import annotations

from collections.abc import Sequence
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
from covidx.report.viewer import CaseRow
from covidx.report.viewer.worklist import SCRIPT, worklist, write_list

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
        """A JSON object; metrics and difference have their own."""
        point = self.metrics.point
        return {
            "arm": self.name,
            "what": self.what,
            "threshold": None if point is None else point.threshold,
            "metrics": self.metrics,
            "p3_minus_it": self.against,
        }


@dataclass(frozen=True, eq=False)
class FusionResults:
    """P3's results on test patients.

    Parameters
    ----------
    metrics : Metrics
        Of all test patients.
    arms : list of ArmLine
        Every arm on the test patients whom all of them have, P3 first.
    missing : dict
        Which arms P3 had as inputs, in words -> its metrics on patients who have both.
    contributions : DataFrame
        patient_id, label, score, called, base, image, clinical, arms_used; the highest score first.
    """

    metrics: Metrics
    arms: list[ArmLine]
    missing: dict[str, Metrics]
    contributions: pd.DataFrame


def contributions_figure(patients: pd.DataFrame, positive: str, threshold: float) -> Figure:
    """Contributions of image and clinical data to each patient's log odds, and the threshold.

    Parameters
    ----------
    patients : DataFrame
        label, base, image, clinical (in log odds), of patients with both arms.
    positive : str
        The positive class.
    threshold : float
        Of the score, a probability.
    """
    figure, axes = square_figure(
        f"Contributions to each score: {len(patients)} test patients with both arms"
    )
    for name, colour, mark in ((positive, ORANGE, "o"), ("the rest", BLUE, "x")):
        part = patients[(patients["label"] == positive) == (name == positive)]
        axes.scatter(
            part["image"], part["clinical"], c=colour, marker=mark, s=22, alpha=0.75, label=name
        )
    reach = 1.1 * max(1.0, float(patients[["image", "clinical"]].abs().to_numpy().max()))
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


def write_fusion_report(
    path: Path,
    title: str,
    results: FusionResults,
    cases: Sequence[CaseRow],
    *,
    method: str,
    figures: Sequence[tuple[str, str]],
    facts: Sequence[tuple[str, str]],
    warnings: Sequence[str],
    run: str = "",
) -> None:
    """Write ``report.html`` of a fusion run.

    Parameters
    ----------
    path : Path
        Of the page.
    title : str
        Its heading.
    results : FusionResults
        On the test patients.
    cases : sequence of CaseRow
        Test patients with images, in any order.
    method : str
        How the contributions are computed, in a sentence.
    figures : sequence of (file name below ``figures/``, text)
        With a text for a reader who cannot see them.
    facts : sequence of (name, value)
        The method section.
    warnings : sequence of str
        Shown above all else.
    run : str
        Which run it is: readers' answers are kept by it.
    """
    metrics = results.metrics
    note = f"No arm and no fusion was trained on these {metrics.level}s."
    values = {
        "results": results,
        "method": method,
        "figures": figures,
        "level": metrics.level,
        "positive": metrics.positive,
        "shown": results.contributions.head(SHOWN).to_dict("records"),
    }
    sections = [
        parts.results(metrics, f"Results of P3 on the test {metrics.level}s", note),
        Section(template="fusion.html", values=values),
        *([worklist(cases, f"Test {metrics.level}s with images", run)] if cases else []),
        parts.facts(facts),
    ]
    write_list(cases, path.parent)
    Page(title, sections, warnings, script=SCRIPT).write(path)

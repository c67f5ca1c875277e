"""The page of P3: what it adds to its arms, what a missing arm costs, what moved each score."""

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
from covidx.report.canvas import BLUE, GREY, ORANGE, square_figure
from covidx.report.html import render_metrics

__all__ = ["ArmLine", "FusionPage", "contributions_figure", "write_fusion_report"]

SHOWN = 60
"""Patients listed on the page; the file beside it has all."""


@dataclass(frozen=True, eq=False)
class ArmLine:
    """One arm on the test patients whom all arms have.

    Parameters
    ----------
    what : str
    system : System
        Its name, rows and threshold.
    metrics : Metrics
    against : Comparison, optional
        P3 minus it.
    """

    what: str
    system: System
    metrics: Metrics
    against: Comparison | None

    @property
    def name(self) -> str:
        """The arm."""
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
    warnings : sequence of str
    arms : sequence of ArmLine
        P3 first.
    missing : mapping
        Which arms P3 was given, in words -> its metrics on the same patients.
    patients : DataFrame
        Test patients: patient_id, label, score, called, base, image, clinic, arms_used.
    how_told : str
        Where what moved a score comes from, in a sentence.
    figures, facts : sequence of (str, str)
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
    """How far image and clinic moved each patient's log odds, and where the threshold lies.

    Parameters
    ----------
    patients : DataFrame
        label, base, image, clinic, of patients with both arms.
    positive : str
    threshold : float
        Of the score, a probability.
    """
    figure, axes = square_figure(
        f"What moved each score: {len(patients)} test patients with both arms"
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
    called = f"threshold {threshold:.2f}: above it called {positive}"
    axes.plot(along, cut - along, color=GREY, linewidth=1.2, linestyle="--", label=called)
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.axvline(0, color=GREY, linewidth=0.6)
    axes.set_xlabel("moved by the image (log odds)")
    axes.set_ylabel("moved by the clinical row (log odds)")
    axes.legend(loc="lower left", fontsize=8)
    return figure


def write_fusion_report(path: Path, page: FusionPage, metrics: Metrics) -> None:
    """Write ``report.html`` of a fusion run."""
    shown = page.patients.head(SHOWN).to_dict("records")
    render_metrics("fusion.html", path, metrics, page=page, shown=shown)

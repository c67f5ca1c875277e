"""What a training knows against its own model: recorded beside the bundle, quoted on its pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from covidx.clinical.missingness import PATTERN_ALONE
from covidx.limits import CARD, EXAM, record_limits
from covidx.report import CaseRow
from covidx.report.known_limits import quote_limits
from covidx.report.viewer.worklist import verdict_counts
from covidx.report.words import (
    CARD_DRAFT,
    COUNTS_LEFT_OUT,
    FEW_TESTED,
    KNOWN_BIAS,
    NO_CARD,
    NO_GAIN,
    NO_PATIENTS,
    SIMULATED,
)

ORIGINS = {
    KNOWN_BIAS: CARD,
    SIMULATED: CARD,
    NO_CARD: CARD,
    CARD_DRAFT: CARD,
    NO_PATIENTS: CARD,
    COUNTS_LEFT_OUT: CARD,
    PATTERN_ALONE: "control on missing values",
    NO_GAIN: "plain baseline",
    FEW_TESTED: "test rows",
}
"""How a warning of a run begins -> the origin of the limit that it is. Other warnings, such as what
was left out of a cohort, are of the run alone."""


def record_training(bundle: Path, warnings: Sequence[str]) -> None:
    """Record which warnings of a training are limits of its model, and quote them on its pages.

    Parameters
    ----------
    bundle : Path
        The trained bundle, in its run's folder.
    warnings : sequence of str
        Of the run.
    """
    by_origin: dict[str, list[str]] = {CARD: []}
    for line in warnings:
        for start, origin in ORIGINS.items():
            if line.startswith(start):
                by_origin.setdefault(origin, []).append(line.removeprefix(KNOWN_BIAS))
    for origin, texts in by_origin.items():
        record_limits(bundle, origin, texts)
    quote_limits(bundle.parent)


def record_exam(bundle: Path, cases: Sequence[CaseRow]) -> None:
    """Record how many heatmaps of a model failed their exam; nothing where none did.

    Parameters
    ----------
    bundle : Path
        The model's, in its run's folder.
    cases : sequence of CaseRow
        Test images with heatmaps.
    """
    verdicts = verdict_counts(cases)
    failed, held = verdicts["failed"], verdicts.total() - verdicts["no evidence"]
    text = (
        f"{failed} of {held} heatmaps on test images failed it: what they mark carries no "
        "more evidence than as much elsewhere, or it lies outside of the lungs. Such "
        "a map must not be read."
    )
    record_limits(bundle, EXAM, [text] if failed else [])

"""The page of P3: its figures, what a reader must know first, what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from covidx.clinical import NO_CONTROL, missingness_warning
from covidx.fusion import BOTH, FusionBundle
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.fusion.cohort import FusionCohort
from covidx.pipelines.fusion.results import CONTROL, MAIN
from covidx.pipelines.handovers import source_warnings
from covidx.report import reliability_figure, save_all, score_figure
from covidx.report.comparison import roc_curves_figure
from covidx.report.fusion import ArmLine, contributions_figure
from covidx.runs import RunRecord, provenance


def draw_fusion_figures(
    folder: Path, lines: Sequence[ArmLine], contributions: pd.DataFrame
) -> list[tuple[str, str]]:
    """Draw all figures of a run; returns each one's file name and a text for it.

    Parameters
    ----------
    folder : Path
        Takes the PNG files.
    lines : sequence of ArmLine
        P3 first.
    contributions : DataFrame
        As `FusionResults.contributions`.
    """
    p3 = lines[0].metrics
    systems = [line.system for line in lines if line.name in MAIN]
    assert p3.point is not None
    both = contributions[contributions["arms_used"] == BOTH]
    drawn = {
        "roc.png": ("ROC curves of the arms", roc_curves_figure(systems)),
        "contributions.png": (
            "Contributions of image and clinical data, by patient",
            contributions_figure(both, p3.positive, p3.point.threshold),
        ),
        "reliability.png": ("Reliability plot of P3", reliability_figure(systems[0].rows, p3)),
        "scores.png": ("Scores of P3 by true class", score_figure(systems[0].rows, p3)),
    }
    return save_all(drawn, folder)


def warnings_of(
    cohort: Cohort, joined: FusionCohort, lines: Sequence[ArmLine], complete: bool
) -> list[str]:
    """What a reader must know before any figure; the control on missing values leads.

    Parameters
    ----------
    cohort : Cohort
        Images, with notes on those that were left out.
    joined : FusionCohort
        Patients of both arms, with notes likewise.
    lines : sequence of ArmLine
        P3 first.
    complete : bool
        Whether no clinical value is missing, so that there is no control.
    """
    warnings, p3 = [], lines[0].metrics["auroc"]
    for line in lines:
        if line.name == CONTROL and line.against is not None:
            difference = line.against.differences["auroc"]
            warning = missingness_warning(p3, line.metrics["auroc"], difference)
            warnings += [warning] if warning else []
    if complete:
        warnings.append(NO_CONTROL)
    tested = joined.images.loc[joined.images["role"] == "test", "patient_id"].nunique()
    notes = [*cohort.notes, *joined.notes, *joined.rows.notes]
    return [*warnings, *source_warnings(cohort.source, tested, notes)]


def facts_of(
    record: RunRecord,
    joined: FusionCohort,
    bundle: FusionBundle,
    aurocs: Mapping[str, float],
) -> list[tuple[str, str]]:
    """The method section of the report.

    Parameters
    ----------
    record : RunRecord
        Of the run, with its configuration.
    joined : FusionCohort
        Patients and clinical rows, with role.
    bundle : FusionBundle
        P3 as it was saved.
    aurocs : mapping
        Name of each fusion -> its AUROC of out-of-fold scores, as `choose` gives it.

    Returns
    -------
    list of (str, str)
        Name and text of each fact, in the order of the page.
    """
    roles = joined.patients["role"].value_counts()
    labels = joined.patients["label"].value_counts()
    gaps = joined.rows.table[joined.rows.names].isna().mean()
    config = record.config
    return [
        ("Data set", f"{bundle.trained_on.dataset} ({bundle.trained_on.domain})"),
        ("Patients", f"{len(joined.patients)}: {', '.join(f'{n} {k}' for k, n in labels.items())}"),
        (
            "Split",
            f"by group (patient, household, source, near-duplicates), seed {config['seed']}: "
            + ", ".join(f"{roles[role]} {role}" for role in ("train", "test")),
        ),
        (
            "Scores that were fused",
            "of training patients: scores and features of models that had not seen the patient, "
            f"{config['inner_folds']} folds, whose networks together are P1",
        ),
        ("Clinical values", ", ".join(f"{n} ({gaps[n]:.0%} missing)" for n in joined.rows.names)),
        (
            "Choice",
            "the first within one standard error of the highest AUROC of out-of-fold scores: "
            + ", ".join(f"{name} {value:.3f}" for name, value in aurocs.items()),
        ),
        ("Threshold", bundle.threshold.provenance),
        ("P3", f"{bundle.recipe.name} of P1 and {', '.join(bundle.clinical_sha256)}"),
        *provenance(record, bundle.sha256),
    ]

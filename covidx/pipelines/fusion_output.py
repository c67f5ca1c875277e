"""What the fusion pipeline leaves behind: arms side by side, missing arms, what moved a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from covidx.clinical import missingness_warning
from covidx.evaluate import (
    Asked,
    Metrics,
    System,
    ThresholdRule,
    align,
    compare_systems,
    evaluate,
    make_study,
)
from covidx.files import replacing
from covidx.fusion import (
    BOTH,
    CLINIC,
    IMAGE,
    PATTERNS,
    Arms,
    Fuser,
    FusionBundle,
    FusionPredictor,
    predictions_of,
    score,
)
from covidx.pipelines.evaluation import Input, evaluate_table
from covidx.pipelines.fusion_cohort import FusionCohort
from covidx.pipelines.output import report_warnings
from covidx.pipelines.sources import Cohort
from covidx.report import reliability_figure, save, score_figure
from covidx.report.comparison import roc_curves_figure
from covidx.report.fusion import ArmLine, contributions_figure
from covidx.tables import CLINICAL, write_table

__all__ = [
    "CONTROL",
    "compare_arms",
    "draw_fusion_figures",
    "evaluate_arms",
    "facts_of",
    "missing_arms",
    "warnings_of",
    "write_contributions",
]

MAIN = ("p3", "p1", "p2")
CONTROL = "p2-missingness"
"""The control on missing values, as an arm."""

PATTERN_WORDS = {BOTH: "image and clinic", IMAGE: "image alone", CLINIC: "clinic alone"}


def compare_arms(table: pd.DataFrame, positive: str, what: Mapping[str, str]) -> list[ArmLine]:
    """Every arm on the test patients whom all of them have, P3 first.

    Parameters
    ----------
    table : DataFrame
        Predictions of several arms, ``p3`` among them, with validation rows.
    positive : str
    what : mapping
        Arm -> what it is, in words.
    """
    tested = table[table["role"] == "test"]
    counts = tested.groupby("unit_id")["arm"].nunique()
    shared = counts.index[counts == tested["arm"].nunique()]
    rows = table[(table["role"] != "test") | table["unit_id"].isin(shared)]
    names = ["p3", *(name for name in what if name != "p3")]
    studies = [make_study(rows, ThresholdRule(), arm=name, positive=positive) for name in names]
    systems = align([System(one.arm, one.rows, one.point) for one in studies])
    found = {c.second: c for c in compare_systems(systems, against_first=True)}
    return [
        ArmLine(what[one.arm], system, evaluate(one.test, positive, one.point), found.get(one.arm))
        for one, system in zip(studies, systems, strict=True)
    ]


def missing_arms(
    predictor: FusionPredictor, arms: Arms, classes: Sequence[str]
) -> dict[str, Metrics]:
    """P3 on the test patients who have both arms, as if they lacked one; its own threshold."""
    both = arms.only(arms.has(BOTH))
    point, positive = predictor.bundle.operating_point, predictor.bundle.positive
    found = {}
    for pattern in PATTERNS:
        part = both.restricted(pattern)
        scored = predictions_of(
            part, predictor.score(part), arm="p3", classes=classes, run_id="missing-arm"
        )
        found[PATTERN_WORDS[pattern]] = evaluate(scored, positive, point)
    return found


def write_contributions(path: Path, fuser: Fuser, arms: Arms, bundle: FusionBundle) -> pd.DataFrame:
    """What moved each test patient's score, the highest first, as CSV.

    Returns
    -------
    DataFrame
        patient_id, label, score, called, base, image, clinic, arms_used.
    """
    parts = fuser.parts(arms)
    table = arms.patients[["patient_id", "label"]].assign(score=score(fuser, arms))
    called = bundle.operating_point.decide(table["score"].to_numpy())
    table["called"] = np.where(called, bundle.positive, f"not {bundle.positive}")
    table = table.assign(**parts._asdict(), arms_used=arms.spoke)
    table = table.sort_values("score", ascending=False, ignore_index=True)
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    return table


def evaluate_arms(run: Path, positive: str, beside: pd.DataFrame, resamples: int = 2000) -> None:
    """The incremental value of P3, as `covidx evaluate` gives it, into ``evaluation/``.

    Parameters
    ----------
    run : Path
        With ``predictions.parquet`` and ``manifest.parquet``.
    positive : str
    beside : DataFrame
        patient_id, and what else is known of patients: age_years, ct_normal, ...
    """
    clinical = []
    if len(beside.columns) > 1:
        write_table(beside, run / "strata.parquet", CLINICAL)
        clinical = [run / "strata.parquet"]
    said = "ct_normal" in beside and (beside["ct_normal"] == "1").any()
    evaluate_table(
        Input(
            run / "predictions.parquet",
            arm="p3",
            positive=positive,
            manifest=run / "manifest.parquet",
            clinical=clinical,
        ),
        ThresholdRule(),
        Asked(normal_ct="ct_normal=1" if said else None, resamples=resamples),
        run / "evaluation",
    )


def draw_fusion_figures(
    folder: Path, lines: Sequence[ArmLine], moved: pd.DataFrame
) -> list[tuple[str, str]]:
    """Draw all figures of a run; returns each one's file name and a text for it.

    Parameters
    ----------
    folder : Path
    lines : sequence of ArmLine
        P3 first.
    moved : DataFrame
        As `write_contributions`.
    """
    p3 = lines[0].metrics
    systems = [line.system for line in lines if line.name in MAIN]
    assert p3.point is not None
    both = moved[moved["arms_used"] == BOTH]
    drawn = {
        "roc.png": ("ROC curves of the arms", roc_curves_figure(systems)),
        "contributions.png": (
            "What image and clinic moved, by patient",
            contributions_figure(both, p3.positive, p3.point.threshold),
        ),
        "reliability.png": ("Reliability plot of P3", reliability_figure(systems[0].rows, p3)),
        "scores.png": ("Scores of P3 by true class", score_figure(systems[0].rows, p3)),
    }
    for name, (_, figure) in drawn.items():
        save(figure, folder / name)
    return [(name, text) for name, (text, _) in drawn.items()]


def warnings_of(
    cohort: Cohort, joined: FusionCohort, lines: Sequence[ArmLine], complete: bool
) -> list[str]:
    """What a reader must know before any figure; the control on missing values leads."""
    found, p3 = [], lines[0].metrics["auroc"]
    for line in lines:
        if line.name == CONTROL and line.against is not None:
            told = missingness_warning(p3, line.metrics["auroc"], line.against.differences["auroc"])
            found += [told] if told else []
    if complete:
        found.append("No value is missing in the training rows: there is no missingness control.")
    return [*found, *report_warnings(cohort, joined.images), *joined.notes, *joined.rows.notes]


def facts_of(
    record: dict[str, Any],
    joined: FusionCohort,
    bundle: FusionBundle,
    validation: Mapping[str, float],
) -> list[tuple[str, str]]:
    """The method section of the report."""
    roles = joined.patients["role"].value_counts()
    labels = joined.patients["label"].value_counts()
    gaps = joined.rows.table[joined.rows.names].isna().mean()
    config = record["config"]
    return [
        ("Data set", f"{bundle.dataset} ({bundle.domain})"),
        ("Patients", f"{len(joined.patients)}: {', '.join(f'{n} {k}' for k, n in labels.items())}"),
        (
            "Split",
            f"by group (patient, household, source, near-duplicates), seed {config['seed']}: "
            + ", ".join(f"{roles[role]} {role}" for role in ("train", "validation", "test")),
        ),
        (
            "Scores that were fused",
            f"late, stacking: of models that had not seen the patient, {config['inner_folds']} "
            "folds of the training patients. Networks: P1's features of the patients that P1 was "
            "trained on, as those of Mei et al.",
        ),
        ("Clinical values", ", ".join(f"{n} ({gaps[n]:.0%} missing)" for n in joined.rows.names)),
        (
            "Choice",
            "AUROC on validation patients: "
            + ", ".join(f"{name} {value:.3f}" for name, value in validation.items()),
        ),
        ("P3", f"{bundle.recipe.name} of P1 and {', '.join(bundle.clinical_sha256)}"),
        ("Bundle", bundle.sha256),
        ("Code", f"commit {record['git_commit'] or 'unknown'}; lock {record['lock_sha256']}"),
        ("Run", f"{record['run_id']}; MLflow run {record['mlflow_run_id']}"),
    ]

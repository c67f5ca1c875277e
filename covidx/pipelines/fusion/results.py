"""Results of P3 beside its arms: on the same test patients, without an arm, by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from covidx.evaluate import (
    EvaluationOptions,
    Metrics,
    OperatingRule,
    ThresholdRule,
    compare_systems,
    evaluate,
    make_study,
    on_common_rows,
)
from covidx.files import replacing, write_json
from covidx.fusion import (
    BOTH,
    CLINICAL_ARM,
    IMAGE,
    PATTERNS,
    Arms,
    FusionPredictor,
    ImageArm,
    predictions_of,
)
from covidx.fusion.arms import FloatArray
from covidx.pipelines.evaluation import Input, evaluate_table
from covidx.pipelines.fusion.arms import ClinicalArm
from covidx.pipelines.fusion.choice import Candidate
from covidx.pipelines.fusion.cohort import FusionCohort
from covidx.pipelines.run import TrainingRun
from covidx.report.fusion import ArmLine, FusionResults
from covidx.tables import CLINICAL, PREDICTIONS, write_table

P3 = "p3"
MAIN = (P3, IMAGE, CLINICAL_ARM)
CONTROL = "p2-missingness"
"""The control on missing values, as an arm."""

PATTERN_WORDS = {
    BOTH: "image and clinical data",
    IMAGE: "image alone",
    CLINICAL_ARM: "clinical data alone",
}
KINDS = {
    "late": "logistic regression on the log odds of P1 and P2",
    "stacking": "logistic regression on the log odds of P1 and all clinical models",
    "joint": "joint network of Mei et al.",
    "gated": "gated network",
}
"""What a fusion is, in words."""


def scores_by_arm(
    predictor: FusionPredictor,
    arms: Arms,
    others: Sequence[Candidate],
    clinical: ClinicalArm,
    by_image: ImageArm,
) -> dict[str, tuple[str, FloatArray]]:
    """What each arm is, in words, and its scores, shape (n,), in the order of the page.

    Parameters
    ----------
    predictor : FusionPredictor
        P3 as it was saved.
    arms : Arms
        All patients, with the features that P3 reads.
    others : sequence of Candidate
        The fusions that were not chosen.
    clinical : ClinicalArm
        The clinical models and the control.
    by_image : ImageArm
        P1's own log odds, not calibrated.
    """
    own = by_image.logits.reindex(arms.patients["patient_id"]).to_numpy(np.float64)
    backbone = predictor.image.bundle.recipe.architecture.backbone
    found = {P3: (KINDS[predictor.bundle.recipe.kind], predictor.score(arms))}
    if clinical.control is not None:  # first of the others: what it reaches, no model has shown
        alone = np.where(arms.has(CLINICAL_ARM), clinical.control.score(arms.values), np.nan)
        found[CONTROL] = ("knows which clinical values are missing, and nothing else", alone)
    found[IMAGE] = (f"image: {backbone}", expit(own))
    found[CLINICAL_ARM] = (
        f"clinical row: {clinical.best}",
        expit(arms.clinical[clinical.best].to_numpy(np.float64)),
    )
    for one in others:
        found[f"{P3}-{one.recipe.name}"] = (KINDS[one.recipe.kind], one.scores)
    return found


def judge(
    run: TrainingRun,
    predictor: FusionPredictor,
    arms: Arms,
    scored: Mapping[str, tuple[str, FloatArray]],
    joined: FusionCohort,
    rule: OperatingRule,
) -> FusionResults:
    """Write predictions, metrics, arms, missing arms, contributions and the evaluation.

    Parameters
    ----------
    run : TrainingRun
        Whose folder takes the results.
    predictor : FusionPredictor
        As it was saved.
    arms : Arms
        All patients, with the features that P3 reads.
    scored : mapping
        As `scores_by_arm`.
    joined : FusionCohort
        For the digest of the split, and the strata of the evaluation.
    rule : OperatingRule
        Of every arm's threshold.
    """
    threshold = ThresholdRule(rule.rule, rule.target, rule.prevalence)
    bundle, role = predictor.bundle, arms.patients["role"].to_numpy(str)
    held_out = arms.only(role != "train")
    tables = {
        name: predictions_of(
            held_out,
            scores[role != "train"],
            arm=name,
            classes=bundle.classes,
            run_id=run.run_id,
            split_sha256=joined.splits.sha256,
            bundle_sha256=bundle.sha256 if name == P3 else None,
        )
        for name, (_, scores) in scored.items()
    }
    main = pd.concat([tables[name] for name in MAIN], ignore_index=True)
    everything = pd.concat(list(tables.values()), ignore_index=True)
    write_table(everything, run.path / "models.parquet", PREDICTIONS)
    test = tables[P3][tables[P3]["role"] == "test"]
    metrics = evaluate(test, bundle.positive, bundle.threshold.operating_point)
    run.write_predictions(main, metrics)
    words = {name: what for name, (what, _) in scored.items()}
    lines = _compare_arms(everything, bundle.positive, threshold, words)
    write_json(run.path / "arms.json", lines)
    tested = arms.only(role == "test")
    missing = _missing_arms(predictor, tested)
    write_json(run.path / "missing_arms.json", missing)
    contributions = _write_contributions(run.path / "contributions.csv", predictor, tested)
    _evaluate_arms(run.path, bundle.positive, threshold, joined.rows.strata)
    return FusionResults(metrics, lines, missing, contributions)


def _compare_arms(
    table: pd.DataFrame, positive: str, rule: ThresholdRule, what: Mapping[str, str]
) -> list[ArmLine]:
    """Every arm on the test patients whom all of them have, in the order of `what`.

    Parameters
    ----------
    table : DataFrame
        Predictions of several arms, with validation rows.
    positive : str
    rule : ThresholdRule
    what : mapping
        Arm -> what it is, in words; P3 first.
    """
    studies = [make_study(table, rule, arm=name, positive=positive) for name in what]
    systems, _ = on_common_rows(studies)
    minus = {one.second: one for one in compare_systems(systems, against_first=True)}
    lines = []
    for study, system in zip(studies, systems, strict=True):
        rows = study.test[study.test["unit_id"].isin(system.rows.units)]
        metrics = evaluate(rows, positive, study.point)
        lines.append(ArmLine(what[study.arm], system, metrics, minus.get(study.arm)))
    return lines


def _missing_arms(predictor: FusionPredictor, arms: Arms) -> dict[str, Metrics]:
    """P3 on the test patients who have both arms, as if they lacked one; its own threshold."""
    both = arms.only(arms.has(BOTH))
    point, positive = predictor.bundle.threshold.operating_point, predictor.bundle.positive
    found = {}
    for pattern in PATTERNS:
        part = both.restricted(pattern)
        classes, scores = predictor.bundle.classes, predictor.score(part)
        scored = predictions_of(part, scores, arm=P3, classes=classes, run_id="missing-arm")
        found[PATTERN_WORDS[pattern]] = evaluate(scored, positive, point)
    return found


def _write_contributions(path: Path, predictor: FusionPredictor, arms: Arms) -> pd.DataFrame:
    """Contributions to each test patient's score, the highest score first, as CSV.

    Returns
    -------
    DataFrame
        patient_id, label, score, called, base, image, clinical, arms_used.
    """
    bundle, available = predictor.bundle, arms.available
    parts = predictor.fuser.contributions(arms)
    table = arms.patients[["patient_id", "label"]].assign(score=parts.scores(available))
    called = bundle.threshold.operating_point.decide(table["score"].to_numpy())
    table["called"] = np.where(called, bundle.positive, f"not {bundle.positive}")
    terms = {"base": parts.base, "image": parts.image, "clinical": parts.clinical}
    table = table.assign(**terms, arms_used=available)
    table = table.sort_values("score", ascending=False, ignore_index=True)
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    return table


def _evaluate_arms(run: Path, positive: str, rule: ThresholdRule, beside: pd.DataFrame) -> None:
    """The incremental value of P3, as `covidx evaluate` gives it, into ``evaluation/``.

    Parameters
    ----------
    run : Path
        With ``predictions.parquet`` and ``manifest.parquet``.
    positive : str
    rule : ThresholdRule
    beside : DataFrame
        patient_id, and what else is known of patients: age_years, ct_normal, ...
    """
    clinical = []
    if len(beside.columns) > 1:
        write_table(beside, run / "strata.parquet", CLINICAL)
        clinical = [run / "strata.parquet"]
    known = "ct_normal" in beside and (beside["ct_normal"] == "1").any()
    evaluate_table(
        Input(
            run / "predictions.parquet",
            arm=P3,
            positive=positive,
            manifest=run / "manifest.parquet",
            clinical=clinical,
        ),
        rule,
        EvaluationOptions(normal_ct="ct_normal=1" if known else None),
        run / "evaluation",
    )

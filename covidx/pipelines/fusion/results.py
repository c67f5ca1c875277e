"""Results of P3 beside its arms: on the same test patients, without an arm, by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from covidx.clinical import ClinicalRows, Fitted, score_by_role
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
from covidx.tables import CLINICAL, OUT_OF_FOLD, PREDICTIONS, write_table

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
    chosen: Candidate,
    others: Sequence[Candidate],
    clinical: ClinicalArm,
    own: ImageArm,
    control: Mapping[str, tuple[str, FloatArray]],
) -> dict[str, tuple[str, FloatArray]]:
    """What each arm is, in words, and its scores, shape (n,); of training patients out of fold.

    Parameters
    ----------
    predictor : FusionPredictor
        P3 as it was saved.
    chosen : Candidate
        The fusion that became P3.
    others : sequence of Candidate
        The fusions that did not.
    clinical : ClinicalArm
        The clinical models.
    own : ImageArm
        P1's own log odds, not calibrated.
    control : mapping
        As `control_arm`; empty where no clinical value is missing.
    """
    arms = chosen.arms
    image = own.logits.reindex(arms.patients["patient_id"]).to_numpy(np.float64)
    architecture = predictor.image.bundle.recipe.architecture
    held = (arms.patients["role"] == OUT_OF_FOLD).to_numpy()
    scores: FloatArray = np.where(held, chosen.scores, predictor.score(arms))
    # The control is first of the others: what it reaches, no model has shown.
    found: dict[str, tuple[str, FloatArray]] = {
        P3: (KINDS[predictor.bundle.recipe.kind], scores),
        **control,
    }
    found[IMAGE] = (f"image: {architecture.members} x {architecture.backbone}", expit(image))
    found[CLINICAL_ARM] = (
        f"clinical row: {clinical.best}",
        expit(arms.clinical[clinical.best].to_numpy(np.float64)),
    )
    for one in others:
        found[f"{P3}-{one.recipe.name}"] = (KINDS[one.recipe.kind], one.scores)
    return found


def control_arm(
    control: Fitted | None, arms: Arms, rows: ClinicalRows, *, seed: int, folds: int
) -> dict[str, tuple[str, FloatArray]]:
    """The control on missing values alone, as `scores_by_arm` has the other arms.

    Parameters
    ----------
    control : Fitted, optional
        Fitted on the training rows; None where nothing is missing.
    arms : Arms
        All patients.
    rows : ClinicalRows
        With role.
    seed, folds : int
        Of its out-of-fold scores.
    """
    if control is None:
        return {}
    known, scores = score_by_role(control, rows, seed=seed, folds=folds)
    of_patient = pd.Series(scores, known.table["patient_id"])
    own: FloatArray = np.asarray(of_patient.reindex(arms.patients["patient_id"]), np.float64)
    return {CONTROL: ("knows which clinical values are missing, and nothing else", own)}


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
    tables = {
        name: predictions_of(
            arms,
            scores,
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
        Predictions of several arms, with out-of-fold rows.
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

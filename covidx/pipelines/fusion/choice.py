"""Fusions of the arms: each fitted, one chosen on validation patients, and saved as P3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from covidx.clinical import ClinicalBundle, Fitted, trained_on_rows
from covidx.evaluate import OperatingPoint, OperatingRule, delong
from covidx.fusion import (
    CLINICAL_FOLDER,
    Arms,
    Fuser,
    FusionBundle,
    FusionPredictor,
    FusionRecipe,
    ImageTraining,
    JointFusion,
    LateFusion,
    Line,
    OutOfFold,
    fit_joint,
    fit_late,
    predictions_of,
    score,
    with_features,
)
from covidx.fusion.arms import FloatArray
from covidx.inference import ImagePredictor, Threshold
from covidx.inference.clinical import ClinicalPredictor
from covidx.pipelines.fusion.arms import ClinicalArm
from covidx.pipelines.fusion.cohort import FusionCohort


@dataclass(frozen=True, eq=False)
class Candidate:
    """A fitted fusion, and the arms with the image features that it reads."""

    recipe: FusionRecipe
    fuser: Fuser
    arms: Arms

    @cached_property
    def scores(self) -> FloatArray:
        """Probability of the positive class, shape (n,)."""
        return score(self.fuser, self.arms)


def fit_candidate(
    recipe: FusionRecipe,
    arms: Arms,
    positive: str,
    out_of_fold: tuple[OutOfFold, ClinicalArm],
    image: ImageTraining,
    seed: int,
    folder: Path,
) -> Candidate:
    """Fit one recipe; no test patient is read.

    Parameters
    ----------
    recipe : FusionRecipe
        Late, stacking, or a network (one with learning).
    arms : Arms
        All patients, with role.
    positive : str
        The positive class.
    out_of_fold : (OutOfFold, ClinicalArm)
        Out-of-fold scores of the training patients by either arm, which late fusion and stacking
        are fitted on.
    image : ImageTraining
        What a network needs of P1.
    seed : int
        Of a network.
    folder : Path
        For checkpoints of a network.
    """
    patients = arms.patients
    truth = patients["label"] == positive
    if recipe.learning is None:
        by_image, clinical = out_of_fold
        train = (patients["role"] == "train").to_numpy()
        by_patient = truth[train].set_axis(patients.loc[train, "patient_id"])
        names = list(clinical.models) if recipe.kind == "stacking" else [clinical.best]
        late = fit_late(by_patient, by_image, {name: clinical.out_of_fold[name] for name in names})
        return Candidate(recipe, late, arms)
    learnt = (patients["role"] != "test").to_numpy()
    known = np.asarray(truth[learnt], dtype=np.float64)
    columns = out_of_fold[1].models[out_of_fold[1].best].features
    joint = fit_joint(recipe, arms.only(learnt), columns, known, image, seed, folder)
    if joint.bag is not None:
        arms = with_features(arms, image.features_of(joint.bag))
    return Candidate(recipe, joint, arms)


def choose(candidates: Sequence[Candidate], positive: str) -> tuple[Candidate, dict[str, float]]:
    """The simplest fusion that is as good as the best, as far as the validation patients can tell.

    The first whose AUROC lies within one standard error of the highest (the rule of one standard
    error: Breiman et al., Classification and Regression Trees, 1984, section 3.4.3). On few
    patients the best is best by chance.

    Parameters
    ----------
    candidates : sequence of Candidate
        Of the same patients, from simple to complex.
    positive : str
        The positive class.

    Returns
    -------
    chosen : Candidate
    aurocs : dict
        FusionRecipe -> AUROC on validation patients: for choosing, not for reporting.
    """
    patients = candidates[0].arms.patients
    scores = np.stack([candidate.scores for candidate in candidates])
    rows = (patients["role"] == "validation").to_numpy() & ~np.isnan(scores).any(axis=0)
    truth = (patients.loc[rows, "label"] == positive).to_numpy(bool)
    values, covariance = delong(scores[:, rows], truth)
    best = int(np.argmax(values))
    enough = values[best] - np.sqrt(np.nan_to_num(covariance[best, best]))
    chosen = candidates[int(np.argmax(values >= enough))]
    names = [candidate.recipe.name for candidate in candidates]
    return chosen, {name: float(value) for name, value in zip(names, values, strict=True)}


def save_p3(
    folder: Path,
    chosen: Candidate,
    clinical: ClinicalArm,
    p1: tuple[ImagePredictor, Line],
    joined: FusionCohort,
    facts: Mapping[str, Any],
    rule: OperatingRule,
) -> FusionPredictor:
    """Set the thresholds of P2 and P3 on validation patients, save, and read back.

    Parameters
    ----------
    folder : Path
        The bundle's, with P1's in ``image``.
    chosen : Candidate
        The fusion that becomes P3.
    clinical : ClinicalArm
        The clinical models; those that P3 reads are saved with it.
    p1 : (ImagePredictor, Line)
        P1, and what calibrates it.
    joined : FusionCohort
        Patients and clinical rows with role.
    facts : mapping
        run_id, dataset, domain, the digests, and patient_column of the clinical table, or None.
    rule : OperatingRule
        Of the thresholds.
    """
    image, scale = p1
    classes, positive = list(joined.rows.classes.names), joined.rows.classes.positive
    train = joined.patients[joined.patients["role"] == "train"]
    counts = {name: int((train["label"] == name).sum()) for name in classes}
    fuser = chosen.fuser
    names = fuser.models if isinstance(fuser, LateFusion) else [clinical.best]
    trained = {key: facts[key] for key in TRAINED_FACTS}
    rows = joined.rows.only(joined.rows.table["role"] == "train")
    on_rows = trained_on_rows(rows, **trained)
    saved: dict[str, Fitted] = {}
    digests: dict[str, str] = {}
    for name in names:
        scores = expit(chosen.arms.clinical[name].to_numpy(np.float64))
        part = ClinicalBundle.of(
            clinical.models[name],
            trained_on=on_rows,
            patient_column=facts["patient_column"],
            missing=facts["missing"],
            classes=classes,
            positive=positive,
            threshold=Threshold.of(_point(rule, chosen.arms, scores, "p2", classes)),
            run_id=facts["run_id"],
        )
        place = folder / CLINICAL_FOLDER / name
        predictor = ClinicalPredictor(part, clinical.models[name]).save(place)
        saved[name], digests[name] = predictor.fitted, predictor.bundle.sha256
    point = _point(rule, chosen.arms, chosen.scores, "p3", classes)
    update = {"columns": on_rows.columns, "unknown_share": on_rows.unknown_share}
    draft = FusionBundle(
        recipe=chosen.recipe,
        trained_on=image.bundle.trained_on.model_copy(
            update={**trained, **update, "patients": counts}
        ),
        lines=dict(fuser.lines),
        scale=scale,
        prior=fuser.prior if isinstance(fuser, JointFusion) else None,
        classes=classes,
        positive=positive,
        threshold=Threshold.of(point),
        image_sha256=image.bundle.sha256,
        clinical_sha256=digests,
        run_id=facts["run_id"],
    )
    return FusionPredictor(draft, image, part, saved, fuser).save(folder)


TRAINED_FACTS = ("dataset", "domain", "card_sha256", "table_sha256", "split_sha256")


def _point(
    rule: OperatingRule, arms: Arms, scores: FloatArray, arm: str, classes: Sequence[str]
) -> OperatingPoint:
    """The threshold on the validation patients."""
    validation = (arms.patients["role"] == "validation").to_numpy()
    part = arms.only(validation)
    table = predictions_of(part, scores[validation], arm=arm, classes=classes, run_id="draft")
    return rule.choose(table, classes[1])

"""Fusions of the arms: each fitted, one chosen on out-of-fold scores, and saved as P3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from covidx.clinical import ClinicalBundle, Fitted, trained_on_rows
from covidx.evaluate import OperatingPoint, OperatingRule, delong
from covidx.fusion import (
    CLINICAL_FOLDER,
    Arms,
    CrossFittedArms,
    Fuser,
    FusionBundle,
    FusionPredictor,
    FusionRecipe,
    ImageTraining,
    JointFusion,
    LateFusion,
    Line,
    fit_joint,
    fit_late,
    held_out,
    late_out_of_fold,
    predictions_of,
    score,
    with_features,
)
from covidx.fusion.arms import FloatArray
from covidx.inference import ImagePredictor, Threshold
from covidx.inference.clinical import ClinicalPredictor
from covidx.pipelines.fusion.arms import ClinicalArm
from covidx.pipelines.fusion.cohort import FusionCohort
from covidx.tables import OUT_OF_FOLD


@dataclass(frozen=True, eq=False)
class Candidate:
    """A fitted fusion.

    Parameters
    ----------
    recipe : FusionRecipe
        How it fuses.
    fuser : LateFusion or JointFusion
        Fitted on all training patients.
    arms : Arms
        All patients; of those who test, with the image features that it reads.
    scores : ndarray, shape (n,)
        Probability of the positive class; of training patients out of fold.
    """

    recipe: FusionRecipe
    fuser: Fuser
    arms: Arms
    scores: FloatArray


def fit_candidate(
    recipe: FusionRecipe,
    crossed: CrossFittedArms,
    positive: str,
    clinical: ClinicalArm,
    image: ImageTraining,
    folder: Path,
    *,
    seed: int,
    folds: int,
) -> Candidate:
    """Fit one recipe; no test patient is learnt from.

    Parameters
    ----------
    recipe : FusionRecipe
        Late, stacking, or a network (one with learning).
    crossed : CrossFittedArms
        Both arms of all patients, those of training patients out of fold.
    positive : str
        The positive class.
    clinical : ClinicalArm
        The clinical models.
    image : ImageTraining
        What a network needs of P1.
    folder : Path
        For checkpoints of a network.
    seed : int
        Of the folds and of a network.
    folds : int
        Without each of which the fusion is fitted once more, to score it; as many as P1 has
        networks.
    """
    arms = crossed.arms
    train = (arms.patients["role"] == OUT_OF_FOLD).to_numpy()
    learnt = arms.only(train)
    truth = (learnt.patients["label"] == positive).set_axis(learnt.patients["patient_id"])
    scores, known = np.empty(len(arms)), truth.to_numpy(bool)
    fuser: Fuser
    if recipe.learning is None:
        names = list(crossed.clinical) if recipe.kind == "stacking" else [clinical.best]
        seen = crossed.image, {name: crossed.clinical[name] for name in names}
        cut = held_out(learnt.patients, known, folds, seed)
        fuser = fit_late(truth, *seen)
        scores[train] = late_out_of_fold(truth, *seen, learnt, cut)
    else:
        if recipe.learning.end_to_end:
            of_group = crossed.image.patients.groupby("group_id")["fold"].first()
            places = learnt.patients["group_id"].map(of_group).fillna(0).to_numpy(np.int64)
        else:  # other folds than P1's: each network learns from features of all of P1's
            cut = held_out(learnt.patients, known, folds, seed + 1)
            places = np.argmax(np.stack(cut), axis=0)
        columns = clinical.models[clinical.best].features
        fuser, scores[train] = fit_joint(
            recipe, learnt, columns, known.astype(np.float64), image, places, seed, folder
        )
        if fuser.bag is not None:
            tested = arms.patients.loc[~train, "patient_id"]
            arms = with_features(arms, image.features_of(fuser.bag, tested))
    scores[~train] = score(fuser, arms.only(~train))
    return Candidate(recipe, fuser, arms, scores)


def choose(candidates: Sequence[Candidate], positive: str) -> tuple[Candidate, dict[str, float]]:
    """The simplest fusion that is as good as the best, as far as out-of-fold scores can tell.

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
        FusionRecipe -> AUROC of out-of-fold scores: for choosing, not for reporting.
    """
    patients = candidates[0].arms.patients
    scores = np.stack([candidate.scores for candidate in candidates])
    rows = (patients["role"] == OUT_OF_FOLD).to_numpy() & ~np.isnan(scores).any(axis=0)
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
    """Set the thresholds of P2 and P3 on out-of-fold scores, save, and read back.

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
    """The threshold on the training patients' out-of-fold scores."""
    held = (arms.patients["role"] == OUT_OF_FOLD).to_numpy()
    part = arms.only(held)
    table = predictions_of(part, scores[held], arm=arm, classes=classes, run_id="draft")
    return rule.choose(table, classes[1])

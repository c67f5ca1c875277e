"""What an image pipeline leaves behind: the bundle, its card, figures, the facts of a report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from covidx.cards import ModelFacts, write_model_card
from covidx.cohort import Splits
from covidx.evaluate import Metrics, OperatingRule, Rows
from covidx.imaging import BagCache
from covidx.inference import ImageBundle, ImagePredictor, ImageRecipe, Threshold, predict_cache
from covidx.models import BagClassifier
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.handovers import trained_on
from covidx.report import (
    confusion_figure,
    reliability_figure,
    roc_figure,
    save_all,
    score_figure,
    training_figure,
)
from covidx.runs import RunRecord, provenance
from covidx.training import Fit

__all__ = [
    "draw_figures",
    "make_bundle",
    "report_facts",
    "with_threshold",
    "write_image_model_card",
]


def make_bundle(
    model: BagClassifier,
    recipe: ImageRecipe,
    cohort: Cohort,
    rows: pd.DataFrame,
    splits: Splits,
    run_id: str,
) -> ImagePredictor:
    """A bundle, complete but for its threshold (`with_threshold`) and hashes.

    Parameters
    ----------
    model : BagClassifier
        Trained.
    recipe, cohort, splits
        What it was trained with.
    rows : DataFrame
        Manifest rows with fold and role.
    run_id : str
    """
    bundle = ImageBundle(
        recipe=recipe,
        classes=list(cohort.labels.names),
        positive=cohort.labels.positive,
        threshold=Threshold(value=0.5, rule="none", origin="nothing yet"),
        trained_on=trained_on(cohort.source, rows, splits, cohort.labels.names),
        run_id=run_id,
    )
    return ImagePredictor(bundle, model)


def with_threshold(
    draft: ImagePredictor, cache: BagCache, rows: pd.DataFrame, rule: OperatingRule
) -> ImagePredictor:
    """The same bundle with its threshold, chosen on the validation rows of `rows`."""
    bundle = draft.bundle
    validation = rows[rows["role"] == "validation"]
    scored = predict_cache(draft, cache, validation, bundle.run_id)
    point = Threshold.of(rule.choose(scored, bundle.positive))
    return ImagePredictor(bundle.model_copy(update={"threshold": point}), draft.model)


def write_image_model_card(
    folder: Path, bundle: ImageBundle, metrics: Metrics, notes: list[str]
) -> None:
    """Write the bundle's model card, test results and all."""
    seen = bundle.trained_on
    facts = ModelFacts(
        name=f"covidx P1: {bundle.positive} on {seen.modality}",
        architecture=f"{bundle.recipe.architecture.backbone}; {_deciders(bundle)}",
        positive=bundle.positive,
        classes=bundle.classes,
        modality=seen.modality,
        units=seen.units,
        domain=seen.domain,
        card_identifier=seen.dataset,
        card_sha256=seen.card_sha256 or "none",
        patients_by_class=seen.patients,
        manufacturers=seen.manufacturers,
        slice_thickness_mm=seen.slice_thickness_mm,
        preprocessing=[f"{k}: {v}" for k, v in bundle.recipe.preprocessing.model_dump().items()],
        threshold=bundle.threshold.value,
        threshold_origin=bundle.threshold.provenance,
        metrics=metrics.to_json(),
        metrics_on=f"{metrics.n} test {metrics.level}s of the same data set",
        limits=notes,
        bundle_sha256=bundle.sha256,
        versions=bundle.versions,
    )
    write_model_card(folder, facts)


def draw_figures(
    test: pd.DataFrame, metrics: Metrics, fitted: Fit, rows: pd.DataFrame, folder: Path
) -> list[tuple[str, str]]:
    """Draw all figures of a run; returns each one's file name and a text for it."""
    seen = Rows.of(test, metrics.positive)
    counts = rows["role"].value_counts()
    training = training_figure(
        fitted.curves, n_train=int(counts["train"]), n_validation=int(counts["validation"])
    )
    drawn = {
        "roc.png": ("ROC curve with the operating point", roc_figure(seen, metrics)),
        "reliability.png": ("Reliability plot", reliability_figure(seen, metrics)),
        "scores.png": ("Scores by true class", score_figure(seen, metrics)),
        "confusion.png": ("Confusion matrices", confusion_figure(metrics)),
        "training.png": ("Loss and validation AUROC by epoch", training),
    }
    return save_all(drawn, folder)


def report_facts(
    record: RunRecord, cohort: Cohort, rows: pd.DataFrame, bundle: ImageBundle, fitted: Fit
) -> list[tuple[str, str]]:
    """The method section of the report."""
    files = cohort.ingested
    shares = rows.groupby("role")["group_id"].nunique()
    classes = rows.groupby("label")["patient_id"].nunique()
    return [
        ("Data set", f"{cohort.source.name} ({bundle.trained_on.domain})"),
        (
            "Files",
            f"{files.files_seen} seen: {files.accepted_files} accepted, {files.set_aside} set "
            f"aside, {files.quarantined} quarantined",
        ),
        ("Images", f"{len(rows)}; patients: " + ", ".join(f"{n} {k}" for k, n in classes.items())),
        (
            "Split",
            f"by group (patient, source, near-duplicates), seed {record.config['seed']}: "
            + ", ".join(f"{shares[role]} {role}" for role in ("train", "validation", "test"))
            + " groups",
        ),
        (
            "Model",
            f"{bundle.recipe.architecture.backbone}, pretrained on ImageNet; {_deciders(bundle)}",
        ),
        (
            "Training",
            f"{len(fitted.curves)} epoch{'s' if len(fitted.curves) != 1 else ''}; weights of epoch "
            f"{fitted.best_epoch} (the first is 0), of the lowest validation loss",
        ),
        *provenance(record, bundle.sha256),
    ]


def _deciders(bundle: ImageBundle) -> str:
    """Which slices make a decision."""
    if bundle.recipe.preprocessing.input != "volume":
        return "each image is scored by itself"
    return f"the mean of the {bundle.recipe.architecture.top_k} most abnormal slices decides"

"""What an image pipeline leaves behind: the bundle, its card, figures, the facts of a report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from covidx.chest_view import chest_view
from covidx.cohort import Splits
from covidx.evaluate import Metrics, OperatingRule, Rows
from covidx.evaluate.prevalence import PredictiveValues, predictive_values
from covidx.imaging import BagCache, thumbnails
from covidx.inference import ImageBundle, ImagePredictor, ImageRecipe, Threshold, score_rows
from covidx.models import BagModel
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.handovers import trained_on
from covidx.pipelines.image.fit import ImageFit
from covidx.pipelines.image.learning_curve import LearningCurve
from covidx.report import (
    confusion_figure,
    learning_figure,
    reliability_figure,
    roc_figure,
    save_all,
    score_figure,
    training_figure,
)
from covidx.report.glance import SCREENING
from covidx.runs import RunRecord, provenance
from covidx.tables import ROLES
from covidx.wording import counted


def make_bundle(
    model: BagModel,
    recipe: ImageRecipe,
    cohort: Cohort,
    rows: pd.DataFrame,
    splits: Splits,
    run_id: str,
) -> ImagePredictor:
    """A bundle, complete but for its threshold (`with_threshold`) and hashes.

    Parameters
    ----------
    model : BagModel
        Trained.
    recipe, cohort, splits
        What it was trained with.
    rows : DataFrame
        Manifest rows with fold and role.
    run_id : str
        The run that trained it.
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
    draft: ImagePredictor, cache: BagCache, rows: pd.DataFrame, rule: OperatingRule, seed: int
) -> ImagePredictor:
    """The same bundle with its threshold, chosen on rows that no network learnt from.

    Parameters
    ----------
    draft : ImagePredictor
        As `make_bundle` gives it; it is not changed.
    cache : BagCache
        Prepared slices of every image.
    rows : DataFrame
        Manifest rows with fold and role. Those of role validation are scored; of an ensemble the
        training rows, each by the member that did not learn from it.
    rule : OperatingRule
        How the threshold is chosen.
    seed : int
        Of the training.
    """
    bundle = _with_chest(draft.bundle, cache, rows)
    role = "validation" if bundle.recipe.architecture.members == 1 else "train"
    scored = score_rows(draft, cache, rows[rows["role"] == role], seed, bundle.run_id)
    point = Threshold.of(rule.choose(scored, bundle.positive))
    return ImagePredictor(bundle.model_copy(update={"threshold": point}), draft.model)


def _with_chest(bundle: ImageBundle, cache: BagCache, rows: pd.DataFrame) -> ImageBundle:
    """The bundle with what its training radiographs look like; of CT, as it is."""
    if bundle.trained_on.kind != "radiograph":
        return bundle
    pictures = thumbnails(cache, rows["image_id"])
    train, validation = (
        [pictures[name] for name in rows.loc[rows["role"] == role, "image_id"]]
        for role in ("train", "validation")
    )
    trained = bundle.trained_on.model_copy(update={"chest": chest_view(train, validation)})
    return bundle.model_copy(update={"trained_on": trained})


def describe(bundle: ImageBundle) -> str:
    """The network of a `bundle` in words."""
    backbone, members = bundle.recipe.architecture.backbone, bundle.recipe.architecture.members
    if members > 1:
        backbone = f"{members} x {backbone}, whose mean logits count"
    if bundle.recipe.preprocessing.input != "volume":
        return f"{backbone}; each image is scored by itself"
    top = bundle.recipe.architecture.top_k
    return f"{backbone}; the mean of the {top} most abnormal slices decides"


def preprocessing_lines(bundle: ImageBundle) -> list[str]:
    """The preprocessing of a `bundle`, a line each."""
    return [f"{k}: {v}" for k, v in bundle.recipe.preprocessing.model_dump().items()]


def draw_figures(
    test: pd.DataFrame,
    metrics: Metrics,
    fitted: ImageFit,
    curve: LearningCurve,
    rows: pd.DataFrame,
    folder: Path,
) -> list[tuple[str, str]]:
    """Draw all figures of a run; returns each one's file name and a text for it.

    Parameters
    ----------
    test : DataFrame
        Predictions of the test rows, as `tables.PREDICTIONS`.
    metrics : Metrics
        Of those rows, with the operating point.
    fitted : ImageFit
        The training, with its curves by epoch.
    curve : LearningCurve
        The plain baseline at several sizes.
    rows : DataFrame
        Manifest rows with role, to count those of training and validation.
    folder : Path
        Takes the PNG files.
    """
    seen = Rows.of(test, metrics.positive)
    counts = rows["role"].value_counts()
    watched, members = "validation", len(fitted.members)
    if members > 1:
        watched = f"the fold held out, mean of {members} networks"
    training = training_figure(
        fitted.curves,
        n_train=int(counts["train"]),
        watched=watched,
        n_watched=int(counts.get("validation", counts["train"])),
        kept=fitted.best_epoch,
    )
    drawn = {
        "roc.png": ("ROC curve with the operating point", roc_figure(seen, metrics)),
        "reliability.png": ("Reliability plot", reliability_figure(seen, metrics)),
        "scores.png": ("Scores by true class", score_figure(seen, metrics)),
        "confusion.png": ("Confusion matrices", confusion_figure(metrics)),
        "training.png": ("Loss and AUROC by epoch", training),
        "learning.png": (
            "AUROC of a plain baseline by number of training groups, and of the network",
            learning_figure(curve.groups, curve.baseline, curve.network, curve.rows),
        ),
    }
    return save_all(drawn, folder)


def predictive_rows(test: pd.DataFrame, metrics: Metrics) -> list[PredictiveValues]:
    """Predictive values at the prevalences of the report's first screen.

    Parameters
    ----------
    test : DataFrame
        Predictions of the test rows, as `tables.PREDICTIONS`.
    metrics : Metrics
        Of those rows.
    """
    if metrics.point is None or not 0 < metrics.prevalence < 1:
        return []
    shown = sorted({*SCREENING, metrics.prevalence})
    return predictive_values(Rows.of(test, metrics.positive), metrics.point, shown)


def report_facts(
    record: RunRecord, cohort: Cohort, rows: pd.DataFrame, bundle: ImageBundle, fitted: ImageFit
) -> list[tuple[str, str]]:
    """The method section of the report.

    Parameters
    ----------
    record : RunRecord
        Of the run, with its configuration.
    cohort : Cohort
        What was ingested, and what became of every file.
    rows : DataFrame
        Manifest rows with role that could be prepared.
    bundle : ImageBundle
        As it was saved.
    fitted : ImageFit
        The training: its epochs, and the one whose weights were kept.

    Returns
    -------
    list of (str, str)
        Name and text of each fact, in the order of the page.
    """
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
            + ", ".join(f"{shares[role]} {role}" for role in ROLES if role in shares)
            + " groups",
        ),
        (
            "Model",
            f"{describe(bundle)}; the backbone was pretrained on ImageNet",
        ),
        ("Training", _training(fitted, bundle)),
        *provenance(record, bundle.sha256),
    ]


def _training(fitted: ImageFit, bundle: ImageBundle) -> str:
    """How long was trained, and what was kept."""
    epochs = counted(len(fitted.curves), "epoch")
    if len(fitted.members) > 1:
        return (
            f"{len(fitted.members)} networks, each without one fold of the training groups, "
            f"{epochs} each; no row chose an epoch; out-of-fold scores of the training rows chose "
            "the threshold"
        )
    assert bundle.recipe.learning is not None
    chosen = (
        "the last" if bundle.recipe.learning.patience is None else "of the lowest validation loss"
    )
    return f"{epochs}; weights of epoch {fitted.best_epoch} (the first is 0), {chosen}"

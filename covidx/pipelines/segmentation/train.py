"""Train and test a network that segments lungs and opacities, from files to a report.

Cohort and true masks, working grid, groups and splits, training, test results beside a threshold.
Everything is written below one run folder, and MLflow logs the same.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from covidx.evaluate import Estimate
from covidx.inference.segmentation_bundle import (
    SegmentationBundle,
    SegmentationRecipe,
    build_network,
)
from covidx.inference.segmenter import Segmenter
from covidx.pipelines.masked_run import (
    Prepared,
    check_masks,
    fit_patches,
    prepare,
)
from covidx.pipelines.model_card import FINDS_OPACITIES, write_model_card
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.run import TrainedRun, TrainingRun, estimate_lines
from covidx.pipelines.segmentation.config import TrainSegmentation
from covidx.pipelines.segmentation.scores import (
    estimates_of,
    in_reading_order,
    score_images,
    tune_threshold,
)
from covidx.pipelines.source import Source
from covidx.report.canvas import save_all
from covidx.report.segmentation import (
    Overlay,
    dice_figure,
    loss_figure,
    overlay_figure,
    write_segmentation_report,
)
from covidx.runs import provenance
from covidx.tables import MASK_SCORES, write_csv
from covidx.training.fit import Fit
from covidx.training.segment_learner import SegmentLearner

PIPELINE = "train_segmentation"


def train_segmentation(
    config: TrainSegmentation,
    source: Source | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> TrainedRun:
    """Train a network that segments lungs and opacities.

    Parameters
    ----------
    config : TrainSegmentation
        As ``train_segmentation.yaml``.
    source : Source, optional
        Images, and a card that says where their masks lie; the phantom by default.
    work : Path
        Takes phantom cohorts, stores and caches, which later runs reuse.
    runs : Path
        Takes the run's folder and MLflow's database.
    bars : callable
        Opens a progress bar by name.

    Raises
    ------
    CovidxError
        Whatever is wrong with the input, by code and place; nothing half-written is left.
    """
    if source is not None:
        check_masks(source)
    with TrainingRun.open(
        PIPELINE, config, source, work=work, runs=runs, bars=bars, parameters={}
    ) as run:
        prepared = prepare(run, config, config.select)
        cohort, recipe = prepared.cohort, prepared.recipe
        with run.step("control"):
            threshold = None
            if recipe.framing.input == "volume" and {"lung", "opacity"} <= set(cohort.groups):
                threshold = tune_threshold(cohort, prepared.of_role("train"))
            run.record.details["threshold_hu"] = threshold
        with run.step("train"):
            checkpoints = run.checkpoints(recipe, config.seed, prepared.rows)
            fitted = _fit(prepared, config.seed, checkpoints)
            run.record.resumed_from_epoch = fitted.resumed_from
        run.tracker.curves(fitted.curves)
        with run.step("evaluate") as bar:
            described = SegmentationBundle(
                recipe=recipe, groups=cohort.groups, **prepared.bundle_fields(run.run_id)
            )
            segmenter = Segmenter(described, fitted.model).save(run.bundle)
            test = prepared.of_role("test")
            assert recipe.tolerance is not None
            scores = score_images(segmenter, cohort, test, recipe.tolerance, threshold, bar)
            write_csv(scores, run.path / "scores.csv", MASK_SCORES)
            estimates = estimates_of(scores, config.seed)
            run.write_estimates(estimates)
            warnings = prepared.warnings
            _write_card(run, segmenter.bundle, estimates, warnings)
        with run.step("report"):
            write_segmentation_report(
                run.path / "report.html",
                f"{PIPELINE}: {' and '.join(cohort.groups)}",
                estimates,
                pictures=_draw(segmenter, prepared, test, scores, fitted, run.figures),
                facts=_facts(run, prepared, segmenter, fitted, threshold),
                warnings=warnings,
            )
        shown = {k: v for k, v in estimates.items() if k.endswith((".dice", ".false_ml"))}
        return run.finish(
            segmenter.bundle.sha256,
            estimates,
            warnings,
            [
                "agreement with the true masks of test patients, means by patient",
                *estimate_lines(shown),
            ],
            artifacts=("bundle", "scores.csv"),
        )


def _write_card(
    run: TrainingRun,
    bundle: SegmentationBundle,
    estimates: dict[str, Estimate],
    warnings: list[str],
) -> None:
    groups = (f"{kind}: {', '.join(names)}" for kind, names in bundle.groups.items())
    write_model_card(
        run.bundle,
        bundle,
        f"covidx segmenter of {' and '.join(bundle.groups)} on {bundle.trained_on.modality}",
        use=FINDS_OPACITIES.format("segmentation"),
        architecture=f"{bundle.recipe.network}; {'; '.join(groups)}",
        inputs=bundle.trained_on.modality,
        preprocessing=[f"{k}: {v}" for k, v in bundle.recipe.framing.model_dump().items()],
        estimates=estimates,
        tested="test patients of the same data set, by patient",
        limits=warnings,
    )


def _fit(prepared: Prepared[SegmentationRecipe], seed: int, folder: Path) -> Fit:
    assert prepared.recipe.learning is not None  # only an upgraded bundle lacks it
    torch.manual_seed(seed)
    groups = prepared.cohort.groups
    network = build_network(prepared.recipe, groups)
    learner = SegmentLearner(network, groups, prepared.recipe.learning, seed)
    return fit_patches(prepared, learner, seed, folder)


def _draw(
    segmenter: Segmenter,
    prepared: Prepared[SegmentationRecipe],
    test: pd.DataFrame,
    scores: pd.DataFrame,
    fitted: Fit,
    folder: Path,
) -> list[tuple[str, str]]:
    """Dice, curves, and the worst, the middle and the best image by their first structure."""
    cohort = prepared.cohort
    drawn = {
        "dice.png": ("Dice of each test image, by structure", dice_figure(scores)),
        "training.png": (
            "Loss and Dice by epoch",
            loss_figure(fitted.curves, fitted.best_epoch, prepared.patients),
        ),
    }
    last = list(cohort.groups)[-1]
    name = {"lung": "lungs", "opacity": "opacity"}[last]
    ranked = scores[(scores["structure"] == name) & (scores["truth_ml"] > 0)].sort_values("dice")
    records = test.set_index("image_id", drop=False)
    for word, place in (("worst", 0), ("middle", len(ranked) // 2), ("best", len(ranked) - 1)):
        if ranked.empty:
            break
        one = ranked.iloc[place]
        row = {str(k): v for k, v in records.loc[one["image_id"]].to_dict().items()}
        volume = cohort.load(row)
        upright = volume.canonical()
        found = {
            kind: in_reading_order(labels, volume)
            for kind, labels in segmenter.segment(volume).items()
        }
        title = f"{word}: {row['patient_id']}, {name} Dice {one['dice']:.3f}"
        shown = Overlay(title, upright, found, cohort.mask_labels(str(row["image_id"]), upright))
        drawn[f"{word}.png"] = (title, overlay_figure(shown))
    return save_all(drawn, folder)


def _facts(
    run: TrainingRun,
    prepared: Prepared[SegmentationRecipe],
    segmenter: Segmenter,
    fitted: Fit,
    threshold: float | None,
) -> list[tuple[str, str]]:
    """What was done, in a few lines."""
    recipe = segmenter.bundle.recipe
    facts = [
        ("Data set", prepared.cohort.source.name),
        ("Cohort", prepared.summary),
        ("Working grid", str(recipe.framing.model_dump())),
        ("Network", str(recipe.network.model_dump())),
        ("Training", f"{len(fitted.curves)} epochs, that of number {fitted.best_epoch} kept"),
        *provenance(run.record, segmenter.bundle.sha256),
    ]
    if threshold is not None:
        facts.insert(
            5, ("Control", f"in the true lungs, from {threshold:.0f} HU, by training patients")
        )
    return facts

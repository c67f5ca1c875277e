"""Train and test a network that segments lungs and opacities, from files to a report.

Cohort and true masks, working grid, groups and splits, training, test results beside a threshold.
Everything is written below one run folder, and MLflow logs the same.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from covidx.inference.segmentation_bundle import (
    SegmentationBundle,
    SegmentationRecipe,
    build_network,
)
from covidx.inference.segmenter import Segmenter
from covidx.pipelines.case import case_level
from covidx.pipelines.masked_run import (
    Prepared,
    check_masks,
    fit_patches,
    method_facts,
    prepare,
    write_card,
)
from covidx.pipelines.progress import Bar, Bars, silent
from covidx.pipelines.run import TrainedRun, TrainingRun, estimate_lines
from covidx.pipelines.segmentation.cases import write_case
from covidx.pipelines.segmentation.config import TrainSegmentation
from covidx.pipelines.segmentation.scores import (
    WHOLE,
    estimates_of,
    in_reading_order,
    segment_images,
    tune_threshold,
)
from covidx.pipelines.source import Source
from covidx.report import CaseRow
from covidx.report import page as parts
from covidx.report.canvas import save_all
from covidx.report.page import Page
from covidx.report.segmentation import Overlay, agreement, dice_figure, loss_figure, overlay_figure
from covidx.report.viewer import Images
from covidx.report.viewer.worklist import SCRIPT, worklist, write_list
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
        fitted = fit_patches(run, prepared, partial(_learner, prepared, config.seed), config.seed)
        with run.step("evaluate") as bar:
            described = SegmentationBundle(
                recipe=recipe, groups=cohort.groups, **prepared.bundle_fields(run.run_id)
            )
            segmenter = Segmenter(described, fitted.model).save(run.bundle)
            scores, cases = _test(run, segmenter, prepared, threshold, config.images, bar)
            write_csv(scores, run.path / "scores.csv", MASK_SCORES)
            estimates = estimates_of(scores, config.seed)
            run.write_estimates(estimates)
            warnings = prepared.warnings
            names = " and ".join(cohort.groups)
            write_card(
                run,
                segmenter.bundle,
                f"covidx segmenter of {names}",
                task="segmentation",
                parts="; ".join(f"{kind}: {', '.join(of)}" for kind, of in cohort.groups.items()),
                estimates=estimates,
                warnings=warnings,
            )
        with run.step("report"):
            drawn = _draw(segmenter, prepared, scores, fitted)
            facts = []
            if threshold is not None:
                control = f"in the true lungs, from {threshold:.0f} HU, by training patients"
                facts = [("Control", control)]
            rarest = WHOLE[list(cohort.groups)[-1]]
            sections = [
                worklist(cases, "Test images", run.run_id, agreement=f"Dice of {rarest}"),
                agreement(estimates),
                parts.figures(save_all(drawn, run.figures)),
                parts.facts(method_facts(run, prepared, segmenter.bundle, fitted, facts)),
            ]
            write_list(cases, run.path)
            page = Page(f"{PIPELINE}: {names}", sections, warnings, script=SCRIPT)
            page.write(run.path / "report.html")
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


def _learner(prepared: Prepared[SegmentationRecipe], seed: int) -> SegmentLearner:
    assert prepared.recipe.learning is not None  # only an upgraded bundle lacks it
    groups = prepared.cohort.groups
    network = build_network(prepared.recipe, groups)
    return SegmentLearner(network, groups, prepared.recipe.learning, seed)


def _test(
    run: TrainingRun,
    segmenter: Segmenter,
    prepared: Prepared[SegmentationRecipe],
    threshold: float | None,
    images: Images,
    bar: Bar,
) -> tuple[pd.DataFrame, list[CaseRow]]:
    """Scores of the test images, and a page each."""
    rows, tolerance = prepared.of_role("test"), prepared.recipe.tolerance
    assert tolerance is not None
    level = case_level(rows)
    table: list[dict[str, Any]] = []
    cases: list[CaseRow] = []
    for image in segment_images(segmenter, prepared.cohort, rows, tolerance, threshold, bar):
        table += image.table
        folder = run.path / "cases" / f"{len(cases) + 1:03d}"
        pages = (segmenter.bundle, prepared.cohort, image, folder)
        cases.append(write_case(*pages, level=level, run=run.run_id, images=images))
    return pd.DataFrame(table), cases


def _draw(
    segmenter: Segmenter,
    prepared: Prepared[SegmentationRecipe],
    scores: pd.DataFrame,
    fitted: Fit,
) -> dict[str, tuple[str, Figure]]:
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
    name = WHOLE[last]
    ranked = scores[(scores["structure"] == name) & (scores["truth_ml"] > 0)].sort_values("dice")
    records = prepared.of_role("test").set_index("image_id", drop=False)
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
    return drawn

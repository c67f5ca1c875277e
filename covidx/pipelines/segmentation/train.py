"""Train and test a network that segments lungs and opacities, from files to a report.

Cohort and true masks, working grid, groups and splits, training, test results beside a threshold.
Everything is written below one run folder, and MLflow is told the same.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from covidx.evaluate import Estimate
from covidx.files import replacing, write_json
from covidx.inference.segmentation_bundle import (
    SegmentationBundle,
    SegmentationRecipe,
    build_network,
)
from covidx.inference.segmenter import Segmenter
from covidx.pipelines.image.fit import training_folder
from covidx.pipelines.masked.prepare import Laid, fit_patches, lay_out, of_run
from covidx.pipelines.masked.results import warnings_of, write_network_card
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.segmentation.config import TrainSegmentation
from covidx.pipelines.segmentation.scores import (
    estimates_of,
    in_reading_order,
    score_images,
    tune_threshold,
)
from covidx.pipelines.sources import Source
from covidx.pipelines.telling import tell_bundle
from covidx.report.canvas import save_all
from covidx.report.segmentation import (
    Overlay,
    dice_figure,
    loss_figure,
    overlay_figure,
    write_segmentation_report,
)
from covidx.runs import RunFolder, provenance
from covidx.tracking import tracked
from covidx.training.fit import Fit
from covidx.training.segment_learner import SegmentLearner

__all__ = ["TrainedSegmenter", "train_segmentation"]

PIPELINE = "train_segmentation"


@dataclass(frozen=True, eq=False)
class TrainedSegmenter:
    """Where the run lies, what it found on its test patients, what to know before reading it."""

    folder: Path
    estimates: Mapping[str, Estimate]
    warnings: list[str]


def train_segmentation(
    config: TrainSegmentation,
    source: Source | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> TrainedSegmenter:
    """Run the whole pipeline.

    Parameters
    ----------
    config : TrainSegmentation
    source : Source, optional
        Images, and a card that says where their masks lie; the phantom if not given.
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
    folder = RunFolder(PIPELINE, runs)
    with folder.closing(), tracked(PIPELINE, folder.run_id, runs) as tracker:
        folder.record["config"] = config.model_dump(mode="json")
        folder.record["mlflow_run_id"] = tracker.run_id
        folder.record["machine"]["threads"] = torch.get_num_threads()
        laid = lay_out(source, work, config, config.select, (folder, tracker, bars))
        cohort, rows, way = laid.cohort, laid.rows, laid.way

        with folder.step("control"):
            controlled = way.framing.input == "volume" and {"lung", "opacity"} <= set(cohort.groups)
            train = rows[rows["role"] == "train"]
            threshold = tune_threshold(cohort, train) if controlled else None
        with folder.step("train"):
            place = training_folder(work, way, config.seed, rows, laid.digests)
            fitted = _fit(laid, config.seed, place)
            shutil.rmtree(place)
        tracker.curves(fitted.curves)
        with folder.step("evaluate"), bars("evaluate") as bar:
            described = SegmentationBundle(
                recipe=way, groups=cohort.groups, **of_run(laid, folder.run_id)
            )
            segmenter = Segmenter(described, fitted.model).save(folder.path / "bundle")
            test = rows[rows["role"] == "test"]
            assert way.tolerance is not None
            scores = score_images(segmenter, cohort, test, way.tolerance, threshold, bar)
            with replacing(folder.path / "scores.csv") as temporary:
                scores.to_csv(temporary, index=False, float_format="%.6g")
            estimates = estimates_of(scores, config.seed)
            found = {name: one.to_json() for name, one in estimates.items()}
            write_json(folder.path / "metrics.json", found)
            warnings = warnings_of(cohort, rows)
            words = _words(segmenter.bundle)
            write_network_card(folder.path / "bundle", segmenter.bundle, words, estimates, warnings)
        with folder.step("report"):
            pictures = _draw(segmenter, laid, test, scores, fitted, folder.path / "figures")
            facts = _facts(folder, laid, segmenter, fitted, threshold)
            title = f"{PIPELINE}: {' and '.join(cohort.groups)}"
            page = folder.path / "report.html"
            write_segmentation_report(
                page, title, estimates, pictures=pictures, facts=facts, warnings=warnings
            )
        folder.record["threshold_hu"] = threshold
        folder.record["resumed_from_epoch"] = fitted.resumed_from
        named = {name.replace(" ", "_"): one for name, one in estimates.items()}
        tell_bundle(tracker, folder, segmenter.bundle.sha256, named)
        for name in ("figures", "bundle"):
            tracker.files(folder.path / name, name)
        for name in ("report.html", "metrics.json", "scores.csv"):
            tracker.file(folder.path / name)
    return TrainedSegmenter(folder.path, estimates, warnings)


def _words(bundle: SegmentationBundle) -> tuple[str, str, list[str]]:
    """The model card's words."""
    lines = [f"{name}: {value}" for name, value in bundle.recipe.model_dump().items()]
    lines += [f"{kind}: {', '.join(names)}" for kind, names in bundle.groups.items()]
    return f"segmenter: {', '.join(bundle.groups)}", "segmentation", lines


def _fit(laid: Laid[SegmentationRecipe], seed: int, folder: Path) -> Fit:
    assert laid.way.learning is not None  # only an upgraded bundle lacks it
    torch.manual_seed(seed)
    groups = laid.cohort.groups
    network = build_network(laid.way, groups)
    learner = SegmentLearner(network, groups, laid.way.learning, seed)
    return fit_patches(laid, learner, seed, folder)


def _draw(
    segmenter: Segmenter,
    laid: Laid[SegmentationRecipe],
    test: pd.DataFrame,
    scores: pd.DataFrame,
    fitted: Fit,
    folder: Path,
) -> list[tuple[str, str]]:
    """Dice, curves, and the worst, the middle and the best image by their first structure."""
    cohort = laid.cohort
    drawn = {
        "dice.png": ("Dice of each test image, by structure", dice_figure(scores)),
        "training.png": (
            "Loss and Dice by epoch",
            loss_figure(fitted.curves, fitted.best_epoch, laid.patients),
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
        shown = Overlay(title, upright, found, cohort.truth(str(row["image_id"]), upright))
        drawn[f"{word}.png"] = (title, overlay_figure(shown))
    return save_all(drawn, folder)


def _facts(
    folder: RunFolder,
    laid: Laid[SegmentationRecipe],
    segmenter: Segmenter,
    fitted: Fit,
    threshold: float | None,
) -> list[tuple[str, str]]:
    """What was done, in a few lines."""
    recipe = segmenter.bundle.recipe
    facts = [
        ("Data set", laid.cohort.source.name),
        ("Cohort", laid.said),
        ("Working grid", str(recipe.framing.model_dump())),
        ("Network", str(recipe.network.model_dump())),
        ("Training", f"{len(fitted.curves)} epochs, that of number {fitted.best_epoch} kept"),
        *provenance(folder.record, segmenter.bundle.sha256),
    ]
    if threshold is not None:
        facts.insert(
            5, ("Control", f"in the true lungs, from {threshold:.0f} HU, by training patients")
        )
    return facts

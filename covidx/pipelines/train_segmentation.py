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
from covidx.files import make_folder, replacing, write_json
from covidx.imaging.pairs import PairCache
from covidx.pipelines.fit_image import training_folder
from covidx.pipelines.masked_output import warnings_of, write_network_card
from covidx.pipelines.masked_run import lay_out, of_run
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.segmentation_config import TrainSegmentation, WayToSegment
from covidx.pipelines.segmentation_scores import estimates_of, score_images, tune_threshold
from covidx.pipelines.segmentation_sources import MaskedCohort
from covidx.pipelines.sources import Source
from covidx.report.canvas import save_all
from covidx.report.segmentation import (
    Overlay,
    dice_figure,
    loss_figure,
    overlay_figure,
    write_segmentation_report,
)
from covidx.runs import RunFolder, provenance
from covidx.segmentation import on_grid
from covidx.tracking import tracked
from covidx.training.fit import Fit, run
from covidx.training.patches import PatchData, PatchPlan
from covidx.training.segment_bundle import (
    SegmentationBundle,
    build_network,
    save_segmentation_bundle,
)
from covidx.training.segment_learner import SegmentLearner
from covidx.training.segmenter import Segmenter
from covidx.volume import Volume

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
        cohort, cache, rows, way = laid.cohort, laid.cache, laid.rows, laid.way

        with folder.step("control"):
            controlled = way.framing.input == "volume" and {"lung", "opacity"} <= set(cohort.groups)
            train = rows[rows["role"] == "train"]
            threshold = tune_threshold(cohort, train) if controlled else None
        with folder.step("train"):
            place = training_folder(work, way, config.seed, rows, laid.digests)
            fitted = _fit(cache, rows, cohort, way, config.seed, place)
            shutil.rmtree(place)
        tracker.curves(fitted.curves)
        with folder.step("evaluate"), bars("evaluate") as bar:
            described = SegmentationBundle(
                recipe=way.recipe, groups=cohort.groups, **of_run(laid, folder.run_id)
            )
            segmenter = _saved(folder.path / "bundle", Segmenter(described, fitted.model))
            test = rows[rows["role"] == "test"]
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
            pictures = _draw(segmenter, cohort, test, scores, fitted, folder.path / "figures", rows)
            facts = _facts(folder, cohort, rows, segmenter, fitted, threshold)
            title = f"{PIPELINE}: {' and '.join(cohort.groups)}"
            page = folder.path / "report.html"
            write_segmentation_report(
                page, title, estimates, pictures=pictures, facts=facts, warnings=warnings
            )
        folder.record["bundle_sha256"] = segmenter.bundle.sha256
        folder.record["threshold_hu"] = threshold
        folder.record["resumed_from_epoch"] = fitted.resumed_from
        tracker.tags({"bundle_sha256": segmenter.bundle.sha256, "run_folder": folder.run_id})
        tracker.tags({k: str(folder.record[k]) for k in ("git_commit", "lock_sha256")})
        tracker.estimates({name.replace(" ", "_"): one for name, one in estimates.items()})
        for name in ("figures", "bundle"):
            tracker.files(folder.path / name, name)
        for name in ("report.html", "metrics.json", "scores.csv"):
            tracker.file(folder.path / name)
    return TrainedSegmenter(folder.path, estimates, warnings)


def _saved(folder: Path, trained: Segmenter) -> Segmenter:
    """Save a bundle and read it back, so that all that follows uses what was saved."""
    save_segmentation_bundle(folder, trained.bundle, trained.model, trained.parity())
    return Segmenter.load(folder)


def _words(bundle: SegmentationBundle) -> tuple[str, str, list[str]]:
    """The model card's words."""
    lines = [f"{name}: {value}" for name, value in bundle.recipe.model_dump().items()]
    lines += [f"{kind}: {', '.join(names)}" for kind, names in bundle.groups.items()]
    return f"segmenter: {', '.join(bundle.groups)}", "segmentation", lines


def _fit(
    cache: PairCache,
    rows: pd.DataFrame,
    cohort: MaskedCohort,
    way: WayToSegment,
    seed: int,
    folder: Path,
) -> Fit:
    """Train on the rows of role train; choose the epoch on those of role validation."""
    how = way.learning
    make_folder(folder)
    torch.manual_seed(seed)
    learner = SegmentLearner(build_network(way.recipe, cohort.groups), cohort.groups, how, seed)
    train, validation = (
        sorted(rows.loc[rows["role"] == role, "image_id"]) for role in ("train", "validation")
    )
    plan = PatchPlan(how.patch, how.samples, how.batch, seed)
    data = PatchData(cache, train, validation, plan, how.augmentation, cohort.groups)
    model, curves, best, resumed = run(learner, data, how.epochs, how.patience, folder)
    return Fit(model, curves, best, resumed)


def _draw(
    segmenter: Segmenter,
    cohort: MaskedCohort,
    test: pd.DataFrame,
    scores: pd.DataFrame,
    fitted: Fit,
    folder: Path,
    rows: pd.DataFrame,
) -> list[tuple[str, str]]:
    """Dice, curves, and the worst, the middle and the best image by their first structure."""
    counts = rows.groupby("role")["patient_id"].nunique()
    patients = {str(role): int(n) for role, n in counts.items()}
    drawn = {
        "dice.png": ("Dice of each test image, by structure", dice_figure(scores)),
        "training.png": ("Loss and Dice by epoch", loss_figure(fitted.curves, patients)),
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
            kind: on_grid(Volume(labels, "SEG", "unproven", "proven", volume.affine), volume, kind)
            if volume.geometry == "proven"
            else labels
            for kind, labels in segmenter.segment(volume).items()
        }
        title = f"{word}: {row['patient_id']}, {name} Dice {one['dice']:.3f}"
        shown = Overlay(title, upright, found, cohort.truth(str(row["image_id"]), upright))
        drawn[f"{word}.png"] = (title, overlay_figure(shown))
    return save_all(drawn, folder)


def _facts(
    folder: RunFolder,
    cohort: MaskedCohort,
    rows: pd.DataFrame,
    segmenter: Segmenter,
    fitted: Fit,
    threshold: float | None,
) -> list[tuple[str, str]]:
    """What was done, in a few lines."""
    roles = rows.groupby("role").agg(images=("image_id", "size"), p=("patient_id", "nunique"))
    said = "; ".join(f"{role}: {r.images} images of {r.p} patients" for role, r in roles.iterrows())
    recipe = segmenter.bundle.recipe
    facts = [
        ("Data set", cohort.source.name),
        ("Cohort", said),
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

"""Train and test a network that boxes opacities, from files to a report.

Cohort and true masks, working grid, groups and splits, anchors, training, threshold by validation
patients, test results. Everything is written below one run folder, and MLflow is told the same.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from covidx.evaluate import Estimate
from covidx.evaluate.boxes import Detections
from covidx.evaluate.detection import at_threshold, detection_estimates, threshold_at
from covidx.files import replacing, write_json
from covidx.inference.detection_bundle import DetectionBundle
from covidx.inference.detector import Detector
from covidx.inference.image_bundle import Threshold
from covidx.models.detectors import Anchors, anchor_fit, fit_anchors, make_detector
from covidx.pipelines.detection.config import TrainDetection, WayToDetect
from covidx.pipelines.detection.scores import detect_rows, opaque_of, training_edges
from covidx.pipelines.image.fit import training_folder
from covidx.pipelines.masked.prepare import Laid, fit_patches, lay_out, of_run
from covidx.pipelines.masked.results import warnings_of, write_network_card
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.sources import Source
from covidx.pipelines.telling import tell_bundle
from covidx.report.canvas import save_all
from covidx.report.detection import (
    BoxedSlice,
    boxes_figure,
    froc_figure,
    loss_figure,
    write_detection_report,
)
from covidx.runs import RunFolder, provenance
from covidx.tracking import tracked
from covidx.training.detect_learner import DetectLearner
from covidx.training.fit import Fit

__all__ = ["TrainedDetector", "train_detection"]

PIPELINE = "train_detection"
UNSET = Threshold(value=1.0, rule="none", origin="not chosen yet")


@dataclass(frozen=True, eq=False)
class TrainedDetector:
    """Where the run lies, what it found on its test patients, what to know before reading it."""

    folder: Path
    estimates: Mapping[str, Estimate]
    warnings: list[str]


def train_detection(
    config: TrainDetection,
    source: Source | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> TrainedDetector:
    """Run the whole pipeline.

    Parameters
    ----------
    config : TrainDetection
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
        part = {str(role): rows for role, rows in laid.rows.groupby("role")}
        with folder.step("anchors"):
            smallest = laid.way.smallest
            edges = training_edges(laid.cache, laid.cohort, part["train"], smallest)
            anchors = fit_anchors(edges, config.seed)
            folder.record["anchors"] = {"edges": anchors, "mean_iou": anchor_fit(edges, anchors)}
        with folder.step("train"):
            place = training_folder(work, laid.way, config.seed, laid.rows, laid.digests)
            fitted = _fit(laid, anchors, config.seed, place)
            shutil.rmtree(place)
        tracker.curves(fitted.curves)
        with folder.step("threshold"), bars("threshold") as bar:
            described = DetectionBundle(
                recipe=laid.way.recipe,
                anchors=anchors,
                threshold=UNSET,
                **of_run(laid, folder.run_id),
            )
            draft = Detector(described, fitted.model)
            validation, _ = detect_rows(draft, laid.cohort, part["validation"], bar)
            threshold = _threshold(validation, laid.way.false_rate)
            described = described.model_copy(update={"threshold": threshold})
            detector = Detector(described, fitted.model).save(folder.path / "bundle")
        with folder.step("evaluate"), bars("evaluate") as bar:
            boxes, masks = detect_rows(detector, laid.cohort, part["test"], bar)
            _write_tables(boxes, folder.path)
            estimates = _estimates(boxes, masks, threshold, config.seed)
            found = {name: one.to_json() for name, one in estimates.items()}
            write_json(folder.path / "metrics.json", found)
            warnings = warnings_of(laid.cohort, laid.rows)
            words = _words(detector.bundle)
            write_network_card(folder.path / "bundle", detector.bundle, words, estimates, warnings)
        with folder.step("report"):
            pictures = _draw(laid, boxes, estimates, threshold, fitted, folder.path / "figures")
            facts = _facts(folder, laid, detector, fitted)
            page = folder.path / "report.html"
            title = f"{PIPELINE}: opacities as boxes"
            write_detection_report(
                page, title, estimates, pictures=pictures, facts=facts, warnings=warnings
            )
        folder.record["resumed_from_epoch"] = fitted.resumed_from
        tell_bundle(tracker, folder, detector.bundle.sha256, estimates)
        for name in ("figures", "bundle"):
            tracker.files(folder.path / name, name)
        for name in ("report.html", "metrics.json", "boxes.csv", "truth.csv"):
            tracker.file(folder.path / name)
    return TrainedDetector(folder.path, estimates, warnings)


def _fit(laid: Laid[WayToDetect], anchors: Anchors, seed: int, folder: Path) -> Fit:
    torch.manual_seed(seed)
    way = laid.way
    network = make_detector(way.network, anchors, pretrained=True)
    question = list(laid.cohort.groups).index("opacity")
    learner = DetectLearner(network, question, way.smallest, way.learning, seed)
    return fit_patches(laid, learner, seed, folder)


def _threshold(validation: Detections, rate: float) -> Threshold:
    """The lowest at which validation scans have at most so many false positives."""
    patients = validation.scans["patient_id"].nunique()
    return Threshold(
        value=threshold_at(validation, rate),
        rule=f"at most {rate:g} false positives a scan",
        origin=f"{len(validation.scans)} validation scans of {patients} patients",
    )


def _estimates(
    boxes: Detections, masks: Detections | None, threshold: Threshold, seed: int
) -> dict[str, Estimate]:
    """mAP of boxes, and of masks where there are any; FROC; what the threshold gives."""
    origin = f"{threshold.rule}; {threshold.origin}"
    found = detection_estimates(boxes, seed) | at_threshold(boxes, threshold.value, origin, seed)
    if masks is not None:
        of_masks = detection_estimates(masks, seed)
        found |= {f"mask_{name}": of_masks[name] for name in ("map50", "map50_95")}
    return found


def _write_tables(boxes: Detections, folder: Path) -> None:
    for name, table in (("boxes.csv", boxes.found), ("truth.csv", boxes.truth)):
        with replacing(folder / name) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")


def _words(bundle: DetectionBundle) -> tuple[str, str, list[str]]:
    """The model card's words."""
    lines = [f"{name}: {value}" for name, value in bundle.recipe.model_dump().items()]
    lines.append(f"anchors (width, height in working pixels): {list(bundle.anchors)}")
    chosen = bundle.threshold
    lines.append(f"threshold: {chosen.value:.3f}, {chosen.rule}; {chosen.origin}")
    return "detector of opacities", "detection", lines


def _draw(
    laid: Laid[WayToDetect],
    boxes: Detections,
    estimates: Mapping[str, Estimate],
    threshold: Threshold,
    fitted: Fit,
    folder: Path,
) -> list[tuple[str, str]]:
    """FROC, curves, and three test scans: the slice of each with most true boxes."""
    drawn = {
        "froc.png": ("Lesions found against false positives a scan", froc_figure(estimates)),
        "training.png": (
            "Loss and mAP50 by epoch",
            loss_figure(fitted.curves, fitted.best_epoch, laid.patients),
        ),
    }
    patient_of = boxes.scans.set_index("image_id")["patient_id"]
    most = boxes.truth.groupby("image_id").size().sort_values()
    for word, place in (("few", 0), ("middle", len(most) // 2), ("many", len(most) - 1)):
        if most.empty:
            break
        image_id = str(most.index[place])
        number = int(boxes.truth.loc[boxes.truth["image_id"] == image_id, "slice"].mode().iloc[0])
        found, truth = (_of_slice(one, image_id, number) for one in (boxes.found, boxes.truth))
        shown = BoxedSlice(
            f"{patient_of[image_id]}, slice {number + 1} from the feet",
            laid.cache.image(image_id)[number],
            truth,
            found[found["find_score"] >= threshold.value],
            opaque_of(laid.cache, laid.cohort, image_id)[number],
        )
        drawn[f"{word}.png"] = (f"a scan with {word} true boxes", boxes_figure(shown))
    return save_all(drawn, folder)


def _of_slice(table: pd.DataFrame, image_id: str, number: int) -> pd.DataFrame:
    return table[(table["image_id"] == image_id) & (table["slice"] == number)]


def _facts(
    folder: RunFolder, laid: Laid[WayToDetect], detector: Detector, fitted: Fit
) -> list[tuple[str, str]]:
    """What was done, in a few lines."""
    recipe, anchors = detector.bundle.recipe, folder.record["anchors"]
    chosen = detector.bundle.threshold
    pixels = ", ".join(f"{width:.0f} x {height:.0f}" for width, height in detector.bundle.anchors)
    return [
        ("Data set", laid.cohort.source.name),
        ("Cohort", laid.said),
        ("Working grid", str(recipe.framing.model_dump())),
        ("Network", str(recipe.network.model_dump())),
        (
            "Anchors",
            f"{pixels} pixels; mean best IoU with training boxes {anchors['mean_iou']:.2f}",
        ),
        ("Threshold", f"{chosen.value:.3f}: {chosen.rule}; {chosen.origin}"),
        ("Training", f"{len(fitted.curves)} epochs, that of number {fitted.best_epoch} kept"),
        *provenance(folder.record, detector.bundle.sha256),
    ]

"""Train and test a network that boxes opacities, from files to a report.

Cohort and true masks, working grid, groups and splits, anchors, training, threshold by validation
patients, test results. Everything is written below one run folder, and MLflow logs the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from covidx.bundles import Threshold
from covidx.evaluate import Estimate
from covidx.evaluate.boxes import Detections
from covidx.evaluate.detection import at_threshold, counts_at, detection_estimates, threshold_at
from covidx.inference.detection_bundle import DetectionBundle, DetectionRecipe
from covidx.inference.detector import Detector
from covidx.models.detectors import Anchors, anchor_fit, fit_anchors, make_detector
from covidx.pipelines.case import case_level
from covidx.pipelines.detection.cases import write_case
from covidx.pipelines.detection.config import TrainDetection
from covidx.pipelines.detection.scores import detect_rows, opaque_of, training_edges
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
from covidx.pipelines.source import Source
from covidx.report import CaseRow
from covidx.report import page as parts
from covidx.report.canvas import save_all
from covidx.report.detection import BoxedSlice, agreement, boxes_figure, froc_figure
from covidx.report.page import Page
from covidx.report.segmentation import loss_figure
from covidx.report.viewer import Images
from covidx.report.viewer.worklist import SCRIPT, worklist, write_list
from covidx.tables import BOXES, TRUE_BOXES, write_csv
from covidx.training.detect_learner import DetectLearner
from covidx.training.fit import Fit
from covidx.wording import counted

PIPELINE = "train_detection"
UNSET = Threshold(value=1.0, rule="none", origin="not chosen yet")


def train_detection(
    config: TrainDetection,
    source: Source | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> TrainedRun:
    """Train a network that boxes opacities.

    Parameters
    ----------
    config : TrainDetection
        As ``train_detection.yaml``.
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
        with run.step("anchors"):
            train = prepared.of_role("train")
            edges = training_edges(prepared.cache, cohort, train, recipe.smallest)
            anchors = fit_anchors(edges, config.seed)
            mean_iou = anchor_fit(edges, anchors)
            run.record.details["anchors"] = {"edges": anchors, "mean_iou": mean_iou}
        fitted = fit_patches(
            run, prepared, partial(_learner, prepared, anchors, config.seed), config.seed
        )
        with run.step("threshold") as bar:
            described = DetectionBundle(
                recipe=recipe,
                anchors=anchors,
                threshold=UNSET,
                **prepared.bundle_fields(run.run_id),
            )
            draft = Detector(described, fitted.model)
            validation, _ = detect_rows(draft, cohort, prepared.of_role("validation"), bar)
            threshold = _threshold(validation, recipe.false_rate)
            described = described.model_copy(update={"threshold": threshold})
            detector = Detector(described, fitted.model).save(run.bundle)
        with run.step("evaluate") as bar:
            boxes, masks = detect_rows(detector, cohort, prepared.of_role("test"), bar)
            write_csv(boxes.predicted, run.path / "boxes.csv", BOXES)
            write_csv(boxes.truth, run.path / "truth.csv", TRUE_BOXES)
            estimates = _estimates(boxes, masks, threshold, config.seed)
            run.write_estimates(estimates)
            warnings = prepared.warnings
            write_card(
                run,
                detector.bundle,
                "covidx detector of opacities",
                task="detection",
                parts=f"anchors (width, height in working pixels): {list(anchors)}",
                estimates=estimates,
                warnings=warnings,
            )
        with run.step("report") as bar:
            cases = _cases(run, detector, prepared, boxes, config.images, bar)
            drawn = _draw(prepared, boxes, estimates, threshold, fitted)
            pixels = ", ".join(f"{width:.0f} x {height:.0f}" for width, height in anchors)
            facts = [
                ("Anchors", f"{pixels} pixels; mean best IoU with training boxes {mean_iou:.2f}"),
                ("Threshold", f"{threshold.value:.3f}: {threshold.rule}; {threshold.origin}"),
            ]
            sections = [
                worklist(cases, "Test scans", run.run_id, agreement="Lesions detected"),
                agreement(estimates),
                parts.figures(save_all(drawn, run.figures)),
                parts.facts(method_facts(run, prepared, detector.bundle, fitted, facts)),
            ]
            title = f"{PIPELINE}: opacities as boxes"
            write_list(cases, run.path)
            Page(title, sections, warnings, script=SCRIPT).write(run.path / "report.html")
        return run.finish(
            detector.bundle.sha256,
            estimates,
            warnings,
            [
                "boxes beside the true ones of test patients; n: boxes, lesions or scans",
                *estimate_lines(estimates),
            ],
            artifacts=("bundle", "boxes.csv", "truth.csv"),
        )


def _learner(prepared: Prepared[DetectionRecipe], anchors: Anchors, seed: int) -> DetectLearner:
    recipe = prepared.recipe
    network = make_detector(recipe.network, anchors, pretrained=True)
    opacities = list(prepared.cohort.groups).index("opacity")
    return DetectLearner(network, opacities, recipe.smallest, recipe.learning, seed)


def _threshold(validation: Detections, rate: float) -> Threshold:
    """The lowest at which validation scans have at most so many false positives."""
    patients = validation.scans["patient_id"].nunique()
    return Threshold(
        value=threshold_at(validation, rate),
        rule=f"at most {rate:g} false positives a scan",
        origin=f"{counted(len(validation.scans), 'validation scan')} "
        f"of {counted(patients, 'patient')}",
    )


def _estimates(
    boxes: Detections, masks: Detections | None, threshold: Threshold, seed: int
) -> dict[str, Estimate]:
    """mAP of boxes, and of masks where there are any; FROC; what the threshold gives."""
    origin = f"{threshold.rule}; {threshold.origin}"
    estimates = detection_estimates(boxes, seed)
    estimates |= at_threshold(boxes, threshold.value, origin, seed)
    if masks is not None:
        of_masks = detection_estimates(masks, seed)
        estimates |= {f"mask_{name}": of_masks[name] for name in ("map50", "map50_95")}
    return estimates


def _cases(
    run: TrainingRun,
    detector: Detector,
    prepared: Prepared[DetectionRecipe],
    boxes: Detections,
    images: Images,
    bar: Bar,
) -> list[CaseRow]:
    """A page a test scan."""
    rows = prepared.of_role("test").sort_values("image_id")
    level = case_level(rows)
    counts = counts_at(boxes, detector.bundle.threshold.value).to_dict("index")
    cases = []
    for done, record in enumerate(rows.to_dict("records"), 1):
        row = {str(name): value for name, value in record.items()}
        image_id, folder = str(row["image_id"]), run.path / "cases" / f"{done:03d}"
        own = boxes.predicted[boxes.predicted["image_id"] == image_id]
        case = write_case(
            detector.bundle, prepared.cohort, row, own, counts[image_id], folder,
            level=level, run=run.run_id, images=images,
        )  # fmt: skip
        cases.append(case)
        bar(done, len(rows))
    return cases


def _draw(
    prepared: Prepared[DetectionRecipe],
    boxes: Detections,
    estimates: Mapping[str, Estimate],
    threshold: Threshold,
    fitted: Fit,
) -> dict[str, tuple[str, Figure]]:
    """FROC, curves, and three test scans: the slice of each with most true boxes."""
    drawn = {
        "froc.png": ("Lesions detected against false positives a scan", froc_figure(estimates)),
        "training.png": (
            "Loss and mAP50 by epoch",
            loss_figure(fitted.curves, fitted.best_epoch, prepared.patients),
        ),
    }
    patient_of = boxes.scans.set_index("image_id")["patient_id"]
    most = boxes.truth.groupby("image_id").size().sort_values()
    for word, place in (("few", 0), ("middle", len(most) // 2), ("many", len(most) - 1)):
        if most.empty:
            break
        image_id = str(most.index[place])
        number = int(boxes.truth.loc[boxes.truth["image_id"] == image_id, "slice"].mode().iloc[0])
        predicted, truth = (
            _of_slice(table, image_id, number) for table in (boxes.predicted, boxes.truth)
        )
        image = prepared.cache.image(image_id)
        shown = BoxedSlice(
            f"{patient_of[image_id]}, slice {number + 1} of {len(image)}, caudal to cranial",
            image[number],
            truth,
            predicted[predicted["score"] >= threshold.value],
            opaque_of(prepared.cache, prepared.cohort, image_id)[number],
        )
        drawn[f"{word}.png"] = (f"a scan with {word} true boxes", boxes_figure(shown))
    return drawn


def _of_slice(table: pd.DataFrame, image_id: str, number: int) -> pd.DataFrame:
    return table[(table["image_id"] == image_id) & (table["slice"] == number)]

"""Boxes of opacities by the newest run of ``make train-detection``: fresh phantom patients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.results import RESULTS, Result, record, result_of
from benchmarks.segmentation import finished_run
from covidx.evaluate import Estimate
from covidx.evaluate.boxes import Detections
from covidx.evaluate.detection import at_threshold, detection_estimates
from covidx.inference.detector import Detector
from covidx.phantom import draw_patient, render
from covidx.pipelines.detection.scores import Scan, compare_scans
from covidx.volume import Volume

COMMAND = "python -m benchmarks detection"
PATIENTS, SEED = 30, 8383
"""Fixed here; no network was trained on this seed, and no choice made by it."""


def detection(runs: Path, results: Path = RESULTS) -> None:
    """Record what the newest run on the phantom does; a run that is absent is said."""
    run = finished_run(runs, "phantom", "train_detection")
    if run is not None:
        detector = Detector.load(run / "bundle")
        boxes, masks = compare_scans(detector, fresh_scans())
        threshold = detector.bundle.threshold
        found = detection_estimates(boxes, 0)
        found |= at_threshold(boxes, threshold.value, f"{threshold.rule}; {threshold.origin}", 0)
        of_masks = None if masks is None else detection_estimates(masks, 0)["map50"]
        record(results_of(boxes, found, of_masks), results)


def fresh_scans(patients: int = PATIENTS, seed: int = SEED) -> Iterator[Scan]:
    """Patients with nodules, atelectasis and motion, in memory."""
    for index in range(patients):
        patient = draw_patient(seed, index)
        scan = render(patient, distractors=True)
        volume = Volume(scan.hu, "CT", "hu", "proven", scan.affine)
        ill = ((scan.lesion == 1) | (scan.lesion == 2)).astype(np.int16)
        truth = Volume(ill, "OT", "unproven", "proven", scan.affine).canonical().array
        yield patient.patient_id, patient.patient_id, volume, truth


def results_of(
    boxes: Detections, found: dict[str, Estimate], of_masks: Estimate | None
) -> dict[str, Result]:
    """mAP at IoU 0.5, and the share of lesions found at one false positive a scan."""
    ill, patients = boxes.truth["image_id"].nunique(), len(boxes.scans)
    sensitivity, false = found["sensitivity"], found["false_positives"]
    of = f"{patients} fresh patients with nodules, atelectasis and motion, {ill} of them ill"
    masks = "" if of_masks is None else f"; of masks {of_masks}"
    against = (
        f"boxes of slices, one class; {of}; at IoU 0.5:0.95 {found['map50_95']}{masks}; "
        f"no published figure is on this phantom"
    )
    froc = (
        f"lesions of {of}; mean of the seven points {found['froc_mean']}; at the bundle's "
        f"threshold {sensitivity} with {false} false positives a scan"
    )
    return {
        "detection_map50": result_of(found["map50"], against, COMMAND),
        "detection_froc_1": result_of(found["froc_1"], froc, COMMAND),
    }

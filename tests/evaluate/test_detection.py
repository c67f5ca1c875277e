"""Boxes beside true ones: answers worked out by hand, and torchmetrics' (COCO's) on random ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from covidx.evaluate.boxes import BOX, Detections, iou, match
from covidx.evaluate.detection import (
    IOUS,
    at_threshold,
    average_precision,
    detection_estimates,
    froc,
    froc_events,
    threshold_at,
)

ONE = np.ones((1, 1))


def scans(*patients: str) -> pd.DataFrame:
    return pd.DataFrame({"image_id": [f"{one}-ct" for one in patients], "patient_id": patients})


def predicted(*rows: tuple[str, int, tuple[float, ...], float, int]) -> pd.DataFrame:
    """image, slice, box, score, detection."""
    table = pd.DataFrame(
        [(image, place, *box, score, detection) for image, place, box, score, detection in rows],
        columns=["image_id", "slice", *BOX, "box_score", "detection"],
    )
    best = table.groupby(["image_id", "detection"])["box_score"].transform("max")
    return table.assign(score=best.astype(float))


def truth(*rows: tuple[str, int, tuple[float, ...], int]) -> pd.DataFrame:
    """image, slice, box, lesion."""
    return pd.DataFrame(
        [(image, place, *box, lesion) for image, place, box, lesion in rows],
        columns=["image_id", "slice", *BOX, "lesion"],
    )


SQUARE, NEAR, FAR = (0, 0, 10, 10), (0, 0, 10, 8), (50, 50, 60, 60)


def example() -> Detections:
    """Two ill patients and a well one.

    a-ct has lesion 1 in slices 3 and 4, hit in slice 4 by detection 0 (0.9; 0.8 beside it in slice
    3), and lesion 2, not hit; detection 1 (0.7) is false. b-ct has one lesion, hit by detections 0
    (0.6) and 1 (0.3). c-ct has none, and a false detection (0.5).
    """
    return Detections(
        scans("a", "b", "c"),
        predicted(
            ("a-ct", 3, FAR, 0.8, 0),
            ("a-ct", 4, NEAR, 0.9, 0),
            ("a-ct", 4, FAR, 0.7, 1),
            ("b-ct", 0, SQUARE, 0.6, 0),
            ("b-ct", 0, NEAR, 0.3, 1),
            ("c-ct", 2, SQUARE, 0.5, 0),
        ),
        truth(
            ("a-ct", 3, SQUARE, 1),
            ("a-ct", 4, SQUARE, 1),
            ("a-ct", 9, FAR, 2),
            ("b-ct", 0, SQUARE, 1),
        ),
    )


def test_iou_by_hand() -> None:
    boxes = np.array([[0, 0, 2, 2], [0, 0, 1, 1]], float)
    others = np.array([[1, 1, 3, 3], [0, 0, 2, 2], [2, 0, 4, 2]], float)
    # one common pixel of 4 + 4 - 1; the same box; a common edge alone
    assert iou(boxes, others) == pytest.approx(np.array([[1 / 7, 1, 0], [0, 1 / 4, 0]]))
    assert iou(boxes, np.zeros((0, 4))).shape == (2, 0)


def test_a_true_box_is_taken_once_and_by_the_surest() -> None:
    overlap = np.array([[0.6, 0.7], [0.9, 0.8], [0.9, 0.95]])
    # the first takes the second true box, the second the first, and nothing is left for the third
    assert match(overlap, 0.5).tolist() == [True, True, False]
    assert match(overlap, 0.75).tolist() == [False, True, True]
    assert match(np.zeros((2, 0)), 0.5).tolist() == [False, False]


def test_average_precision_by_hand() -> None:
    # Ranked: 0.9 right, 0.8 wrong, 0.7 wrong, 0.6 right, 0.5 wrong, 0.3 wrong (taken already).
    # Recall 1/4 at precision 1, 1/2 at precision 2/4: 26 of COCO's 101 recalls, and 25.
    value = average_precision(example(), 0.5)(np.ones((3, 1)))
    assert value == pytest.approx([(26 * 1.0 + 25 * 0.5) / 101])
    # At 0.85 NEAR (IoU 0.8) is wrong: one right at rank 4 of 6.
    assert average_precision(example(), 0.85)(np.ones((3, 1))) == pytest.approx([26 * 0.25 / 101])


def test_a_patient_who_is_drawn_twice_counts_twice() -> None:
    counts = np.array([[0.0], [2.0], [0.0]])  # b alone: right, then wrong
    assert average_precision(example(), 0.5)(counts) == pytest.approx([1.0])
    assert froc(example(), 0.0)(counts) == pytest.approx([1.0])


def test_froc_by_hand() -> None:
    false, lesions = froc_events(example())
    assert sorted(false["score"]) == [0.5, 0.7]  # a second detection of b's lesion is not false
    assert lesions["score"].tolist() == [0.9, -np.inf, 0.6]
    one = np.ones((3, 1))
    # Three scans, three lesions: none false above 0.7, one (1/3 a scan) down to 0.6, two below.
    assert froc(example(), 0.0)(one) == pytest.approx([1 / 3])
    assert froc(example(), 0.32)(one) == pytest.approx([1 / 3])
    assert froc(example(), 1 / 3)(one) == pytest.approx([2 / 3])
    assert froc(example(), 8.0)(one) == pytest.approx([2 / 3])


def test_the_threshold_is_the_lowest_with_so_many_false_finds() -> None:
    assert threshold_at(example(), 0.2) == 0.9  # 0.7 is false
    assert threshold_at(example(), 1 / 3) == 0.6
    assert threshold_at(example(), 1.0) == 0.5
    said = at_threshold(example(), 0.6, "by hand", 0)
    assert said["sensitivity"].value == pytest.approx(2 / 3)
    assert said["false_positives"].value == pytest.approx(1 / 3)
    assert (said["sensitivity"].n, said["false_positives"].n) == (3, 3)
    assert said["sensitivity"].threshold_origin == "by hand"


def test_the_rules_for_the_empty() -> None:
    nothing_there = Detections(scans("a", "b"), predicted(("a-ct", 0, SQUARE, 0.9, 0)), truth())
    estimates = detection_estimates(nothing_there, 0)
    assert np.isnan(estimates["map50"].value) and np.isnan(estimates["froc_1"].value)
    assert estimates["map50"].reason == "no true box in any scan"
    nothing_found = Detections(scans("a", "b"), predicted(), truth(("a-ct", 0, SQUARE, 1)))
    estimates = detection_estimates(nothing_found, 0)
    assert estimates["map50"].value == 0 and estimates["froc_8"].value == 0
    assert threshold_at(nothing_found, 1.0) == 1.0


def random_study(seed: int) -> Detections:
    chance = np.random.default_rng(seed)
    boxes, truths = [], []
    for patient in range(6):
        for place in range(4):
            for lesion in range(chance.integers(0, 4)):
                low = chance.uniform(0, 60, 2)
                box = np.concatenate([low, low + chance.uniform(4, 30, 2)])
                truths.append((f"p{patient}-ct", place, tuple(box), lesion))
                if chance.random() < 0.7:
                    near = box + chance.normal(0, 1.5, 4)
                    boxes.append((f"p{patient}-ct", place, tuple(near), chance.random(), lesion))
            low = chance.uniform(0, 60, 2)
            wrong = (*low, *(low + 9))
            boxes.append((f"p{patient}-ct", place, wrong, chance.random() * 0.8, 9))
    return Detections(scans(*(f"p{n}" for n in range(6))), predicted(*boxes), truth(*truths))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_average_precision_is_cocos(seed: int) -> None:
    pytest.importorskip("pycocotools")
    torch = pytest.importorskip("torch")
    from torchmetrics.detection import MeanAveragePrecision

    study = random_study(seed)
    metric = MeanAveragePrecision()
    for image_id in study.scans["image_id"]:
        for place in range(4):
            given = []
            for table in (study.predicted, study.truth):
                rows = table[(table["image_id"] == image_id) & (table["slice"] == place)]
                boxes = torch.tensor(rows[list(BOX)].to_numpy(float))
                labels = torch.zeros(len(rows), dtype=torch.int64)
                scores = (
                    torch.from_numpy(rows["box_score"].to_numpy(float))
                    if "box_score" in rows
                    else None
                )
                given.append({"boxes": boxes, "labels": labels, "scores": scores})
            metric.update([given[0]], [{k: given[1][k] for k in ("boxes", "labels")}])
    theirs = metric.compute()
    ours = [float(average_precision(study, least)(np.ones((6, 1)))[0]) for least in IOUS]
    assert ours[0] == pytest.approx(float(theirs["map_50"]), abs=1e-6)
    assert np.mean(ours) == pytest.approx(float(theirs["map"]), abs=1e-6)

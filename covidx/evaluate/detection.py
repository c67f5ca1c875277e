"""Agreement of predicted with true boxes: average precision and FROC, intervals by patient.

Empty cases: a slice without a true box counts, and each box predicted in it is false. A scan
without a lesion counts among the scans that false positives are divided by. Where nothing was
predicted, precision and sensitivity are 0; without any true box they are not defined.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.evaluate.blocks import Statistic
from covidx.evaluate.bootstrap import bootstrap, bootstrap_estimate
from covidx.evaluate.boxes import Detections, FloatArray, match
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.weighted import divide, mean_statistic, ratio_statistic

IOUS = tuple(np.round(np.arange(0.5, 1.0, 0.05), 2).tolist())
"""IoUs over which COCO averages (Lin et al., arXiv:1405.0312)."""
HIT_IOU = 0.5
"""IoU from which a predicted box of a slice hits a true one, in the FROC as in mAP50."""
FALSE_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives a scan at which LUNA16 reads the FROC (Setio et al., MedIA 2017;42:1)."""
RECALLS = np.linspace(0, 1, 101)
"""Recalls at which COCO reads the precision."""
RESAMPLES = 2000


def average_precision(detections: Detections, least: float) -> Statistic:
    """COCO's average precision of one class at one IoU, as a function of how often patients count.

    All boxes of all slices are ranked together; precision is made monotone, and read at 101
    recalls.

    Parameters
    ----------
    detections : Detections
        Predicted and true boxes.
    least : float
        IoU from which a predicted box is right, above 0.

    Returns
    -------
    callable
        (patients, draws) -> (draws,); NaN where a draw has no true box.
    """
    predicted = detections.predicted
    right = np.zeros(len(predicted), dtype=np.bool_)
    for rows, overlap, _ in detections.slices():
        right[rows] = match(overlap, least)
    order = np.argsort(-predicted["box_score"].to_numpy(float), kind="stable")
    right, patients = right[order], detections.clusters.n_groups
    # How many boxes, and right ones, each patient adds down to each right box: precision falls
    # from one right box to the next, so that nothing between them is read.
    of_patient = np.eye(patients)[detections.groups(predicted)[order]]  # (boxes, patients)
    down_to = np.cumsum(of_patient, axis=0)[right]
    hits_down_to = np.cumsum(of_patient[right], axis=0)
    true = np.bincount(detections.groups(detections.truth), minlength=patients)

    def statistic(counts: FloatArray) -> FloatArray:
        hits, total = hits_down_to @ counts, true @ counts  # (right, draws), (draws,)
        precision = hits / np.maximum(down_to @ counts, 1e-12)
        falling = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        recall = hits / np.maximum(total, 1e-12)
        read = [_at_recalls(*curve) for curve in zip(recall.T, falling.T, strict=True)]
        return np.where(total > 0, read, np.nan)

    return statistic


def _at_recalls(recall: FloatArray, precision: FloatArray) -> float:
    places = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(precision, 0.0)[places].mean())


def froc_events(detections: Detections) -> tuple[pd.DataFrame, pd.DataFrame]:
    """False positives, and lesions with the score from which they are detected.

    A detection hits each lesion of which one of its boxes hits a true box (`HIT_IOU`); one that
    hits no lesion is a false positive. Several detections of one lesion are none.

    Parameters
    ----------
    detections : Detections
        Predicted and true boxes.

    Returns
    -------
    false : DataFrame
        image_id, score of the detection.
    lesions : DataFrame
        image_id, lesion, score: -inf of a lesion that nothing hits.
    """
    hits: list[tuple[int, int]] = []
    for rows, overlap, true in detections.slices():
        hits += [(rows[i], true[j]) for i, j in np.argwhere(overlap >= HIT_IOU)]
    pairs = np.array(hits, np.int64).reshape(-1, 2)
    boxes, truth = detections.predicted[["image_id", "detection", "score"]], detections.truth
    hit = boxes.iloc[pairs[:, 0]].reset_index(drop=True)
    hit["lesion"] = truth["lesion"].to_numpy()[pairs[:, 1]]
    each = boxes.drop_duplicates(["image_id", "detection"])
    right = set(zip(hit["image_id"], hit["detection"], strict=True))
    wrong = [key not in right for key in zip(each["image_id"], each["detection"], strict=True)]
    best = hit.groupby(["image_id", "lesion"], as_index=False)["score"].max()
    lesions = truth[["image_id", "lesion"]].drop_duplicates()
    lesions = lesions.merge(best, how="left", on=["image_id", "lesion"])
    false = each[np.array(wrong, np.bool_)][["image_id", "score"]]
    return false.reset_index(drop=True), lesions.fillna({"score": -np.inf})


def froc(detections: Detections, rate: float) -> Statistic:
    """Sensitivity for lesions of `detections` at `rate` false positives a scan, or fewer."""
    false, lesions = froc_events(detections)
    clusters = detections.clusters
    scans = np.bincount(clusters.codes)
    scores = _scores(false, lesions)
    wrong, right = (
        _reached(table["score"].to_numpy(float), detections.groups(table), scores, len(scans))
        for table in (false, lesions)
    )
    total = np.bincount(detections.groups(lesions), minlength=len(scans))

    def statistic(counts: FloatArray) -> FloatArray:
        allowed = wrong @ counts <= rate * (scans @ counts) + 1e-9  # (thresholds, draws)
        place = allowed.sum(axis=0) - 1  # false positives only grow as the threshold falls
        detected = (right @ counts)[place, np.arange(counts.shape[1])]
        return divide(detected, total @ counts)

    return statistic


def _reached(
    scores: FloatArray, groups: NDArray[np.int64], thresholds: FloatArray, n_groups: int
) -> FloatArray:
    """Of each patient (columns), how many scores reach no threshold, the first, the second, ..."""
    passed = np.zeros((len(thresholds) + 1, n_groups))
    first = np.searchsorted(-thresholds, -scores, side="left")
    real = np.isfinite(scores)
    np.add.at(passed, (first[real] + 1, groups[real]), 1.0)
    return np.cumsum(passed, axis=0)


def _scores(false: pd.DataFrame, lesions: pd.DataFrame) -> FloatArray:
    """The scores of all detections, each once, in falling order."""
    scores = np.unique(np.concatenate([false["score"], lesions["score"]]))[::-1]
    finite: FloatArray = scores[np.isfinite(scores)]
    return finite


def threshold_at(detections: Detections, rate: float) -> float:
    """The lowest score of `detections` from which at most `rate` are false positives a scan."""
    false, lesions = froc_events(detections)
    allowed = rate * len(detections.scans) + 1e-9
    fine = [
        float(score)
        for score in _scores(false, lesions)
        if (false["score"] >= score).sum() <= allowed
    ]
    return min(fine, default=1.0)


def detection_estimates(detections: Detections, seed: int) -> dict[str, Estimate]:
    """mAP at IoU 0.5 and 0.5:0.95, the FROC at `FALSE_RATES` and its mean, by patient.

    n is the number of true boxes for mAP, of lesions for the FROC.

    Parameters
    ----------
    detections : Detections
        Predicted and true boxes.
    seed : int
        Of the bootstrap over patients.
    """
    clusters = detections.clusters
    precisions = [average_precision(detections, least) for least in IOUS]
    rates = {f"froc_{rate:g}": froc(detections, rate) for rate in FALSE_RATES}
    statistics = {
        "map50": precisions[0],
        "map50_95": mean_statistic(precisions),
        **rates,
        "froc_mean": mean_statistic(list(rates.values())),
    }
    drawn = bootstrap(statistics, clusters, seed=seed, resamples=RESAMPLES)
    boxes = len(detections.truth)
    lesions = len(detections.truth[["image_id", "lesion"]].drop_duplicates())
    bound = clusters.count(
        detections.scans["image_id"].isin(detections.truth["image_id"]).to_numpy()
    )
    return {
        name: bootstrap_estimate(
            replicates,
            clusters,
            boxes if name.startswith("map") else lesions,
            bound_n=bound,
            empty="no true box in any scan",
        )
        for name, replicates in drawn.items()
    }


def counts_at(detections: Detections, threshold: float) -> pd.DataFrame:
    """Of each scan its lesions, those detected at a threshold, and the false positives there.

    Parameters
    ----------
    detections : Detections
        Predicted and true boxes.
    threshold : float
        Of a detection's score.

    Returns
    -------
    DataFrame
        lesions, detected and false as floats; the index is image_id, in the order of the scans.
    """
    false, lesions = froc_events(detections)
    count = {
        "lesions": lesions["image_id"].value_counts(),
        "detected": lesions.loc[lesions["score"] >= threshold, "image_id"].value_counts(),
        "false": false.loc[false["score"] >= threshold, "image_id"].value_counts(),
    }
    ids = list(detections.scans["image_id"])
    return pd.DataFrame({name: n.reindex(ids, fill_value=0.0) for name, n in count.items()}, ids)


def at_threshold(
    detections: Detections, threshold: float, origin: str, seed: int
) -> dict[str, Estimate]:
    """Sensitivity for lesions, and false positives a scan, at one threshold.

    Parameters
    ----------
    detections : Detections
        Predicted and true boxes.
    threshold : float
        Of a detection's score.
    origin : str
        How it was chosen, and on which scans.
    seed : int
        Of the bootstrap over patients.
    """
    counts, clusters = counts_at(detections, threshold), detections.clusters
    of = {str(name): counts[name].to_numpy() for name in counts}
    parts = {
        "sensitivity": ratio_statistic(of["detected"], of["lesions"], clusters),
        "false_positives": ratio_statistic(of["false"], np.ones(len(counts)), clusters),
    }
    drawn = bootstrap(parts, clusters, seed=seed, resamples=RESAMPLES)
    ill = clusters.count(of["lesions"] > 0)
    estimates = {
        "sensitivity": bootstrap_estimate(
            drawn["sensitivity"], clusters, int(of["lesions"].sum()), bound_n=ill, empty="no lesion"
        ),
        "false_positives": bootstrap_estimate(
            drawn["false_positives"], clusters, len(counts), bound_n=0, empty="no scan"
        ),
    }
    return {name: estimate.at(threshold, origin) for name, estimate in estimates.items()}

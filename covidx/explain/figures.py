"""What a run's maps did in their exam, and how well they point: figures with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, get_args

import numpy as np
from scipy.stats import t as student

from covidx.evaluate import CONFIDENCE, Estimate, undefined, wilson_estimate
from covidx.explain.exam import Verdict
from covidx.explain.heatmap import Heatmap
from covidx.explain.pointing import TOP_SHARES, Pointing

NONE_KNOWN = "no map of a true positive with a known lesion"


@dataclass(frozen=True, eq=False)
class TopMap:
    """The map of an image's highest slice, by which a run is judged: one an image.

    Parameters
    ----------
    heatmap : Heatmap
        Of the slice with the highest score.
    pointing : Pointing, optional
        Of true positives with a known lesion and a map that has evidence; None else.
    may_point : bool
        Whether the image is a true positive with a known lesion.
    """

    heatmap: Heatmap
    pointing: Pointing | None = None
    may_point: bool = False


def run_figures(tops: Sequence[TopMap]) -> dict[str, Estimate]:
    """The figures of a run: name -> estimate with its n.

    Parameters
    ----------
    tops : sequence of TopMap
        One an image, so that they are independent.

    Returns
    -------
    dict of str to Estimate
        ``passed``: share of maps with evidence that passed. ``pointing_game``: share of true
        positives whose map passed and peaks in a lesion, a withheld map being a miss;
        ``pointing_within_15_mm`` the same with that margin; ``pointing_by_chance``: what a random
        point of the lungs would reach. ``pointing_distance_mm``: median, 0 inside, of maps that are
        shown. Shares of attention beside shares of area (``attention_in_true_lungs`` of true
        positives), and overlaps with the hottest pixels.
    """
    tried = [one.heatmap for one in tops if one.heatmap.verdict != "no evidence"]
    known = [one for one in tops if one.may_point]
    shown = [one.pointing for one in known if one.pointing and one.heatmap.verdict == "passed"]
    mapped = [one.pointing for one in known if one.pointing]
    in_lungs = [one for one in tried if one.exam.in_lungs is not None]
    none = "no map with evidence"

    def mean(values: Sequence[float | None], empty: str) -> Estimate:
        return _mean([value for value in values if value is not None], empty)

    def of_mapped(value: Callable[[Pointing], float]) -> Estimate:
        return _mean([value(one) for one in mapped], NONE_KNOWN)

    figures = {
        "passed": wilson_estimate(sum(m.verdict == "passed" for m in tried), len(tried), none),
        "pointing_game": wilson_estimate(sum(one.inside for one in shown), len(known), NONE_KNOWN),
        "pointing_within_15_mm": wilson_estimate(
            sum(one.near for one in shown), len(known), NONE_KNOWN
        ),
        "pointing_by_chance": of_mapped(lambda one: one.chance),
        "pointing_distance_mm": _median(
            [one.distance_mm for one in shown if one.distance_mm is not None]
        ),
        "attention_in_lungs": mean([one.exam.in_lungs for one in in_lungs], "lungs not known"),
        "area_of_lungs": mean([one.exam.lung_area for one in in_lungs], "lungs not known"),
        "attention_in_true_lungs": mean([one.in_lungs for one in mapped], NONE_KNOWN),
        "attention_in_lesions": of_mapped(lambda one: one.in_lesions),
        "area_of_lesions": of_mapped(lambda one: one.lesion_area),
    }
    for place, share in enumerate(TOP_SHARES):
        figures[f"iou_hottest_{share:.0%}"] = of_mapped(lambda one, at=place: one.iou[at])  # type: ignore[misc]
    return figures


def verdict_counts(maps: Sequence[Heatmap]) -> dict[str, int]:
    """How many of the `maps` have each verdict."""
    counted = Counter(one.verdict for one in maps)
    return {verdict: counted[verdict] for verdict in get_args(Verdict)}


def figures_json(figures: dict[str, Estimate]) -> dict[str, Any]:
    """The `figures` as plain values."""
    return {name: estimate.to_json() for name, estimate in figures.items()}


def _mean(values: Sequence[float], empty: str) -> Estimate:
    method = "mean, Student's t interval"
    n = len(values)
    if n < 2:
        return undefined(n, method, empty if n == 0 else "a single value has no interval")
    mean = float(np.mean(values))
    half = float(student.ppf(0.5 + CONFIDENCE / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return Estimate(mean, mean - half, mean + half, n, method)


def _median(values: Sequence[float]) -> Estimate:
    """With the interval of order statistics (Conover, Practical Nonparametric Statistics)."""
    method, n = "median, interval of order statistics", len(values)
    if n < 6:  # below it no pair of order statistics covers 95 %
        return undefined(n, method, "fewer than 6 values" if n else NONE_KNOWN)
    ordered = np.sort(values)
    half = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * np.sqrt(n) / 2
    low = max(0, int(np.floor((n - 1) / 2 - half)))
    high = n - 1 - low
    return Estimate(float(np.median(ordered)), float(ordered[low]), float(ordered[high]), n, method)

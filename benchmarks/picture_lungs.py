"""Dice of the lungs on single slices, rendered as pictures under random windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from benchmarks.lungs import COMMAND, PATIENTS, SEED
from benchmarks.results import RESULTS, Result, record, result_of
from covidx.constants import DISPLAY_MAX
from covidx.errors import InvalidInputError
from covidx.evaluate import Clusters, bootstrap_estimate
from covidx.evaluate.bootstrap import bootstrap
from covidx.evaluate.weighted import ratio_statistic
from covidx.imaging.bags import window
from covidx.phantom import draw_patient, render
from covidx.segmentation import dice, segment_slice_lungs

LEVELS, WIDTHS = (-700.0, -400.0), (900.0, 1600.0)
"""HU that lung windows are drawn from, for each slice anew."""
SHOWS_LUNG = 0.25
"""A slice counts if its lungs have this share of the largest area of its patient."""

Hu, Mask = NDArray[np.generic], NDArray[np.bool_]


@dataclass
class Slices:
    """What came of one patient's slices: Dice of those found, and counts."""

    dice: list[float] = field(default_factory=list)
    refused: int = 0
    empty: int = 0
    found_in_empty: int = 0


def picture_lungs(data: Path, results: Path = RESULTS) -> None:
    """Record the mean of patients' mean Dice; refused slices are counted beside it.

    Parameters
    ----------
    data : Path
        The public data; real patients are left out where they are not there.
    results : Path
    """
    record({"phantom_picture_lung_dice": _result(_phantom(), "the phantom's truth")}, results)
    if (data / "ct-volumes").is_dir():
        found = _result(_volumes(data / "ct-volumes"), "real patients, their masks interpolated")
        record({"ct_picture_lung_dice": found}, results)


def look_at_slices(hu: Hu, truth: Mask, random: np.random.Generator) -> Slices:
    """Find the lungs on every slice of one patient, each under a window of its own.

    Parameters
    ----------
    hu : ndarray, shape (slices, rows, columns)
    truth : ndarray of bool
        Of the same shape.
    random : Generator
    """
    areas, slices = truth.sum(axis=(1, 2)), Slices()
    for plane, lung, area in zip(hu, truth, areas, strict=True):
        greys = window(plane, random.uniform(*LEVELS), random.uniform(*WIDTHS)) * DISPLAY_MAX
        shows = area >= SHOWS_LUNG * areas.max()
        slices.empty += int(area == 0)
        try:
            found = segment_slice_lungs(greys.astype(np.uint8))
        except InvalidInputError:
            slices.refused += int(shows)
            continue
        slices.found_in_empty += int(area == 0)
        if shows:
            slices.dice.append(dice(found, lung))
    return slices


def _phantom() -> dict[str, Slices]:
    random = np.random.default_rng(SEED)
    scans = ((p.patient_id, render(p)) for p in (draw_patient(SEED, k) for k in range(PATIENTS)))
    return {name: look_at_slices(scan.hu, scan.lung > 0, random) for name, scan in scans}


def _volumes(folder: Path) -> dict[str, Slices]:
    random = np.random.default_rng(SEED)
    return {name: look_at_slices(hu, lung, random) for name, hu, lung in _real(folder)}


def _real(folder: Path) -> Iterator[tuple[str, Hu, Mask]]:
    for path in sorted(folder.glob("*-msk.nii.gz")):
        image, mask = nib.load(path.with_name(path.name.replace("-msk", ""))), nib.load(path)
        hu, grey = (np.asarray(one.dataobj).transpose(2, 1, 0) for one in (image, mask))
        yield path.name.partition("-")[0], hu, grey > 127  # 0 to 255


def _result(by_patient: dict[str, Slices], truth: str) -> Result:
    for name, one in by_patient.items():
        mean, low = np.mean(one.dice), min(one.dice)
        print(f"  {name:<14} Dice {mean:.3f}, lowest {low:.3f}, n = {len(one.dice)}", end="")
        print(f"; refused {one.refused}; {one.found_in_empty} of {one.empty} without lung taken")
    means = {name: float(np.mean(one.dice)) for name, one in by_patient.items()}
    clusters = Clusters.of(np.array(list(means)))
    ones = np.ones(len(means))
    statistic = ratio_statistic(list(means.values()), ones, clusters)
    drawn = bootstrap({"dice": statistic}, clusters, seed=0, resamples=2000)["dice"]
    estimate = bootstrap_estimate(
        drawn, clusters, len(means), bound_n=clusters.n_groups, empty="no patient"
    )
    every, worst = list(by_patient.values()), min(means, key=lambda name: means[name])
    against = (
        "mean of patients over slices that show lung, each in a window of its own; lowest patient "
        f"{means[worst]:.3f} ({worst}), lowest slice {min(min(one.dice) for one in every):.3f} of "
        f"{sum(len(one.dice) for one in every)}; {sum(one.refused for one in every)} more refused; "
        f"lungs found in {sum(one.found_in_empty for one in every)} of "
        f"{sum(one.empty for one in every)} slices without any; {truth}"
    )
    return result_of(estimate, against, COMMAND)

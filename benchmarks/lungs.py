"""Dice of the classical lungs with the phantom's truth and with masks of real patients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from benchmarks.results import RESULTS, Result, record, result_of
from covidx.phantom import draw_patient, render
from covidx.segmentation import MaskScores, compare_masks, segment_lungs, summarise
from covidx.volume import Volume

Find = Callable[[Volume], np.ndarray]
"""A volume -> its lungs, above 0."""
COMMAND = "python -m benchmarks lungs"
PATIENTS, SEED = 20, 4242
"""Fixed here; the method was settled on patients of other seeds."""
TOLERANCE_MM = 3.5
"""Of the surface Dice: just above the widest voxel of the real volumes (3.3 mm)."""


def lungs(data: Path, results: Path = RESULTS) -> None:
    """Record the mean Dice of both lungs together, with the minimum beside it.

    Parameters
    ----------
    data : Path
        The public data; real patients are left out with a line where they are not there.
    results : Path
    """
    record(
        {"phantom_lung_dice_classical": _result(phantom_lungs(), "the phantom's truth")}, results
    )
    folder = data / "ct-volumes"
    if not folder.is_dir():
        print(f"ct_volumes_lung_dice_classical skipped: there is no {folder}")
        return
    found = _result(ct_volumes_lungs(folder), "masks interpolated to 128 x 128 x 64")
    record({"ct_volumes_lung_dice_classical": found}, results)


def phantom_lungs(patients: int = PATIENTS, seed: int = SEED) -> dict[str, MaskScores]:
    """Scores of both lungs, fresh patients in memory; ill lung is lung, effusion is not."""
    scores = {}
    for index in range(patients):
        patient = draw_patient(seed, index)
        scan = render(patient)
        volume = Volume(scan.hu, "CT", "hu", "proven", scan.affine)
        name = f"{patient.patient_id} {patient.disease.pattern or 'no lesion'}"
        scores[name] = _scores(volume, scan.lung > 0)
    return scores


def ct_volumes_lungs(folder: Path, find: Find = segment_lungs) -> dict[str, MaskScores]:
    """Scores of both lungs, real patients; their masks came from another program."""
    scores = {}
    for path in sorted(folder.glob("*-msk.nii.gz")):
        image, mask = nib.load(path.with_name(path.name.replace("-msk", ""))), nib.load(path)
        hu, grey = (np.asarray(one.dataobj).transpose(2, 1, 0) for one in (image, mask))
        volume = Volume(hu.astype(np.float32), "CT", "hu", "proven", np.asarray(image.affine))
        scores[path.name.partition("-")[0]] = _scores(volume, grey > 127, find)  # 0 to 255
    return scores


def _scores(volume: Volume, truth: np.ndarray, find: Find = segment_lungs) -> MaskScores:
    assert volume.spacing_mm is not None
    found = find(volume) > 0
    return compare_masks(found, truth, volume.spacing_mm, tolerance_mm=TOLERANCE_MM)


def _result(scores: dict[str, MaskScores], truth: str) -> Result:
    for name, one in scores.items():
        print(
            f"  {name:<24} Dice {one.dice:.4f}  NSD {one.nsd:.3f}  HD95 {one.hd95_mm:.1f} mm  "
            f"volume {one.volume_error_pct:+.1f} %"
        )
    found = summarise(list(scores.values()), list(scores))
    worst = min(scores, key=lambda name: scores[name].dice)
    against = (
        f"mean at least 0.97; minimum {scores[worst].dice:.3f} ({worst}); {truth}; "
        f"NSD at {TOLERANCE_MM:g} mm {found['nsd'].value:.3f}, "
        f"HD95 {found['hd95_mm'].value:.1f} mm; no weights"
    )
    return result_of(found["dice"], against, COMMAND)

"""A case a test image: heatmaps on the slices that decided, drawn with the truth where known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from covidx.errors import InvalidSeriesError
from covidx.evaluate import Metrics
from covidx.explain import heatmaps
from covidx.files import make_folder
from covidx.imaging import BagCache
from covidx.inference import ImagePredictor
from covidx.ingest import load_image
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.progress import Bar
from covidx.report import Case, write_case
from covidx.report.slices import slice_views
from covidx.volume import Volume

AFFINE_TOLERANCE_MM = 1e-3


def make_cases(
    predictor: ImagePredictor,
    cohort: Cohort,
    cache: BagCache,
    rows: pd.DataFrame,
    metrics: Metrics,
    folder: Path,
    bar: Bar,
) -> list[Case]:
    """Explain each test image into ``folder/<n>/``; the highest score comes first.

    Parameters
    ----------
    predictor, cohort, cache
        What was trained, on what.
    rows : DataFrame
        Manifest rows of the test set.
    metrics : Metrics
        For the threshold and the positive class.
    folder : Path
        Takes a numbered folder a case.
    bar : callable
        Progress.
    """
    cases = []
    for done, row in enumerate(_records(rows.sort_values("image_id")), 1):
        cases.append(_case(predictor, cohort, cache, row, metrics, folder / f"{done:03d}"))
        bar(done, len(rows))
    return sorted(cases, key=lambda case: -case.score)


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]


def _case(
    predictor: ImagePredictor,
    cohort: Cohort,
    cache: BagCache,
    row: dict[str, Any],
    metrics: Metrics,
    folder: Path,
) -> Case:
    bag = cache.bag(str(row["image_id"]))
    scores = predictor.score(bag)
    volume = load_image(cohort.store, row).canonical()
    truth = _truth(cohort, str(row["image_id"]), volume)
    maps = heatmaps(predictor, bag, scores)
    make_folder(folder)
    bundle, score = predictor.bundle, predictor.positive_score(scores)
    how, finding = bundle.recipe.preprocessing, bundle.positive
    views = slice_views(volume, bag, maps, how, folder, finding, truth)
    called = score >= bundle.threshold.value
    no_lesion = truth is not None and not truth.any() and row["label"] != cohort.labels.reference
    case = Case(
        name=_name(row, metrics.level),
        folder=folder.name,
        label=str(row["label"]),
        note="the image shows no lesion" if no_lesion else "",
        score=score,
        probabilities=dict(zip(bundle.classes, map(float, scores.probabilities), strict=True)),
        decision=bundle.positive if called else f"not {bundle.positive}",
        right=called == (row["label"] == bundle.positive),
        scan=_scan(row),
        kind=str(row["kind"]),
        views=views,
    )
    write_case(case, metrics, folder)
    return case


def _truth(cohort: Cohort, image_id: str, volume: Volume) -> NDArray[np.bool_] | None:
    """The true lesion on the canonical grid of `volume`; None where it is not known."""
    masks = cohort.masks
    found = masks[(masks["image_id"] == image_id) & (masks["kind"] == "lesion")]
    if found.empty or cohort.source.masks is None:
        return None
    path = cohort.source.masks / found["path"].iloc[0]
    mask = _read_mask(path, volume)
    off = 0.0
    if mask.affine is not None and volume.affine is not None:
        off = float(np.abs(mask.affine - volume.affine).max())
    if mask.array.shape != volume.array.shape or off > AFFINE_TOLERANCE_MM:
        raise InvalidSeriesError(
            "MASK_ELSEWHERE",
            "A mask does not lie on the grid of its image.",
            path=path.name,
            expected=volume.array.shape,
            actual=f"{mask.array.shape}, affines {off:.3g} mm apart",
            hint="Resample the mask onto the grid of its image.",
        )
    return mask.array > 0


def _read_mask(path: Path, volume: Volume) -> Volume:
    """A NIfTI mask, turned as its volume is; a PNG lies on its radiograph's own pixels."""
    if path.suffix == ".png":
        return replace(volume, array=np.array(Image.open(path, formats=["PNG"]))[None])
    image = nib.nifti1.Nifti1Image.from_filename(path)
    array = np.asarray(image.dataobj).transpose(2, 1, 0)  # (slices, rows, columns)
    return Volume(array, "SEG", "unproven", "proven", image.affine).canonical()


def _name(row: dict[str, Any], level: str) -> str:
    """The patient; where patients have several images, the image too."""
    patient = str(row["patient_id"])
    return patient if level == "patient" else f"{patient}, image {row['image_id']}"


def _scan(row: dict[str, Any]) -> str:
    parts = [str(row[key]) for key in ("manufacturer", "kernel") if row[key]]
    thickness = row["slice_thickness_mm"]
    if isinstance(thickness, float) and np.isfinite(thickness):
        parts.append(f"slice thickness {thickness:g} mm")
    slices = {"radiograph": "", "slice": "1 slice of "}
    many = f"{row['n_slices']} slices of "
    parts.append(f"{slices.get(row['kind'], many)}{row['rows']} x {row['columns']} pixels")
    return ", ".join(parts)

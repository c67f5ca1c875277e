"""A case a test image: heatmaps on the slices that decided, drawn with the truth where known."""

from __future__ import annotations

from collections.abc import Callable
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
from covidx.files import make_folder
from covidx.imaging import BagCache
from covidx.inference import ImagePredictor
from covidx.inference.predictor import outside_volume
from covidx.ingest import load_image
from covidx.pipelines.case import TO_REPORT, Known, known_image
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.image.explained import Explained, explain_image, write_exam
from covidx.pipelines.image.viewer_case import Scored, viewer_case
from covidx.pipelines.progress import Bar
from covidx.report import CaseRow, slice_pictures
from covidx.report.slices import slice_views
from covidx.report.viewer import Images, write_case_page
from covidx.volume import Volume

AFFINE_TOLERANCE_MM = 1e-3
EXAM = "exam.json"
"""What the exam of all heatmaps found."""


def make_cases(
    predictor: ImagePredictor,
    cohort: Cohort,
    cache: BagCache,
    rows: pd.DataFrame,
    metrics: Metrics,
    folder: Path,
    bar: Bar,
    *,
    run: str = "",
    images: Images = "all",
    completed: Callable[[Known], Known] = lambda known: known,
) -> list[CaseRow]:
    """Explain each test image into ``folder/<n>/``.

    The exam of all maps goes into ``folder/exam.json``.

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
    run : str
        Which run it is: readers' answers are kept by it.
    images : {"all", "thumbnails", "none"}
        What the pages show of the images.
    completed : callable
        Adds what another model made of the patient; by default nothing.
    """
    records = _records(rows.sort_values("image_id"))
    explained = []
    for done, row in enumerate(records, 1):
        explained.append(_explained(predictor, cohort, cache, row))
        bar(done, 2 * len(records))
    make_folder(folder)
    scale = write_exam(folder / EXAM, predictor, explained)
    cases = []
    for done, (row, one) in enumerate(zip(records, explained, strict=True), 1):
        stored = load_image(cohort.store, row)
        volume = stored.canonical()
        scored = Scored(volume, one.bag, one.scores, one.maps, scale)
        known = _known(cohort, row, metrics.level, stored, _truth(cohort, one.name, volume))
        known = replace(known, warnings=outside_volume(predictor.bundle, row, stored))
        known = completed(known)
        target = folder / f"{done:03d}"
        cases.append(write_case(predictor, scored, known, target, run=run, images=images))
        bar(len(records) + done, 2 * len(records))
    return cases


def write_case(
    predictor: ImagePredictor,
    scored: Scored,
    known: Known,
    folder: Path,
    *,
    run: str = "",
    images: Images = "all",
) -> CaseRow:
    """Write the page of one image, with a picture of its highest slice for where scripts are off.

    Parameters
    ----------
    predictor : ImagePredictor
        Whose result it is.
    scored, known
        As for `viewer_case`.
    folder : Path
        Of this case alone.
    run, images
        As in `make_cases`.
    """
    case, pictures = viewer_case(predictor, scored, known), []
    if images == "all":
        bundle = predictor.bundle
        drawn = slice_views(
            scored.volume,
            scored.bag,
            scored.maps[:1],
            bundle.recipe.preprocessing,
            make_folder(folder),
            bundle.positive,
            scored.scale,
            known.truth,
        )
        noun = "image" if known.row["kind"] == "radiograph" else "slice"
        pictures = slice_pictures(drawn, noun)
    return write_case_page(
        case, folder, run=run, images=images, pictures=pictures,
        back=TO_REPORT,
    )  # fmt: skip


def _explained(
    predictor: ImagePredictor, cohort: Cohort, cache: BagCache, row: dict[str, Any]
) -> Explained:
    image_id, volume = str(row["image_id"]), load_image(cohort.store, row).canonical()
    return explain_image(
        predictor,
        image_id,
        replace(cache.bag(image_id), lungs=cache.lungs(image_id)),
        volume,
        lesions=_truth(cohort, image_id, volume),
        lungs=_truth(cohort, image_id, volume, "lung"),
        positive=row["label"] == predictor.bundle.positive,
    )


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]


def _known(
    cohort: Cohort,
    row: dict[str, Any],
    level: str,
    stored: Volume,
    truth: NDArray[np.bool_] | None,
) -> Known:
    no_lesion = truth is not None and not truth.any() and row["label"] != cohort.labels.reference
    return replace(
        known_image(cohort.store, row, level, stored, simulated=cohort.simulated),
        label=str(row["label"]),
        truth=truth,
        note="the image shows no lesion" if no_lesion else "",
    )


def _truth(
    cohort: Cohort, image_id: str, volume: Volume, kind: str = "lesion"
) -> NDArray[np.bool_] | None:
    """The true lesion, or lung, on the canonical grid of `volume`; None where it is not known."""
    masks = cohort.masks
    found = masks[(masks["image_id"] == image_id) & (masks["kind"] == kind)]
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

"""Cohorts for the benchmark of flaws: tables drawn anew each time, pictures from one pool.

A table has the rows that ingest makes of the phantom's frontal films (lateral ones left out). To
render 120 films for each of some hundred cohorts would take days: a pool of films is rendered once,
and each cohort takes its pictures from it at random, none twice. What pictures say is therefore
measured on the pool's films and not on so many times 120; what tables say is independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from covidx.audit.data import shrunk
from covidx.phantom import DETECTORS, Exam, check_flaws, draw_patient, exams
from covidx.phantom.modules import phantom_uid
from covidx.phantom.radiograph import PhantomRadiograph, render_radiograph
from covidx.phantom.scene import view_of
from covidx.phantom.tampering import crop_radiograph, cropped_shape

PATIENTS = 120
POOL_SEED = 90_003
"""Another seed than any cohort's. Those of 90,001 and 90,002 were looked at: each had one false
pair, for which `covidx.audit.data.copies.limit_of` was made before this one was drawn."""
COPY_FLAWS = ("duplicates", "label-noise")
"""Flaws of pictures; for all others a cohort is written with one plain picture."""
PLAIN = "plain.png"


@dataclass(frozen=True)
class Pool:
    """A folder of rendered films, each beside the copy that a flaw would make of it."""

    folder: Path
    films: int

    def name(self, place: int, copied: bool) -> str:
        """File of a film or its copy."""
        return f"{place:04d}{'-copy' if copied else ''}.png"


def render_pool(folder: Path, films: int) -> Pool:
    """Render what the folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    pool = Pool(folder, films)
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(folder / PLAIN)
    for place in range(films):
        if not (folder / pool.name(place, True)).exists():
            film = render_radiograph(draw_patient(POOL_SEED, place))
            _save(film, folder / pool.name(place, False))
            # the last: both are there
            _save(crop_radiograph(film), folder / pool.name(place, True))
            if place % 10 == 0:
                print(f"{place} of {films} films rendered", flush=True)
    return pool


def _save(film: PhantomRadiograph, path: Path) -> None:
    part = path.with_suffix(".part")
    Image.fromarray(shrunk(film.greys)).save(part, format="PNG")
    part.rename(path)


def write_cohort(
    folder: Path, pool: Pool, seed: int, flaws: Mapping[str, float], *, pictures: bool
) -> tuple[Path, list[str]]:
    """Write a cohort's table of images, and its splits where patients overlap.

    Parameters
    ----------
    folder : Path
    pool : Pool
    seed : int
        Of the patients, and of their pictures.
    flaws : mapping
        Name -> strength.
    pictures : bool
        Films of the pool, or one plain picture for all.

    Returns
    -------
    table : Path
    splits : list of str
        As `audit_data` takes both.
    """
    planted = check_flaws(flaws)
    places = np.random.default_rng([seed, POOL_SEED]).permutation(pool.films)
    rows, roles = [], []
    for index in range(PATIENTS):
        for exam in exams(draw_patient(seed, index), planted):
            film = pool.name(places[index], exam.copied) if pictures else PLAIN
            rows.append(manifest_row(exam) | {"path": str((pool.folder / film).resolve())})
            roles.append({"study_uid": rows[-1]["study_uid"], "role": exam.role})
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "images.csv", index=False)
    if "patient-overlap" not in planted:
        return folder / "images.csv", []
    pd.DataFrame(roles).to_csv(folder / "splits.csv", index=False)
    return folder / "images.csv", [str(folder / "splits.csv")]


def manifest_row(exam: Exam) -> dict[str, Any]:
    """The columns that the audit reads, as ingest writes them of the exam's frontal film."""
    patient, detector = exam.patient, DETECTORS[exam.patient.scanner]
    shape = (detector.rows, detector.columns)
    rows, columns = cropped_shape(shape) if exam.copied else shape
    return {
        "image_id": patient.exam_id,
        "patient_id": patient.patient_id,
        "study_uid": phantom_uid(patient.exam_id, "study", "cxr"),
        "modality": detector.modality,
        "label": exam.label,
        "manufacturer": detector.manufacturer,
        "view": view_of(patient).name,
        "pixel_spacing_mm": float(np.float32(detector.pixel_mm)),  # as NIfTI keeps it
        "age": float(patient.age),
        "sex": patient.sex,
        "acquired": patient.study_date_iso,
        "source_format": "dicom",
        "mode": detector.photometric,
        "rows": rows,
        "columns": columns,
    }

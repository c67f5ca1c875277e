"""Draws a cohort and writes it: DICOM studies, tables, masks."""

from __future__ import annotations

import csv
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd

from covidx.errors import InvalidInputError
from covidx.files import read_json, replacing_folder, write_json
from covidx.phantom.beam import beam_digest
from covidx.phantom.clinical import CLINICAL_COLUMNS
from covidx.phantom.ct_cohort import Row, Rows, write_ct_patient
from covidx.phantom.cxr_cohort import write_cxr_patient
from covidx.phantom.effects import CLASSES, GENERATOR_VERSION, effects_digest
from covidx.phantom.patient import draw_patient

__all__ = ["MODALITIES", "Modality", "clinical_table", "generate_cohort"]

Modality = Literal["ct", "cxr"]

MODALITIES = {"ct": write_ct_patient, "cxr": write_cxr_patient}


def _write_csv(path: Path, rows: Iterable[Row], columns: Iterable[str] | None = None) -> None:
    rows = list(rows)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(columns or rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_all(job: Callable[[int], Rows], patients: int, workers: int) -> Iterator[Rows]:
    """Write the patients, in order of their number whoever writes them."""
    if workers == 1:
        yield from map(job, range(patients))
        return
    # Not forked: the caller may hold torch's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(job, range(patients), chunksize=2)


def _is_there(out: Path, description: Row) -> bool:
    """Whether `out` holds this cohort already; refuses anything else that is not empty."""
    if not out.exists():
        return False
    if not out.is_dir():
        raise InvalidInputError("OUTPUT_NOT_A_FOLDER", "The output is not a folder.", path=out)
    if (out / "phantom.json").exists() and read_json(out / "phantom.json") == description:
        return True
    if any(out.iterdir()):
        raise InvalidInputError(
            "OUTPUT_NOT_EMPTY",
            "The output folder holds something else than this phantom cohort.",
            path=out,
            expected=f"an empty folder, or {_in_words(description)}",
            hint="Choose another folder, or remove this one.",
        )
    return False


def _in_words(description: Row) -> str:
    """A cohort in words."""
    kind = "radiographs" if "modality" in description else "CTs"
    count, seed = description["patients"], description["seed"]
    return f"a cohort of {count} patients with {kind} and seed {seed}"


def _describe(patients: int, seed: int, modality: Modality, distractors: bool) -> Row:
    """What a cohort is; one of plain CTs is described as before there was anything else."""
    return {
        "kind": "covidx phantom cohort, simulated: no real patient",
        "patients": patients,
        "seed": seed,
        "generator_version": GENERATOR_VERSION,
        "effects_sha256": effects_digest(),
        "classes": list(CLASSES),
        **({} if modality == "ct" else {"modality": modality, "beam_sha256": beam_digest()}),
        **({"distractors": True} if distractors else {}),
    }


def generate_cohort(
    out: Path,
    patients: int,
    seed: int,
    *,
    modality: Modality = "ct",
    distractors: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a cohort of simulated patients; the same seed gives the same bytes.

    Parameters
    ----------
    out : Path
        The folder to make. It appears whole, or not at all.
    patients : int
        How many, at least one.
    seed : int
        Not negative. Patient i of a seed is the same in cohorts of any size.
    modality : {"ct", "cxr"}
        A thorax CT of each patient, or a frontal chest radiograph. The patients of a seed are the
        same: anatomy, disease, label and clinical row.
    distractors : bool
        CTs with nodules, plates of atelectasis and motion, for segmentation; see `render`.
    workers : int, optional
        Processes; by default one for each CPU this process may use.
    progress : callable, optional
        Called with (patients done, patients in all).

    Returns
    -------
    Path
        `out`; at once where it holds the same cohort already.

    Raises
    ------
    InvalidInputError
        If a number is out of range, or `out` holds something else.
    StoreError
        If `out` cannot be written.
    """
    unfit = modality not in MODALITIES or (distractors and modality != "ct")
    if patients < 1 or seed < 0 or unfit:
        raise InvalidInputError(
            "PHANTOM_ARGUMENT",
            "A phantom cohort needs at least one patient and a seed that is not negative.",
            expected=f"modality {' or '.join(MODALITIES)}; distractors with ct alone",
            actual=f"patients={patients}, seed={seed}, modality={modality}, {distractors=}",
        )
    out = Path(out)
    description = _describe(patients, seed, modality, distractors)
    if _is_there(out, description):
        return out
    workers = workers or len(os.sched_getaffinity(0))
    with replacing_folder(out) as folder:
        (folder / "masks").mkdir()
        rows = []
        write = partial(write_ct_patient, distractors=True) if distractors else MODALITIES[modality]
        job = partial(write, folder, seed)
        for done, row in enumerate(_write_all(job, patients, workers), start=1):
            rows.append(row)
            if progress is not None:
                progress(done, patients)
        _write_csv(folder / "labels.csv", (r.label for r in rows))
        columns = ("patient_id", *CLINICAL_COLUMNS)
        _write_csv(folder / "clinical.csv", (r.clinical for r in rows), columns)
        _write_csv(folder / "truth.csv", (r.truth for r in rows))
        if modality == "ct":
            _write_csv(folder / "slices.csv", (s for r in rows for s in r.slices))
        write_json(folder / "phantom.json", description)
    return out


def clinical_table(patients: int, seed: int) -> pd.DataFrame:
    """Labels and clinical rows of a cohort without its images: patient_id, label, clinical columns.

    The rows are those that `generate_cohort` writes for the same seed; what is unknown is None.
    """
    drawn = (draw_patient(seed, index) for index in range(patients))
    rows = [{"patient_id": p.patient_id, "label": p.label, **p.clinical} for p in drawn]
    return pd.DataFrame(rows, columns=["patient_id", "label", *CLINICAL_COLUMNS], dtype=object)
